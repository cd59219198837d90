"""Depth and disparity maps as files: NumPy arrays, portable float maps, images of whole steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from depth_ros.errors import ImageError, InputError
from depth_ros.files.arrays import read_array, read_arrays
from depth_ros.files.image import read_samples
from depth_ros.files.pfm import read_pfm
from depth_ros.files.whole_file import whole_file
from depth_ros.results import DepthMap, expect_depth_map

MILLIMETRES = 0.001
MILLIMETRES_MAX = 65535
KITTI_PX = 1.0 / 256.0
"""Pixels of one step of a 16-bit disparity image."""

DISPARITY_SUFFIXES = ('.npy', '.npz', '.pfm', '.png')


def read_depth(path: Path, *, unit_m: float = MILLIMETRES) -> np.ndarray:
    """Read depth, ``(H, W)`` float32 metres, NaN where an image has 0 (unknown).

    Args:
        path: ``.npy`` of floats in metres, or an image of one uint16 channel.
        unit_m: Metres for each step of an image.

    Raises:
        ImageError: Reason ``'depth_file'``, if it is missing or something else.
    """
    if path.suffix.lower() != '.npy':
        return read_steps(path, unit=unit_m, kind='depth')
    try:
        values = read_array(path)
    except InputError as error:
        raise ImageError('depth_file', str(error)) from None
    if values.ndim != 2 or values.size == 0 or values.dtype.kind != 'f':
        raise ImageError(
            'depth_file',
            f'{path} must hold (H, W) floats in metres, got {values.dtype} of shape '
            f'{values.shape}; convert it, or give a 16-bit image',
        )
    with np.errstate(over='ignore'):
        return np.asarray(values, np.float32)


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
    if path.suffix.lower() not in DISPARITY_SUFFIXES:
        raise InputError(
            'disparity_file',
            f'{path} is no disparity file this reads; give one of: '
            f'{", ".join(DISPARITY_SUFFIXES)}',
        )
    try:
        disparity = _pixels(path)
    except (InputError, ValueError) as error:
        raise _no_disparity(path, str(error)) from None
    if disparity.ndim != 2 or disparity.size == 0:
        raise _no_disparity(path, f'its shape is {disparity.shape}, not (H, W)')
    if disparity.dtype.kind not in 'biuf':
        raise _no_disparity(path, f'it holds {disparity.dtype}, not real numbers')
    with np.errstate(over='ignore'):
        result = disparity.astype(np.float32)
    return np.where(np.isfinite(result), result, np.float32(np.nan))


def read_steps(path: Path, *, unit: float, kind: str) -> np.ndarray:
    """Read a 16-bit image of one channel, ``(H, W)`` float32, NaN where it has 0 (unknown).

    Args:
        path: The image.
        unit: What one step is.
        kind: What is measured, for errors.

    Raises:
        ImageError: Reason ``'<kind>_file'``, if it is missing or something else.
    """
    try:
        steps = read_samples(path)
    except ImageError as error:
        if error.reason == 'file':
            raise ImageError(f'{kind}_file', str(error)) from None
        raise _no_steps(kind, str(error)) from None
    if steps.dtype != np.uint16:
        raise _no_steps(kind, f'{path} has {8 * steps.itemsize} bits; convert it')
    return np.where(steps > 0, steps * unit, np.nan).astype(np.float32)


def depth_millimetres(depth: np.ndarray) -> np.ndarray:
    """Return ``(H, W)`` uint16 mm (REP 118); 0 is unknown, out of range or beyond 65.535 m."""
    with np.errstate(invalid='ignore'):
        millimetres = np.rint(depth.astype(np.float64) * 1000.0)
        is_known = np.isfinite(millimetres) & (millimetres > 0) & (millimetres <= MILLIMETRES_MAX)
    return np.where(is_known, millimetres, 0.0).astype(np.uint16)


def write_millimetres(path: Path, depth: np.ndarray) -> None:
    """Write depth in metres, ``(H, W)`` float32, as a 16-bit PNG."""
    _, data = cv2.imencode('.png', depth_millimetres(depth))
    path.write_bytes(data.tobytes())


def save_depth(path: Path | str, depth: DepthMap) -> None:
    """Write a depth map whole or not at all.

    Args:
        path: ``.npy`` takes float32 as it is; ``.png`` 16-bit millimetres of metric depth, where
            0 is unknown, out of range or beyond 65.535 m.
        depth: As ``depth_ros.open_...`` gives it.

    Raises:
        InputError: If the ending is another, or millimetres are asked of relative depth.
        DepthRosError: If the file cannot be written.
    """
    expect_depth_map(depth)
    path = Path(path)
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InputError(
            'depth_file', f'{path} must end in {" or ".join(_WRITERS)}; name it otherwise'
        )
    if write is write_millimetres:
        depth.check_metric(f'millimetres in {path}')
    with whole_file(path) as draft:
        write(draft, depth.depth)


def _pixels(path: Path) -> np.ndarray:
    match path.suffix.lower():
        case '.npy':
            return read_array(path)
        case '.npz':
            return _only_array(path)
        case '.pfm':
            return read_pfm(path)
    steps = read_samples(path)
    unit = KITTI_PX if steps.dtype == np.uint16 else 1.0
    return np.where(steps > 0, steps * unit, np.nan)


def _only_array(path: Path) -> np.ndarray:
    arrays = read_arrays(path)
    if len(arrays) != 1:
        raise ValueError(f'it has the arrays {list(arrays)}, not one')
    return next(iter(arrays.values()))


def _no_steps(kind: str, detail: str) -> ImageError:
    return ImageError(f'{kind}_file', f'{kind} must be a 16-bit PNG of one channel, but {detail}')


def _no_disparity(path: Path, detail: str) -> InputError:
    return InputError('disparity_file', f'{path} cannot be read as disparity: {detail}')


_WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    '.npy': np.save,
    '.png': write_millimetres,
}
