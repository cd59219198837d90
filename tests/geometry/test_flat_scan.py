"""Flat scans of rendered views: ranges, free, too near and unknown beams as REP 117 has them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.geometry.cloud_filters import without_flying_pixels, without_outliers
from depth_ros.geometry.cloud_settings import CloudSettings, CropBox, NavigationSettings
from depth_ros.geometry.flat_scan import FlatScan, flat_scan
from depth_ros.geometry.rigid import rigid, rotation_from_vector
from tests.kit.costmap import ObstacleLayer
from tests.kit.robot_view import AHEAD_M, BASE_FROM_CAMERA, SETTINGS, SOURCES, RobotView, box

HERE = np.eye(4)


def scan_of(depth: np.ndarray, frame: np.ndarray = HERE, **changes: object) -> FlatScan:
    settings = replace(SETTINGS, **changes)
    view = RobotView(ObstacleLayer(SOURCES), settings=settings)
    return flat_scan(view.sight(depth), frame, settings)


def at(scan: FlatScan, angle_rad: float) -> float:
    return float(scan.ranges[round((angle_rad - scan.angle_min_rad) / scan.increment_rad)])


@pytest.fixture(scope='module')
def view() -> RobotView:
    return RobotView(ObstacleLayer(SOURCES))


@pytest.fixture(scope='module')
def pillar(view: RobotView) -> np.ndarray:
    return view.depth(box(2.13, 0.0, size=(0.2, 0.3, 1.0)))


def test_range_is_from_the_scans_origin_and_the_rest_is_free(pillar: np.ndarray) -> None:
    scan = scan_of(pillar)
    assert at(scan, 0.0) == pytest.approx(2.03, abs=1e-3)
    assert at(scan, 0.3) == math.inf and at(scan, -0.3) == math.inf
    assert scan.max_range_m == pytest.approx(5.0 - AHEAD_M), 'no more than was seen'
    assert not np.isnan(scan.ranges).any()


def test_unknown_is_nan_and_an_obstacle_in_it_is_told(pillar: np.ndarray) -> None:
    half = pillar.copy()
    half[:, :128] = np.nan
    scan = scan_of(half)
    assert math.isnan(at(scan, 0.3)) and at(scan, -0.3) == math.inf
    hidden = np.where(np.isclose(pillar, 1.93), np.float32(np.nan), pillar)
    assert math.isnan(at(scan_of(hidden), 0.0)), 'floor before a thing of unknown depth'
    speck = np.full_like(pillar, np.nan)
    speck[90:96, 124:132] = 1.0
    assert at(scan_of(speck), 0.0) == pytest.approx(1.1, abs=1e-3)


def test_a_speck_is_no_obstacle(pillar: np.ndarray) -> None:
    speck = pillar.copy()
    speck[95, 127:129] = 1.0
    assert at(scan_of(speck), 0.0) == pytest.approx(2.03, abs=1e-3)
    assert at(scan_of(speck, scan_min_points=1), 0.0) == pytest.approx(1.1, abs=1e-3)


def test_how_much_may_be_unknown_can_be_set(pillar: np.ndarray, view: RobotView) -> None:
    holes = view.depth()
    holes[::3] = np.nan
    assert at(scan_of(holes), 0.2) == math.inf
    assert math.isnan(at(scan_of(holes, scan_max_unknown=0.1), 0.2))


def test_too_near_is_minus_inf_unless_something_is_measured(view: RobotView) -> None:
    depth = view.depth()
    depth[90:100, 100:120] = -np.inf
    scan = scan_of(depth)
    angle = math.atan2(127.5 - 110, 160)
    assert at(scan, angle) == -math.inf and at(scan, -angle) == math.inf


def test_floor_only_says_nothing_of_the_way_beyond(view: RobotView) -> None:
    """A camera that looks down sees no ray through the band up to the maximum range."""
    depth = view.depth()
    depth[:120] = np.nan
    assert np.isnan(scan_of(depth).ranges).all()


def test_beams_are_never_closer_than_pixels(pillar: np.ndarray) -> None:
    scan = scan_of(pillar, scan_increment_rad=0.0005, stride=2)
    assert scan.increment_rad == pytest.approx(2 / 160, rel=0.03)
    assert np.isnan(scan.ranges).sum() <= 2, 'beside edges, as the camera is not at the origin'
    assert len(scan.ranges) == pytest.approx(2 * math.atan(128 / 160) / scan.increment_rad, abs=3)


@pytest.mark.parametrize('yaw_rad', [0.5, 2.0, math.pi, -3.0])
def test_a_camera_may_look_anywhere(pillar: np.ndarray, yaw_rad: float) -> None:
    """Also backwards, over the seam of the angles."""
    turn = rigid(rotation_from_vector(np.array([0.0, 0.0, yaw_rad])), np.zeros(3))
    scan = scan_of(pillar, turn)
    here = scan_of(pillar)
    assert scan.angle_min_rad - here.angle_min_rad == pytest.approx(yaw_rad, abs=1e-5)
    assert len(scan.ranges) == len(here.ranges)
    assert np.isfinite(scan.ranges).sum() == np.isfinite(here.ranges).sum()
    assert np.nanmin(scan.ranges) == pytest.approx(2.03, abs=1e-3)


def test_a_camera_that_looks_straight_down_has_beams_all_around() -> None:
    """Its ranges are of what stands on the floor below it; here nothing does."""
    down = BASE_FROM_CAMERA.copy()
    down[:3, :3] = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    view = RobotView(ObstacleLayer(SOURCES), base_from_camera=down)
    scan = flat_scan(view.sight(np.full((192, 256), 0.4, np.float32)), HERE, SETTINGS)
    assert np.isnan(scan.ranges).all()


def test_what_is_beyond_the_range_is_free_and_what_is_over_the_band_is_passed(
    view: RobotView,
) -> None:
    beam = view.depth(box(2.13, 0.0, size=(0.2, 6.0, 0.3), bottom_m=2.2))
    far = view.depth(box(5.5, 0.0, size=(0.2, 6.0, 2.0)))
    for depth in (beam, far):
        assert at(scan_of(depth), 0.0) == math.inf


def through_filters(depth: np.ndarray) -> np.ndarray:
    """Give what the nodes' defaults leave of a depth."""
    kept = without_flying_pixels(depth, max_step=CloudSettings().max_edge_step)
    return without_outliers(
        kept,
        min_neighbors=NavigationSettings().outlier_neighbors,
        num_sigmas=CloudSettings().outlier_sigma,
    )


