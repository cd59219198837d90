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
        is_semi_planar: Whether half as many rows again follow, with the colours of 2x2 pixels.
    """

    num_channels: int
    to_rgb: int | None
    sample_bytes: int = 1
    min_size: tuple[int, int] = (1, 1)
    even_width: bool = False
    is_semi_planar: bool = False


_RGB = Encoding(num_channels=3, to_rgb=None)
_BGR = Encoding(num_channels=3, to_rgb=cv2.COLOR_BGR2RGB)
_RGBA = Encoding(num_channels=4, to_rgb=cv2.COLOR_RGBA2RGB)
_BGRA = Encoding(num_channels=4, to_rgb=cv2.COLOR_BGRA2RGB)
_GREY = Encoding(num_channels=1, to_rgb=cv2.COLOR_GRAY2RGB)
_GREY16 = Encoding(num_channels=1, to_rgb=cv2.COLOR_GRAY2RGB, sample_bytes=2)
_COLORS = ((3, None), (3, cv2.COLOR_BGR2RGB), (4, cv2.COLOR_RGBA2RGB), (4, cv2.COLOR_BGRA2RGB))
_RGB16, _BGR16, _RGBA16, _BGRA16 = (
    Encoding(num_channels=count, to_rgb=to_rgb, sample_bytes=2) for count, to_rgb in _COLORS
)
_UYVY = Encoding(num_channels=2, to_rgb=cv2.COLOR_YUV2RGB_UYVY, even_width=True)
_YUYV = Encoding(num_channels=2, to_rgb=cv2.COLOR_YUV2RGB_YUY2, even_width=True)


def _bayer(to_rgb: int, sample_bytes: int = 1) -> Encoding:
    return Encoding(num_channels=1, to_rgb=to_rgb, sample_bytes=sample_bytes, min_size=(3, 3))


def _semi_planar(to_rgb: int) -> Encoding:
    return Encoding(
        num_channels=1, to_rgb=to_rgb, min_size=(2, 2), even_width=True, is_semi_planar=True
    )


ENCODINGS: dict[str, Encoding] = {
    'mono8': _GREY,
    'mono16': _GREY16,
    'rgb8': _RGB,
    'bgr8': _BGR,
    'rgba8': _RGBA,
    'bgra8': _BGRA,
    'rgb16': _RGB16,
    'bgr16': _BGR16,
    'rgba16': _RGBA16,
    'bgra16': _BGRA16,
    '8UC1': _GREY,
    '8UC3': _BGR,
    '8UC4': _BGRA,
    '16UC1': _GREY16,
    '16UC3': _BGR16,
    '16UC4': _BGRA16,
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
    'nv12': _semi_planar(cv2.COLOR_YUV2RGB_NV12),
    'nv21': _semi_planar(cv2.COLOR_YUV2RGB_NV21),
}
"""Every encoding that can be read, capitals or not. ``8UC3``, ``16UC3`` and the like say no colour
order: OpenCV's is meant.

Two pixels of ``yuv422`` are U Y V Y, of ``yuv422_yuy2`` Y U Y V, in BT.601 video range;
``uyvy`` and ``yuyv`` are their newer names. After the Y of ``nv12`` follow U V of every 2x2
pixels, after that of ``nv21`` V U.
"""


def encoding_named(name: str) -> Encoding:
    """Look an encoding up.

    Raises:
        ImageError: With reason ``'encoding'``.
    """
    encoding = ENCODINGS.get(name) or ENCODINGS.get(name.lower())
    if encoding is None:
        raise ImageError(
            'encoding',
            f'image encoding {name!r} cannot be read; set the camera driver to one of: '
            f'{", ".join(ENCODINGS)}',
        )
    return encoding


def samples_to_rgb(samples: np.ndarray, encoding: Encoding, *, low_bits: int = 16) -> np.ndarray:
    """Convert the samples of an image to RGB.

    16-bit samples become 8-bit by ``round(value * 255 / (2**low_bits - 1))``, for all 16 bits as
    cv_bridge does: the scale is fixed, so both cameras of a pair and all frames keep one
    brightness. Values beyond the low bits are white.

    Args:
        samples: ``(H, W, num_channels)`` uint8, or uint16 in the machine's byte order.
        encoding: What they are.
        low_bits: Bits of a 16-bit sample that the camera fills, from the lowest: 12 for a 12-bit
            camera whose driver does not shift them up.

    Returns:
        ``(H, W, 3)`` uint8, C-contiguous; a view of ``samples`` where nothing had to be done.
    """
    if encoding.sample_bytes == 2:
        samples = cv2.convertScaleAbs(samples, alpha=255.0 / (2.0**low_bits - 1.0))
    if encoding.to_rgb is None:
        return np.ascontiguousarray(samples)
    return np.asarray(cv2.cvtColor(samples, encoding.to_rgb))
