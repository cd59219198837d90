"""Keyframes: images whose points have depth and whose pose is kept, and when to take a new one."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.results import DepthScale
from depth_ros.tasks.odometry.settings import TrackingSettings
from depth_ros.tasks.odometry.values import OdometryFrame, Pose

MIN_KNOWN_SHARE = 0.05
"""A depth map with fewer known pixels makes no keyframe."""

_CELLS_ACROSS = 8
_CELLS_DOWN = 6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Keyframe:
    """A frame others are placed against.

    Attributes:
        number: Counts up from 0.
        image: ``(H, W, 3)`` uint8 RGB.
        depth: ``(H, W)`` float32 metres, NaN where unknown or out of the range to be used.
        camera: Camera of both.
        stamp_ns: Stamp of the frame.
        pose: Where it stood.
    """

    number: int
    image: np.ndarray
    depth: np.ndarray
    camera: PinholeCamera
    stamp_ns: int
    pose: Pose


def usable_depth(frame: OdometryFrame, settings: TrackingSettings) -> np.ndarray | None:
    """Return a frame's metric depth within the range, or None if there is too little of it.

    Relative depth is none: metric odometry cannot use it.
    """
    result = frame.depth()
    if result is None or result.scale is not DepthScale.METRIC:
        return None
    if result.depth.shape != frame.image.shape[:2]:
        return None
    depth = result.depth
    with np.errstate(invalid='ignore'):
        is_used = (depth >= settings.min_depth_m) & (depth <= settings.max_depth_m) & (depth > 0)
    if is_used.mean() < MIN_KNOWN_SHARE:
        return None
    return np.where(is_used, depth, np.float32(np.nan)).astype(np.float32)


class KeyframeStore:
    """The recent keyframes and the one in use."""

    def __init__(self, max_keyframes: int) -> None:
        self._recent: deque[Keyframe] = deque(maxlen=max_keyframes)
        self._num_made = 0
        self._turn = 0
        self.current: Keyframe | None = None

    def __len__(self) -> int:
        return len(self._recent)

    def add(self, frame: OdometryFrame, depth: np.ndarray, pose: Pose) -> Keyframe:
        """Add a frame and use it from now on; the oldest is dropped when there are too many."""
        keyframe = Keyframe(
            number=self._num_made,
            image=frame.image,
            depth=depth,
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            pose=pose,
        )
        self._num_made += 1
        self._recent.append(keyframe)
        self.current = keyframe
        return keyframe

    def set_limit(self, max_keyframes: int) -> None:
        """Keep more or fewer from now on."""
        self._recent = deque(self._recent, maxlen=max_keyframes)

    def clear(self) -> None:
        """Forget everything."""
        self._recent.clear()
        self.current = None

    def candidates(self, count: int) -> list[Keyframe]:
        """Return keyframes to search for: the newest first, older ones at the next calls."""
        newest_first = list(self._recent)[::-1]
        if not newest_first:
            return []
        start = self._turn % len(newest_first)
        self._turn += count
        turned = newest_first[start:] + newest_first[:start]
        return turned[:count]

    def restart_search(self) -> None:
        """Begin with the newest again."""
        self._turn = 0


class KeyframePolicy:
    """Decides when the view has changed enough for a new keyframe."""

    def __init__(self, settings: TrackingSettings) -> None:
        self.settings = settings
        self._best_cover = 0

    def restart(self) -> None:
        """Forget what the former keyframe covered."""
        self._best_cover = 0

    def is_due(self, first: np.ndarray, second: np.ndarray, camera: PinholeCamera) -> bool:
        """Judge by the inliers.

        Args:
            first: ``(N, 2)`` inliers in the keyframe.
            second: ``(N, 2)`` the same in the frame.
            camera: The keyframe's camera.
        """
        if len(first) == 0:
            return False
        cover = covered_cells(first, camera)
        self._best_cover = max(self._best_cover, cover)
        diagonal = math.hypot(camera.width, camera.height)
        moved = float(np.median(np.linalg.norm(second - first, axis=1)))
        is_far = moved > self.settings.keyframe_parallax * diagonal
        return is_far or cover < self.settings.keyframe_overlap * self._best_cover


def covered_cells(points: np.ndarray, camera: PinholeCamera) -> int:
    """Count the cells of an 8 x 6 grid over the image that hold a point."""
    return len(np.unique(_cells(points, camera)))


def spread(points: np.ndarray, camera: PinholeCamera, *, max_per_cell: int) -> np.ndarray:
    """Choose points so that no cell of the grid holds more than some, the first ones first.

    Otherwise a richly textured moving object would outvote the static background.

    Args:
        points: ``(N, 2)`` pixels, best first.
        camera: Their camera.
        max_per_cell: Points to keep in a cell.

    Returns:
        ``(N,)`` bool.
    """
    cells = _cells(points, camera)
    order = np.argsort(cells, kind='stable')
    starts = np.searchsorted(cells[order], cells[order], side='left')
    is_kept = np.empty(len(points), bool)
    is_kept[order] = np.arange(len(points)) - starts < max_per_cell
    return is_kept


def _cells(points: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    column = np.clip(points[:, 0] * _CELLS_ACROSS / camera.width, 0, _CELLS_ACROSS - 1)
    row = np.clip(points[:, 1] * _CELLS_DOWN / camera.height, 0, _CELLS_DOWN - 1)
    return row.astype(int) * _CELLS_ACROSS + column.astype(int)
