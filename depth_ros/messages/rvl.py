"""RVL, lossless compression of depth images.

Source: A. D. Wilson, "Fast Lossless Depth Image Compression", ISS 2017, section 3.

Behind width and height (uint32 each, as ``compressed_depth_image_transport`` writes them) come
little-endian words of eight 4-bit pieces, the highest first. A number is the pieces up to one
whose top bit is 0, three bits each, the lowest first. Numbers are: how many zeros, how many pixels
that are not zero, then the differences of those, positive ones doubled, negative ones doubled
less one.
"""

from __future__ import annotations

import struct

import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.picture_headers import PictureHeader, check_pixels

_SIZE = struct.Struct('<II')
_MAX_PIECES = 11
"""Pieces of the longest number: 32 bits, three a piece."""


def decode_rvl(data: bytes) -> np.ndarray:
    """Return the steps, ``(H, W)`` uint16; 0 is unknown.

    Raises:
        ImageError: With reason ``'compressed'`` or ``'too_large'``.
    """
    if len(data) < _SIZE.size:
        raise ImageError('compressed', 'the RVL is truncated')
    width, height = _SIZE.unpack_from(data)
    check_pixels(PictureHeader(kind='RVL', height=height, width=width))
    steps = _pixels(_numbers(data[_SIZE.size :]), width * height)
    return steps.reshape(height, width)


def _numbers(data: bytes) -> np.ndarray:
    """Return the numbers, ``(N,)`` int64, of whole words."""
    words = np.frombuffer(data, '<u4', len(data) // 4)
    shifts = np.arange(28, -1, -4, dtype=np.uint32)
    pieces = ((words[:, None] >> shifts) & 0xF).ravel()
    ends = np.flatnonzero(pieces < 8)
    if not ends.size:
        return np.zeros(0, np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if int((ends - starts).max()) >= _MAX_PIECES:
        raise ImageError('compressed', 'the RVL has a number of more than 32 bits')
    pieces = pieces[: ends[-1] + 1]
    places = np.arange(len(pieces)) - np.repeat(starts, ends - starts + 1)
    values = (pieces & 7).astype(np.int64) << (3 * places)
    return np.add.reduceat(values, starts)


def _pixels(numbers: np.ndarray, count: int) -> np.ndarray:
    """Spread the runs over the pixels; runs beyond the last pixel are refused."""
    differences: list[np.ndarray] = []
    places: list[np.ndarray] = []
    at = pixel = 0
    while pixel < count:
        if at + 2 > len(numbers):
            raise ImageError('compressed', f'the RVL ends after {pixel} of {count} pixels')
        num_zeros, num_known = int(numbers[at]), int(numbers[at + 1])
        first, at = pixel + num_zeros, at + 2
        pixel = first + num_known
        if pixel > count or at + num_known > len(numbers) or not num_zeros + num_known:
            raise ImageError(
                'compressed', f'the RVL ends in a run after {first} of {count} pixels'
            )
        differences.append(numbers[at : at + num_known])
        places.append(np.arange(first, pixel))
        at += num_known
    steps = np.zeros(count, np.uint16)
    if differences:
        folded = np.concatenate(differences)
        known = np.cumsum((folded >> 1) ^ -(folded & 1))
        steps[np.concatenate(places)] = (known & 0xFFFF).astype(np.uint16)
    return steps
