"""The camera's pose from a keyframe's points and where a frame sees them.

Perspective-n-point by OpenCV: RANSAC over minimal sets, Levenberg-Marquardt on the inliers, once
more on the inliers of the refined pose. The covariance is ``s² (JᵀJ)⁻¹`` with the Jacobian of
the reprojection in the pose and ``s²`` from the residuals (Hartley and Zisserman 2004, 5.2.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.geometry.projection import lift_pixels
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_vector, skew

MIN_SIGMA_PX = 0.3
"""Residuals below this are not believed when it comes to the covariance: a handful of points
fits any pose, and keypoints are not better."""

_RANSAC_ITERATIONS = 300
_RANSAC_CONFIDENCE = 0.9999
_MIN_POINTS = 6
_EDGE_RATIO = 1.05
_CLEAR_SHARE = 0.9
_SMOOTH_SHARE = 0.4
_UNDISPUTED_SHARE = 0.75


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScaledPose:
    """A frame's pose relative to a keyframe.

    Attributes:
        keyframe_from_frame: ``(4, 4)`` float64, metres.
        covariance: ``(6, 6)`` in the keyframe's axes, x y z then rotations about fixed axes.
        is_inlier: ``(N,)`` bool of the points given.
        residual_px: Root mean square reprojection error of the inliers.
        is_disputed: Whether clearly more points agree with another pose, which a smooth motion
            would not have led to.
    """

    keyframe_from_frame: np.ndarray
    covariance: np.ndarray
    is_inlier: np.ndarray
    residual_px: float
    is_disputed: bool = False

    @property
    def sigma_m(self) -> float:
        """Standard deviation of the position, over all directions."""
        return math.sqrt(float(np.trace(self.covariance[:3, :3])))

    @property
    def num_inliers(self) -> int:
        """Number of points that agree."""
        return int(self.is_inlier.sum())


def lift(points: np.ndarray, depth: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    """Lift pixels to 3-D by interpolated depth.

    Depth is interpolated bilinearly in 1/Z, in which planes are linear, and left unknown where
    the four pixels do not belong to one surface.

    Args:
        points: ``(N, 2)`` x y in pixels.
        depth: ``(H, W)`` float32 metres; anything not finite or not above zero is unknown.
        camera: Camera of both.

    Returns:
        ``(N, 3)`` float64 in the camera's optical axes, NaN where depth is unknown.
    """
    z = _sampled_depth(np.asarray(points, np.float64), depth)
    return lift_pixels(camera, points, z)


def _sampled_depth(points: np.ndarray, depth: np.ndarray) -> np.ndarray:
    height, width = depth.shape
    x0, y0 = np.floor(points[:, 0]), np.floor(points[:, 1])
    is_inside = (points >= 0).all(axis=1) & (points[:, 0] <= width - 1)
    is_inside &= points[:, 1] <= height - 1
    left = np.clip(np.nan_to_num(x0), 0, max(width - 2, 0)).astype(np.intp)
    top = np.clip(np.nan_to_num(y0), 0, max(height - 2, 0)).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    corners = np.stack(
        [depth[top, left], depth[top, right], depth[bottom, left], depth[bottom, right]]
    ).astype(np.float64)
    a, b = points[:, 0] - left, points[:, 1] - top
    weights = np.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b])
    is_known = np.isfinite(corners) & (corners > 0.0)
    safe = np.where(is_known, corners, 1.0)
    is_flat = safe.max(axis=0) < _EDGE_RATIO * safe.min(axis=0)
    z = 1.0 / (weights / safe).sum(axis=0).clip(1e-12)
    return np.where(is_inside & is_flat & is_known.all(axis=0), z, np.nan)


def estimate_pose(
    points: np.ndarray,
    pixels: np.ndarray,
    camera: PinholeCamera,
    *,
    ransac_px: float,
    expected: np.ndarray | None = None,
) -> ScaledPose | None:
    """Find the pose from which the points are seen at the pixels.

    A sideways step is nearly a turn for all that is far away, so a thing that moves by a few
    pixels can win RANSAC together with the background. The pose near the expected one is
    therefore taken wherever a fair share of that many points agree with it.

    Args:
        points: ``(N, 3)`` in the keyframe's optical axes, metres, finite.
        pixels: ``(N, 2)`` in the frame.
        camera: The frame's camera.
        ransac_px: Reprojection error up to which a point agrees.
        expected: ``(4, 4)`` keyframe from frame by the motion so far, or None.

    Returns:
        None where fewer than six points agree or nothing could be estimated.
    """
    if len(points) < _MIN_POINTS:
        return None
    seen = _Seen(
        points=np.ascontiguousarray(points, np.float64),
        pixels=np.ascontiguousarray(pixels, np.float64),
        k=np.ascontiguousarray(camera.p[:, :3]),
        ransac_px=ransac_px,
    )
    smooth = None if expected is None else _settled(seen, inverse(expected), widen=1.5)
    if smooth is not None and smooth.num_inliers >= _CLEAR_SHARE * len(points):
        return smooth
    guess = _ransac(seen)
    free = None if guess is None else _settled(seen, guess)
    if smooth is None or free is None:
        return smooth or free
    share = smooth.num_inliers / free.num_inliers
    if share < _SMOOTH_SHARE:
        return free
    return replace(smooth, is_disputed=share < _UNDISPUTED_SHARE)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Seen:
    """Points, their pixels, and the threshold of agreement."""

    points: np.ndarray
    pixels: np.ndarray
    k: np.ndarray
    ransac_px: float

    def errors(self, pose: np.ndarray) -> np.ndarray:
        """Return ``(N, 2)`` measured minus projected pixels, Inf for points behind the camera."""
        seen = self.points @ pose[:3, :3].T + pose[:3, 3]
        is_ahead = seen[:, 2] > 0.0
        projected = (seen / np.where(is_ahead, seen[:, 2], 1.0)[:, None]) @ self.k.T
        return np.where(is_ahead[:, None], self.pixels - projected[:, :2], np.inf)

    def agrees(self, pose: np.ndarray, *, widen: float = 1.0) -> np.ndarray:
        """Return ``(N,)`` bool."""
        return np.linalg.norm(self.errors(pose), axis=1) < widen * self.ransac_px


def _settled(seen: _Seen, guess: np.ndarray, *, widen: float = 1.0) -> ScaledPose | None:
    """Refine ``frame_from_keyframe`` on what agrees with it, twice, and judge the result."""
    pose = guess
    for width in (widen, 1.0):
        is_inlier = seen.agrees(pose, widen=width)
        if is_inlier.sum() < _MIN_POINTS:
            return None
        pose = _refined(seen.points[is_inlier], seen.pixels[is_inlier], seen.k, pose)
    is_inlier = seen.agrees(pose)
    if is_inlier.sum() < _MIN_POINTS or not np.isfinite(pose).all():
        return None
    errors = seen.errors(pose)[is_inlier]
    covariance = _covariance(seen.points[is_inlier], errors, seen.k, pose)
    if covariance is None:
        return None
    return ScaledPose(
        keyframe_from_frame=inverse(pose),
        covariance=covariance,
        is_inlier=is_inlier,
        residual_px=math.sqrt(float((errors**2).sum(axis=1).mean())),
    )


def _ransac(seen: _Seen) -> np.ndarray | None:
    """Return ``frame_from_keyframe``, or None. OpenCV's generator is seeded: it is repeatable."""
    try:
        is_found, rotation, translation, inliers = cv2.solvePnPRansac(
            seen.points,
            seen.pixels,
            seen.k,
            None,
            iterationsCount=_RANSAC_ITERATIONS,
            reprojectionError=seen.ransac_px,
            confidence=_RANSAC_CONFIDENCE,
            flags=cv2.SOLVEPNP_AP3P,
        )
    except cv2.error:  # degenerate sets, e.g. all points in one place
        return None
    if not is_found or inliers is None or len(inliers) < _MIN_POINTS:
        return None
    return rigid(rotation_from_vector(rotation.ravel()), translation)


