"""The benchmark's own figures: alignment, ATE and RPE of known errors."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from depth_ros.geometry.rigid import rigid, rotation_from_vector
from depth_ros.scenes.paths import scene_path
from depth_ros.tasks.odometry.trajectory import Trajectory, trajectory
from tests.kit.shared_data import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'benchmarks'))

from trajectory_errors import trajectory_errors, umeyama


def truth() -> Trajectory:
    path = scene_path('room', num_frames=20)
    return trajectory(range(1, 21), path.world_from_camera)


def moved(values: Trajectory, motion: np.ndarray) -> Trajectory:
    return Trajectory(stamps_ns=values.stamps_ns, poses=motion @ values.poses)


MOTION = rigid(rotation_from_vector(np.array([0.4, -1.2, 2.0])), np.array([3.0, -2.0, 1.0]))


def test_alignment_finds_the_motion_and_never_a_mirror() -> None:
    points = np.random.default_rng(0).normal(size=(30, 3))
    targets = points @ MOTION[:3, :3].T + MOTION[:3, 3]
    np.testing.assert_allclose(umeyama(points, targets), MOTION, atol=1e-12)
    mirrored = umeyama(points, points * [1.0, 1.0, -1.0])
    assert np.linalg.det(mirrored[:3, :3]) == pytest.approx(1.0)


def test_another_world_is_no_error() -> None:
    errors = trajectory_errors(moved(truth(), MOTION), truth())
    assert max(errors.ate_m, errors.drift_m, errors.rpe_m, errors.rpe_deg) < 1e-6
    assert errors.num_poses == 20


def test_a_wrong_scale_is_an_error() -> None:
    values = truth()
    poses = values.poses.copy()
    poses[:, :3, 3] *= 1.1
    errors = trajectory_errors(Trajectory(stamps_ns=values.stamps_ns, poses=poses), values)
    spread = values.poses[:, :3, 3] - values.poses[:, :3, 3].mean(axis=0)
    expected = 0.1 * math.sqrt((spread**2).sum(axis=1).mean())
    assert errors.ate_m == pytest.approx(expected, rel=0.02)


def test_steps_that_turn_too_far_are_counted_in_degrees() -> None:
    turn = rotation_from_vector(np.array([0.0, math.radians(1.0), 0.0]))
    straight = [rigid(np.eye(3), np.array([0.0, 0.0, 0.1 * i])) for i in range(5)]
    bent, pose = [], np.eye(4)
    for _ in range(5):
        bent.append(pose)
        pose = pose @ rigid(turn, np.array([0.0, 0.0, 0.1]))
    errors = trajectory_errors(trajectory(range(5), bent), trajectory(range(5), straight))
    assert errors.rpe_deg == pytest.approx(1.0)
    assert errors.rpe_m == pytest.approx(0.0, abs=1e-9)


def test_missing_poses_are_left_out_and_too_few_give_no_number() -> None:
    values = truth()
    half = Trajectory(stamps_ns=values.stamps_ns[::2], poses=values.poses[::2])
    assert trajectory_errors(half, values).num_poses == 10
    two = Trajectory(stamps_ns=values.stamps_ns[:2], poses=values.poses[:2])
    assert math.isnan(trajectory_errors(two, values).ate_m)
