"""Fuses depth maps one after the other into one coloured cloud.

Every new map is compared with the last few, both ways; a pixel that enough views agree on gives
one point, at the mean of their depths, and is not used again. Points that a new map sees
through are removed from the cloud.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from depth_ros.geometry.consistency import DepthView, agreement, lift
from depth_ros.geometry.consistency_settings import ConsistencySettings
from depth_ros.geometry.projection import MIN_DEPTH_M, project
from depth_ros.geometry.rigid import inverse
from depth_ros.tasks.multiview.settings import FusionSettings
from depth_ros.tasks.multiview.voxel_map import VoxelMap


class _Pending:
    """A map with the votes of its pixels so far."""

    def __init__(self, view: DepthView, settings: FusionSettings) -> None:
        height, width = view.depth.shape
        step = settings.stride
        rows, columns = np.mgrid[0:height:step, 0:width:step]
        known = view.known(settings.consistency.min_confidence)[::step, ::step].ravel()
        is_known = np.isfinite(known)
        self.view = view
        self.pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)[is_known].astype(float)
        self.depth = known[is_known].astype(np.float64)
        self.sums = self.depth.copy()
        self.votes = np.ones(len(self.depth), np.int32)

    def vote(self, other: DepthView, settings: ConsistencySettings) -> None:
        """Add the votes of another view."""
        found = agreement(self.pixels, self.depth, self.view, other, settings)
        self.votes += found.is_consistent
        self.sums += np.where(found.is_consistent, found.depth, 0.0)

    def take(self, min_views: int) -> tuple[np.ndarray, np.ndarray]:
        """Return points (n, 3) and colours (n, 3) of the pixels with enough votes, once."""
        is_ready = self.votes >= min_views
        pixels, depth = self.pixels[is_ready], self.sums[is_ready] / self.votes[is_ready]
        points = lift(self.view.camera, pixels, depth, self.view.world_from_camera)
        columns, rows = pixels.astype(int).T
        colors = self.view.image[rows, columns]
        rest = ~is_ready
        self.pixels, self.depth = self.pixels[rest], self.depth[rest]
        self.sums, self.votes = self.sums[rest], self.votes[rest]
        return points, colors


class DepthFusion:
    """Takes depth maps in order and keeps the cloud; not thread-safe, one worker owns it."""

    def __init__(self, settings: FusionSettings | None = None) -> None:
        self.settings = settings or FusionSettings()
        self.map = VoxelMap(self.settings.voxels)
        self.num_views = 0
        self._pending: deque[_Pending] = deque(maxlen=self.settings.window)

    def reset(self) -> None:
        """Forget cloud and maps."""
        self.map.reset()
        self._pending.clear()
        self.num_views = 0

    def add(self, view: DepthView) -> int:
        """Take the next map; return the number of points it brought into the cloud."""
        rules = self.settings.consistency
        new = _Pending(view, self.settings)
        for old in self._pending:
            new.vote(old.view, rules)
            old.vote(view, rules)
        self._see_through(view)
        self._pending.append(new)
        self.num_views += 1
        return self._insert(self._pending)

    def add_among(self, view: DepthView, others: Iterable[DepthView]) -> int:
        """Take a map that is compared with the given ones only; return the number of points.

        For photographs in no order, where a view's neighbours are known: each view is added once,
        among its own.
        """
        new = _Pending(view, self.settings)
        for other in others:
            new.vote(other, self.settings.consistency)
        self._see_through(view)
        self.num_views += 1
        return self._insert([new])

    def _insert(self, pending: Iterable[_Pending]) -> int:
        taken = [one.take(self.settings.consistency.min_views) for one in pending]
        points = np.concatenate([points for points, _ in taken])
        if len(points):
            # All at once, because each insertion copies the map.
            self.map.insert(points, np.concatenate([colors for _, colors in taken]))
        return len(points)

    def _see_through(self, view: DepthView) -> None:
        """Count the voxels that a map looks through."""
        ratio, known = self.settings.see_through_ratio, view.known(self._min_confidence)
        if ratio >= 1.0 or len(self.map) == 0 or np.isnan(known).all():
            return
        pose, points = inverse(view.world_from_camera), self.map.points
        # Most of a large map is behind the camera or out of range: depth is tested first.
        depth = points @ pose[2, :3] + pose[2, 3]
        rows = np.flatnonzero((depth > MIN_DEPTH_M) & (depth < ratio * np.nanmax(known)))
        pixels, depth = project(view.camera, points[rows] @ pose[:3, :3].T + pose[:3, 3])
        at = np.rint(pixels).astype(int)
        is_inside = ((at >= 0) & (at < known.shape[::-1])).all(axis=1)
        rows, at, depth = rows[is_inside], at[is_inside], depth[is_inside]
        is_through = depth < ratio * known[at[:, 1], at[:, 0]]
        if is_through.any():
            self.map.violate(rows[is_through])

    @property
    def _min_confidence(self) -> float:
        return self.settings.consistency.min_confidence
