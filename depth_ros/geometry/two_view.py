"""Geometry of two views: inliers, F, E or H, and the relative pose.

Robust estimation is MAGSAC++ (Barath et al. 2020) as OpenCV has it, RANSAC where it is missing.
The pose is then refined on the inliers' Sampson errors (Hartley and Zisserman 2004, 11.4.3) and
its covariance is that of the least-squares fit. Nothing here raises on poor matches: the status
and its text say which results are reliable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ParameterError, ShapeError
from depth_ros.geometry.coincidence import is_coincidence
from depth_ros.geometry.two_view_pose import (
    RelativePose,
    essential_poses,
    fit_rotation,
    homography_poses,
    relative_pose,
    rotation_residuals,
    sampson_errors,
)
from depth_ros.results import MatchResult

MIN_MATCHES = 8
_PLANE_FACTOR = 1.25
"""Distances to a point have two components and to a line one: 95 % lie within 2.45 and 1.96 of
the standard deviation, so a fair comparison needs a larger threshold for points."""
_NOISE_FACTOR = 4.0
"""Noise alone makes the median distance to a point 2.5 times that from an epipolar line."""
_METHOD: int = getattr(cv2, 'USAC_MAGSAC', cv2.RANSAC)


class TwoViewStatus(Enum):
    """Outcome of the estimation."""

    OK = 'ok'
    """Inliers are valid and, with cameras, the pose."""

    TOO_FEW = 'too_few'
    """Fewer than eight matches: nothing was estimated."""

    DEGENERATE = 'degenerate'
    """The points coincide or lie on a line: nothing was estimated."""

    NO_MODEL = 'no_model'
    """No geometry explains enough of the matches."""

    AMBIGUOUS = 'ambiguous'
    """Two poses explain the matches alike, as happens with a plane; the better one is given."""

    PURE_ROTATION = 'pure_rotation'
    """There is hardly any parallax: rotation and homography are valid, the translation is not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoViewSettings:
    """How to estimate.

    Attributes:
        threshold_px: Distance to the model at which a match is an outlier.
        min_inliers: Fewer inliers are taken for chance.
        min_inlier_ratio: As ``min_inliers``, as a share of all matches.
        min_parallax_px: If the best rotation leaves less than this between matched points (the
            median), or no more than noise would, the translation's direction is not given.
        confidence: Probability that an uncontaminated sample was drawn.
        max_iterations: Samples at most.
    """

    threshold_px: float = 1.5
    min_inliers: int = 15
    min_inlier_ratio: float = 0.1
    min_parallax_px: float = 0.5
    confidence: float = 0.9999
    max_iterations: int = 5000

    def __post_init__(self) -> None:
        if not (self.threshold_px > 0 and 0 < self.confidence < 1 and self.max_iterations > 0):
            raise ParameterError(
                'threshold_px and max_iterations must be above 0 and confidence between 0 and 1, '
                f'got {self.threshold_px!r}, {self.max_iterations!r} and {self.confidence!r}; '
                '1.5, 5000 and 0.9999 are usual'
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TwoViewGeometry:
    """Geometry of a pair of views. Matrices are float64; None where there is none.

    F, E and H describe undistorted pixels (those of a pinhole camera with the given K); without
    cameras, pixels as they came.

    Attributes:
        status: What came out.
        text: The same in a sentence, for an operator.
        inliers: ``(N,)`` bool, one for each match.
        fundamental: ``(3, 3)``, ``x_second^T F x_first = 0``, of norm 1.
        homography: ``(3, 3)``, takes pixels of the first image to the second, ``H[2, 2] = 1``.
        essential: ``(3, 3)``, of norm 1; needs cameras.
        is_homography: Whether a plane or a rotation explains nearly all inliers. F is then not
            unique.
        second_from_first: ``(4, 4)``; takes points of the first camera's optical frame to the
            second's. The translation has length 1, or 0 where it is not known.
        covariance: ``(6, 6)`` of ``second_from_first`` in the order of
            ``geometry_msgs/PoseWithCovariance``: x, y, z (unit: the translation's length), then
            rotation about x, y, z of the second frame in rad. The direction of the translation
            has no variance along itself: the length is not observable. Infinite on the diagonal
            where unknown.
        parallax_px: Median parallax of the inliers after the rotation is undone, NaN without
            cameras.
    """

    status: TwoViewStatus
    text: str
    inliers: np.ndarray
    fundamental: np.ndarray | None = None
    homography: np.ndarray | None = None
    essential: np.ndarray | None = None
    is_homography: bool = False
    second_from_first: np.ndarray | None = None
    covariance: np.ndarray | None = None
    parallax_px: float = float('nan')

    @property
    def num_inliers(self) -> int:
        """Number of inliers."""
        return int(self.inliers.sum())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Model:
    """A robust fit: ``(3, 3)`` matrix and ``(N,)`` bool inliers."""

    matrix: np.ndarray
    inliers: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Points:
    """Undistorted points of both images, ``(N, 2)`` float64 each, pixels."""

    first: np.ndarray
    second: np.ndarray


def estimate_two_view(
    matches: MatchResult,
    *,
    first_camera: PinholeCamera | None = None,
    second_camera: PinholeCamera | None = None,
    are_rectified: bool = False,
    settings: TwoViewSettings | None = None,
) -> TwoViewGeometry:
    """Estimate the geometry of matched views.

    Args:
        matches: Points in pixels of the images as received.
        first_camera: Calibration of the first image; None gives no essential matrix and no pose.
        second_camera: Calibration of the second; None takes the first's.
        are_rectified: Whether the images are rectified: P is used then, else K and D.
        settings: Defaults where None.

    Raises:
        ShapeError: If the match arrays do not belong together.
        ParameterError: If only the second camera is given.
    """
    settings = settings or TwoViewSettings()
    _check(matches, first_camera, second_camera)
    points = _undistorted_pair(matches, first_camera, second_camera or first_camera, are_rectified)
    usable = np.isfinite(points.first).all(axis=1) & np.isfinite(points.second).all(axis=1)
    kept = _Points(first=points.first[usable], second=points.second[usable])
    geometry = _refusal(kept) or _estimated(
        kept,
        _intrinsics(first_camera, are_rectified),
        _intrinsics(second_camera or first_camera, are_rectified),
        settings,
    )
    inliers = np.zeros(len(usable), np.bool_)
    inliers[usable] = geometry.inliers
    return replace(geometry, inliers=inliers)


def undistorted_points(
    points: np.ndarray, camera: PinholeCamera, *, are_rectified: bool = False
) -> np.ndarray:
    """Move ``(N, 2)`` raw pixels to where a pinhole camera with the same K sees them, float64.

    Raises:
        CalibrationError: If the points are raw and K is not known.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if are_rectified:
        return points
    camera.check_raw_intrinsics()
    if not (camera.d.any() or camera.is_fisheye) or not len(points):
        return points
    k, d = camera.k, camera.d if camera.d.size else np.zeros(4)
    # OpenCV leaves the skew of K out on the way to the rays and honours it on the way back.
    skew = k[0, 1] / k[1, 1] * (points[:, 1] - k[1, 2])
    straight = np.column_stack([points[:, 0] - skew, points[:, 1]])
    undistort = cv2.fisheye.undistortPoints if camera.is_fisheye else cv2.undistortPoints
    moved = undistort(straight[:, np.newaxis], k, d, P=k)
    return np.asarray(moved, np.float64).reshape(-1, 2)


def _estimated(
    points: _Points,
    first_k: np.ndarray | None,
    second_k: np.ndarray | None,
    settings: TwoViewSettings,
) -> TwoViewGeometry:
    homography = _find_homography(points, settings)
    fundamental = _find_fundamental(points, settings)
    if first_k is None or second_k is None:
        return _without_cameras(points, homography, fundamental, settings)
    return _with_cameras(points, first_k, second_k, (homography, fundamental), settings)


def _without_cameras(
    points: _Points,
    homography: _Model | None,
    fundamental: _Model | None,
    settings: TwoViewSettings,
) -> TwoViewGeometry:
    is_homography = _explains(homography, fundamental)
    best = homography if is_homography else fundamental
    if best is None or not _holds(points, best.inliers, settings):
        return _no_model(points, None if best is None else best.inliers)
    text = f'{best.inliers.sum()} of {len(best.inliers)} matches hold'
    if is_homography:
        text += '; a plane or a rotation explains them, so the fundamental matrix is not unique'
    return TwoViewGeometry(
        status=TwoViewStatus.OK,
        text=text,
        inliers=best.inliers,
        fundamental=_matrix(fundamental),
        homography=_matrix(homography),
        is_homography=is_homography,
    )


def _with_cameras(
    points: _Points,
    first_k: np.ndarray,
    second_k: np.ndarray,
    pixels: tuple[_Model | None, _Model | None],
    settings: TwoViewSettings,
) -> TwoViewGeometry:
    homography, fundamental = pixels
    focal = float(np.mean([first_k[0, 0], first_k[1, 1], second_k[0, 0], second_k[1, 1]]))
    rays = _Points(first=_rays(points.first, first_k), second=_rays(points.second, second_k))
    plane_threshold = _PLANE_FACTOR * settings.threshold_px / focal
    rotation = fit_rotation(rays.first, rays.second, threshold=plane_threshold)
    model = _find_essential(rays, focal, settings)
    starts = [] if model is None else essential_poses(model.matrix)
    if homography is not None and _explains(homography, fundamental):
        starts += homography_poses(np.linalg.inv(second_k) @ homography.matrix @ first_k)
    pose = relative_pose(starts, rays.first, rays.second, threshold=settings.threshold_px / focal)
    if _is_rotation(rotation, pose, rays, focal, settings):
        pose = rotation
    if pose is None or not _holds(points, pose.inliers, settings):
        return _no_model(points, pose.inliers if pose else None)
    return _posed(pose, focal, _Found(first_k, second_k, homography, fundamental), settings)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Parts of a result with a pose."""

    first_k: np.ndarray
    second_k: np.ndarray
    homography: _Model | None
    fundamental: _Model | None


def _posed(
    pose: RelativePose, focal: float, found: _Found, settings: TwoViewSettings
) -> TwoViewGeometry:
    status = TwoViewStatus.AMBIGUOUS if pose.is_ambiguous else TwoViewStatus.OK
    has_translation = bool(pose.translation.any())
    essential = _cross(pose.translation) @ pose.rotation if has_translation else None
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = pose.rotation, pose.translation
    parallax = pose.parallax * focal
    text = f'{pose.inliers.sum()} of {len(pose.inliers)} matches hold, parallax {parallax:.1f} px'
    if not has_translation:
        status = TwoViewStatus.PURE_ROTATION
        text += ': rotation only, no translation known'
    elif pose.is_ambiguous:
        text += '; another pose explains them as well, as happens with a plane'
    return TwoViewGeometry(
        status=status,
        text=text,
        inliers=pose.inliers,
        fundamental=_fundamental_of(essential, found),
        homography=_matrix(found.homography),
        essential=None if essential is None else essential / np.linalg.norm(essential),
        is_homography=not has_translation or _explains(found.homography, found.fundamental),
        second_from_first=matrix,
        covariance=pose.covariance,
        parallax_px=parallax,
    )


def _is_rotation(
    rotation: RelativePose | None,
    pose: RelativePose | None,
    rays: _Points,
    focal: float,
    settings: TwoViewSettings,
) -> bool:
    """Whether a rotation alone explains the matches as well as their noise allows.

    An essential matrix fits rotated views too, with any translation. What the best rotation
    leaves over is parallax only where it is large beside the distances from the epipolar lines.
    """
    if rotation is None or not _is_enough(rotation.inliers, settings):
        return False
    if pose is None:
        return True
    first, second = rays.first[pose.inliers], rays.second[pose.inliers]
    left_over = rotation_residuals(rotation.rotation, first, second)
    noise = np.median(np.abs(sampson_errors(pose.rotation, pose.translation, first, second)))
    limit_px = max(settings.min_parallax_px, _NOISE_FACTOR * float(noise) * focal)
    return bool(np.median(np.linalg.norm(left_over, axis=1)) * focal < limit_px)


def _find_homography(points: _Points, settings: TwoViewSettings) -> _Model | None:
    try:
        matrix, inliers = cv2.findHomography(
            points.first,
            points.second,
            method=_METHOD,
            ransacReprojThreshold=_PLANE_FACTOR * settings.threshold_px,
            maxIters=settings.max_iterations,
            confidence=settings.confidence,
        )
    except cv2.error:
        return None
    return _model(matrix, inliers)


def _find_fundamental(points: _Points, settings: TwoViewSettings) -> _Model | None:
    try:
        matrix, inliers = cv2.findFundamentalMat(
            points.first,
            points.second,
            method=_METHOD,
            ransacReprojThreshold=settings.threshold_px,
            confidence=settings.confidence,
            maxIters=settings.max_iterations,
        )
    except cv2.error:
        return None
    model = _model(matrix, inliers)
    return model and replace(model, matrix=model.matrix / np.linalg.norm(model.matrix))


def _find_essential(rays: _Points, focal: float, settings: TwoViewSettings) -> _Model | None:
    """Estimate on rays enlarged by the mean focal length, so that the threshold is in pixels."""
    k = np.diag([focal, focal, 1.0])
    try:
        matrix, inliers = cv2.findEssentialMat(
            rays.first * focal,
            rays.second * focal,
            k,
            method=_METHOD,
            prob=settings.confidence,
            threshold=settings.threshold_px,
        )
    except cv2.error:
        return None
    return _model(matrix, inliers)


def _model(matrix: np.ndarray | None, inliers: np.ndarray | None) -> _Model | None:
    """Take OpenCV's answer; several solutions come stacked, best first."""
    if matrix is None or inliers is None or matrix.shape[0] < 3:
        return None
    if not np.isfinite(matrix).all():
        return None
    return _Model(matrix=np.array(matrix[:3], np.float64), inliers=inliers.ravel() != 0)


def _refusal(points: _Points) -> TwoViewGeometry | None:
    """Return the refusal if nothing can be estimated, else None."""
    count = len(points.first)
    nothing = np.zeros(count, np.bool_)
    if count < MIN_MATCHES:
        return TwoViewGeometry(
            status=TwoViewStatus.TOO_FEW,
            text=f'{count} matches, at least {MIN_MATCHES} are needed',
            inliers=nothing,
        )
    if _is_degenerate(points.first) or _is_degenerate(points.second):
        return TwoViewGeometry(
            status=TwoViewStatus.DEGENERATE,
            text=f'the {count} matches coincide or lie on a line',
            inliers=nothing,
        )
    return None


def _is_degenerate(points: np.ndarray) -> bool:
    """Whether fewer than eight places differ by a pixel, or all lie on a line to half a pixel."""
    if len(np.unique(np.round(points), axis=0)) < MIN_MATCHES:
        return True
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[1] < 0.5 * np.sqrt(len(points)))


