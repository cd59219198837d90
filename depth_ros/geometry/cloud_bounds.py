"""Bounds of a cloud's size: one point a voxel, and a largest number."""

from __future__ import annotations

import math

import numpy as np

MAX_DENSE_CELLS = 4_000_000
"""Boxes of at most so many cubes are counted in an array, larger ones by sorting."""


def voxel_centres(
    points: np.ndarray, places: np.ndarray, *, size_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return one point of every cube: the mean of its points.

    Args:
        points: ``(N, 3)`` float32.
        places: ``(N, 3)`` of the same points in the axes of the cubes.
        size_m: Edge of a cube; 0 keeps all points.

    Returns:
        ``(M, 3)`` float32 points and ``(M,)`` index of the first point of each cube.
    """
    if size_m <= 0.0 or not len(points):
        return points, np.arange(len(points))
    cells = np.floor(np.ascontiguousarray(places.T) / size_m).astype(np.int64)
    cells -= cells.min(axis=1)[:, np.newaxis]
    extent = cells.max(axis=1) + 1
    keys = np.ravel_multi_index(tuple(cells), tuple(extent))
    is_small = extent.prod() <= MAX_DENSE_CELLS
    first, own = _dense(keys, int(extent.prod())) if is_small else _sorted(keys)
    counts = np.bincount(own)
    sums = [np.bincount(own, weights=points[:, axis]) for axis in range(3)]
    return (np.stack(sums, axis=1) / counts[:, np.newaxis]).astype(np.float32), first


def _dense(keys: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each key, and each row's number of its key, without sorting."""
    rows = np.full(count, -1, np.int32)
    rows[keys[::-1]] = np.arange(len(keys) - 1, -1, -1, dtype=np.int32)
    found = np.flatnonzero(rows >= 0)
    first = rows[found]
    rows[found] = np.arange(len(found), dtype=np.int32)
    return first, rows[keys]


def _sorted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``_dense`` gives."""
    _, first, own = np.unique(keys, return_index=True, return_inverse=True)
    return first, own.ravel()


def evenly(count: int, max_points: int) -> slice | np.ndarray:
    """Return an index that takes at most ``max_points`` of ``count`` rows, evenly; 0 takes all."""
    if max_points <= 0 or count <= max_points:
        return slice(None)
    return np.linspace(0, count - 1, max_points).astype(np.intp)


def fitting_stride(shape: tuple[int, ...], *, stride: int, max_points: int) -> int:
    """Return the smallest stride, not below ``stride``, that leaves at most ``max_points``.

    Args:
        shape: (height, width) of the image.
        stride: Smallest stride wanted.
        max_points: Bound; 0 sets none.
    """
    if max_points <= 0:
        return stride
    height, width = shape[:2]
    while math.ceil(height / stride) * math.ceil(width / stride) > max_points:
        stride += 1
    return stride
