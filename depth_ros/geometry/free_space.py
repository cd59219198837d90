"""Which pixels show an obstacle to a robot, and how far the rays of the others are free.

Everything is looked at in the robot's frame (x forward, y left, z up; REP 103). An obstacle lies
in a box: a band of heights, a horizontal range about the camera, a rectangle. Every other pixel
whose depth is known is free as far as its ray stays in that box, or as far as its point; a pixel
without known depth says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.geometry.cloud_settings import Ground, NavigationSettings
from depth_ros.geometry.ground_plane import GroundSearch, find_ground

MIN_FLOOR_SHARE = 0.1
"""Of the lower image, that must lie on the floor for heights to be measured from it."""

_NO_RAY = np.float32(np.nan)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sight:
    """What a strided depth image says about the space around a robot.

    Attributes:
        rays: ``(h, w, 3)`` float32 rays of unit Z in the optical frame.
        depth: ``(h, w)`` float32 metres of the same pixels; NaN unknown, ``+Inf`` beyond range,
            ``-Inf`` too near.
        is_obstacle: ``(h, w)`` bool, points in the box.
        is_floor: ``(h, w)`` bool, points below the band down to as much below the floor.
        free_z: ``(h, w)`` float32, depth to which the ray is known to be free; NaN of obstacles,
            of unknown pixels and of rays that never are in the box.
        is_far: ``(h, w)`` bool, rays that are free in the band up to the maximum range, whatever
            the rectangle.
        is_left_out: ``(h, w)`` bool, points in the band and the range, outside of the rectangle.
        leaves_top: ``(h, w)`` bool, rays that rise out of the band before the maximum range.
        base_from_camera: ``(4, 4)`` float64 that was used, heights from the fitted floor if any.
    """

    rays: np.ndarray
    depth: np.ndarray
    is_obstacle: np.ndarray
    is_floor: np.ndarray
    free_z: np.ndarray
    is_far: np.ndarray
    is_left_out: np.ndarray
    leaves_top: np.ndarray
    base_from_camera: np.ndarray

    def obstacle_points(self, ground: Ground) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(N, 3)`` float32 points in the optical frame and ``(h, w)`` bool of them."""
        shown = self.is_obstacle | self.is_floor if ground is Ground.KEPT else self.is_obstacle
        return self.rays[shown] * self.depth[shown][:, np.newaxis], shown

    def free_points(self) -> np.ndarray:
        """Return ``(N, 3)`` float32 ends of free rays in the optical frame; none is NaN."""
        shown = np.isfinite(self.free_z)
        return self.rays[shown] * self.free_z[shown][:, np.newaxis]


def look(
    depth: np.ndarray,
    camera: PinholeCamera,
    base_from_camera: np.ndarray,
    settings: NavigationSettings,
) -> Sight:
    """Sort the pixels of a depth image into obstacles, free rays and unknown.

    A ray ends where it leaves the box: at the maximum range, below ``min_height_m`` (what is
    lower is not looked at), above ``max_height_m``, or at the rectangle's edge. So it clears
    nothing that no pixel can mark, and a costmap's band of heights does not drop its end. A ray
    that begins outside of the box is free only if it gets into it: what it meets before is no
    obstacle of the box, and its end would clear that.

    Args:
        depth: ``(H, W)`` float32 metres; NaN unknown, ``+Inf`` beyond range, ``-Inf`` too near.
        camera: Camera whose pixels they are.
        base_from_camera: ``(4, 4)``, robot's frame from the optical frame.
        settings: Band, range, rectangle and stride.
    """
    step = settings.stride
    strided = np.ascontiguousarray(depth[::step, ::step], np.float32)
    rays = pixel_rays(camera, strided.shape, step)
    turned = rays @ base_from_camera[:3, :3].T.astype(np.float32)
    origin = base_from_camera[:3, 3]
    with np.errstate(divide='ignore', invalid='ignore'):
        range_z = np.float32(settings.max_range_m) / np.hypot(turned[..., 0], turned[..., 1])
        slabs = [_slab(turned[..., axis], origin[axis], *ends) for axis, ends in _box(settings)]
        enter_z = np.maximum.reduce([enter for enter, _ in slabs])
        exit_z = np.minimum.reduce([range_z, *(leave for _, leave in slabs)])
        standing, is_floor = _places(strided, turned, origin, range_z, settings)
        is_inside = standing & _within_rectangle(strided, turned, origin, settings)
        is_known = ~np.isnan(strided) & (strided > 0.0)
        gets_in = is_known & (enter_z <= exit_z) & (enter_z <= strided)
        free_z = np.where(gets_in & ~is_inside, np.minimum(strided, exit_z), _NO_RAY)
        np.copyto(free_z, _NO_RAY, where=~(free_z > 0.0) | np.isinf(free_z))
        top_z = _slab(turned[..., 2], origin[2], -np.inf, settings.max_height_m)[1]
        is_far = is_known & (strided >= range_z) & (slabs[-1][1] >= range_z)
        is_far &= (slabs[-1][0] <= range_z) & np.isfinite(range_z)
    return Sight(
        rays=rays,
        depth=strided,
        is_obstacle=is_inside,
        is_floor=is_floor,
        free_z=free_z,
        is_far=is_far,
        is_left_out=standing & ~is_inside,
        leaves_top=top_z < range_z,
        base_from_camera=base_from_camera,
    )


