"""Geometry: metres, their uncertainty and clouds against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.camera import (
    PinholeCamera,
    StereoCamera,
    ideal_camera,
    stereo_camera,
)
from depth_ros.geometry.depth import (
    cloud_shape,
    crop_range,
    depth_sigma,
    disparity_to_depth,
    organised_cloud,
    points_of_cloud,
)
from depth_ros.scenes.solids import Plane, Scene, Sphere, ideal_stereo_camera, render
from tests.kit.shared_data import shared_path

NAN, INF = math.nan, math.inf


def rig(
    *, fx: float = 400.0, baseline_m: float = 0.1, offset: float = 0.0, size: tuple = (3, 4)
) -> StereoCamera:
    numbers = {'fx': fx, 'fy': fx, 'cy': 1.0, 'height': size[0], 'width': size[1]}
    left = ideal_camera(cx=2.0, **numbers)
    return stereo_camera(left, ideal_camera(cx=2.0 - offset, tx=-fx * baseline_m, **numbers))


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_depth_is_focal_length_times_baseline_over_disparity() -> None:
    depth = disparity_to_depth(row(40.0, 20.0, 0.5), rig())
    np.testing.assert_allclose(depth, row(1.0, 2.0, 80.0), rtol=1e-6)
    assert depth.dtype == np.float32


def test_unknown_infinite_and_behind_infinity() -> None:
    depth = disparity_to_depth(row(NAN, 0.0, -0.0, -3.0, 1e-38), rig())
    np.testing.assert_array_equal(depth, row(NAN, INF, INF, INF, INF))


def test_limits_become_infinities_with_a_sign() -> None:
    depth = disparity_to_depth(
        row(400.0, 80.0, 40.0, 8.0, 4.0, NAN, 0.0), rig(), min_depth_m=0.5, max_depth_m=5.0
    )
    np.testing.assert_allclose(depth, row(-INF, 0.5, 1.0, 5.0, INF, NAN, INF), rtol=1e-6)


def test_input_is_not_changed() -> None:
    disparity = row(40.0, NAN, 0.0)
    kept = disparity.copy()
    disparity_to_depth(disparity, rig(offset=3.0), min_depth_m=2.0)
    np.testing.assert_array_equal(disparity, kept)


def test_motorcycle_formula_holds_on_every_pixel_of_its_truth() -> None:
    """Middlebury 2014: depth = f * b / (d + doffs), doffs = cx_right - cx_left."""
    path = shared_path('data/middlebury_motorcycle/motorcycle_disp.npz')
    truth = np.load(path)['arr_0']
    disparity = np.where(np.isfinite(truth), truth, NAN).astype(np.float32)
    height, width = truth.shape
    numbers = {'fx': 994.978, 'fy': 994.978, 'cy': 254.877, 'height': height, 'width': width}
    camera = stereo_camera(
        ideal_camera(cx=311.193, **numbers),
        ideal_camera(cx=311.193 + 31.086, tx=-994.978 * 0.193001, **numbers),
    )
    assert camera.cx_offset_px == pytest.approx(-31.086)
    depth = disparity_to_depth(disparity, camera)
    expected = 994.978 * 0.193001 / (truth + 31.086)
    known = np.isfinite(truth)
    np.testing.assert_allclose(depth[known], expected[known], rtol=1e-5)
    assert np.isnan(depth[~known]).all()
    assert 2.0 < np.nanmin(depth) < np.nanmax(depth) < 5.1


@settings(deadline=None)
@given(
    depth_m=st.floats(0.2, 80.0),
    fx=st.floats(100.0, 2000.0),
    baseline_m=st.floats(0.02, 1.0),
    offset=st.floats(-50.0, 50.0),
)
def test_depth_of_a_projected_point(
    depth_m: float, fx: float, baseline_m: float, offset: float
) -> None:
    disparity = fx * baseline_m / depth_m + offset
    camera = rig(fx=fx, baseline_m=baseline_m, offset=offset)
    found = float(disparity_to_depth(row(disparity), camera)[0, 0])
    rounding = depth_m**2 / (fx * baseline_m) * 2e-5
    assert found == pytest.approx(depth_m, rel=1e-5, abs=rounding)


def test_crop_range_marks_and_keeps() -> None:
    depth = row(0.1, 0.5, 2.0, 5.0, 9.0, NAN, INF, -INF)
    cropped = crop_range(depth, min_depth_m=0.5, max_depth_m=5.0)
    np.testing.assert_array_equal(cropped, row(-INF, 0.5, 2.0, 5.0, INF, NAN, INF, -INF))
    assert depth[0, 0] == np.float32(0.1)
    np.testing.assert_array_equal(crop_range(depth), depth)


def test_sigma_is_the_change_of_depth_with_disparity() -> None:
    camera, step = rig(), 0.01
    disparity = row(10.0, 20.0, 40.0)
    depth = disparity_to_depth(disparity, camera)
    nearer = disparity_to_depth(disparity + step, camera)
    farther = disparity_to_depth(disparity - step, camera)
    sigma = depth_sigma(depth, camera, step)
    np.testing.assert_allclose(sigma, (farther - nearer) / 2, rtol=2e-3)
    np.testing.assert_allclose(depth_sigma(row(2.0), camera, 0.5), row(0.05), rtol=1e-6)


def test_sigma_of_a_map_and_of_what_is_not_finite() -> None:
    sigma = depth_sigma(row(2.0, 4.0, NAN, INF, -INF), rig(), row(0.5, 1.0, 1.0, 1.0, 1.0))
    np.testing.assert_allclose(sigma, row(0.05, 0.4, NAN, NAN, NAN), rtol=1e-6)
    assert sigma.dtype == np.float32


def wide_camera(height: int, width: int) -> PinholeCamera:
    return ideal_camera(fx=30.0, fy=20.0, cx=3.2, cy=1.7, height=height, width=width)


def random_map(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    depth = random.uniform(0.5, 9.0, (height, width)).astype(np.float32)
    return depth, random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def bits_of(cloud: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(cloud[..., 3]).view(np.uint32)


@pytest.mark.parametrize('stride', [1, 2, 3, 7, 50])
@pytest.mark.parametrize(('height', 'width'), [(5, 7), (6, 8), (1, 9), (9, 1)])
def test_cloud_points_project_back_to_their_pixels(height: int, width: int, stride: int) -> None:
    camera = wide_camera(height, width)
    depth, rgb = random_map(height, width)
    cloud = organised_cloud(depth, rgb, camera, stride=stride)
    v, u = np.mgrid[0:height:stride, 0:width:stride]
    assert cloud.shape == (*u.shape, 4)
    assert cloud.dtype == np.float32
    assert cloud.flags.c_contiguous
    np.testing.assert_array_equal(cloud[..., 2], depth[v, u])
    np.testing.assert_allclose(cloud[..., 0] / cloud[..., 2] * 30.0 + 3.2, u, atol=1e-4)
    np.testing.assert_allclose(cloud[..., 1] / cloud[..., 2] * 20.0 + 1.7, v, atol=1e-4)
    red, green, blue = (rgb[v, u, index].astype(np.uint32) for index in range(3))
    np.testing.assert_array_equal(bits_of(cloud), red << 16 | green << 8 | blue)


@pytest.mark.parametrize('stride', [1, 2, 50])
@pytest.mark.parametrize(('height', 'width'), [(5, 7), (6, 8), (1, 9), (9, 1), (1, 1)])
def test_cloud_is_written_where_it_is_to_be(height: int, width: int, stride: int) -> None:
    depth, rgb = random_map(height, width)
    depth[-1, -1] = NAN
    camera = wide_camera(height, width)
    expected = organised_cloud(depth, rgb, camera, stride=stride)
    room = np.zeros(expected.size * 4, np.uint8)
    shape = cloud_shape(depth, stride=stride)
    out = room.view(np.float32).reshape(shape)
    organised_cloud(depth, rgb, camera, stride=stride, out=out)
    assert room.tobytes() == expected.tobytes()


def test_every_color_survives_the_packing() -> None:
    """Alpha is clear, so no colour is a NaN that a copy could alter."""
    colors = np.array([[[255, 255, 255], [255, 128, 0], [0, 0, 0], [127, 192, 1]]], np.uint8)
    cloud = organised_cloud(np.ones((1, 4), np.float32), colors, wide_camera(1, 4))
    expected = [0x00FFFFFF, 0x00FF8000, 0x00000000, 0x007FC001]
    assert bits_of(cloud)[0].tolist() == expected
    assert np.isfinite(cloud[..., 3]).all()


def test_what_is_not_finite_is_a_nan_point_and_never_infinite() -> None:
    depth, rgb = random_map(4, 6)
    depth[0, 0], depth[1, 3], depth[3, 5] = NAN, INF, -INF
    cloud = organised_cloud(depth, rgb, wide_camera(4, 6))
    bad = ~np.isfinite(depth)
    assert np.isnan(cloud[bad][:, :3]).all()
    assert np.isfinite(cloud[~bad][:, :3]).all()
    assert not np.isinf(cloud).any()
    assert np.isposinf(depth[1, 3])


def test_point_on_the_axis_of_a_centred_camera_is_on_the_axis() -> None:
    camera = ideal_camera(fx=30.0, fy=20.0, cx=2.0, cy=1.0, height=3, width=5)
    depth = np.full((3, 5), 2.0, np.float32)
    cloud = organised_cloud(depth, np.zeros((3, 5, 3), np.uint8), camera)
    np.testing.assert_array_equal(cloud[1, 2, :3], [0.0, 0.0, 2.0])
    assert cloud[1, 4, 0] > 0
    assert cloud[2, 2, 1] > 0


def test_unpacked_points_are_finite_and_have_their_own_colours() -> None:
    depth, rgb = random_map(4, 6)
    depth[0, 0], depth[0, 2], depth[2, 0] = NAN, INF, -INF
    points, colors = points_of_cloud(organised_cloud(depth, rgb, wide_camera(4, 6)))
    is_known = np.isfinite(depth)
    np.testing.assert_array_equal(points[:, 2], depth[is_known])
    np.testing.assert_array_equal(colors, rgb[is_known])


def test_cloud_of_a_rendered_ball_lies_on_the_ball() -> None:
    camera = ideal_stereo_camera(height=60, width=80).left
    ball = Sphere(center=(0.1, 0.0, 2.0), radius=0.5)
    view = render(Scene(shapes=(ball,)), camera)
    points, colors = points_of_cloud(organised_cloud(view.depth, view.image, camera))
    seen = np.isfinite(view.depth)
    assert 200 < len(points) == seen.sum()
    np.testing.assert_allclose(np.linalg.norm(points - (0.1, 0.0, 2.0), axis=1), 0.5, rtol=1e-4)
    np.testing.assert_array_equal(colors, view.image[seen])


def test_cloud_drops_every_kind_of_unknown() -> None:
    camera = ideal_stereo_camera(height=4, width=4).left
    depth = np.full((4, 4), 2.0, np.float32)
    depth[0] = np.nan, np.inf, -np.inf, 2.0
    points, _ = points_of_cloud(organised_cloud(depth, np.zeros((4, 4, 3), np.uint8), camera))
    assert len(points) == 13
    plane = render(Scene(shapes=(Plane(point=(0, 0, 2)),)), camera)
    np.testing.assert_array_equal(points[:, 2], plane.depth.ravel()[3:])
