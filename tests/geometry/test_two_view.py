"""Two views: known motions come back, and every degenerate input has a defined answer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_ros.camera import camera_from_calibration
from depth_ros.errors import CalibrationError, ParameterError, ShapeError
from depth_ros.geometry.two_view import (
    TwoViewSettings,
    TwoViewStatus,
    estimate_two_view,
    undistorted_points,
)
from depth_ros.results import MatchResult
from tests.kit.match_scenes import CAMERA, match_result, moved_points

MOTIONS = {
    'sideways': ((0.3, 0.0, 0.1), (0.0, 0.05, 0.02)),
    'forward': ((0.0, 0.0, 0.4), (0.02, 0.0, 0.0)),
    'up and turned': ((0.05, -0.3, 0.0), (0.1, -0.1, 0.3)),
}
STILL = (0.0, 0.0, 0.0)


def rotation_error(pose, truth):
    turn = pose[:3, :3] @ truth[:3, :3].T
    return float(np.linalg.norm(cv2.Rodrigues(turn)[0]))


def direction_error(pose, truth):
    wanted = truth[:3, 3] / np.linalg.norm(truth[:3, 3])
    return float(np.arccos(np.clip(pose[:3, 3] @ wanted, -1, 1)))


@pytest.mark.parametrize('name', MOTIONS)
def test_a_known_motion_comes_back(name):
    motion = moved_points(*MOTIONS[name])
    found = estimate_two_view(motion.matches, first_camera=CAMERA)
    assert found.status is TwoViewStatus.OK
    assert rotation_error(found.second_from_first, motion.second_from_first) < np.radians(0.3)
    assert direction_error(found.second_from_first, motion.second_from_first) < np.radians(4)
    assert np.linalg.norm(found.second_from_first[:3, 3]) == pytest.approx(1)
    assert found.inliers[~motion.is_outlier].mean() > 0.9
    assert found.inliers[motion.is_outlier].mean() < 0.1
    assert not found.is_homography


def test_the_matrices_describe_the_pose():
    motion = moved_points(*MOTIONS['sideways'], noise_px=0.0, outliers=0.0)
    found = estimate_two_view(motion.matches, first_camera=CAMERA)
    ones = np.ones((300, 1))
    first = np.hstack([motion.matches.points_first, ones])
    second = np.hstack([motion.matches.points_second, ones])
    assert np.abs(((second @ found.fundamental) * first).sum(axis=1)).max() < 1e-5
    normalised = np.linalg.inv(CAMERA.k)
    essential = ((second @ normalised.T @ found.essential) * (first @ normalised.T)).sum(axis=1)
    assert np.abs(essential).max() < 1e-5
    for matrix in (found.fundamental, found.essential):
        assert np.linalg.norm(matrix) == pytest.approx(1)


def test_the_covariance_is_that_of_the_errors():
    """e' C^-1 e is chi-square with 5 degrees of freedom, whose median is 4.35."""
    values = []
    for seed in range(40):
        motion = moved_points(*MOTIONS['sideways'], seed=seed, count=200, outliers=0.1)
        found = estimate_two_view(motion.matches, first_camera=CAMERA)
        truth = motion.second_from_first
        direction = truth[:3, 3] / np.linalg.norm(truth[:3, 3])
        turn = found.second_from_first[:3, :3] @ truth[:3, :3].T
        error = np.r_[found.second_from_first[:3, 3] - direction, cv2.Rodrigues(turn)[0].ravel()]
        values.append(error @ np.linalg.pinv(found.covariance, rcond=1e-9) @ error)
        along = found.second_from_first[:3, 3]
        assert abs(along @ found.covariance[:3, :3] @ along) < 1e-9
    assert 2.5 < np.median(values) < 8


def test_a_wrong_match_of_high_leverage_does_not_bend_the_pose():
    """Match 17 of this seed fits a pose 6 degrees off, which it holds up by itself."""
    motion = moved_points(*MOTIONS['sideways'], seed=32, count=200, outliers=0.1)
    found = estimate_two_view(motion.matches, first_camera=CAMERA)
    assert not found.inliers[17]
    assert direction_error(found.second_from_first, motion.second_from_first) < np.radians(3)


