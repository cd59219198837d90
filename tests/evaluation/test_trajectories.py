"""Errors of trajectories: alignment, ATE and RPE of known errors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.errors import InputError
from depth_ros.evaluation.trajectories import matched, trajectory_errors, umeyama
from depth_ros.files.trajectories import Trajectory, read_trajectory, trajectory, write_tum
from depth_ros.geometry.rigid import quaternion_from_rotation, rigid, rotation_from_vector
from depth_ros.scenes.paths import scene_path


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


@pytest.mark.parametrize('kind', ['tum', 'euroc', 'kitti'])
def test_every_format_of_truth_is_read(tmp_path: Path, kind: str) -> None:
    values = trajectory([10**18 + number * 10**8 for number in range(20)], truth().poses)
    estimate, file = tmp_path / 'estimate.txt', tmp_path / 'truth'
    write_tum(estimate, values)
    rows = []
    for stamp_ns, pose in zip(values.stamps_ns, values.poses, strict=True):
        x, y, z, w = quaternion_from_rotation(pose[:3, :3])
        place = [f'{number:.9f}' for number in pose[:3, 3]]
        rows.append(
            {
                'tum': f'{stamp_ns / 1e9:.9f} ' + ' '.join([*place, f'{x} {y} {z} {w}']),
                'euroc': f'{stamp_ns},' + ','.join([*place, f'{w},{x},{y},{z},0,0,0']),
                'kitti': ' '.join(f'{number:.9f}' for number in pose[:3].ravel()),
            }[kind]
        )
    file.write_text('\ufeff# header\n' + '\n'.join(rows) + '\n', encoding='utf-8')
    found = read_trajectory(file)
    errors = trajectory_errors(values, found, max_difference_s=0.001)
    assert errors.num_poses == 20
    assert errors.ate_m < 1e-6 and errors.rpe_deg < 1e-4
    assert main(['evaluate', 'odometry', str(estimate), str(file)]) == 0


def test_nearest_stamps_belong_together() -> None:
    estimate = Trajectory(stamps_ns=np.array([95, 205, 420]), poses=np.tile(np.eye(4), (3, 1, 1)))
    path = Trajectory(stamps_ns=np.array([100, 200, 300]), poses=np.tile(np.eye(4), (3, 1, 1)))
    ours, theirs = matched(estimate, path, max_difference_s=1e-8)
    assert (ours.tolist(), theirs.tolist()) == ([0, 1], [0, 1])


@pytest.mark.parametrize('text', ['', '1 2 3', 'nan 0 0 0 0 0 0 1', '1 0 0 0 0 0 0 0', '\x00'])
def test_what_is_no_trajectory_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'bad.txt'
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_trajectory(path)
    assert caught.value.reason == 'trajectory'


def test_clocks_that_differ_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ('a.txt', 'b.txt')]
    for path, start in zip(files, (5, 10**18), strict=True):
        write_tum(path, trajectory([start + n * 10**8 for n in range(20)], truth().poses))
    assert main(['evaluate', 'odometry', *map(str, files)]) == 2
    assert '0 of 20 poses have a true pose within 0.01 s' in capsys.readouterr().err
