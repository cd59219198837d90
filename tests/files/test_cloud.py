from __future__ import annotations

import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.cloud import cloud_writer, read_ply, write_cloud, write_pcd, write_ply


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


def colored(count: int = 3):
    random = np.random.default_rng(1)
    points = random.normal(size=(count, 3)).astype(np.float32)
    return points, random.integers(0, 256, (count, 3)).astype(np.uint8)


def test_pcd_bytes_are_those_of_the_format(tmp_path):
    point, color = np.array([[1.0, -2.0, 3.5]]), np.array([[255, 128, 7]], np.uint8)
    write_pcd(tmp_path / 'a.pcd', point, color)
    header, body = (tmp_path / 'a.pcd').read_bytes().split(b'DATA binary\n')
    lines = dict(line.split(' ', 1) for line in header.decode().splitlines())
    assert lines['#'].startswith('.PCD v0.7') and lines['VERSION'] == '0.7'
    assert lines['FIELDS'] == 'x y z rgb' and lines['SIZE'] == '4 4 4 4'
    assert (lines['TYPE'], lines['COUNT']) == ('F F F U', '1 1 1 1')
    assert (lines['WIDTH'], lines['HEIGHT'], lines['POINTS']) == ('1', '1', '1')
    assert lines['VIEWPOINT'] == '0 0 0 1 0 0 0'
    assert body == struct.pack('<3fI', 1.0, -2.0, 3.5, 0x00FF8007)


def test_the_ending_chooses_the_format(tmp_path):
    points, colors = colored()
    for name, start in (('a.ply', b'ply\n'), ('b.PLY', b'ply\n'), ('c.pcd', b'# .PCD')):
        write_cloud(tmp_path / name, points, colors)
        assert (tmp_path / name).read_bytes().startswith(start)


def test_other_endings_need_open3d(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'open3d', None)
    for use in (lambda path: cloud_writer(path), lambda path: write_cloud(path, *colored())):
        with pytest.raises(DepthRosError, match=r'a\.xyz: .*\.ply and \.pcd.*pip install open3d'):
            use(tmp_path / 'a.xyz')
    assert list(tmp_path.iterdir()) == []


class FakeOpen3d:
    """Has what is used of Open3D, and does what its writer does: one file, True or False."""

    def __init__(self, is_able: bool) -> None:
        self.is_able = is_able
        self.cloud = SimpleNamespace()
        self.geometry = SimpleNamespace(PointCloud=lambda: self.cloud)
        self.utility = SimpleNamespace(Vector3dVector=np.asarray)
        self.io = SimpleNamespace(write_point_cloud=self.write)

    def write(self, path: str, cloud: object) -> bool:
        Path(path).write_bytes(b'half' if not self.is_able else b'whole')
        return self.is_able


def test_open3d_gets_metres_and_colours_from_0_to_1(tmp_path, monkeypatch):
    fake = FakeOpen3d(is_able=True)
    monkeypatch.setitem(sys.modules, 'open3d', fake)
    points, colors = colored()
    write_cloud(tmp_path / 'a.xyzrgb', points, colors)
    np.testing.assert_array_equal(fake.cloud.points, points)
    np.testing.assert_allclose(fake.cloud.colors, colors / 255.0)
    assert (tmp_path / 'a.xyzrgb').read_bytes() == b'whole'


def test_what_open3d_cannot_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'open3d', FakeOpen3d(is_able=False))
    with pytest.raises(DepthRosError, match=r'cannot write 3 points .* use \.ply'):
        write_cloud(tmp_path / 'a.xyzrgb', *colored())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_cloud(tmp_path):
    with pytest.raises(DepthRosError, match=r'is a folder; .*cloud\.ply'):
        write_cloud(tmp_path, *colored())


@pytest.mark.parametrize('write', [write_ply, write_pcd])
def test_a_folder_that_is_not_there_is_named(tmp_path, write):
    with pytest.raises(DepthRosError, match=r'cannot write .*choose another folder'):
        write(tmp_path / 'no' / 'a', *colored())
