"""Relative pose on the plane at unit depth: from an essential matrix, refined, with covariance.

Rays are ``(N, 2)`` float64 (x/z, y/z). Angles are small-angle vectors applied on the left, in
the second camera's frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

_STEPS, _ROUNDS = 10, 3
_CALM_LEVERAGE = 4.0
_DELTA = 1e-6
_NEARLY = 0.95
_OTHER_ROTATION_RAD, _OTHER_DIRECTION_RAD = 0.03, 0.25
_MIN_SIGMA_OF_THRESHOLD = 0.05
"""Residuals smaller than this part of the threshold are not believed to be the noise."""


Pose = tuple[np.ndarray, np.ndarray]
"""Rotation ``(3, 3)`` and translation ``(3,)`` of length 1, second from first."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RelativePose:
    """Pose of the second camera.

    Attributes:
        rotation: ``(3, 3)``, second from first.
        translation: ``(3,)`` of length 1, or zero where not known.
        inliers: ``(N,)`` bool.
        covariance: ``(6, 6)`` of translation, then rotation; see ``TwoViewGeometry``.
        parallax: Median distance of the inliers' rays after the rotation is undone.
        is_ambiguous: Whether another pose explains as many matches, as for a plane.
    """

    rotation: np.ndarray
    translation: np.ndarray
    inliers: np.ndarray
    covariance: np.ndarray
    parallax: float
    is_ambiguous: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Candidate:
    """A refined pose with the matches that hold and lie in front of both cameras."""

    pose: Pose
    inliers: np.ndarray
    cost: float


def essential_poses(essential: np.ndarray) -> list[Pose]:
    """Return the four poses of an essential matrix."""
    one, other, direction = cv2.decomposeEssentialMat(essential)
    axis = direction.ravel()
    return [(rotation, sign * axis) for rotation in (one, other) for sign in (1.0, -1.0)]


def homography_poses(homography: np.ndarray) -> list[Pose]:
    """Return the poses of a plane's homography at unit depth (Malis and Vargas 2007)."""
    count, rotations, translations, _ = cv2.decomposeHomographyMat(homography, np.eye(3))
    poses = []
    for rotation, translation in zip(rotations[:count], translations[:count], strict=True):
        length = float(np.linalg.norm(translation))
        if length > 0:
            poses.append((np.asarray(rotation), translation.ravel() / length))
    return poses


def relative_pose(
    starts: Sequence[Pose], first: np.ndarray, second: np.ndarray, *, threshold: float
) -> RelativePose | None:
    """Refine the poses that explain most matches and return the best.

    Args:
        starts: Candidates.
        first: Rays of the first camera.
        second: Rays of the second camera.
        threshold: Sampson distance of an outlier, at unit depth.

    Returns:
        The pose, or None if none has six points in front of both cameras.
    """
    holds = [_holding(pose, first, second, threshold) for pose in starts]
    enough = max(6.0, _NEARLY * max((float(hold.sum()) for hold in holds), default=0.0))
    candidates = [
        _candidate(pose, hold, first, second, threshold)
        for pose, hold in zip(starts, holds, strict=True)
        if hold.sum() >= enough
    ]
    candidates = [candidate for candidate in candidates if candidate.inliers.sum() >= 6]
    if not candidates:
        return None
    best = min(candidates, key=lambda candidate: candidate.cost)
    rotation, translation = best.pose
    rays = first[best.inliers], second[best.inliers]
    residuals = rotation_residuals(rotation, *rays)
    return RelativePose(
        rotation=rotation,
        translation=translation,
        inliers=best.inliers,
        covariance=_covariance(best.pose, *rays, threshold),
        parallax=float(np.median(np.linalg.norm(residuals, axis=1))),
        is_ambiguous=any(_rivals(best, candidate) for candidate in candidates),
    )


def fit_rotation(
    first: np.ndarray, second: np.ndarray, *, threshold: float
) -> RelativePose | None:
    """Fit a rotation alone: Kabsch (1976) on unit rays, keeping the closer half at first.

    Returns:
        A pose whose translation is zero, or None if fewer than three rays agree.
    """
    kept = np.ones(len(first), np.bool_)
    rotation = np.eye(3)
    for _ in range(_STEPS):
        rotation = _kabsch(_unit(first[kept]), _unit(second[kept]))
        distances = np.linalg.norm(rotation_residuals(rotation, first, second), axis=1)
        kept = distances < max(threshold, float(np.median(distances[kept])))
        if kept.sum() < 3:
            return None
    holds = distances < threshold
    if holds.sum() < 3:
        return None
    residuals = rotation_residuals(rotation, first[holds], second[holds])
    covariance = np.diag([np.inf] * 3 + [0.0] * 3)
    covariance[3:, 3:] = _rotation_covariance(second[holds], residuals, threshold)
    return RelativePose(
        rotation=rotation,
        translation=np.zeros(3),
        inliers=holds,
        covariance=covariance,
        parallax=float(np.median(distances[holds])),
    )