def above_floor(
    depth: np.ndarray, camera: PinholeCamera, base_from_camera: np.ndarray
) -> np.ndarray:
    """Return the robot's frame from the camera's with heights from the floor that is seen.

    Args:
        depth: ``(H, W)`` float32 metres; not finite is unknown.
        camera: Camera whose pixels they are.
        base_from_camera: ``(4, 4)``; says about where down is.

    Returns:
        ``(4, 4)`` whose third row gives heights above the fitted plane, or ``base_from_camera``
        itself where no floor is found. It is no rigid motion by as much as the mount is off.
    """
    x, y, z = (float(value) for value in -base_from_camera[2, :3])
    search = GroundSearch(down=(x, y, z), min_fraction=MIN_FLOOR_SHARE)
    try:
        plane = find_ground(depth, camera, search)
    except InputError:
        return base_from_camera
    fitted = base_from_camera.copy()
    fitted[2, :3], fitted[2, 3] = -plane.normal, plane.distance
    return fitted


def pixel_rays(camera: PinholeCamera, shape: tuple[int, ...], stride: int) -> np.ndarray:
    """Return ``(h, w, 3)`` float32 rays of unit Z through every ``stride``-th pixel."""
    x = (np.arange(shape[1]) * stride - camera.cx) / camera.fx
    y = (np.arange(shape[0]) * stride - camera.cy) / camera.fy
    rays = np.ones((*shape, 3), np.float32)
    rays[..., 0], rays[..., 1] = x, y[:, np.newaxis]
    return rays


def _box(settings: NavigationSettings) -> list[tuple[int, tuple[float, float]]]:
    """Return (axis, (low, high)) of every bound of the box."""
    box = settings.crop_box
    sides = (
        [] if box is None else [(0, (box.min_x_m, box.max_x_m)), (1, (box.min_y_m, box.max_y_m))]
    )
    return [*sides, (2, (settings.min_height_m, settings.max_height_m))]


def _slab(
    direction: np.ndarray, origin: float, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the depths at which rays enter and leave a slab.

    Entering is negative or 0 where they begin in it. Where they never are in it, leaving is
    negative or NaN, which compares as false.
    """
    is_up = direction > 0.0
    to_low, to_high = np.float32(low - origin), np.float32(high - origin)
    enter_z = np.where(is_up, to_low, to_high) / direction
    exit_z = np.where(is_up, to_high, to_low) / direction
    is_along = direction == 0.0
    is_inside = low <= origin <= high
    enter_z[is_along] = 0.0 if is_inside else np.nan
    exit_z[is_along] = np.inf if is_inside else np.nan
    return enter_z, exit_z


def _within_rectangle(
    depth: np.ndarray, turned: np.ndarray, origin: np.ndarray, settings: NavigationSettings
) -> np.ndarray:
    """Mark ``(h, w)`` points over the rectangle; all where there is none."""
    within = np.ones(depth.shape, bool)
    for axis, (low, high) in _box(settings)[:-1]:
        place = turned[..., axis] * depth + np.float32(origin[axis])
        within &= (place >= low) & (place <= high)
    return within


def _places(
    depth: np.ndarray,
    turned: np.ndarray,
    origin: np.ndarray,
    range_z: np.ndarray,
    settings: NavigationSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Mark ``(h, w)`` points in the band and the range, and points of the floor below it.

    Those of the floor are within the rectangle, too.
    """
    within = np.isfinite(depth) & (depth > 0.0) & (depth < range_z)
    height = turned[..., 2] * depth + np.float32(origin[2])
    low, high = settings.min_height_m, settings.max_height_m
    standing = within & (height >= low) & (height <= high)
    within &= _within_rectangle(depth, turned, origin, settings)
    return standing, within & (height < low) & (height >= -abs(low))
