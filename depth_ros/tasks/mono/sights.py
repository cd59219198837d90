"""Points that were seen in several images from known places: where they are, and if they can be.

A point keeps its row in every sight. Pixels are those of a rectified camera.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.geometry.projection import lift_pixels, project
from depth_ros.geometry.rigid import inverse

MIN_ANGLE_RAD = math.radians(1.5)
MAX_REPROJECTION_PX = 1.0
FAR_M = 1e5
"""Where a point counts as infinitely far."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PointSight:
    """Where the points were in one image.

    Attributes:
        pixels: ``(N, 2)`` float32, NaN where a point was not seen yet.
        world_from_camera: ``(4, 4)``.
    """

    pixels: np.ndarray
    world_from_camera: np.ndarray

    def of_points(self, chosen: np.ndarray) -> PointSight:
        """Return this of some of the points."""
        return PointSight(pixels=self.pixels[chosen], world_from_camera=self.world_from_camera)


def triangulated(sights: Sequence[PointSight], camera: PinholeCamera) -> np.ndarray:
    """Return the depth of every point in the last sight, ``(N,)`` metres, NaN where unsure.

    The point is the middle between the nearest places of the two rays, of its first sight and of
    the last (Hartley and Sturm 1997, the midpoint method).
    """
    points, angle, _ = _midpoints(sights, camera)
    with np.errstate(invalid='ignore'):
        is_good = angle > MIN_ANGLE_RAD
        is_good &= _largest_error(sights, camera, points) < MAX_REPROJECTION_PX
        from_world = inverse(sights[-1].world_from_camera)
        depth = points @ from_world[2, :3] + from_world[2, 3]
        return np.where(is_good & (depth > 0.0), depth, np.nan)


def unexplained_px(sights: Sequence[PointSight], camera: PinholeCamera) -> np.ndarray:
    """Return how far each point is, at least, from where poses allow it to be, ``(N,)`` px.

    The largest distance over all sights, of the better of two places: where its first ray and its
    last meet, before both cameras, or far away along the first. Poses that are wrong by one
    factor of all ways explain the pixels as well as right ones.
    """
    points, angle, far = _midpoints(sights, camera)
    with np.errstate(invalid='ignore', over='ignore'):  # rays may meet at infinity
        meets = np.where(angle > 0.0, _largest_error(sights, camera, points), np.inf)
        return np.asarray(np.fmin(meets, _largest_error(sights, camera, far)))


def num_sights(sights: Sequence[PointSight]) -> np.ndarray:
    """Return in how many of the sights each point is, ``(N,)``."""
    return np.sum([np.isfinite(sight.pixels[:, 0]) for sight in sights], axis=0)


def _midpoints(
    sights: Sequence[PointSight], camera: PinholeCamera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where first and last rays meet, their angle in rad, and far points of the first."""
    count = len(sights[-1].pixels)
    seen = np.stack([np.isfinite(sight.pixels[:, 0]) for sight in sights])
    first = seen.argmax(axis=0)
    rays = np.stack([_rays(sight, camera) for sight in sights]).reshape(len(sights), count, 3)
    centres = np.stack([sight.world_from_camera[:3, 3] for sight in sights])
    first_rays = rays[first, np.arange(count)]
    with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
        points, angle = _between(centres[first], first_rays, centres[-1], rays[-1])
    return points, angle, centres[first] + FAR_M * first_rays


def _rays(sight: PointSight, camera: PinholeCamera) -> np.ndarray:
    """Return unit rays of the points in the world's axes, ``(N, 3)``."""
    rays = lift_pixels(camera, sight.pixels.astype(np.float64), np.ones(len(sight.pixels)))
    rays = rays @ sight.world_from_camera[:3, :3].T
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


def _between(
    first: np.ndarray, first_rays: np.ndarray, last: np.ndarray, last_rays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points midway between two lines each, ``(N, 3)``, and their angle in rad."""
    cosine = np.einsum('ij,ij->i', first_rays, last_rays)
    across = last - first
    along_first = np.einsum('ij,ij->i', first_rays, across)
    along_last = np.einsum('ij,ij->i', last_rays, across)
    sine2 = 1.0 - cosine**2
    s = (along_first - cosine * along_last) / sine2
    t = (cosine * along_first - along_last) / sine2
    points = (first + s[:, None] * first_rays + last + t[:, None] * last_rays) / 2.0
    is_ahead = (s > 0.0) & (t > 0.0)
    return points, np.where(is_ahead, np.arccos(np.clip(cosine, -1.0, 1.0)), 0.0)


def _largest_error(
    sights: Sequence[PointSight], camera: PinholeCamera, points: np.ndarray
) -> np.ndarray:
    """Return the largest distance of a point from where any sight has it, ``(N,)`` px."""
    errors = np.zeros(len(points))
    for sight in sights:
        from_world = inverse(sight.world_from_camera)
        there, _ = project(camera, points @ from_world[:3, :3].T + from_world[:3, 3])
        error = np.linalg.norm(there - sight.pixels, axis=1)
        is_seen = np.isfinite(sight.pixels[:, 0])
        errors = np.where(
            is_seen, np.fmax(errors, np.where(np.isnan(error), np.inf, error)), errors
        )
    return errors