def test_pure_rotation_is_said_so():
    motion = moved_points(STILL, (0.0, 0.1, 0.02))
    found = estimate_two_view(motion.matches, first_camera=CAMERA)
    assert found.status is TwoViewStatus.PURE_ROTATION
    assert rotation_error(found.second_from_first, motion.second_from_first) < np.radians(0.1)
    assert not found.second_from_first[:3, 3].any()
    assert np.isinf(np.diag(found.covariance)[:3]).all()
    assert (np.diag(found.covariance)[3:] > 0).all()
    assert found.essential is None and found.fundamental is None
    assert found.is_homography and found.parallax_px < 1.5


def test_identical_images_have_not_moved():
    points = moved_points(STILL, STILL, noise_px=0.0, outliers=0.0).matches.points_first
    found = estimate_two_view(match_result(points, points), first_camera=CAMERA)
    assert found.status is TwoViewStatus.PURE_ROTATION
    np.testing.assert_allclose(found.second_from_first, np.eye(4), atol=1e-6)
    assert found.inliers.all()


def test_a_plane_is_ambiguous_or_right():
    """A plane seen twice allows two poses; the one given is never a third."""
    truth = moved_points(*MOTIONS['sideways'], plane_depth_m=5.0)
    found = estimate_two_view(truth.matches, first_camera=CAMERA)
    assert found.is_homography
    assert found.status in (TwoViewStatus.AMBIGUOUS, TwoViewStatus.OK)
    assert found.inliers[~truth.is_outlier].mean() > 0.9
    if found.status is TwoViewStatus.OK:
        assert direction_error(found.second_from_first, truth.second_from_first) < 0.2


def test_without_cameras_there_is_no_pose():
    motion = moved_points(*MOTIONS['sideways'])
    found = estimate_two_view(motion.matches)
    assert found.status is TwoViewStatus.OK
    assert found.essential is None and found.second_from_first is None
    assert found.fundamental is not None and np.isnan(found.parallax_px)
    assert found.inliers[~motion.is_outlier].mean() > 0.85


@pytest.mark.parametrize('count', [0, 1, 7])
def test_too_few_matches(count):
    points = np.random.default_rng(0).uniform(0, 400, (count, 2))
    found = estimate_two_view(match_result(points, points), first_camera=CAMERA)
    assert found.status is TwoViewStatus.TOO_FEW
    assert found.inliers.shape == (count,) and not found.inliers.any()
    assert str(count) in found.text and '8' in found.text


LINE = np.arange(50.0)[:, None] * (3.0, 2.0)
SPREAD = np.random.default_rng(1).uniform(0, 400, (50, 2))


@pytest.mark.parametrize(
    'first, second',
    [
        (np.full((50, 2), 7.0), np.full((50, 2), 9.0)),
        (SPREAD, np.full((50, 2), 9.0)),
        (LINE, LINE + 5),
        (SPREAD, LINE),
    ],
    ids=['one point', 'to one point', 'a line', 'to a line'],
)
@pytest.mark.parametrize('camera', [CAMERA, None], ids=['camera', 'no camera'])
def test_degenerate_points(first, second, camera):
    found = estimate_two_view(match_result(first, second), first_camera=camera)
    assert found.status is TwoViewStatus.DEGENERATE
    assert not found.inliers.any() and found.second_from_first is None


@pytest.mark.parametrize('camera', [CAMERA, None], ids=['camera', 'no camera'])
def test_chance_matches_give_no_model(camera):
    random = moved_points(STILL, STILL, outliers=1.0).matches
    found = estimate_two_view(random, first_camera=camera)
    assert found.status is TwoViewStatus.NO_MODEL
    assert not found.inliers.any()


def test_points_that_are_no_numbers_are_outliers():
    motion = moved_points(*MOTIONS['sideways'], outliers=0.0)
    motion.matches.points_first[3] = np.nan
    motion.matches.points_second[8] = np.inf
    found = estimate_two_view(motion.matches, first_camera=CAMERA)
    assert found.status is TwoViewStatus.OK
    assert not found.inliers[[3, 8]].any() and found.inliers.mean() > 0.9