def _no_model(points: _Points, inliers: np.ndarray | None) -> TwoViewGeometry:
    count = 0 if inliers is None else int(inliers.sum())
    return TwoViewGeometry(
        status=TwoViewStatus.NO_MODEL,
        text=f'only {count} of {len(points.first)} matches agree on a geometry',
        inliers=np.zeros(len(points.first), np.bool_),
    )


def _holds(points: _Points, inliers: np.ndarray, settings: TwoViewSettings) -> bool:
    """Whether the inliers are enough, and more than chance would give."""
    return _is_enough(inliers, settings) and not is_coincidence(
        points.first, points.second, inliers, threshold_px=settings.threshold_px
    )


def _is_enough(inliers: np.ndarray, settings: TwoViewSettings) -> bool:
    needed = max(settings.min_inliers, settings.min_inlier_ratio * len(inliers))
    return bool(inliers.sum() >= needed)


def _explains(homography: _Model | None, fundamental: _Model | None) -> bool:
    """Whether the homography holds for nearly all that the fundamental matrix holds for."""
    if homography is None or fundamental is None:
        return homography is not None
    return bool(homography.inliers.sum() >= 0.9 * fundamental.inliers.sum())


def _fundamental_of(essential: np.ndarray | None, found: _Found) -> np.ndarray | None:
    """``F = K_second^-T E K_first^-1``, of norm 1."""
    if essential is None:
        return None
    matrix = np.linalg.inv(found.second_k).T @ essential @ np.linalg.inv(found.first_k)
    return np.asarray(matrix / np.linalg.norm(matrix))


