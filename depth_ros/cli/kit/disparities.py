"""Disparity files of several origins, read into pixels with NaN where unknown."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from depth_ros.errors import InputError

KITTI_STEPS_PER_PIXEL = 256.0


def read_disparity(path: Path) -> np.ndarray:
    """Read a disparity map by its ending.

    ``.npy`` and ``.npz`` (one array) are in pixels, as is ``.pfm`` (Middlebury). A 16-bit PNG is
    in 1/256 px (KITTI), an 8-bit one in whole pixels, and 0 is unknown in both.

    Returns:
        ``(H, W)`` float32 pixels; NaN where the file has none.

    Raises:
        InputError: If there is no such file or it cannot be read, reason ``'disparity_file'``.
    """
    if not path.is_file():
        raise InputError('disparity_file', f'there is no disparity file {path}; check the path')
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            'disparity_file',
            f'{path} is no disparity file this reads; give one of: {", ".join(READERS)}',
        )
    try:
        disparity = reader(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _broken(path, str(error)) from None
    if disparity.ndim != 2 or disparity.size == 0:
        raise _broken(path, f'its shape is {disparity.shape}, not (H, W)')
    result = disparity.astype(np.float32)
    return np.where(np.isfinite(result), result, np.float32(np.nan))


def _read_npy(path: Path) -> np.ndarray:
    return np.asarray(np.load(path, allow_pickle=False))


def _read_npz(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as arrays:
        names = list(arrays)
        if len(names) != 1:
            raise ValueError(f'it has the arrays {names}, not one')
        return np.asarray(arrays[names[0]])


def _read_png(path: Path) -> np.ndarray:
    steps = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if steps is None or steps.ndim != 2:
        raise ValueError('it is not a PNG of one channel')
    scale = KITTI_STEPS_PER_PIXEL if steps.dtype == np.uint16 else 1.0
    return np.where(steps > 0, steps / scale, np.nan)


def _read_pfm(path: Path) -> np.ndarray:
    """Read a portable float map: three text lines, then rows from the bottom up."""
    kind, size, scale, body = path.read_bytes().split(b'\n', 3)
    if kind.strip() != b'Pf':
        raise ValueError('it is not a grey PFM ("Pf")')
    width, height = (int(word) for word in size.split())
    order = '<f4' if float(scale) < 0 else '>f4'
    if len(body) < 4 * width * height:
        raise ValueError('it is cut short')
    rows = np.frombuffer(body, order, count=width * height).reshape(height, width)
    return rows[::-1]


def _broken(path: Path, detail: str) -> InputError:
    return InputError('disparity_file', f'{path} cannot be read as disparity: {detail}')


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    '.npy': _read_npy,
    '.npz': _read_npz,
    '.pfm': _read_pfm,
    '.png': _read_png,
}
"""Every readable ending."""
