"""Depth carried over into another view, against a view rendered there."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import ideal_camera, scaled_camera
from depth_ros.geometry.rigid import inverse, rigid
from depth_ros.geometry.warp import NOWHERE, carried_depth
from depth_ros.scenes.paths import look
from depth_ros.scenes.solids import Box, Scene, Sphere, render, room

CAMERA = ideal_camera(fx=100.0, fy=100.0, cx=79.5, cy=59.5, height=120, width=160)


def test_nothing_moves_where_the_camera_stays() -> None:
    depth = render(room(), CAMERA).depth
    carried = carried_depth(depth, CAMERA, into=CAMERA, into_from_camera=np.eye(4))
    np.testing.assert_allclose(carried.depth, depth, rtol=1e-6)
    assert np.array_equal(carried.origin.ravel(), np.arange(120 * 160))


@pytest.mark.parametrize('pose', [look((0.1, 0.05, 0.2)), look((-0.2, 0, 0), yaw_rad=0.2)])
def test_another_place_sees_what_is_rendered_there(pose: np.ndarray) -> None:
    before = render(room(), CAMERA)
    there = render(room(), CAMERA, world_from_camera=pose)
    carried = carried_depth(before.depth, CAMERA, into=CAMERA, into_from_camera=inverse(pose))
    known = np.isfinite(carried.depth)
    error = np.abs(carried.depth - there.depth)[known] / there.depth[known]
    assert known.mean() > 0.6
    # Beyond the edges of things, where the old view saw nothing, there is the wall behind.
    assert np.median(error) < 0.005 and (error > 0.1).mean() < 0.04


def test_the_nearest_surface_stays_and_colours_follow() -> None:
    near = Sphere(center=(0.0, 0.0, 1.5), radius=0.3)
    scene = Scene(shapes=(Box(center=(0.0, 0.0, 3.1), size=(9.0, 9.0, 0.2)), near))
    view = render(scene, CAMERA)
    pose = look((0.3, 0.0, 0.0))
    carried = carried_depth(view.depth, CAMERA, into=CAMERA, into_from_camera=inverse(pose))
    there = render(scene, CAMERA, world_from_camera=pose)
    is_ball = there.shape_index == 1
    seen = is_ball & np.isfinite(carried.depth)
    assert seen.sum() > 0.8 * is_ball.sum()
    assert (np.abs(carried.depth - there.depth)[seen] < 0.1).mean() > 0.95
    shapes = carried.taken(view.shape_index.astype(np.float32), np.nan)
    assert (shapes[seen] == 1).mean() > 0.95
    assert np.isnan(shapes[carried.origin == NOWHERE]).all()


def test_a_surface_that_comes_nearer_stays_closed() -> None:
    wall = np.full((120, 160), 3.0, np.float32)
    into = rigid(np.eye(3), np.array([0.0, 0.0, -1.0]))
    carried = carried_depth(wall, CAMERA, into=CAMERA, into_from_camera=into)
    np.testing.assert_allclose(carried.depth, 2.0)


def test_unknown_depth_and_depth_behind_go_nowhere() -> None:
    depth = np.full((4, 5), np.nan, np.float32)
    depth[1, 2], depth[2, 2], depth[3, 3] = 1.0, np.inf, -np.inf
    camera = ideal_camera(fx=5.0, fy=5.0, cx=2.0, cy=1.5, height=4, width=5)
    back = rigid(np.eye(3), np.array([0.0, 0.0, -2.0]))
    assert np.isnan(carried_depth(depth, camera, into=camera, into_from_camera=back).depth).all()
    stays = carried_depth(depth, camera, into=camera, into_from_camera=np.eye(4))
    assert np.isfinite(stays.depth).sum() == 1
    empty = carried_depth(np.full((4, 5), np.nan), camera, into=camera, into_from_camera=back)
    assert np.isnan(empty.depth).all()


def test_the_new_view_may_have_another_size() -> None:
    depth = render(room(), CAMERA).depth
    small = scaled_camera(CAMERA, height=60, width=80)
    carried = carried_depth(depth, CAMERA, into=small, into_from_camera=np.eye(4))
    truth = render(room(), small).depth
    assert carried.depth.shape == (60, 80)
    assert np.median(np.abs(carried.depth - truth) / truth) < 0.02