def sampson_errors(
    rotation: np.ndarray, translation: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Return signed Sampson distances at unit depth, ``(N,)`` (Hartley, Zisserman, eq. 11.9)."""
    left = _homogeneous(first) @ rotation.T
    lines_second = np.cross(translation, left)
    essential = np.cross(translation, rotation.T).T
    lines_first = _homogeneous(second) @ essential
    numerator = (lines_second * _homogeneous(second)).sum(axis=1)
    gradient = np.hypot(
        np.linalg.norm(lines_first[:, :2], axis=1), np.linalg.norm(lines_second[:, :2], axis=1)
    )
    return np.divide(numerator, gradient, out=np.full(len(first), np.inf), where=gradient > 0)


def _candidate(
    start: Pose, hold: np.ndarray, first: np.ndarray, second: np.ndarray, threshold: float
) -> _Candidate:
    """Alternate between refining a pose on its inliers and selecting the inliers.

    A wrong match far off the others' parallax can bend the pose until it holds itself. So the
    refinement also starts without matches of such leverage; what costs less is given.
    """
    _, jacobian = _linearised(start, first[hold], second[hold])
    leverage = np.linalg.norm(jacobian[:, 3:], axis=1)
    calm = hold.copy()
    calm[hold] = leverage < _CALM_LEVERAGE * np.median(leverage)
    starts = [hold, calm] if 6 <= calm.sum() < hold.sum() else [hold]
    found = [_settled(start, inliers, first, second, threshold) for inliers in starts]
    return min(found, key=lambda candidate: candidate.cost)


def _settled(
    pose: Pose, inliers: np.ndarray, first: np.ndarray, second: np.ndarray, threshold: float
) -> _Candidate:
    """Refine until the inliers stay the same; outliers cost as much as the threshold."""
    for _ in range(_ROUNDS):
        pose = _refined(pose, first[inliers], second[inliers], threshold)
        before, inliers = inliers, _holding(pose, first, second, threshold)
        if inliers.sum() < 6 or np.array_equal(before, inliers):
            break
    cost = _cost(pose, first[inliers], second[inliers], threshold)
    cost += threshold**2 * float((~inliers).sum())
    return _Candidate(pose=pose, inliers=inliers, cost=cost)


def _holding(pose: Pose, first: np.ndarray, second: np.ndarray, threshold: float) -> np.ndarray:
    errors = np.abs(sampson_errors(*pose, first, second))
    return np.asarray((errors < threshold) & _in_front(*pose, first, second))


def _rivals(best: _Candidate, other: _Candidate) -> bool:
    """Whether another candidate explains nearly as many matches with a different pose."""
    turn = best.pose[0].T @ other.pose[0]
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    bend = np.arccos(np.clip(best.pose[1] @ other.pose[1], -1, 1))
    is_other = angle > _OTHER_ROTATION_RAD or bend > _OTHER_DIRECTION_RAD
    return bool(is_other and other.inliers.sum() >= _NEARLY * best.inliers.sum())


def _in_front(
    rotation: np.ndarray, translation: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Whether the point nearest to both rays lies in front of both cameras.

    Solves ``depth_second * y - depth_first * R x = t`` by least squares for each match.
    """
    x, y = _homogeneous(first) @ rotation.T, _homogeneous(second)
    xx, yy, xy = (x * x).sum(axis=1), (y * y).sum(axis=1), (x * y).sum(axis=1)
    xt, yt = x @ translation, y @ translation
    determinant = xx * yy - xy * xy
    depth_first = xy * yt - yy * xt
    depth_second = xx * yt - xy * xt
    return np.asarray((determinant > 0) & (depth_first > 0) & (depth_second > 0))


def _refined(start: Pose, first: np.ndarray, second: np.ndarray, threshold: float) -> Pose:
    """Minimise the Sampson errors by Levenberg and Marquardt, with Huber's weights."""
    pose, damping = start, 1e-3
    cost = _cost(pose, first, second, threshold)
    for _ in range(_STEPS):
        errors, jacobian = _linearised(pose, first, second)
        weights = 1.0 / np.maximum(1.0, np.abs(errors) * 2.0 / threshold)
        normal = (jacobian * weights[:, np.newaxis]).T @ jacobian
        step = -np.linalg.lstsq(
            normal + damping * np.diag(np.diag(normal)),
            jacobian.T @ (weights * errors),
            rcond=None,
        )[0]
        candidate = _moved(pose, step)
        new_cost = _cost(candidate, first, second, threshold)
        if new_cost >= cost:
            damping *= 10.0
            continue
        pose, damping = candidate, damping / 10.0
        if cost - new_cost < 1e-9 * cost:
            break
        cost = new_cost
    return pose


def _cost(pose: Pose, first: np.ndarray, second: np.ndarray, threshold: float) -> float:
    errors = np.abs(sampson_errors(*pose, first, second))
    knee = threshold / 2.0
    return float(np.where(errors < knee, errors**2, knee * (2 * errors - knee)).sum())


def _linearised(
    pose: Pose, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return errors ``(N,)`` and their derivatives by the five parameters ``(N, 5)``."""
    columns = []
    for index in range(5):
        step = np.zeros(5)
        step[index] = _DELTA
        ahead = sampson_errors(*_moved(pose, step), first, second)
        behind = sampson_errors(*_moved(pose, -step), first, second)
        columns.append((ahead - behind) / (2 * _DELTA))
    return sampson_errors(*pose, first, second), np.stack(columns, axis=1)


def _moved(pose: Pose, step: np.ndarray) -> Pose:
    """Turn by ``step[:3]`` and move the translation's direction by ``step[3:]``."""
    rotation, translation = pose
    turned = cv2.Rodrigues(step[:3])[0] @ rotation
    moved = translation + _tangents(translation) @ step[3:]
    return turned, moved / np.linalg.norm(moved)


def _tangents(direction: np.ndarray) -> np.ndarray:
    """Two unit vectors across a unit vector, ``(3, 2)``."""
    return np.asarray(np.linalg.svd(direction[np.newaxis])[2][1:].T)


def _covariance(pose: Pose, first: np.ndarray, second: np.ndarray, threshold: float) -> np.ndarray:
    errors, jacobian = _linearised(pose, first, second)
    variance = _variance(errors, num_parameters=5, threshold=threshold)
    inner = variance * np.linalg.pinv(jacobian.T @ jacobian)
    outer = np.zeros((6, 5))
    outer[3:, :3] = np.eye(3)
    outer[:3, 3:] = _tangents(pose[1])
    return np.asarray(outer @ inner @ outer.T)


def _rotation_covariance(rays: np.ndarray, residuals: np.ndarray, threshold: float) -> np.ndarray:
    """A small turn w moves the ray (x, y) by (w_y (1 + x^2) - w_z y - w_x x y, ...)."""
    x, y = rays.T
    one = np.ones_like(x)
    along_x = np.stack([-x * y, one + x * x, -y], axis=1)
    along_y = np.stack([-(one + y * y), x * y, x], axis=1)
    jacobian = np.vstack([along_x, along_y])
    variance = _variance(residuals.ravel(), num_parameters=3, threshold=threshold)
    return np.asarray(variance * np.linalg.pinv(jacobian.T @ jacobian))


def _variance(errors: np.ndarray, *, num_parameters: int, threshold: float) -> float:
    freedom = max(1, len(errors) - num_parameters)
    floor = (_MIN_SIGMA_OF_THRESHOLD * threshold) ** 2
    return max(float((errors**2).sum()) / freedom, floor)


def rotation_residuals(rotation: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where the rays differ once the first are turned, ``(N, 2)``; infinite behind the camera."""
    turned = _homogeneous(first) @ rotation.T
    depth = turned[:, 2:]
    predicted = np.divide(turned[:, :2], depth, out=np.full_like(first, np.inf), where=depth > 0)
    return np.asarray(second - predicted)


def _kabsch(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    u, _, vt = np.linalg.svd(second.T @ first)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    return np.asarray(u @ sign @ vt)


def _unit(rays: np.ndarray) -> np.ndarray:
    points = _homogeneous(rays)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _homogeneous(rays: np.ndarray) -> np.ndarray:
    return np.hstack([rays, np.ones((len(rays), 1))])
