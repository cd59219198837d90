"""How much depth changes from one frame to the next beyond what the motion of the camera does.

Corners are followed from the frame before (Lucas and Kanade, pyramids of Bouguet 2000). Their
depth there and their place here give the camera's own motion (PnP with RANSAC); what that motion
makes of their depth is compared with the depth found here. A still scene without flicker gives the
noise of the matcher; a map that jumps, breathes or changes its scale gives more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.geometry.projection import lift_pixels
from depth_ros.recordings.depth_frame import DepthFrame
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.recording import Position

NUM_CORNERS = 300
MIN_FOLLOWED = 30
"""Fewer corners that agree with one motion say nothing."""
REPROJECTION_PX = 2.0
SMOOTH = 0.05
"""Corners around which depth differs by a larger share lie on an edge, where it is no one's."""
LARGEST_PX = 640
"""Larger images are followed at a lower level of the pyramid."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SeenDepth:
    """What is kept of a frame until the next.

    Attributes:
        grey: ``(H, W)`` uint8.
        depth: ``(H, W)`` float32, metres or up to a factor.
        camera: Calibration of these pixels.
    """

    grey: np.ndarray
    depth: np.ndarray
    camera: PinholeCamera


def seen_depth(frame: DepthFrame) -> SeenDepth | None:
    """Return what is kept of a frame; None where it has no depth."""
    depth = frame.depth if frame.depth is not None else frame.relative
    if depth is None:
        return None
    grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
    return SeenDepth(grey=grey, depth=depth, camera=frame.camera)


class FlickerWatch:
    """Measures the flicker of every n-th frame of a segment, wherever the segment begins."""

    def __init__(self, every: int) -> None:
        """Measure every n-th frame; 0 measures none."""
        self._every = every
        self._last: tuple[Position, SeenDepth | None] | None = None

    def forget(self) -> None:
        """Begin a segment."""
        self._last = None

    def look(
        self,
        frame: DepthFrame,
        image: StampedMessage,
        *,
        number: int,
        before: StampedMessage | None,
        compute: Callable[[], DepthFrame],
    ) -> float | None:
        """Return the flicker of a frame whose turn it is, else None.

        Args:
            frame: The frame.
            image: Its reference image.
            number: Its place in the recording.
            before: The reference image before it, None where none was recorded near it.
            compute: Computes the frame of ``before``, which may belong to another segment;
                raises ``InputError`` where it cannot be used.
        """
        seen, change = None, None
        if before is not None and self._is_turn(number):
            seen = seen_depth(frame)
            if self._last is None or self._last[0] != before.position:
                try:
                    self._last = (before.position, seen_depth(compute()))
                except InputError:
                    self._last = (before.position, None)
            former = self._last[1]
            if seen is not None and former is not None:
                change = flicker(former, seen)
        if self._is_turn(number + 1):
            self._last = (image.position, seen or seen_depth(frame))
        return change

    def _is_turn(self, number: int) -> bool:
        return bool(self._every) and number % self._every == 1 % self._every


def flicker(before: SeenDepth, after: SeenDepth) -> float | None:
    """Return the median relative change of depth that motion does not explain, or None.

    Args:
        before: The frame before.
        after: The frame.
    """
    first, second = _followed(before.grey, after.grey)
    known = [_depth_at(seen.depth, pixels) for seen, pixels in ((before, first), (after, second))]
    is_known = np.isfinite(known[0]) & np.isfinite(known[1])
    first, second = first[is_known], second[is_known]
    depth, found = known[0][is_known], known[1][is_known]
    if len(first) < MIN_FOLLOWED:
        return None
    points = lift_pixels(before.camera, first, depth)
    is_fit, motion = _motion(points, second, after.camera)
    if motion is None or is_fit.sum() < MIN_FOLLOWED:
        return None
    expected = points[is_fit] @ motion[2, :3] + motion[2, 3]
    return float(np.median(np.abs(found[is_fit] / expected - 1.0)))


def _followed(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(N, 2)`` pixels of corners in both images, as float64."""
    none = np.zeros((0, 2))
    scale = min(1.0, LARGEST_PX / max(before.shape))
    if scale < 1.0:
        size = (round(scale * before.shape[1]), round(scale * before.shape[0]))
        before, after = (
            cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (before, after)
        )
    corners = cv2.goodFeaturesToTrack(before, NUM_CORNERS, 0.01, 5)
    if corners is None:
        return none, none
    moved, is_found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, None)
    is_found = is_found.ravel() == 1
    pairs = (corners.reshape(-1, 2)[is_found], moved.reshape(-1, 2)[is_found])
    first, second = ((pixels.astype(np.float64) + 0.5) / scale - 0.5 for pixels in pairs)
    return first, second


def _depth_at(depth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` the median of 3x3 around each pixel; NaN at borders, edges and holes."""
    height, width = depth.shape
    columns, rows = np.rint(pixels).astype(int).T
    is_inside = (columns >= 1) & (rows >= 1) & (columns < width - 1) & (rows < height - 1)
    columns, rows = np.where(is_inside, columns, 1), np.where(is_inside, rows, 1)
    shifts = np.array([(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)])
    around = depth[rows[:, None] + shifts[:, 0], columns[:, None] + shifts[:, 1]]
    around = around.astype(np.float64)
    is_good = is_inside & np.isfinite(around).all(axis=1)
    middle = np.median(np.where(np.isfinite(around), around, 0.0), axis=1)
    with np.errstate(invalid='ignore'):
        spread = around.max(axis=1) - around.min(axis=1)
    is_good &= (middle > 0.0) & (spread <= SMOOTH * middle)
    return np.where(is_good, middle, np.nan)


def _motion(
    points: np.ndarray, pixels: np.ndarray, camera: PinholeCamera
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return which points agree, and ``(3, 4)`` from the camera before to this one."""
    found, turn, shift, agreeing = cv2.solvePnPRansac(
        points, pixels, camera.p[:, :3], None, reprojectionError=REPROJECTION_PX
    )
    is_fit = np.zeros(len(points), bool)
    if not found or agreeing is None:
        return is_fit, None
    is_fit[agreeing.ravel()] = True
    return is_fit, np.hstack([cv2.Rodrigues(turn)[0], shift])
