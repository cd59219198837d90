"""Image encodings as data: how the bytes of each ROS encoding become RGB.

Names are those of ``sensor_msgs/image_encodings.hpp``. A Bayer name there spells the first two
rows (``bayer_rggb8``: R G above G B), OpenCV's spells the second and third pixel of the second
row, so ``bayer_rggb8`` is ``COLOR_BayerBG2RGB``; a test proves every one on a synthetic mosaic.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.errors import ImageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How one encoding lies in memory and how it becomes RGB.

    Attributes:
        num_channels: Samples stored for each pixel.
        to_rgb: OpenCV conversion of the 8-bit samples, or None where they are RGB already.
        sample_bytes: 1, or 2 for samples that are reduced to 8 bits first.
        min_size: Smallest ``(height, width)`` that can be converted.
        even_width: Whether two neighbouring pixels share samples.
    """

    num_channels: int
    to_rgb: int | None
    sample_bytes: int = 1
    min_size: tuple[int, int] = (1, 1)
    even_width: bool = False


_RGB = Encoding(num_channels=3, to_rgb=None)
_BGR = Encoding(num_channels=3, to_rgb=cv2.COLOR_BGR2RGB)
_RGBA = Encoding(num_channels=4, to_rgb=cv2.COLOR_RGBA2RGB)
_BGRA = Encoding(num_channels=4, to_rgb=cv2.COLOR_BGRA2RGB)
_GREY = Encoding(num_channels=1, to_rgb=cv2.COLOR_GRAY2RGB)
_GREY16 = Encoding(num_channels=1, to_rgb=cv2.COLOR_GRAY2RGB, sample_bytes=2)
_UYVY = Encoding(num_channels=2, to_rgb=cv2.COLOR_YUV2RGB_UYVY, even_width=True)
_YUYV = Encoding(num_channels=2, to_rgb=cv2.COLOR_YUV2RGB_YUY2, even_width=True)


def _bayer(to_rgb: int, sample_bytes: int = 1) -> Encoding:
    return Encoding(num_channels=1, to_rgb=to_rgb, sample_bytes=sample_bytes, min_size=(3, 3))


ENCODINGS: dict[str, Encoding] = {
    'mono8': _GREY,
    'mono16': _GREY16,
    'rgb8': _RGB,
    'bgr8': _BGR,
    'rgba8': _RGBA,
    'bgra8': _BGRA,
    '8UC1': _GREY,
    '8UC3': _BGR,
    '8UC4': _BGRA,
    '16UC1': _GREY16,
    'bayer_rggb8': _bayer(cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGB2RGB),
    'bayer_rggb16': _bayer(cv2.COLOR_BayerBG2RGB, 2),
    'bayer_bggr16': _bayer(cv2.COLOR_BayerRG2RGB, 2),
    'bayer_gbrg16': _bayer(cv2.COLOR_BayerGR2RGB, 2),
    'bayer_grbg16': _bayer(cv2.COLOR_BayerGB2RGB, 2),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
}
"""Every encoding that can be read. ``8UC3`` and ``8UC4`` say no colour order: OpenCV's is meant.

Two pixels of ``yuv422`` are U Y V Y, of ``yuv422_yuy2`` Y U Y V, in BT.601 video range;
``uyvy`` and ``yuyv`` are their newer names.
"""


def encoding_named(name: str) -> Encoding:
    """Look an encoding up.

    Raises:
        ImageError: With reason ``'encoding'``.
    """
    encoding = ENCODINGS.get(name)
    if encoding is None:
        raise ImageError(
            'encoding',
            f'image encoding {name!r} cannot be read; set the camera driver to one of: '
            f'{", ".join(ENCODINGS)}',
        )
    return encoding


def samples_to_rgb(samples: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Convert the samples of an image to RGB.

    16-bit samples become 8-bit by ``round(value * 255 / 65535)``, as cv_bridge does: the scale
    is fixed, so both cameras of a pair and all frames keep one brightness.

    Args:
        samples: ``(H, W, num_channels)`` uint8, or uint16 in the machine's byte order.
        encoding: What they are.

    Returns:
        ``(H, W, 3)`` uint8, C-contiguous; a view of ``samples`` where nothing had to be done.
    """
    if encoding.sample_bytes == 2:
        samples = cv2.convertScaleAbs(samples, alpha=255.0 / 65535.0)
    if encoding.to_rgb is None:
        return np.ascontiguousarray(samples)
    return np.asarray(cv2.cvtColor(samples, encoding.to_rgb))
