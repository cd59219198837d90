"""Hints of the result before: moved with the rig where its motion is known, else as it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.frames import DisparityHint, RectifiedStereo
from depth_ros.geometry.hint_check import confirmed
from depth_ros.geometry.hints import nothing_known
from depth_ros.geometry.moved_disparity import moved_map
from depth_ros.geometry.rigid import inverse, rotation_angle

PREVIOUS_TRUST = np.float32(0.6)
"""Trust in the result before: what was wrong then must not confirm itself."""
SMOOTH_PX = 5
CHANGED_LEVELS = 8
"""A smoothed image that differs by more shows something else."""
MOVED_PX = 9
"""Side of the window around a change in which nothing is known."""
DARK_LEVELS, FLAT_LEVELS = 12.0, 2.0
"""An image of at most so much brightness, or so much contrast, tells nothing."""
TELEPORT_M, TELEPORT_RAD = 2.0, 0.6
"""A rig that moves or turns by more from pair to pair shows another place."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Before:
    """What is kept of a pair: smoothed grey image, result, stamp and place."""

    grey: np.ndarray
    disparity: np.ndarray
    stamp_ns: int
    world_from_camera: np.ndarray | None


class PreviousHints:
    """The result before, where the left image shows the same as then.

    With the places of both pairs the result is moved; what is newly uncovered is unknown. Without
    either the rig is taken to stand still. Where something has moved nothing is known, so that it
    leaves no trace, and what the pair itself speaks against is dropped. Everything is forgotten
    after a dark image, a jump of the rig, stamps that go back, and another image size.
    """

    is_evidence = False
    used = None

    def __init__(self) -> None:
        """Know nothing."""
        self._before: _Before | None = None

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Return the last result where it still holds."""
        shape, before, grey = pair.left.shape[:2], self._before, _smooth_grey(pair.left)
        if before is None or not _follows(before, pair) or _tells_nothing(grey):
            self._before = None
            return nothing_known(shape)
        disparity, seen = _as_seen_now(before, pair)
        known = np.isfinite(disparity) & ~_has_changed(
            grey, seen, is_moved=seen is not before.grey
        )
        hint = DisparityHint(
            disparity=np.where(known, disparity, np.float32(np.nan)),
            trust=np.where(known, PREVIOUS_TRUST, np.float32(0)),
        )
        return confirmed(hint, pair.left, pair.right)

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Remember the result for the next pair."""
        grey = _smooth_grey(pair.left)
        self._before = None
        if not _tells_nothing(grey):
            self._before = _Before(
                grey=grey,
                disparity=disparity.copy(),
                stamp_ns=pair.stamp_ns,
                world_from_camera=pair.beside.world_from_camera,
            )


def _follows(before: _Before, pair: RectifiedStereo) -> bool:
    """Whether a pair shows the same place a little later, as far as size, stamp and pose tell."""
    then, now = before.world_from_camera, pair.beside.world_from_camera
    if before.grey.shape != pair.left.shape[:2] or pair.stamp_ns < before.stamp_ns:
        return False
    if then is None or now is None:
        return then is now
    motion = inverse(now) @ then
    is_near = float(np.linalg.norm(motion[:3, 3])) <= TELEPORT_M
    return is_near and rotation_angle(motion[:3, :3]) <= TELEPORT_RAD


def _as_seen_now(before: _Before, pair: RectifiedStereo) -> tuple[np.ndarray, np.ndarray]:
    """Return the result and the image before, moved where the motion is known."""
    then, now = before.world_from_camera, pair.beside.world_from_camera
    if then is None or now is None:
        return before.disparity, before.grey
    motion = inverse(now) @ then
    return moved_map(before.disparity, before.grey, pair.camera, now_from_then=motion)


def _has_changed(grey: np.ndarray, seen: np.ndarray, *, is_moved: bool) -> np.ndarray:
    """Return where an image differs from the one before, with what is around it, bool.

    A moved image is right to a pixel only: it may have any grey between those around a pixel.
    """
    beside = np.ones((3, 3), np.uint8)
    least, most = (cv2.erode(grey, beside), cv2.dilate(grey, beside)) if is_moved else (grey, grey)
    too_dark = seen.astype(np.int16) < least.astype(np.int16) - CHANGED_LEVELS
    too_bright = seen.astype(np.int16) > most.astype(np.int16) + CHANGED_LEVELS
    window = np.ones((MOVED_PX, MOVED_PX), np.uint8)
    return np.asarray(cv2.dilate((too_dark | too_bright).astype(np.uint8), window) > 0)


def _tells_nothing(grey: np.ndarray) -> bool:
    """Whether an image is dark or without contrast."""
    return float(grey.mean()) <= DARK_LEVELS or float(grey.std()) <= FLAT_LEVELS


def _smooth_grey(image: np.ndarray) -> np.ndarray:
    """Return (H, W) uint8 without most of the noise."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.blur(grey, (SMOOTH_PX, SMOOTH_PX)))
