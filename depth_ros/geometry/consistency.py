"""Consistency of depth maps of several views: the geometric filter of MVSNet.

A pixel goes through its depth into another view, and that view's depth brings it back; where it
comes back nearly to where it left, with nearly the depth it had, the two views agree (Yao et al.
2018, arXiv 1804.02505, section 4.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.geometry.consistency_settings import ConsistencySettings
from depth_ros.geometry.projection import lift_pixels, project
from depth_ros.geometry.rigid import inverse


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DepthView:
    """A depth map with all that fusing needs.

    Attributes:
        depth: ``(H, W)`` float32 metres along Z; not finite where unknown.
        confidence: ``(H, W)`` float32 in 0..1.
        image: ``(H, W, 3)`` uint8 RGB of the same pixels.
        camera: Rectified camera of these pixels.
        world_from_camera: ``(4, 4)`` float64.
    """

    depth: np.ndarray
    confidence: np.ndarray
    image: np.ndarray
    camera: PinholeCamera
    world_from_camera: np.ndarray

    def known(self, min_confidence: float) -> np.ndarray:
        """Return the depth where it is known and trusted, NaN elsewhere, ``(H, W)`` float32."""
        is_good = np.isfinite(self.depth) & (self.confidence >= min_confidence)
        return np.where(is_good, self.depth, np.float32(np.nan))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Agreement:
    """Where one view agrees with another.

    Attributes:
        is_consistent: ``(n,)`` bool per pixel asked about.
        depth: ``(n,)`` float64, the other view's depth seen from the first, metres; only
            meaningful where consistent.
    """

    is_consistent: np.ndarray
    depth: np.ndarray


def lift(
    camera: PinholeCamera, pixels: np.ndarray, depth: np.ndarray, pose: np.ndarray
) -> np.ndarray:
    """Turn pixels ``(n, 2)`` (x, y) with depths ``(n,)`` into points ``(n, 3)`` moved by pose."""
    points = lift_pixels(camera, pixels, depth)
    return np.asarray(points @ pose[:3, :3].T + pose[:3, 3])


def sample_depth(depth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Read a depth map between pixels; NaN outside and next to unknown depth, (n,) float64."""
    if len(pixels) == 0:
        return np.empty(0, np.float64)
    at = np.where(np.isfinite(pixels), pixels, -1e4).astype(np.float32)
    # OpenCV takes maps of at most 32767 columns or rows; a tall one column is folded.
    count = len(at)
    side = int(np.ceil(np.sqrt(count)))
    folded = np.full((side * side, 2), -1e4, np.float32)
    folded[:count] = at
    grid = folded.reshape(side, side, 2)
    values = cv2.remap(
        np.ascontiguousarray(depth, np.float32),
        grid,
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float('nan'),
    )
    return np.asarray(values.reshape(-1)[:count], np.float64)


def agreement(
    pixels: np.ndarray,
    depth: np.ndarray,
    view: DepthView,
    other: DepthView,
    settings: ConsistencySettings,
) -> Agreement:
    """Check pixels of one view against the depth of another view.

    Args:
        pixels: ``(n, 2)`` x, y in ``view``.
        depth: ``(n,)`` their depths, metres; NaN agrees with nothing.
        view: Whose pixels they are.
        other: The view to compare with.
        settings: What counts as agreement.
    """
    other_from_view = inverse(other.world_from_camera) @ view.world_from_camera
    there, _ = project(other.camera, lift(view.camera, pixels, depth, other_from_view))
    their_depth = sample_depth(other.known(settings.min_confidence), there)
    back = lift(other.camera, there, their_depth, inverse(other_from_view))
    returned, returned_depth = project(view.camera, back)
    with np.errstate(invalid='ignore'):
        way = np.linalg.norm(returned - pixels, axis=1)
        change = np.abs(returned_depth - depth) / depth
        is_consistent = (way < settings.max_reprojection_px) & (change < settings.max_depth_ratio)
    return Agreement(is_consistent=is_consistent, depth=returned_depth)