def _refined(
    points: np.ndarray, pixels: np.ndarray, k: np.ndarray, guess: np.ndarray
) -> np.ndarray:
    rotation, _ = cv2.Rodrigues(guess[:3, :3])
    translation = guess[:3, 3:].copy()
    rotation, translation = cv2.solvePnPRefineLM(points, pixels, k, None, rotation, translation)
    return rigid(rotation_from_vector(rotation.ravel()), translation)


def _covariance(
    points: np.ndarray, errors: np.ndarray, k: np.ndarray, pose: np.ndarray
) -> np.ndarray | None:
    """Return the covariance of the camera's position and fixed-axis rotation in the keyframe.

    With ``x = Rᵀ (X - p)`` and ``R <- exp(dw) R``: ``dx = -Rᵀ dp + Rᵀ skew(X - p) dw``.
    """
    camera_from_world = pose[:3, :3]
    position = -camera_from_world.T @ pose[:3, 3]
    seen = (points - position) @ camera_from_world.T
    x, y, z = seen.T
    projection = np.zeros((len(points), 2, 3))
    projection[:, 0, 0], projection[:, 0, 2] = k[0, 0] / z, -k[0, 0] * x / z**2
    projection[:, 1, 1], projection[:, 1, 2] = k[1, 1] / z, -k[1, 1] * y / z**2
    across = np.stack([skew(vector) for vector in np.eye(3)])
    turned = camera_from_world @ np.einsum('ni,ijk->njk', points - position, across)
    moved = np.concatenate([np.broadcast_to(-camera_from_world, turned.shape), turned], axis=2)
    jacobian = projection @ moved
    stacked = jacobian.reshape(-1, 6)
    freedom = max(1, stacked.shape[0] - 6)
    variance = max(MIN_SIGMA_PX**2, float((errors**2).sum()) / freedom)
    information = stacked.T @ stacked
    if np.linalg.matrix_rank(information, hermitian=True) < 6:
        return None
    covariance = variance * np.linalg.inv(information)
    return (covariance + covariance.T) / 2.0
