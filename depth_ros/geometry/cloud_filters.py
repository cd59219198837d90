"""Filters of organised clouds: points between fore- and background, and points without neighbours.

Both look at neighbouring pixels only, never for neighbours in space, and work in inverse depth: a
plane is linear in it (u, v and 1 / Z), and the noise of stereo is the same near and far.
"""

from __future__ import annotations

import cv2
import numpy as np

NEAR_PX, FAR_PX = 4, 8
"""Between these distances, to one side, a surface goes on as steeply as it is at a pixel."""

STEEPER = 1.25
"""A step between neighbours is so many times steeper than what is around it."""

NUM_NEIGHBORS = 8
STATISTICS_STEP = 4
LARGEST = float(np.finfo(np.float32).max)
_UNKNOWN = np.float32(np.nan)


def without_flying_pixels(depth: np.ndarray, *, max_step: float) -> np.ndarray:
    """Make pixels unknown that lie between a foreground and a background.

    Interpolation smears an edge over some pixels, which hang in the air between both surfaces.
    Such a pixel differs from both neighbours of its row, or of its column, in the same direction
    and by more than a share of its own inverse depth. A steep surface does so too; it goes on as
    steeply some pixels farther to one side and is kept. The last pixels of both surfaces have a
    step on one side only and are kept.

    Args:
        depth: ``(H, W)`` float32 metres, NaN unknown, ``+Inf`` beyond range, ``-Inf`` too near,
            which stays.
        max_step: Share of inverse depth; 0 keeps all.

    Returns:
        ``(H, W)`` float32, NaN where a point would fly; ``depth`` itself if nothing is asked.
    """
    if max_step <= 0.0:
        return depth
    kept = np.array(depth, np.float32, order='C')
    inverse = inverse_depth(kept)
    least = inverse * np.float32(max_step)
    for axis in (0, 1):
        kept.reshape(-1)[_flying(inverse, least, axis)] = _UNKNOWN
    return kept


def without_outliers(depth: np.ndarray, *, min_neighbors: int, num_sigmas: float) -> np.ndarray:
    """Make pixels unknown that too few of their 8 neighbours are near to.

    Statistical outlier removal (Rusu et al. 2008, "Towards 3D point cloud based object maps for
    household environments") on the pixel grid: the distance to the ``min_neighbors``-th nearest
    neighbour is compared with mean and standard deviation of the distances of all neighbours.

    Args:
        depth: ``(H, W)`` float32 metres, NaN unknown, ``+Inf`` beyond range, which counts as
            inverse depth 0, ``-Inf`` too near, which stays: it has no distance to its neighbours,
            and unknown in its place could be taken for a free way.
        min_neighbors: 1..8; 0 keeps all.
        num_sigmas: Standard deviations above the mean up to which a neighbour is near.

    Returns:
        ``(H, W)`` float32, NaN where a point stands alone; ``depth`` itself if nothing is asked.
    """
    if min_neighbors <= 0 or min(depth.shape) < 2:
        return depth
    inverse = inverse_depth(depth)
    tolerance = _usual_distance(inverse, num_sigmas)
    counts = np.zeros(depth.shape, np.uint8)
    for first, second in _NEIGHBORS:
        distance = np.subtract(inverse[first], inverse[second])
        np.abs(distance, out=distance)
        is_near = np.less_equal(distance, tolerance).view(np.uint8)
        counts[first] += is_near
        counts[second] += is_near
    is_alone = (counts < min_neighbors) & ~np.isneginf(depth)
    return np.where(is_alone, _UNKNOWN, depth)


def inverse_depth(depth: np.ndarray) -> np.ndarray:
    """Return ``(H, W)`` float32 1 / Z: NaN where unknown or too near, 0 beyond range."""
    with np.errstate(divide='ignore', invalid='ignore'):
        inverse = np.divide(np.float32(1.0), depth, dtype=np.float32)
        np.copyto(inverse, _UNKNOWN, where=depth <= 0.0)
    return np.asarray(inverse)


_LOW, _HIGH, _ALL = slice(None, -1), slice(1, None), slice(None)
_NEIGHBORS = (
    ((_ALL, _LOW), (_ALL, _HIGH)),
    ((_LOW, _ALL), (_HIGH, _ALL)),
    ((_LOW, _LOW), (_HIGH, _HIGH)),
    ((_LOW, _HIGH), (_HIGH, _LOW)),
)
"""Views of all pixels and of their neighbours in four directions; the other four are the same."""


def _usual_distance(inverse: np.ndarray, num_sigmas: float) -> np.float32:
    """Return mean + n sigma of the distances between neighbours, of a sample of the pixels."""
    step = STATISTICS_STEP
    rows, columns = inverse[::step, :], inverse[:, ::step]
    distances = [
        np.abs(np.diff(rows, axis=1))[:, ::step],
        np.abs(np.diff(columns, axis=0))[::step],
    ]
    known = np.concatenate([distance[np.isfinite(distance)] for distance in distances])
    if not known.size:
        return np.float32(0.0)
    spread = known.std(dtype=np.float64)  # squares of what is very near do not fit a float32
    return np.float32(min(known.mean(dtype=np.float64) + num_sigmas * spread, LARGEST))


def _flying(inverse: np.ndarray, least: np.ndarray, axis: int) -> np.ndarray:
    """Return the places ``(N,)`` in the flat map that fly along an axis.

    Most pixels lie on no step; what is left after the sizes of steps were compared is few, and
    looked at one by one.
    """
    if inverse.shape[axis] < 3:
        return np.zeros(0, np.intp)
    places = _large_steps(inverse, least, axis)
    stride = inverse.strides[axis] // inverse.itemsize
    flat = inverse.reshape(-1)
    here = flat[places]
    is_rising = (here > flat[places - stride]), (flat[places + stride] > here)
    places = places[is_rising[0] == is_rising[1]]
    return places[~_is_surface(inverse, places, axis)]


def _large_steps(inverse: np.ndarray, least: np.ndarray, axis: int) -> np.ndarray:
    """Return the places ``(N,)`` that differ by more than ``least`` from both neighbours."""
    low, high, inner = (_along(axis, *ends) for ends in ((0, -1), (1, None), (1, -1)))
    change = np.asarray(cv2.absdiff(inverse[high], inverse[low]))
    least = least[inner]
    is_large = np.zeros(inverse.shape, bool)
    with np.errstate(invalid='ignore'):
        found = np.greater(change[high], least, out=is_large[inner])
        found &= change[low] > least
    return np.flatnonzero(is_large)


def _is_surface(inverse: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """Tell of each place whether its slope goes on around it: ``(N,)`` bool."""
    flat, size = inverse.reshape(-1), inverse.shape[axis]
    stride = inverse.strides[axis] // inverse.itemsize
    along = places // stride % size

    def at(shift_px: int) -> np.ndarray:
        moved = np.clip(along + shift_px, 0, size - 1) - along
        return np.asarray(flat[places + moved * stride])

    with np.errstate(invalid='ignore'):
        here = flat[places]
        step = np.minimum(np.abs(at(-1) - here), np.abs(at(1) - here))
        slopes = [
            np.abs(at(side * FAR_PX) - at(side * NEAR_PX)) / (FAR_PX - NEAR_PX) for side in (-1, 1)
        ]
        return np.asarray(step <= STEEPER * np.fmax(*slopes))


def _along(axis: int, start: int, end: int | None) -> tuple[slice, ...]:
    """Return an index that cuts one axis of two."""
    cut = slice(start, end)
    return (cut, slice(None)) if axis == 0 else (slice(None), cut)