def _cross(vector: np.ndarray) -> np.ndarray:
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def _rays(points: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return ``(N, 2)`` coordinates on the plane at unit depth."""
    ones = np.ones((len(points), 1))
    return np.asarray((np.hstack([points, ones]) @ np.linalg.inv(k).T)[:, :2])


def _matrix(model: _Model | None) -> np.ndarray | None:
    return None if model is None else model.matrix


def _intrinsics(camera: PinholeCamera | None, are_rectified: bool) -> np.ndarray | None:
    if camera is None:
        return None
    return camera.p[:, :3] if are_rectified else camera.k


def _undistorted_pair(
    matches: MatchResult,
    first: PinholeCamera | None,
    second: PinholeCamera | None,
    are_rectified: bool,
) -> _Points:
    pair = []
    for points, camera in ((matches.points_first, first), (matches.points_second, second)):
        if camera is None:
            pair.append(np.asarray(points, np.float64).reshape(-1, 2))
        else:
            pair.append(undistorted_points(points, camera, are_rectified=are_rectified))
    return _Points(first=pair[0], second=pair[1])


def _check(
    matches: MatchResult, first: PinholeCamera | None, second: PinholeCamera | None
) -> None:
    shapes = [np.shape(matches.points_first), np.shape(matches.points_second)]
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][1] != 2:
        raise ShapeError(
            f'matches need two (N, 2) arrays of points, got {shapes[0]} and {shapes[1]}; '
            'pass one point of each image for every match'
        )
    if first is None and second is not None:
        raise ParameterError(
            'only the second camera was given; give the first camera, or none of the two'
        )
