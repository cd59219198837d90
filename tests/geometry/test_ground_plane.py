"""Ground planes in rendered depth, and views that have none; test_scale.py has real frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import InputError
from depth_ros.geometry.ground_plane import GroundSearch, camera_down, find_ground
from depth_ros.scenes.solids import Box, Plane, Scene, fronto_parallel, render, room, slanted

CAMERA = ideal_camera(fx=240.0, fy=240.0, cx=159.5, cy=119.5, height=240, width=320)
FLOOR_M = 1.4


def turned(*, pitch_rad: float = 0.0, roll_rad: float = 0.0) -> np.ndarray:
    """Pose of a camera looking down by the pitch, then rolled about its own axis."""
    c, s = math.cos(pitch_rad), math.sin(pitch_rad)
    pitch = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    c, s = math.cos(roll_rad), math.sin(roll_rad)
    pose = np.eye(4)
    pose[:3, :3] = pitch @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return pose


def floor(*others) -> Scene:
    return Scene(shapes=(Plane(point=(0.0, FLOOR_M, 0.0), direction=(0.0, -1.0, 0.0)), *others))


def refused(depth: np.ndarray, camera=CAMERA, search: GroundSearch | None = None) -> str:
    with pytest.raises(InputError, match='no ground plane') as caught:
        find_ground(depth, camera, search or GroundSearch())
    assert caught.value.reason == 'no_ground'
    return str(caught.value)


@pytest.mark.parametrize(
    ('pitch_rad', 'roll_rad'), [(0.0, 0.0), (0.4, 0.0), (-0.15, 0.0), (0.2, 0.3), (1.2, -0.2)]
)
def test_finds_an_endless_floor_from_any_known_attitude(pitch_rad: float, roll_rad: float) -> None:
    pose = turned(pitch_rad=pitch_rad, roll_rad=roll_rad)
    down = camera_down(pitch_rad=pitch_rad, roll_rad=roll_rad)
    np.testing.assert_allclose(pose[:3, :3].T @ (0.0, 1.0, 0.0), down, atol=1e-12)
    view = render(floor(), CAMERA, world_from_camera=pose)
    ground = find_ground(view.depth, CAMERA, GroundSearch(down=down, max_tilt_rad=0.05))
    assert ground.distance == pytest.approx(FLOOR_M, rel=1e-5)
    np.testing.assert_allclose(ground.normal, down, atol=1e-5)
    assert ground.fraction > 0.95


def test_takes_an_unknown_attitude_within_the_limit_and_no_other() -> None:
    view = render(floor(), CAMERA, world_from_camera=turned(pitch_rad=0.2))
    ground = find_ground(view.depth, CAMERA, GroundSearch())
    assert ground.distance == pytest.approx(FLOOR_M, rel=1e-4)
    refused(view.depth, search=GroundSearch(max_tilt_rad=0.1))


def test_finds_the_floor_of_a_furnished_room_under_noise_and_holes() -> None:
    view = render(room(), CAMERA)
    random = np.random.default_rng(5)
    depth = view.depth * (1.0 + 0.02 * random.normal(size=view.depth.shape).astype(np.float32))
    depth[random.random(depth.shape) < 0.2] = np.nan
    ground = find_ground(depth, CAMERA, GroundSearch(min_fraction=0.2))
    assert ground.distance == pytest.approx(1.1, rel=0.01)
    assert ground.spread == pytest.approx(0.02, rel=0.2)


def test_scale_of_the_map_is_carried_by_the_distance_alone() -> None:
    depth = render(room(), CAMERA).depth
    one = find_ground(depth, CAMERA, GroundSearch(min_fraction=0.2))
    for factor in (1e-3, 7.0, 1e4):
        other = find_ground(depth * np.float32(factor), CAMERA, GroundSearch(min_fraction=0.2))
        assert other.distance == pytest.approx(factor * one.distance, rel=1e-3)
        assert other.fraction == pytest.approx(one.fraction, abs=0.01)


def test_takes_the_floor_beneath_a_large_table() -> None:
    table = Box(center=(0.0, 0.75, 2.2), size=(3.0, 0.04, 1.6))
    view = render(floor(table), CAMERA, world_from_camera=turned(pitch_rad=0.3))
    lower = view.shape_index[120:]
    assert 0.35 < (lower == 1).mean() < 0.7
    search = GroundSearch(down=camera_down(pitch_rad=0.3, roll_rad=0.0), min_fraction=0.2)
    assert find_ground(view.depth, CAMERA, search).distance == pytest.approx(FLOOR_M, rel=1e-3)


@pytest.mark.parametrize('fx', [150.0, 400.0, 1600.0, 6000.0])
@pytest.mark.parametrize(
    'scene', [fronto_parallel(3.0), slanted(3.0, yaw_rad=0.6, pitch_rad=0.3)], ids=['wall', 'tilt']
)
def test_refuses_walls_however_narrow_the_view(scene: Scene, fx: float) -> None:
    camera = ideal_camera(fx=fx, fy=fx, cx=159.5, cy=119.5, height=240, width=320)
    refused(render(scene, camera).depth, camera)


def test_refuses_a_ramp_steeper_than_the_limit() -> None:
    ramp = Plane(point=(0.0, 1.4, 0.0), direction=(0.0, -math.cos(0.5), -math.sin(0.5)))
    refused(render(Scene(shapes=(ramp,)), CAMERA).depth)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 0.0, -2.0])
def test_refuses_maps_without_depth(value: float) -> None:
    text = refused(np.full((240, 320), value, np.float32))
    assert 'depth is known at 0 of' in text


def test_refuses_what_is_random_tiny_or_too_little() -> None:
    random = np.random.default_rng(0)
    refused(random.uniform(1.0, 9.0, (240, 320)).astype(np.float32))
    tiny = ideal_camera(fx=4.0, fy=4.0, cx=2.0, cy=1.0, height=3, width=5)
    refused(render(floor(), tiny).depth, tiny)
    depth = render(floor(), CAMERA).depth
    depth[:, 40:] = np.nan
    refused(depth)


def test_refuses_points_on_one_line() -> None:
    depth = np.full((240, 320), np.nan, np.float32)
    depth[200] = 3.0
    refused(depth, search=GroundSearch(min_fraction=0.001))


def test_looks_below_the_horizon_only() -> None:
    """Nose up by 0.5 rad, the horizon is below the image: a level ceiling is no ground."""
    ceiling = Plane(point=(0.0, -1.0, 0.0), direction=(0.0, 1.0, 0.0))
    view = render(Scene(shapes=(ceiling,)), CAMERA, world_from_camera=turned(pitch_rad=-0.5))
    refused(view.depth, search=GroundSearch(down=camera_down(pitch_rad=-0.5, roll_rad=0.0)))
