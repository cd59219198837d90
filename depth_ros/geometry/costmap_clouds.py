"""The two clouds of a sight: what a costmap marks, and the ends of rays along which it clears."""

from __future__ import annotations

import numpy as np

from depth_ros.geometry.cloud_bounds import evenly, voxel_centres
from depth_ros.geometry.cloud_settings import NavigationSettings
from depth_ros.geometry.free_space import Sight

CLEARING_SHARE = 0.5
"""Cubes of clearing are so much smaller: rays as far apart as cells leave some cells out."""


def marking_cloud(
    sight: Sight, rgb: np.ndarray, settings: NavigationSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(N, 3)`` float32 points of obstacles in the optical frame and ``(N, 3)`` colours.

    Args:
        sight: What ``look`` gave.
        rgb: ``(h, w, 3)`` uint8 colours of its pixels.
        settings: Whether the floor is kept, and the bounds.
    """
    points, shown = sight.obstacle_points(settings.ground)
    centres, first = _bounded(points, sight, settings, size_m=settings.voxel_size_m)
    return centres, rgb[shown][first]


def clearing_cloud(sight: Sight, settings: NavigationSettings) -> np.ndarray:
    """Return ``(N, 3)`` float32 ends of free rays in the optical frame; none is NaN."""
    size_m = settings.voxel_size_m * CLEARING_SHARE
    return _bounded(sight.free_points(), sight, settings, size_m=size_m)[0]


def _bounded(
    points: np.ndarray, sight: Sight, settings: NavigationSettings, *, size_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return at most one point a cube and ``max_points`` in all, and the rows they stand for."""
    base_from_camera = sight.base_from_camera.astype(np.float32)
    places = points @ base_from_camera[:3, :3].T + base_from_camera[:3, 3]
    centres, first = voxel_centres(points, places, size_m=size_m)
    taken = evenly(len(centres), settings.max_points)
    return centres[taken], first[taken]
