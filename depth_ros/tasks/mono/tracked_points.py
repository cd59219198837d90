"""Points of the scene in metres, from a camera that moves and knows where it is.

Corners (Shi and Tomasi 1994) are followed from image to image (Lucas and Kanade, OpenCV's
pyramids). Where the rays of the first sight and of now meet at an angle that is wide enough, the
point between them is kept if every sight of it agrees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from depth_ros.frames import MonoFrame
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.mono.sights import PointSight, triangulated

NUM_POINTS = 300
MIN_DISTANCE_PX = 8
QUALITY = 0.01
WINDOW_PX, NUM_LEVELS = 15, 3
MAX_BACK_PX = 0.7
"""Largest distance at which a point followed there and back may end from where it began."""
NUM_SIGHTS = 12
"""Sights of a point that are kept; the first of them is the one it is triangulated with."""
MAX_GAP_NS = 1_000_000_000
"""Images farther apart in time have nothing to do with each other."""


class TrackedPoints:
    """Follows points through the images of one camera; one worker owns it."""

    def __init__(self, num_points: int = NUM_POINTS) -> None:
        """Start without points; at most ``num_points`` are followed."""
        self._num_points = num_points
        self._grey: np.ndarray | None = None
        self._camera = b''
        self._stamp_ns = 0
        self._sights: deque[PointSight] = deque(maxlen=NUM_SIGHTS)

    @property
    def sights(self) -> Sequence[PointSight]:
        """Where the points were seen, the newest last."""
        return tuple(self._sights)

    def see(self, frame: MonoFrame, world_from_camera: np.ndarray) -> DepthResult:
        """Take the next image; return the depth of points in it, NaN everywhere else.

        Args:
            frame: Rectified image.
            world_from_camera: ``(4, 4)``, where its camera is, metres.
        """
        self.follow(frame, world_from_camera)
        return self._depth(frame)

    def follow(self, frame: MonoFrame, world_from_camera: np.ndarray) -> None:
        """Take the next image where only its points are needed; arguments as of ``see``."""
        grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        self._follow(grey, frame, world_from_camera)
        self._fill_up(grey)
        self._grey, self._stamp_ns = grey, frame.stamp_ns
        self._camera = frame.camera.fingerprint()

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
                PointSight(pixels=np.empty((0, 2), np.float32), world_from_camera=pose)
            )
            return
        pixels, is_found = followed(self._grey, grey, before)
        kept = [sight.of_points(is_found) for sight in self._sights]
        self._sights.clear()
        self._sights.extend(kept)
        self._sights.append(PointSight(pixels=pixels[is_found], world_from_camera=pose))

    def _fill_up(self, grey: np.ndarray) -> None:
        """Find new points where there are none."""
        now = self._sights[-1]
        missing = self._num_points - len(now.pixels)
        if missing < self._num_points // 10:
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
            PointSight(
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
