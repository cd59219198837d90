"""Depth and poses in files beside the pairs of a command."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.cli.run.stereo_beside import BesideFiles, add_beside_arguments
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.cloud import write_ply
from depth_ros.files.trajectories import trajectory, write_tum
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.scenes.solids import ideal_stereo_camera
from depth_ros.tasks.stereo.settings import StereoSettings

RIG = ideal_stereo_camera(height=24, width=32)
SECOND_NS = 1_000_000_000


def files(hints: str, *words: str | Path) -> BesideFiles:
    parser = argparse.ArgumentParser()
    add_beside_arguments(parser)
    return BesideFiles(
        parser.parse_args([str(word) for word in words]), StereoSettings(hints=hints)
    )


def frame(stamp_ns: int = 0) -> StereoFrame:
    image = np.zeros((24, 32, 3), np.uint8)
    sides = [
        MonoFrame(image=image, camera=camera, stamp_ns=stamp_ns, is_rectified=True)
        for camera in (RIG.left, RIG.right)
    ]
    return StereoFrame(left=sides[0], right=sides[1])


def test_sparse_depth_of_the_pairs_name(tmp_path: Path) -> None:
    depth = np.zeros((24, 32), np.uint16)
    depth[3, 5], depth[20, 30] = 2000, 4000
    cv2.imwrite(str(tmp_path / '0001.png'), depth)
    beside = files('depth_topic', '--hint-depth', tmp_path)
    points = beside.of('0001', frame(), RIG.left).points_m
    assert points is not None and points[:, 2].tolist() == [2.0, 4.0]
    assert points[0, 0] == pytest.approx((5 - RIG.left.cx) / RIG.left.fx * 2.0)
    with pytest.raises(InputError, match=r'has no 0002 with one of the endings \.png'):
        beside.of('0002', frame(), RIG.left)


def test_depth_of_half_the_size_shows_the_same(tmp_path: Path) -> None:
    path = tmp_path / 'depth.npy'
    np.save(path, np.full((12, 16), 3.0, np.float32))
    points = files('depth_topic sgbm', '--hint-depth', path).of('x', frame(), RIG.left).points_m
    assert points is not None and points.shape == (192, 3)
    assert abs(points[:, 0].mean()) < 1e-3, 'it looks along the same axis'


def test_a_cloud_is_in_the_left_cameras_frame(tmp_path: Path) -> None:
    path, cloud = tmp_path / 'scan.ply', np.array([[0.1, 0.2, 3.0], [0.0, 0.0, 1.0]])
    write_ply(path, cloud, np.zeros((2, 3), np.uint8))
    points = files('depth_topic', '--hint-depth', path).of('x', frame(), RIG.left).points_m
    np.testing.assert_allclose(points, cloud, rtol=1e-6)


def test_poses_by_stamp(tmp_path: Path) -> None:
    path, poses = tmp_path / 'poses.txt', [np.eye(4), np.eye(4)]
    poses[1][0, 3] = 1.0
    write_tum(path, trajectory([SECOND_NS, SECOND_NS + 200_000_000], poses))
    beside = files('previous', '--poses', path)
    pose = beside.of('x', frame(SECOND_NS + 50_000_000), RIG.left).world_from_camera
    assert pose is not None and pose[0, 3] == pytest.approx(0.25)
    with pytest.raises(InputError, match='last pose is before x'):
        beside.of('x', frame(2 * SECOND_NS), RIG.left)


def test_files_that_nobody_asks_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r'add --hints "depth_topic sgbm"'):
        files('auto', '--hint-depth', tmp_path)
    with pytest.raises(ParameterError, match=r'--poses is for hints previous'):
        files('sgbm', '--poses', tmp_path / 'poses.txt')
    with pytest.raises(ParameterError, match='need --hint-depth'):
        files('depth_topic')
