"""Rendered sequences: exact poses and depth, and each path does what its name says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from depth_ros.errors import ParameterError
from depth_ros.geometry.rigid import inverse, rotation_angle
from depth_ros.scenes.paths import PATHS, along, look, scene_path
from depth_ros.scenes.solids import NOTHING


@pytest.mark.parametrize('name', PATHS)
def test_paths_are_rigid_smooth_and_inside_the_scene(name: str) -> None:
    path = scene_path(name, num_frames=60)
    poses = path.world_from_camera
    assert len(path) == 60 and poses.shape == (60, 4, 4)
    np.testing.assert_allclose(
        poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1),
        np.broadcast_to(np.eye(3), (60, 3, 3)),
        atol=1e-12,
    )
    steps = [inverse(a) @ b for a, b in pairwise(poses)]
    assert max(np.linalg.norm(step[:3, 3]) for step in steps) < 0.2
    assert max(rotation_angle(step) for step in steps) < np.radians(15)
    view = path.view(30)
    assert (view.shape_index != NOTHING).all(), 'the camera looks out of the scene'
    assert view.depth.min() > 0.1


def test_depth_and_pose_agree_between_views() -> None:
    """Points of one view, moved by the poses, lie at the other view's depth."""
    path = scene_path('room', num_frames=60)
    first, second = path.view(0), path.view(2)
    camera = path.left
    y, x = np.mgrid[40:200:8, 40:280:8]
    z = first.depth[y, x].astype(np.float64)
    points = np.stack([(x - camera.cx) / camera.fx * z, (y - camera.cy) / camera.fy * z, z], -1)
    moved = inverse(second.world_from_camera) @ first.world_from_camera
    seen = points @ moved[:3, :3].T + moved[:3, 3]
    u = np.rint(seen[..., 0] / seen[..., 2] * camera.fx + camera.cx).astype(int)
    v = np.rint(seen[..., 1] / seen[..., 2] * camera.fy + camera.cy).astype(int)
    is_inside = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    error = np.abs(second.depth[v[is_inside], u[is_inside]] - seen[is_inside][:, 2])
    # Half a pixel of rounding moves the depth of a slanted floor by some percent.
    assert np.median(error / seen[is_inside][:, 2]) < 0.01


def test_the_room_is_a_loop_of_some_metres() -> None:
    path = scene_path('room')
    first, last = path.world_from_camera[[0, -1]]
    np.testing.assert_allclose(first, last, atol=1e-9)
    assert 4.0 < path.length_m < 5.0


def test_the_wall_fills_the_middle_of_its_path_with_one_colour() -> None:
    path = scene_path('textureless_wall')
    assert path.view(len(path) // 2).image.std() < 2.0
    assert path.view(0).image.std() > 15.0


def test_only_the_object_moves() -> None:
    path = scene_path('moving_object')
    first, last = path.scene_at(0.0), path.scene_at(2.0)
    assert first.shapes[-1].center != last.shapes[-1].center  # type: ignore[attr-defined]
    assert len(first.shapes) == len(last.shapes)


def test_a_stereo_pair_is_the_view_and_its_neighbour() -> None:
    path = scene_path('corridor', num_frames=10)
    pair = path.stereo(3)
    np.testing.assert_array_equal(pair.left, path.view(3).image)
    assert pair.stamp_ns == path.stamp_ns(3) == 1_200_000_000
    assert not np.array_equal(pair.left, pair.right)


def test_every_second_frame_is_as_fast_along_the_path() -> None:
    path = scene_path('room', num_frames=31, rate_hz=10.0)
    half = path.every(2)
    assert (len(half), half.rate_hz) == (16, 5.0)
    assert half.stamp_ns(1) == path.stamp_ns(2)


def test_yaw_looks_right_and_pitch_up() -> None:
    forward = np.array([0.0, 0.0, 1.0])
    assert (look((0, 0, 0), yaw_rad=0.5)[:3, :3] @ forward)[0] > 0.4
    assert (look((0, 0, 0), pitch_rad=0.5)[:3, :3] @ forward)[1] < -0.4
    assert along(lambda share: look((share, 0, 0)), 3)[:, 0, 3].tolist() == [0.0, 0.5, 1.0]


def test_an_unknown_path_is_named() -> None:
    with pytest.raises(ParameterError, match='corridor'):
        scene_path('garden')
