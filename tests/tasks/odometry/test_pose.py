"""Pose of known points: exactness, outliers, covariance, degenerate sets, depth sampling."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_vector, rotation_vector
from depth_ros.tasks.odometry.pose import MIN_SIGMA_PX, estimate_pose, lift

MOTION = rigid(rotation_from_vector(np.array([0.05, -0.1, 0.03])), np.array([0.2, -0.1, 0.15]))


def camera() -> PinholeCamera:
    return ideal_camera(fx=240.0, fy=250.0, cx=159.0, cy=121.0, height=240, width=320)


def points(count: int = 200, *, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    z = random.uniform(1.0, 5.0, count)
    x, y = random.uniform(-0.6, 0.6, count) * z, random.uniform(-0.4, 0.4, count) * z
    return np.stack([x, y, z], axis=1)


def project(values: np.ndarray, keyframe_from_frame: np.ndarray) -> np.ndarray:
    seen = values @ inverse(keyframe_from_frame)[:3, :3].T + inverse(keyframe_from_frame)[:3, 3]
    pixels = (seen / seen[:, 2:]) @ camera().p[:, :3].T
    return pixels[:, :2]


def test_exact_points_give_the_exact_pose() -> None:
    values = points()
    found = estimate_pose(values, project(values, MOTION), camera(), ransac_px=2.0)
    assert found is not None and found.num_inliers == 200
    np.testing.assert_allclose(found.keyframe_from_frame, MOTION, atol=1e-6)
    assert found.residual_px < 1e-3


def test_outliers_are_told_apart() -> None:
    values = points()
    pixels = project(values, MOTION)
    pixels[:80] += np.random.default_rng(1).uniform(20, 60, (80, 2))
    found = estimate_pose(values, pixels, camera(), ransac_px=2.0)
    assert found is not None
    assert not found.is_inlier[:80].any() and found.is_inlier[80:].all()
    np.testing.assert_allclose(found.keyframe_from_frame, MOTION, atol=1e-6)


def test_covariance_is_that_of_repeated_measurements() -> None:
    """Normalised squared errors of a right covariance have the mean of chi², which is 6."""
    values, errors = points(60, seed=2), []
    for seed in range(150):
        noise = np.random.default_rng(seed).normal(0, 0.5, (60, 2))
        found = estimate_pose(values, project(values, MOTION) + noise, camera(), ransac_px=3.0)
        assert found is not None
        step = found.keyframe_from_frame
        turn = rotation_vector(step[:3, :3] @ MOTION[:3, :3].T)
        error = np.concatenate([step[:3, 3] - MOTION[:3, 3], turn])
        errors.append(error @ np.linalg.solve(found.covariance, error))
    assert 4.5 < np.mean(errors) < 7.5


def test_covariance_of_perfect_points_is_not_zero() -> None:
    values = points(50)
    found = estimate_pose(values, project(values, MOTION), camera(), ransac_px=2.0)
    assert found is not None
    assert np.linalg.eigvalsh(found.covariance).min() > 0
    focal_px, depth_m = 240.0, 3.0
    least = MIN_SIGMA_PX / focal_px * depth_m / np.sqrt(50)
    assert least / 3 < found.sigma_m < 30 * least


def test_the_expected_pose_wins_while_nearly_as_many_agree() -> None:
    """A near object that moves a little takes most of the far background along."""
    far, near = points(160, seed=3), points(80, seed=4)
    far[:, 2] = 6.0
    far[:, :2] *= 1.5
    near[:, 2] = 2.0
    values = np.concatenate([far, near])
    step = rigid(np.eye(3), np.array([0.01, 0.0, 0.0]))
    object_moved = near - np.array([0.06, 0.0, 0.0])
    pixels = np.concatenate([project(far, step), project(object_moved, step)])
    found = estimate_pose(values, pixels, camera(), ransac_px=2.0, expected=step)
    assert found is not None
    np.testing.assert_allclose(found.keyframe_from_frame[:3, 3], step[:3, 3], atol=2e-3)


def test_a_wrong_expectation_does_not_mislead() -> None:
    values = points()
    found = estimate_pose(
        values, project(values, MOTION), camera(), ransac_px=2.0, expected=inverse(MOTION)
    )
    assert found is not None
    np.testing.assert_allclose(found.keyframe_from_frame, MOTION, atol=1e-6)


@pytest.mark.parametrize('count', [0, 1, 5])
def test_too_few_points_give_none(count: int) -> None:
    values = points(count)
    assert estimate_pose(values, values[:, :2], camera(), ransac_px=2.0) is None


def test_points_in_one_place_give_none() -> None:
    values = np.tile([[0.1, 0.2, 2.0]], (30, 1))
    assert estimate_pose(values, project(values, MOTION), camera(), ransac_px=2.0) is None


def test_noise_alone_gives_no_confident_pose() -> None:
    pixels = np.random.default_rng(0).uniform(0, 240, (100, 2))
    found = estimate_pose(points(100), pixels, camera(), ransac_px=2.0)
    assert found is None or found.num_inliers < 15


def test_lift_inverts_projection_and_interpolates_a_slanted_plane_exactly() -> None:
    rig = camera()
    x, y = np.meshgrid(np.arange(rig.width), np.arange(rig.height))
    normal = np.array([0.2, -0.3, 1.0])
    rays = np.stack([(x - rig.cx) / rig.fx, (y - rig.cy) / rig.fy, np.ones_like(x)], axis=-1)
    depth = (3.0 / (rays @ normal)).astype(np.float32)
    places = np.random.default_rng(1).uniform((1, 1), (rig.width - 2, rig.height - 2), (50, 2))
    lifted = lift(places, depth, rig)
    np.testing.assert_allclose(lifted @ normal, 3.0, rtol=1e-6)
    np.testing.assert_allclose(project(lifted, np.eye(4)), places, atol=1e-9)


def test_lift_leaves_edges_holes_and_the_outside_unknown() -> None:
    depth = np.full((240, 320), 2.0, np.float32)
    depth[:, 100:] = 4.0
    depth[50, 50], depth[60, 60], depth[70, 70] = np.nan, np.inf, 0.0
    places = np.array(
        [[99.5, 20], [49.5, 50], [60, 60.2], [70, 70], [-1, 5], [319.5, 5], [10, 10]]
    )
    lifted = lift(places, depth, camera())
    assert np.isnan(lifted[:-1]).all()
    assert lifted[-1, 2] == 2.0
