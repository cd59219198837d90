"""Obstacles and free rays of rendered views, with known answers and hostile depth."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import ParameterError
from depth_ros.geometry.cloud_filters import without_flying_pixels, without_outliers
from depth_ros.geometry.cloud_settings import CropBox, Ground, NavigationSettings, read_crop_box
from depth_ros.geometry.costmap_clouds import clearing_cloud, marking_cloud
from depth_ros.geometry.flat_scan import flat_scan
from depth_ros.geometry.free_space import Sight, above_floor, look
from depth_ros.geometry.rigid import rigid, rotation_from_vector
from depth_ros.settings import settings_from, values_of
from tests.kit.costmap import ObstacleLayer
from tests.kit.robot_view import (
    AHEAD_M,
    BASE_FROM_CAMERA,
    CAMERA,
    HEIGHT_M,
    SETTINGS,
    SOURCES,
    RobotView,
    box,
)


@pytest.fixture(scope='module')
def crate() -> np.ndarray:
    view = RobotView(ObstacleLayer(SOURCES))
    return view.depth(box(2.13, 0.0, size=(0.2, 1.0, 0.6)))


def sight_of(depth: np.ndarray, **changes: object) -> Sight:
    return look(depth, CAMERA, BASE_FROM_CAMERA, replace(SETTINGS, **changes))


def in_base(points: np.ndarray) -> np.ndarray:
    return points @ BASE_FROM_CAMERA[:3, :3].T + BASE_FROM_CAMERA[:3, 3]


def test_obstacles_are_what_stands_in_the_band(crate: np.ndarray) -> None:
    points, shown = sight_of(crate).obstacle_points(Ground.REMOVED)
    places = in_base(points)
    assert places[:, 2].min() >= 0.1 and places[:, 2].max() <= 0.6 + 1e-5
    assert places[:, 0].min() == pytest.approx(2.03, abs=1e-3)
    assert np.abs(places[:, 1]).max() <= 0.5 + 1e-3
    assert shown.sum() == len(points) > 1000


def test_the_floor_can_be_kept(crate: np.ndarray) -> None:
    points, _ = sight_of(crate).obstacle_points(Ground.KEPT)
    on_floor = np.abs(in_base(points)[:, 2]) < 1e-5
    assert on_floor.sum() > 1000
    assert in_base(points)[:, 2].min() >= -0.1


def test_rays_end_at_the_range_or_where_they_leave_the_band(crate: np.ndarray) -> None:
    ends = in_base(sight_of(crate).free_points()) - (AHEAD_M, 0.0, 0.0)
    reach = np.hypot(ends[:, 0], ends[:, 1])
    at_range = np.isclose(reach, 5.0, atol=1e-3)
    at_bottom = np.isclose(ends[:, 2], 0.1, atol=1e-4)
    at_top = np.isclose(ends[:, 2], 2.0, atol=1e-4)
    assert (at_range | at_bottom | at_top).all()
    assert at_range.sum() > 1000 and at_bottom.sum() > 1000 and at_top.sum() > 0


def test_a_ray_never_goes_on_behind_what_it_meets(crate: np.ndarray) -> None:
    sight = sight_of(crate)
    known = np.isfinite(sight.free_z)
    assert (sight.free_z[known] <= sight.depth[known] + 1e-6).all()
    assert not (known & sight.is_obstacle).any()


def test_unknown_and_too_near_say_nothing(crate: np.ndarray) -> None:
    for value in (np.nan, -np.inf, 0.0, -1.0):
        sight = sight_of(np.full_like(crate, value))
        assert not sight.is_obstacle.any() and len(sight.free_points()) == 0
        assert clearing_cloud(sight, SETTINGS).shape == (0, 3)
        rgb = np.zeros((*crate.shape, 3), np.uint8)
        points, colors = marking_cloud(sight, rgb, SETTINGS)
        assert points.shape == colors.shape == (0, 3)


def test_a_hole_in_the_floor_is_no_free_way_below_it(crate: np.ndarray) -> None:
    """A point far below ends its ray where the ray leaves the band."""
    deep = np.full_like(crate, 8.0)
    ends = in_base(sight_of(deep).free_points())
    assert ends[:, 2].min() >= 0.1 - 1e-4


def test_crop_box_bounds_obstacles_and_rays(crate: np.ndarray) -> None:
    box_of = CropBox(min_x_m=0.0, min_y_m=-0.3, max_x_m=3.0, max_y_m=0.3)
    sight = sight_of(crate, crop_box=box_of)
    places = in_base(sight.obstacle_points(Ground.REMOVED)[0])
    assert np.abs(places[:, 1]).max() <= 0.3
    ends = in_base(sight.free_points())
    assert np.abs(ends[:, 1]).max() <= 0.3 + 1e-4 and ends[:, 0].max() <= 3.0 + 1e-4


def test_a_crop_box_that_begins_ahead_clears_only_rays_that_get_into_it(crate: np.ndarray) -> None:
    """The crate at 2 m is before the box: rays to it clear nothing, those beside it do."""
    ahead = CropBox(min_x_m=3.0, min_y_m=-2.0, max_x_m=4.0, max_y_m=2.0)
    sight = sight_of(crate, crop_box=ahead)
    ends = in_base(sight.free_points())
    assert len(ends) > 100
    assert ends[:, 0].min() >= 3.0 - 1e-3 and ends[:, 0].max() <= 4.0 + 1e-3
    assert np.abs(ends[:, 1]).max() <= 2.0 + 1e-3
    on_crate = sight_of(crate).is_obstacle
    assert np.isnan(sight.free_z[on_crate]).all() and not sight.is_obstacle[on_crate].any()
    assert sight.is_left_out[on_crate].all()


def test_a_crop_box_behind_the_camera_clears_nothing(crate: np.ndarray) -> None:
    behind = CropBox(min_x_m=-3.0, min_y_m=-2.0, max_x_m=-1.0, max_y_m=2.0)
    assert len(sight_of(crate, crop_box=behind).free_points()) == 0


def test_a_camera_above_the_band_sees_into_it() -> None:
    """Rays that come from above go on to where they leave through the bottom."""
    settings = replace(SETTINGS, max_height_m=0.3)
    sight = look(
        np.full((CAMERA.height, CAMERA.width), np.inf, np.float32),
        CAMERA,
        BASE_FROM_CAMERA,
        settings,
    )
    ends = in_base(sight.free_points())
    assert len(ends) and ends[:, 2].max() <= HEIGHT_M
    rising = sight.rays[..., 1] < 0
    assert np.isnan(sight.free_z[rising]).all(), 'they never are in the band'


def test_stride_takes_the_pixels_it_says(crate: np.ndarray) -> None:
    sight = sight_of(crate, stride=3)
    np.testing.assert_array_equal(sight.depth, crate[::3, ::3])
    assert sight.rays[1, 2, 0] == pytest.approx((6 - CAMERA.cx) / CAMERA.fx)
    assert sight.rays[1, 2, 1] == pytest.approx((3 - CAMERA.cy) / CAMERA.fy)


def test_clouds_are_bounded(crate: np.ndarray) -> None:
    rgb = np.zeros((*crate.shape, 3), np.uint8)
    rgb[..., 0] = 7
    sight = sight_of(crate)
    all_points, _ = marking_cloud(sight, rgb, replace(SETTINGS, voxel_size_m=0.0))
    thinned, colors = marking_cloud(sight, rgb, SETTINGS)
    assert len(thinned) < len(all_points) / 2 and (colors == (7, 0, 0)).all()
    few, _ = marking_cloud(sight, rgb, replace(SETTINGS, max_points=100))
    assert len(few) == 100
    cells = np.floor(in_base(thinned) / 0.05 + 1e-3).astype(int)
    assert len(np.unique(cells, axis=0)) >= 0.95 * len(cells)


def pitched(angle_rad: float) -> np.ndarray:
    """Give the mount as somebody believes it who is off by an angle: down is positive."""
    turn = rotation_from_vector(np.array([0.0, angle_rad, 0.0]))
    return rigid(turn @ BASE_FROM_CAMERA[:3, :3], BASE_FROM_CAMERA[:3, 3])


def test_a_mount_that_nods_raises_the_floor_unless_it_is_fitted(crate: np.ndarray) -> None:
    """The camera looks 3 degrees lower than TF says: the floor seems to rise ahead."""
    believed = pitched(-0.052)
    for mount, most in ((believed, 2.0), (above_floor(crate, CAMERA, believed), 0.6 + 0.02)):
        sight = look(crate, CAMERA, mount, SETTINGS)
        rows = np.flatnonzero(sight.is_obstacle[:, 5])
        assert (len(rows) > 5) == (most == 2.0), 'beside the crate there is floor alone'
        points, _ = sight.obstacle_points(Ground.REMOVED)
        heights = points @ mount[2, :3] + mount[2, 3]
        assert heights.max() <= most


def test_without_a_floor_the_mount_is_believed() -> None:
    nothing = np.full((CAMERA.height, CAMERA.width), np.nan, np.float32)
    assert above_floor(nothing, CAMERA, BASE_FROM_CAMERA) is BASE_FROM_CAMERA


@pytest.mark.parametrize('seed', range(40))
def test_whatever_comes_no_end_is_nan_and_nothing_fails(seed: int) -> None:
    """Odd sizes, large strides, any mount, any depth."""
    random = np.random.default_rng(seed)
    height, width = (int(size) for size in random.integers(1, 9, 2))
    camera = ideal_camera(
        fx=max(width, 2.0),
        fy=max(height, 2.0),
        cx=(width - 1) / 2,
        cy=(height - 1) / 2,
        height=height,
        width=width,
    )
    turn = rotation_from_vector(random.normal(size=3) * 2)
    mount = rigid(turn, random.normal(size=3))
    depth = random.choice(
        np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-30, 1e30, 0.5, 2.0, 4.0], np.float32),
        (height, width),
    )
    settings = replace(
        SETTINGS,
        stride=int(random.choice([1, 2, 64])),
        ground=random.choice(list(Ground)),
        crop_box=random.choice([None, CropBox(min_x_m=-1, min_y_m=-1, max_x_m=1, max_y_m=1)]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        depth = without_outliers(
            without_flying_pixels(depth, max_step=0.02), min_neighbors=3, num_sigmas=3.0
        )
        sight = look(depth, camera, above_floor(depth, camera, mount), settings)
        rgb = np.zeros((*sight.depth.shape, 3), np.uint8)
        points, colors = marking_cloud(sight, rgb, settings)
        ends = clearing_cloud(sight, settings)
        scan = flat_scan(sight, np.eye(4), settings)
    assert np.isfinite(points).all() and np.isfinite(ends).all() and len(points) == len(colors)
    assert np.isfinite(scan.angle_min_rad) and len(scan.ranges) >= 1
    assert (scan.ranges[np.isfinite(scan.ranges)] >= 0.0).all()


@pytest.mark.parametrize('text', ['1 2 3', 'a b c d', '0 -1 -2 1', '0 0 0 0', 'nan 0 1 1'])
def test_a_crop_box_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match='min_x min_y max_x max_y'):
        settings_from(NavigationSettings, {'crop_box': text})


def test_a_crop_box_is_written_as_it_is_read() -> None:
    settings = settings_from(NavigationSettings, {'crop_box': '0, -2.5 5 2.5'})
    assert settings.crop_box == read_crop_box(str(values_of(settings)['crop_box']))
    assert values_of(NavigationSettings())['crop_box'] == ''


@pytest.mark.parametrize('name', ['base_frame', 'scan_frame'])
@pytest.mark.parametrize('frame', ['/base_link', ' base_link', 'base link', ' ', 'base_link\n'])
def test_names_that_no_frame_has_are_refused(name: str, frame: str) -> None:
    with pytest.raises(ParameterError, match=f'{name} must be the name of a frame'):
        settings_from(NavigationSettings, {name: frame})


def test_the_robot_has_a_frame_and_the_scan_may_take_it() -> None:
    with pytest.raises(ParameterError, match='base_frame must be the name of a frame'):
        settings_from(NavigationSettings, {'base_frame': ''})
    assert settings_from(NavigationSettings, {'scan_frame': ''}).scan_frame == ''
