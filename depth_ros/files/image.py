"""Image files as RGB arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.images import decode_compressed_image
from depth_ros.messages.payload import ByteData

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.pgm', '.ppm')
_CHECKED_SUFFIXES = ('.png', '.jpg', '.jpeg')


@dataclass(kw_only=True, slots=True)
class _Compressed:
    """A file's bytes in the shape of a message."""

    data: ByteData
    format: str = ''


def read_rgb(path: Path | str) -> np.ndarray:
    """Read an image file as ``(H, W, 3)`` uint8 RGB; 16 bits become 8.

    Raises:
        ImageError: If there is no such file (reason ``'file'``) or it is no whole image
            (``'compressed'``).
    """
    path = Path(path)
    if not path.is_file():
        raise ImageError('file', f'there is no image {path}; check the path')
    data = path.read_bytes()
    if path.suffix.lower() in _CHECKED_SUFFIXES:
        try:
            return decode_compressed_image(_Compressed(data=data))
        except ImageError:
            raise _unreadable(path) from None
    buffer = np.frombuffer(data, np.uint8)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(buffer, flags) if buffer.size else None
    if image is None:
        raise _unreadable(path)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _unreadable(path: Path) -> ImageError:
    return ImageError(
        'compressed', f'{path} is not a whole image that can be read; write it again'
    )
