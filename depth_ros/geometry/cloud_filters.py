"""Filters of organised clouds: points between fore- and background, and points without neighbours.

Both look at neighbouring pixels only, never for neighbours in space, and work in inverse depth: a
plane is linear in it (u, v and 1 / Z), and the noise of stereo is the same near and far.
"""

from __future__ import annotations

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
    inverse = inverse_depth(depth)
    least = inverse * np.float32(max_step)
    is_flying = _steps(inverse, least, axis=0) | _steps(inverse, least, axis=1)
    return np.where(is_flying, _UNKNOWN, depth)


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


def _steps(inverse: np.ndarray, least: np.ndarray, *, axis: int) -> np.ndarray:
    """Mark ``(H, W)`` pixels on a step along an axis; see ``without_flying_pixels``."""
    is_step = np.zeros(inverse.shape, bool)
    if inverse.shape[axis] < 3:
        return is_step
    low, high, inner = (_along(axis, *ends) for ends in ((0, -1), (1, None), (1, -1)))
    with np.errstate(invalid='ignore'):
        change = inverse[high] - inverse[low]
        before, after = change[low], change[high]
        step = np.minimum(before, after)
        np.maximum(step, -np.maximum(before, after), out=step)
        np.greater(step, least[inner], out=is_step[inner])
        places = np.nonzero(is_step)
        is_surface = _is_surface(inverse, places, axis)
    is_step[tuple(place[is_surface] for place in places)] = False
    return is_step


def _is_surface(inverse: np.ndarray, places: tuple[np.ndarray, ...], axis: int) -> np.ndarray:
    """Tell of each place whether its slope goes on around it: ``(N,)`` bool."""

    def at(shift_px: int) -> tuple[np.ndarray, ...]:
        moved = np.clip(places[axis] + shift_px, 0, inverse.shape[axis] - 1)
        return tuple(moved if index == axis else place for index, place in enumerate(places))

    here = inverse[places]
    step = np.minimum(np.abs(inverse[at(-1)] - here), np.abs(inverse[at(1)] - here))
    slopes = [
        np.abs(inverse[at(side * FAR_PX)] - inverse[at(side * NEAR_PX)]) / (FAR_PX - NEAR_PX)
        for side in (-1, 1)
    ]
    return np.asarray(step <= STEEPER * np.fmax(*slopes))


def _along(axis: int, start: int, end: int | None) -> tuple[slice, ...]:
    """Return an index that cuts one axis of two."""
    cut = slice(start, end)
    return (cut, slice(None)) if axis == 0 else (slice(None), cut)
