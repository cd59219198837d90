"""Image files as RGB arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from depth_ros.errors import ImageError, InputError
from depth_ros.files.given_file import given_bytes
from depth_ros.files.given_path import library_path
from depth_ros.messages.picture_headers import picture_header
from depth_ros.messages.pictures import decode_channels, decode_rgb

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.pgm', '.ppm')
KINDS = ('JPEG', 'PNG', 'BMP', 'TIFF', 'PNM')
NUM_LOOKED_AT = 9
"""Images of a folder whose sizes are read to know the usual one."""


def read_rgb(path: Path | str) -> np.ndarray:
    """Read an image file as ``(H, W, 3)`` uint8 RGB; 16 bits become 8.

    Raises:
        ImageError: If there is no such file (reason ``'file'``), it is no path
            (``'path'``), no whole image (``'compressed'``) or claims too many pixels
            (``'too_large'``).
    """
    path = library_path(path, what='an image', kind=ImageError)
    try:
        return decode_rgb(_bytes(path), kinds=KINDS)
    except ImageError as error:
        raise _unreadable(path, error) from None


def read_samples(path: Path) -> np.ndarray:
    """Read an image of one channel as it is stored, ``(H, W)`` uint8 or uint16.

    Raises:
        ImageError: As ``read_rgb``.
    """
    try:
        samples = decode_channels(_bytes(path), kinds=KINDS)
    except ImageError as error:
        raise _unreadable(path, error) from None
    if samples.shape[2] != 1 or samples.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            'compressed',
            f'{path} holds {samples.dtype} of {samples.shape[2]} channels, not one channel of 8 '
            'or 16 bits; convert it',
        )
    return samples[..., 0]


def read_lit(path: Path | str) -> np.ndarray:
    """Read where an image is not black, ``(H, W)`` bool, at 8 or 16 bits; False where alpha is 0.

    Raises:
        ImageError: As ``read_rgb``.
    """
    path = library_path(path, what='an image', kind=ImageError)
    try:
        channels = decode_channels(_bytes(path), kinds=KINDS)
    except ImageError as error:
        raise _unreadable(path, error) from None
    is_lit = channels[..., :3].any(axis=2)
    return np.asarray(is_lit & (channels[..., 3] > 0) if channels.shape[2] == 4 else is_lit)


def usual_size(paths: Sequence[Path]) -> tuple[int, int] | None:
    """Return the ``(height, width)`` that most images of one camera have; None if none is known.

    Of many, ``NUM_LOOKED_AT`` spread over all are read. What is no image does not count.
    """
    step = max(1, len(paths) // NUM_LOOKED_AT)
    sizes: Counter[tuple[int, int]] = Counter()
    for path in paths[::step]:
        try:
            header = picture_header(_bytes(path), kinds=KINDS)
        except ImageError:
            continue
        sizes[header.height, header.width] += 1
    return sizes.most_common(1)[0][0] if sizes else None


def _bytes(path: Path) -> bytes:
    try:
        return given_bytes(path)
    except InputError as error:
        raise ImageError('file', str(error)) from None


def _unreadable(path: Path, error: ImageError) -> ImageError:
    if error.reason == 'file':
        return error
    return ImageError(
        error.reason, f'{path} is not a whole image that can be read ({error}); write it again'
    )
