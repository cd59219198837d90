"""Pixels to points and back, by hand-computed values."""

from __future__ import annotations

import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.geometry.projection import grid_rays, lift_pixels, project

CAMERA = ideal_camera(fx=100.0, fy=50.0, cx=60.0, cy=40.0, height=81, width=121)


def test_a_pixel_and_its_depth_are_a_point():
    points = lift_pixels(CAMERA, np.array([[60.0, 40.0], [110.0, 15.0]]), np.array([2.0, 4.0]))
    np.testing.assert_allclose(points, [[0.0, 0.0, 2.0], [2.0, -2.0, 4.0]])


def test_a_point_goes_back_to_its_pixel():
    pixels, depth = project(CAMERA, np.array([[0.0, 0.0, 2.0], [2.0, -2.0, 4.0]]))
    np.testing.assert_allclose(pixels, [[60.0, 40.0], [110.0, 15.0]])
    np.testing.assert_allclose(depth, [2.0, 4.0])


def test_points_not_beyond_the_smallest_depth_have_no_pixel():
    points = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.6], [0.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    pixels, _ = project(CAMERA, points, min_depth_m=0.5)
    assert np.isnan(pixels).all(axis=1).tolist() == [True, False, True, True]
    assert not np.isnan(project(CAMERA, points[:1])[0]).any()


def test_a_grid_of_rays_spans_the_image_row_by_row():
    rays = grid_rays(CAMERA, 3)
    assert rays.shape == (9, 3)
    np.testing.assert_allclose(rays[:3], [[-0.6, -0.8, 1.0], [0.0, -0.8, 1.0], [0.6, -0.8, 1.0]])
    np.testing.assert_allclose(rays[-1], [0.6, 0.8, 1.0])