def test_distortion_is_taken_out():
    distorted = camera_from_calibration(
        k=CAMERA.k.ravel(),
        d=np.array([-0.3, 0.1, 0.001, 0.0, 0.0]),
        distortion_model='plumb_bob',
        r=np.zeros(9),
        p=np.zeros(12),
        height=480,
        width=640,
    )
    motion = moved_points(*MOTIONS['sideways'], noise_px=0.0, outliers=0.0)
    bent = []
    for points in (motion.matches.points_first, motion.matches.points_second):
        rays = np.column_stack([points, np.ones(len(points))]) @ np.linalg.inv(CAMERA.k).T
        bent.append(cv2.projectPoints(rays, np.zeros(3), np.zeros(3), CAMERA.k, distorted.d)[0])
    np.testing.assert_allclose(
        undistorted_points(bent[0], distorted), motion.matches.points_first, atol=0.05
    )
    matches = match_result(bent[0], bent[1])
    found = estimate_two_view(matches, first_camera=distorted)
    truth = motion.second_from_first
    assert rotation_error(found.second_from_first, truth) < np.radians(0.05)
    ignored = estimate_two_view(matches, first_camera=CAMERA)
    assert rotation_error(ignored.second_from_first, truth) > np.radians(0.5)


def test_k_of_zero_is_refused():
    with pytest.raises(CalibrationError, match='K'):
        camera_from_calibration(
            k=np.zeros(9),
            d=np.zeros(5),
            distortion_model='plumb_bob',
            r=np.zeros(9),
            p=np.zeros(12),
            height=480,
            width=640,
        )


def test_what_does_not_belong_together_is_refused():
    points = np.zeros((9, 2), np.float32)
    lopsided = MatchResult(points_first=points, points_second=points[:8], confidence=points[:, 0])
    with pytest.raises(ShapeError, match='one point of each'):
        estimate_two_view(lopsided)
    with pytest.raises(ParameterError, match='first camera'):
        estimate_two_view(match_result(points, points), second_camera=CAMERA)
    with pytest.raises(ParameterError, match='threshold_px'):
        TwoViewSettings(threshold_px=0.0)


def test_an_older_opencv_falls_back(monkeypatch):
    monkeypatch.setattr('depth_ros.geometry.two_view._METHOD', cv2.RANSAC)
    motion = moved_points(*MOTIONS['sideways'])
    found = estimate_two_view(motion.matches, first_camera=CAMERA)
    assert found.status is TwoViewStatus.OK
    assert found.inliers[~motion.is_outlier].mean() > 0.85


@pytest.mark.parametrize('d', [np.zeros(0), np.zeros(4)], ids=['none', 'zeros'])
def test_fisheye_of_zeros_is_still_a_fisheye(d: np.ndarray) -> None:
    """``r = f theta``: 45 degrees from the axis are ``f pi / 4`` pixels, and f as a pinhole."""
    camera = camera_from_calibration(
        k=np.array([200.0, 0, 160, 0, 200, 120, 0, 0, 1]),
        d=d,
        distortion_model='equidistant',
        r=np.zeros(9),
        p=np.zeros(12),
        height=240,
        width=320,
    )
    seen = np.array([[160.0 + 200.0 * np.pi / 4, 120.0], [160.0, 120.0]])
    np.testing.assert_allclose(
        undistorted_points(seen, camera), [[360.0, 120.0], [160.0, 120.0]], atol=1e-6
    )


def test_skew_is_taken_out_and_put_back() -> None:
    """With K's skew on both ends, only the distortion between them moves a point."""
    k = np.array([[200.0, 8.0, 160.0], [0.0, 200.0, 120.0], [0.0, 0.0, 1.0]])
    d = np.array([-0.2, 0.05, 0.0, 0.0, 0.0])
    camera = camera_from_calibration(
        k=k,
        d=d,
        distortion_model='plumb_bob',
        r=np.zeros(9),
        p=np.zeros(12),
        height=240,
        width=320,
    )
    x, y = 0.3, -0.2
    radial = 1 + d[0] * (x * x + y * y) + d[1] * (x * x + y * y) ** 2
    raw = (k @ [x * radial, y * radial, 1.0])[:2]
    np.testing.assert_allclose(
        undistorted_points(raw[np.newaxis], camera), [(k @ [x, y, 1.0])[:2]], atol=1e-3
    )
