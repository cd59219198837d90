from __future__ import annotations

import struct

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.geometry import organised_cloud
from depth_ros.pointcloud_file import points_of_cloud, read_ply, write_ply
from depth_ros.scenes import Plane, Scene, Sphere, ideal_stereo_camera, render


def test_round_trip(tmp_path):
    random = np.random.default_rng(0)
    points = random.normal(size=(57, 3)).astype(np.float32)
    colors = random.integers(0, 256, (57, 3)).astype(np.uint8)
    write_ply(tmp_path / 'a.ply', points, colors)
    again, colors_again = read_ply(tmp_path / 'a.ply')
    np.testing.assert_array_equal(again, points)
    np.testing.assert_array_equal(colors_again, colors)


def test_bytes_are_those_of_the_format(tmp_path):
    write_ply(
        tmp_path / 'a.ply',
        np.array([[1.0, -2.0, 3.5]], np.float32),
        np.array([[255, 128, 7]], np.uint8),
    )
    header, body = (tmp_path / 'a.ply').read_bytes().split(b'end_header\n')
    lines = header.decode().splitlines()
    assert lines[:2] == ['ply', 'format binary_little_endian 1.0']
    assert 'element vertex 1' in lines
    properties = [line.split()[1:] for line in lines if line.startswith('property')]
    assert properties == [
        ['float', 'x'],
        ['float', 'y'],
        ['float', 'z'],
        ['uchar', 'red'],
        ['uchar', 'green'],
        ['uchar', 'blue'],
    ]
    assert body == struct.pack('<3f3B', 1.0, -2.0, 3.5, 255, 128, 7)


def test_no_points_is_a_valid_file(tmp_path):
    write_ply(tmp_path / 'a.ply', np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8))
    points, colors = read_ply(tmp_path / 'a.ply')
    assert points.shape == colors.shape == (0, 3)


def test_cloud_of_a_rendered_ball_lies_on_the_ball(tmp_path):
    camera = ideal_stereo_camera(height=60, width=80).left
    ball = Sphere(center=(0.1, 0.0, 2.0), radius=0.5)
    view = render(Scene(shapes=(ball,)), camera)
    points, colors = points_of_cloud(organised_cloud(view.depth, view.image, camera))
    seen = np.isfinite(view.depth)
    assert 200 < len(points) == seen.sum()
    np.testing.assert_allclose(np.linalg.norm(points - (0.1, 0.0, 2.0), axis=1), 0.5, rtol=1e-4)
    np.testing.assert_array_equal(colors, view.image[seen])


def test_cloud_drops_every_kind_of_unknown():
    camera = ideal_stereo_camera(height=4, width=4).left
    depth = np.full((4, 4), 2.0, np.float32)
    depth[0] = np.nan, np.inf, -np.inf, 2.0
    points, _ = points_of_cloud(organised_cloud(depth, np.zeros((4, 4, 3), np.uint8), camera))
    assert len(points) == 13
    plane = render(Scene(shapes=(Plane(point=(0, 0, 2)),)), camera)
    np.testing.assert_array_equal(points[:, 2], plane.depth.ravel()[3:])


@pytest.mark.parametrize(
    ('points', 'colors'),
    [
        (np.zeros((2, 3)), np.zeros((3, 3), np.uint8)),
        (np.zeros((2, 4)), np.zeros((2, 4), np.uint8)),
        (np.array([[0.0, np.nan, 1.0]]), np.zeros((1, 3), np.uint8)),
    ],
)
def test_what_viewers_stumble_over_is_not_written(tmp_path, points, colors):
    with pytest.raises(InputError):
        write_ply(tmp_path / 'a.ply', points, colors)
    assert not (tmp_path / 'a.ply').exists()


def test_cut_or_foreign_files_are_refused(tmp_path):
    write_ply(tmp_path / 'a.ply', np.ones((5, 3), np.float32), np.ones((5, 3), np.uint8))
    whole = (tmp_path / 'a.ply').read_bytes()
    for content in (whole[:-1], whole[:40], b'', b'solid stl', whole.replace(b'vertex 5', b'x')):
        (tmp_path / 'b.ply').write_bytes(content)
        with pytest.raises(InputError, match=r'b\.ply is not a PLY file'):
            read_ply(tmp_path / 'b.ply')
