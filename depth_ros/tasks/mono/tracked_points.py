"""Points of the scene in metres, from a camera that moves and knows where it is.

Corners (Shi and Tomasi 1994) are followed from image to image (Lucas and Kanade, OpenCV's
pyramids). Where the rays of the first sight and of now meet at an angle that is wide enough, the
point between them is kept if every sight of it agrees.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.frames import MonoFrame
from depth_ros.geometry.projection import lift_pixels, project
from depth_ros.geometry.rigid import inverse
from depth_ros.results import DepthResult, DepthScale

NUM_POINTS = 300
MIN_DISTANCE_PX = 8
QUALITY = 0.01
WINDOW_PX, NUM_LEVELS = 15, 3
MAX_BACK_PX = 0.7
"""Largest distance at which a point followed there and back may end from where it began."""
MIN_ANGLE_RAD = math.radians(1.5)
MAX_REPROJECTION_PX = 1.0
NUM_SIGHTS = 12
"""Sights of a point that are kept; the first of them is the one it is triangulated with."""
MAX_GAP_NS = 1_000_000_000
"""Images farther apart in time have nothing to do with each other."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Sight:
    """Where the points were in one image; a point keeps its row.

    Attributes:
        pixels: ``(N, 2)`` float32, NaN where a point was not seen yet.
        world_from_camera: ``(4, 4)``.
    """

    pixels: np.ndarray
    world_from_camera: np.ndarray


class TrackedPoints:
    """Follows points through the images of one camera; one worker owns it."""

    def __init__(self) -> None:
        """Start without points."""
        self._grey: np.ndarray | None = None
        self._camera = b''
        self._stamp_ns = 0
        self._sights: deque[_Sight] = deque(maxlen=NUM_SIGHTS)

    def see(self, frame: MonoFrame, world_from_camera: np.ndarray) -> DepthResult:
        """Take the next image; return the depth of points in it, NaN everywhere else.

        Args:
            frame: Rectified image.
            world_from_camera: ``(4, 4)``, where its camera is, metres.
        """
        grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        self._follow(grey, frame, world_from_camera)
        self._fill_up(grey)
        self._grey, self._stamp_ns = grey, frame.stamp_ns
        self._camera = frame.camera.fingerprint()
        return self._depth(frame)

    def _follow(self, grey: np.ndarray, frame: MonoFrame, pose: np.ndarray) -> None:
        """Find the points again; those that are lost go, in every sight."""
        age_ns = frame.stamp_ns - self._stamp_ns
        is_next = 0 < age_ns <= MAX_GAP_NS and self._camera == frame.camera.fingerprint()
        if self._grey is None or not is_next:
            self._sights.clear()
        before = self._sights[-1].pixels if self._sights else np.empty((0, 2), np.float32)
        if self._grey is None or not len(before):
            self._sights.clear()
            self._sights.append(
                _Sight(pixels=np.empty((0, 2), np.float32), world_from_camera=pose)
            )
            return
        pixels, is_found = followed(self._grey, grey, before)
        kept = [
            _Sight(pixels=sight.pixels[is_found], world_from_camera=sight.world_from_camera)
            for sight in self._sights
        ]
        self._sights.clear()
        self._sights.extend(kept)
        self._sights.append(_Sight(pixels=pixels[is_found], world_from_camera=pose))

    def _fill_up(self, grey: np.ndarray) -> None:
        """Find new points where there are none."""
        now = self._sights[-1]
        missing = NUM_POINTS - len(now.pixels)
        if missing < NUM_POINTS // 10:
            return
        mask = np.full(grey.shape, 255, np.uint8)
        for place in np.rint(now.pixels).astype(int):
            cv2.circle(mask, (int(place[0]), int(place[1])), MIN_DISTANCE_PX, 0, -1)
        found = cv2.goodFeaturesToTrack(grey, missing, QUALITY, MIN_DISTANCE_PX, mask=mask)
        if found is None:
            return
        new = found.reshape(-1, 2).astype(np.float32)
        unseen = np.full_like(new, np.nan)
        sights = [
            _Sight(
                pixels=np.concatenate([sight.pixels, new if sight is now else unseen]),
                world_from_camera=sight.world_from_camera,
            )
            for sight in self._sights
        ]
        self._sights.clear()
        self._sights.extend(sights)

    def _depth(self, frame: MonoFrame) -> DepthResult:
        depth = np.full(frame.image.shape[:2], np.nan, np.float32)
        now = self._sights[-1]
        metres = triangulated(list(self._sights), frame.camera)
        is_known = np.isfinite(metres)
        at = np.rint(now.pixels[is_known]).astype(int)
        height, width = frame.image.shape[:2]
        x, y = np.clip(at[:, 0], 0, width - 1), np.clip(at[:, 1], 0, height - 1)
        depth[y, x] = metres[is_known]
        return DepthResult(
            depth=depth, camera=frame.camera, stamp_ns=frame.stamp_ns, scale=DepthScale.METRIC
        )


def followed(
    before: np.ndarray, now: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follow points into the next image and back again.

    Returns:
        ``(N, 2)`` float32, and ``(N,)`` bool where they came back to where they began.
    """
    track = partial(cv2.calcOpticalFlowPyrLK, winSize=(WINDOW_PX, WINDOW_PX), maxLevel=NUM_LEVELS)
    points = np.ascontiguousarray(pixels, np.float32).reshape(-1, 1, 2)
    there, is_found, _ = track(before, now, points, None)
    back, is_back, _ = track(now, before, there, None)
    way = np.linalg.norm((back - points).reshape(-1, 2), axis=1)
    end = np.array([now.shape[1], now.shape[0]]) - 1
    place = there.reshape(-1, 2)
    is_inside = ((place >= 0) & (place <= end)).all(axis=1)
    is_good = (is_found.ravel() == 1) & (is_back.ravel() == 1) & (way < MAX_BACK_PX) & is_inside
    return place, is_good


def triangulated(sights: list[_Sight], camera: PinholeCamera) -> np.ndarray:
    """Return the depth of every point in the last sight, ``(N,)`` metres, NaN where unsure.

    The point is the middle between the nearest places of the two rays, of its first sight and of
    the last (Hartley and Sturm 1997, the midpoint method).
    """
    now = sights[-1]
    count = len(now.pixels)
    first = np.array([_first_seen(sights, index) for index in range(count)], int)
    rays = np.stack([_rays(sight, camera) for sight in sights]).reshape(len(sights), count, 3)
    centres = np.stack([sight.world_from_camera[:3, 3] for sight in sights])
    with np.errstate(invalid='ignore', divide='ignore'):
        points, angle = _between(
            centres[first], rays[first, np.arange(count)], centres[-1], rays[-1]
        )
        is_good = angle > MIN_ANGLE_RAD
        is_good &= _largest_error(sights, camera, points) < MAX_REPROJECTION_PX
        from_world = inverse(now.world_from_camera)
        depth = points @ from_world[2, :3] + from_world[2, 3]
        return np.where(is_good & (depth > 0.0), depth, np.nan)


def _first_seen(sights: list[_Sight], index: int) -> int:
    seen = (at for at, sight in enumerate(sights) if np.isfinite(sight.pixels[index, 0]))
    return next(seen)


def _rays(sight: _Sight, camera: PinholeCamera) -> np.ndarray:
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


def _largest_error(sights: list[_Sight], camera: PinholeCamera, points: np.ndarray) -> np.ndarray:
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
