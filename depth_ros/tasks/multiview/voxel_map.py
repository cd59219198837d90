"""A coloured cloud of bounded size: one averaged point a voxel, removed where views see through.

The idea of a free-space check is that of visibility-based fusion (Merrell et al. 2007), here on
a hash grid: voxels are rows of arrays, sorted by their packed cell.
"""

from __future__ import annotations

import numpy as np

from depth_ros.tasks.multiview.settings import VoxelSettings

MAX_VIOLATIONS = 2
"""A voxel goes once it was seen through this many times more often than it was seen."""
_BITS = 21
_HALF = 1 << (_BITS - 1)


class VoxelMap:
    """Points, colours and support by voxel; about 80 bytes each."""

    def __init__(self, settings: VoxelSettings | None = None) -> None:
        self.settings = settings or VoxelSettings()
        self.num_evicted = 0
        self.num_removed = 0
        self._round = 0
        self.reset()

    def __len__(self) -> int:
        """Number of voxels."""
        return len(self._keys)

    def reset(self) -> None:
        """Forget everything."""
        self._keys = np.empty(0, np.int64)
        self._sums = np.empty((0, 6), np.float64)
        self._weights = np.empty(0, np.float64)
        self._violations = np.empty(0, np.int32)
        self._last_seen = np.empty(0, np.int32)

    def insert(self, points: np.ndarray, colors: np.ndarray) -> None:
        """Add points.

        Args:
            points: ``(N, 3)`` in the world, metres; those that are not finite or too far from
                the origin for the grid are left out.
            colors: ``(N, 3)`` uint8 RGB.
        """
        self._round += 1
        cells, is_good = cells_of(points, self.settings.voxel_size_m)
        if not is_good.any():
            return
        keys = packed(cells)
        values = np.concatenate([points[is_good], colors[is_good]], axis=1).astype(np.float64)
        found, inverse = np.unique(keys, return_inverse=True)
        inverse = inverse.reshape(-1)
        sums = np.stack([np.bincount(inverse, column, len(found)) for column in values.T], axis=1)
        self._merge(found, sums, np.bincount(inverse, minlength=len(found)).astype(np.float64))
        self._evict()

    def _merge(self, keys: np.ndarray, sums: np.ndarray, weights: np.ndarray) -> None:
        """Add sums to the voxels that exist and make the others."""
        at = np.searchsorted(self._keys, keys)
        is_known = np.zeros(len(keys), bool)
        inside = at < len(self._keys)
        is_known[inside] = self._keys[at[inside]] == keys[inside]
        rows = at[is_known]
        self._sums[rows] += sums[is_known]
        self._weights[rows] += weights[is_known]
        self._last_seen[rows] = self._round
        new, place = ~is_known, at[~is_known]
        self._keys = np.insert(self._keys, place, keys[new])
        self._sums = np.insert(self._sums, place, sums[new], axis=0)
        self._weights = np.insert(self._weights, place, weights[new])
        self._violations = np.insert(self._violations, place, 0)
        self._last_seen = np.insert(self._last_seen, place, self._round)

    def violate(self, rows: np.ndarray) -> None:
        """Count that the voxels ``rows`` (bool or indices) were seen through; drop hopeless ones.

        A voxel goes when it was seen through more often than it was seen, by
        ``MAX_VIOLATIONS``; support is counted in points, so a voxel of many points stays long.
        """
        self._violations[rows] += 1
        is_gone = self._violations - self._weights >= MAX_VIOLATIONS
        self.num_removed += int(is_gone.sum())
        self._keep(~is_gone)

    def _evict(self) -> None:
        """Drop the voxels not seen for longest once there are too many."""
        excess = len(self) - self.settings.max_voxels
        if excess <= 0:
            return
        last = np.partition(self._last_seen, excess - 1)[excess - 1]
        is_kept = self._last_seen > last
        ties = np.flatnonzero(self._last_seen == last)
        is_kept[ties[excess - int((self._last_seen < last).sum()) :]] = True
        self.num_evicted += excess
        self._keep(is_kept)

    def _keep(self, is_kept: np.ndarray) -> None:
        if is_kept.all():
            return
        for name in ('_keys', '_sums', '_weights', '_violations', '_last_seen'):
            setattr(self, name, getattr(self, name)[is_kept])

    @property
    def points(self) -> np.ndarray:
        """``(N, 3)`` float32 means of the points of each voxel, metres in the world."""
        return np.asarray(self._sums[:, :3] / self._weights[:, None], np.float32)

    @property
    def colors(self) -> np.ndarray:
        """``(N, 3)`` uint8 RGB means."""
        means = self._sums[:, 3:] / self._weights[:, None]
        return np.asarray(np.rint(means), np.uint8)


def cells_of(points: np.ndarray, size_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the cubes of a grid in which points lie.

    Args:
        points: ``(N, 3)`` metres.
        size_m: Edge of a cube.

    Returns:
        ``(n, 3)`` int64 cells of the points that have one, and ``(N,)`` bool which ones these
        are: not those that are not finite, nor those a million cells away from the origin.
    """
    with np.errstate(invalid='ignore', over='ignore'):
        cells = np.floor(np.asarray(points, np.float64) / size_m)
        is_good = (np.abs(cells) < _HALF - 1).all(axis=1)
    return cells[is_good].astype(np.int64), np.asarray(is_good)


def packed(cells: np.ndarray) -> np.ndarray:
    """Pack ``(N, 3)`` int64 cells into one int64 each; neighbours along z follow each other."""
    x, y, z = (cells + _HALF).T
    return np.asarray((x << (2 * _BITS)) | (y << _BITS) | z)