@pytest.mark.parametrize('rows', [slice(95, 96), slice(90, 100), slice(40, 120)])
def test_what_is_too_near_is_never_free_after_the_filters(view: RobotView, rows: slice) -> None:
    """It covers a small share of each beam, whose other pixels are free."""
    depth = view.depth()
    depth[rows, 100:120] = -np.inf
    scan = scan_of(through_filters(depth))
    angle = math.atan2(127.5 - 110, 160)
    assert at(scan, angle) == -math.inf and at(scan, -angle) == math.inf


def test_what_is_behind_a_too_near_thing_does_not_clear_it(pillar: np.ndarray) -> None:
    """The pillar is at 2.03 m; a beam of that range would clear what stands before it."""
    depth = pillar.copy()
    depth[120:130, 120:136] = -np.inf
    assert at(scan_of(depth), 0.0) == -math.inf
    speck = pillar.copy()
    speck[120, 127:129] = -np.inf
    assert at(scan_of(speck), 0.0) == pytest.approx(2.03, abs=1e-3)


def test_a_crop_box_leaves_free_beams_free(pillar: np.ndarray) -> None:
    """Rays are free to its edge and beyond; only what is seen beyond makes a beam unknown."""
    rectangle = CropBox(min_x_m=0.0, min_y_m=-1.0, max_x_m=3.0, max_y_m=1.0)
    scan = scan_of(pillar, crop_box=rectangle)
    assert at(scan, 0.0) == pytest.approx(2.03, abs=1e-3)
    assert at(scan, 0.3) == math.inf and at(scan, -0.3) == math.inf
    near = CropBox(min_x_m=0.0, min_y_m=-1.0, max_x_m=1.5, max_y_m=1.0)
    scan = scan_of(pillar, crop_box=near)
    assert math.isnan(at(scan, 0.0)), 'the pillar is beyond: left out, but no free way'
    assert at(scan, 0.3) == math.inf


def test_a_crop_box_before_the_camera_frees_no_way_through_what_it_leaves_out(
    pillar: np.ndarray,
) -> None:
    """The rectangle begins at 3 m; the pillar at 2 m is not in it."""
    rectangle = CropBox(min_x_m=3.0, min_y_m=-2.0, max_x_m=6.0, max_y_m=2.0)
    scan = scan_of(pillar, crop_box=rectangle)
    assert math.isnan(at(scan, 0.0))
    assert at(scan, 0.3) == math.inf
