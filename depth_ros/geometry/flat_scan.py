"""A flat scan of what a depth image shows in a band of heights, as REP 117 wants ranges.

Beam i looks along ``angle_min_rad + i * increment_rad`` about z of the scan's frame and stands for
all pixels nearest to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depth_ros.geometry.cloud_settings import NavigationSettings
from depth_ros.geometry.free_space import Sight

_LEVEL = 1e-6
_TURN = 2.0 * math.pi


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FlatScan:
    """Ranges about z of a frame.

    Attributes:
        ranges: ``(N,)`` float32 metres: the nearest obstacle; ``+Inf`` if the way is known to be
            free up to ``max_range_m``, ``-Inf`` if something is too near to be measured, NaN if
            nothing is known.
        angle_min_rad: Of the first beam.
        increment_rad: Between two beams.
        max_range_m: Largest range; obstacles beyond it are not told.
    """

    ranges: np.ndarray
    angle_min_rad: float
    increment_rad: float
    max_range_m: float

    @property
    def angle_max_rad(self) -> float:
        """Angle of the last beam."""
        return self.angle_min_rad + (len(self.ranges) - 1) * self.increment_rad


def flat_scan(sight: Sight, scan_from_base: np.ndarray, settings: NavigationSettings) -> FlatScan:
    """Make a scan of a sight.

    A beam with an obstacle has its range: that of the ``scan_min_points``-th nearest pixel of it,
    so that a speck is none. One without is ``-Inf`` if any pixel is too near; one with an obstacle
    is, if ``scan_min_points`` are, as the obstacle is behind and its range would clear what is
    before. Any other is free if a ray of it is, up to the maximum range, and few of its pixels are
    unknown; rays that leave the band through its top count for neither. It is unknown where
    ``scan_min_points`` pixels show something outside of the rectangle: what is left out there is
    not told, but no free way is claimed through it. The maximum range is ``max_range_m`` less the
    distance between camera and origin, so that a free beam claims nothing that was not seen.

    Args:
        sight: What ``look`` gave.
        scan_from_base: ``(4, 4)``, the scan's frame from the robot's.
        settings: Range, increment, and how much may be unknown.
    """
    scan_from_camera = scan_from_base @ sight.base_from_camera
    offset = math.hypot(*scan_from_camera[:2, 3])
    max_range = max(settings.max_range_m - offset, _LEVEL)
    fan = _fan(sight, scan_from_camera, settings)
    count = int(fan.beams.max()) + 1
    own, distances = _obstacles(sight, scan_from_camera, fan)
    shown = (own < count) & (distances <= max_range)
    nearest = _nth_nearest(own[shown], distances[shown], count, settings.scan_min_points)
    ranges = np.where(_is_free(sight, fan.beams, count, settings), np.inf, np.nan)
    num_too_near = _counted(fan.beams, np.isneginf(sight.depth), count)
    ranges[num_too_near > 0] = -np.inf
    is_told = np.isfinite(nearest) & (num_too_near < settings.scan_min_points)
    ranges = np.where(is_told, nearest, ranges)
    return FlatScan(
        ranges=ranges.astype(np.float32),
        angle_min_rad=fan.angle_min_rad,
        increment_rad=fan.increment_rad,
        max_range_m=max_range,
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Fan:
    """Beams, and the ``(h, w)`` number of the one that each ray belongs to."""

    beams: np.ndarray
    angle_min_rad: float
    increment_rad: float


def _fan(sight: Sight, scan_from_camera: np.ndarray, settings: NavigationSettings) -> _Fan:
    """Give each ray the beam of its end at the maximum range.

    Beams are never closer than pixels, or some would have none.
    """
    turned = sight.rays @ scan_from_camera[:3, :3].T.astype(np.float32)
    x, y = turned[..., 0], turned[..., 1]
    stretch = np.float32(settings.max_range_m) / np.maximum(np.hypot(x, y), np.float32(_LEVEL))
    x = x * stretch + np.float32(scan_from_camera[0, 3])
    y = y * stretch + np.float32(scan_from_camera[1, 3])
    ahead = math.atan2(*_axis(scan_from_camera))
    angles = _wrapped(np.arctan2(y, x) - np.float32(ahead))
    pitch = np.abs(_wrapped(np.diff(angles[len(angles) // 2])))
    increment = max(settings.scan_increment_rad, float(pitch.max(initial=0.0)))
    lowest = float(angles.min())
    beams = np.rint((angles - np.float32(lowest)) / np.float32(increment)).astype(np.intp)
    return _Fan(beams=beams, angle_min_rad=ahead + lowest, increment_rad=increment)


def _axis(scan_from_camera: np.ndarray) -> tuple[float, float]:
    """Return (y, x) of the optical axis, ahead where it points up or down."""
    x, y = (float(value) for value in scan_from_camera[:2, 2])
    return (y, x) if math.hypot(x, y) > _LEVEL else (0.0, 1.0)


def _obstacles(
    sight: Sight, scan_from_camera: np.ndarray, fan: _Fan
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(N,)`` beam and horizontal distance of every point of an obstacle."""
    points = sight.rays[sight.is_obstacle] * sight.depth[sight.is_obstacle][:, np.newaxis]
    x, y, _ = (points @ scan_from_camera[:3, :3].T + scan_from_camera[:3, 3]).T
    half_turn = np.float32(math.pi)
    angles = _wrapped(np.arctan2(y, x) - np.float32(fan.angle_min_rad) - half_turn) + half_turn
    beams = np.rint(angles / np.float32(fan.increment_rad)).astype(np.intp)
    last = round(_TURN / fan.increment_rad)
    return np.where(beams >= last, 0, beams), np.hypot(x, y)


def _nth_nearest(beams: np.ndarray, distances: np.ndarray, count: int, number: int) -> np.ndarray:
    """Return ``(count,)`` the ``number``-th smallest distance of each beam, infinite if fewer."""
    order = np.lexsort((distances, beams))
    firsts = np.searchsorted(beams[order], np.arange(count + 1))
    nearest = np.full(count, np.inf)
    has_enough = np.diff(firsts) >= number
    nearest[has_enough] = distances[order[firsts[:-1][has_enough] + number - 1]]
    return nearest


def _wrapped(angles: np.ndarray) -> np.ndarray:
    """Return angles within -pi..pi."""
    return np.asarray(angles - np.float32(_TURN) * np.rint(angles / np.float32(_TURN)))


def _is_free(
    sight: Sight, beams: np.ndarray, count: int, settings: NavigationSettings
) -> np.ndarray:
    """Tell of each beam whether its way is known to be free: ``(count,)`` bool."""
    matters = ~sight.leaves_top
    num_pixels = _counted(beams, matters, count)
    num_unknown = _counted(beams, matters & np.isnan(sight.depth), count)
    num_free = _counted(beams, matters & sight.is_far, count)
    num_left_out = _counted(beams, sight.is_left_out, count)
    is_known = num_unknown <= settings.scan_max_unknown * num_pixels
    return np.asarray((num_free > 0) & is_known & (num_left_out < settings.scan_min_points))


def _counted(beams: np.ndarray, is_counted: np.ndarray, count: int) -> np.ndarray:
    """Count pixels by beam."""
    return np.bincount(beams[is_counted], minlength=count)[:count]
