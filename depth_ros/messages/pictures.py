"""Pictures (JPEG, PNG) to arrays: the header is believed only within bounds, then decoded."""

from __future__ import annotations

import re

import cv2
import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.encodings import ENCODINGS, Encoding, samples_to_rgb
from depth_ros.messages.picture_headers import PictureHeader, picture_header

TRANSPORTED = ('JPEG', 'PNG')
"""Kinds that ``CompressedImage`` may hold."""

_AS_STORED = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
_ORIENTATION_IGNORED = cv2.IMREAD_COLOR | _AS_STORED


def decode_rgb(
    data: bytes, *, kinds: tuple[str, ...] = TRANSPORTED, text: str = '', low_bits: int = 16
) -> np.ndarray:
    """Decode a picture; orientation tags are ignored, the calibration is that of the sensor.

    Args:
        data: The picture; bytes after its end do not matter.
        kinds: Kinds that are decoded.
        text: ``format`` of a ``CompressedImage``: a Bayer name there makes a grey picture a
            mosaic, ``compressed rgb`` says that RGB was compressed as if it were BGR.
        low_bits: As ``samples_to_rgb``.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous, owned by the caller.

    Raises:
        ImageError: As ``picture_header``.
    """
    header = picture_header(data, kinds=kinds)
    mosaic = _mosaic(header, text)
    if mosaic is not None:
        samples = decode_samples(data, kinds=kinds)
        encoding = mosaic[samples.dtype.itemsize]
        return samples_to_rgb(samples, encoding, low_bits=low_bits)
    image = _decode(data, _ORIENTATION_IGNORED)
    encoding = ENCODINGS['bgr16' if image.dtype == np.uint16 else 'bgr8']
    if 'compressed rgb' in text:
        encoding = ENCODINGS['rgb16' if image.dtype == np.uint16 else 'rgb8']
    return samples_to_rgb(image, encoding, low_bits=low_bits)


def decode_samples(data: bytes, *, kinds: tuple[str, ...] = TRANSPORTED) -> np.ndarray:
    """Decode a picture of one channel as it is stored.

    Returns:
        ``(H, W)`` uint8 or uint16.

    Raises:
        ImageError: As ``picture_header``; ``'compressed'`` if it has colours.
    """
    header = picture_header(data, kinds=kinds)
    image = _decode(data, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            'compressed',
            f'the {header.kind} holds {image.dtype} of shape {image.shape}, not one channel of 8 '
            'or 16 bits',
        )
    return image


def decode_channels(data: bytes, *, kinds: tuple[str, ...] = TRANSPORTED) -> np.ndarray:
    """Decode a picture as it is stored, with its alpha channel.

    Returns:
        ``(H, W, C)`` uint8 or uint16, C 1 (grey), 3 (BGR) or 4 (BGR and alpha).

    Raises:
        ImageError: As ``picture_header``.
    """
    picture_header(data, kinds=kinds)
    image = _decode(data, cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 3 else image[..., None]


def _mosaic(header: PictureHeader, text: str) -> dict[int, Encoding] | None:
    """Return the Bayer encodings by bytes of a sample, if a grey picture is named as one."""
    found = re.match(r'\s*(bayer_(?:rggb|bggr|gbrg|grbg))(?:8|16)\b', text)
    if found is None or header.num_channels != 1:
        return None
    return {1: ENCODINGS[f'{found[1]}8'], 2: ENCODINGS[f'{found[1]}16']}


def _decode(data: bytes, flags: int) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError):
        image = None
    if image is None or image.size == 0:
        raise ImageError('compressed', 'OpenCV refuses it')
    if image.dtype not in (np.uint8, np.uint16):
        raise ImageError('compressed', f'it holds {image.dtype}, not 8 or 16 bits')
    return np.asarray(image)
