"""Point clouds as files: PLY (Turk, "The PLY polygon file format", 1994) and PCD, binary."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.given_file import given_bytes
from depth_ros.files.given_path import library_path
from depth_ros.files.whole_file import whole_file
from depth_ros.geometry.depth import organised_cloud, points_of_cloud
from depth_ros.results import DepthMap, expect_depth_map

CloudWriter = Callable[[Path, np.ndarray, np.ndarray], None]
"""Writes points (N, 3) and colours (N, 3) to a file."""

VERTEX = np.dtype(
    [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('red', 'u1'), ('green', 'u1'), ('blue', 'u1')]
)
"""One point as it lies in the file: 15 bytes."""

_HEADER = """ply
format binary_little_endian 1.0
comment lengths in metres
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""

_PCD_VERTEX = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4')])
_PCD_HEADER = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z rgb
SIZE 4 4 4 4
TYPE F F F U
COUNT 1 1 1 1
WIDTH {count}
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS {count}
DATA binary
"""


def write_ply(path: Path, points: np.ndarray, colors: np.ndarray) -> None:
    """Write coloured points.

    Args:
        path: File to make or replace.
        points: ``(N, 3)``, metres, all finite, because viewers fail on NaN.
        colors: ``(N, 3)`` uint8 RGB.

    Raises:
        InputError: If shapes do not fit or a coordinate is not finite, reason ``'cloud'``.
    """
    data = ply_bytes(points, colors)
    with whole_file(path) as draft:
        draft.write_bytes(data)


def ply_bytes(points: np.ndarray, colors: np.ndarray) -> bytes:
    """Return the content of a PLY file; arguments and errors are those of ``write_ply``."""
    data = _vertices(points, colors).tobytes()
    return _HEADER.format(count=len(points)).encode('ascii') + data


def write_pcd(path: Path, points: np.ndarray, colors: np.ndarray) -> None:
    """Write coloured points as PCD, the format of the Point Cloud Library (version 0.7).

    Args and errors are those of ``write_ply``.
    """
    vertices = _vertices(points, colors)
    packed = np.zeros(len(vertices), _PCD_VERTEX)
    for name in ('x', 'y', 'z'):
        packed[name] = vertices[name]
    channels = [vertices[name].astype(np.uint32) for name in ('red', 'green', 'blue')]
    packed['rgb'] = channels[0] << 16 | channels[1] << 8 | channels[2]
    with whole_file(path) as draft:
        draft.write_bytes(_PCD_HEADER.format(count=len(packed)).encode() + packed.tobytes())


def write_cloud(path: Path, points: np.ndarray, colors: np.ndarray) -> None:
    """Write coloured points in the format that the file's ending names.

    ``.ply`` and ``.pcd`` need nothing else; other endings are left to Open3D.

    Raises:
        InputError: As ``write_ply``.
        DepthRosError: If Open3D is needed and missing, or the file cannot be written.
    """
    cloud_writer(path)(path, points, colors)


def write_depth_cloud(
    path: Path, depth: np.ndarray, rgb: np.ndarray, camera: PinholeCamera
) -> None:
    """Write the points of metric depth with the colours of the same pixels; see ``write_cloud``.

    Args:
        path: File to make or replace.
        depth: ``(H, W)`` float32 metres.
        rgb: ``(H, W, 3)`` uint8.
        camera: Camera whose pixels they are.
    """
    write_cloud(path, *points_of_cloud(organised_cloud(depth, rgb, camera)))


def save_cloud(path: Path | str, depth: DepthMap) -> None:
    """Write the known points of a depth map, in metres of its camera's optical frame.

    Args:
        path: ``.ply`` or ``.pcd``; other endings are left to Open3D.
        depth: As ``depth_ros.open_...`` gives it.

    Raises:
        InputError: If depth is relative, reason ``'relative_depth'``.
        DepthRosError: If Open3D is needed and missing, or the file cannot be written.
    """
    expect_depth_map(depth)
    depth.check_metric('a point cloud')
    assert depth.camera is not None, 'check_metric sees to it'
    file = library_path(path, what='a cloud')
    write_depth_cloud(file, depth.depth, depth.image, depth.camera)


def cloud_writer(path: Path) -> CloudWriter:
    """Return what writes clouds to a file of this ending, before there is a cloud.

    Raises:
        DepthRosError: If Open3D is needed and missing, or it is a folder.
    """
    if path.is_dir():
        raise DepthRosError(f'{path} is a folder; name a file in it: {path / "cloud.ply"}')
    writer = WRITERS.get(path.suffix.lower())
    if writer is not None:
        return writer
    try:
        import_module('open3d')
    except ImportError as error:
        raise DepthRosError(
            f'{path.name}: without Open3D only {" and ".join(WRITERS)} can be written; choose '
            'one of them, or type: pip install open3d'
        ) from error
    return _write_by_open3d


def _write_by_open3d(path: Path, points: np.ndarray, colors: np.ndarray) -> None:
    """Write by Open3D, which chooses the format by the ending."""
    open3d = import_module('open3d')
    _vertices(points, colors)
    cloud = open3d.geometry.PointCloud()
    cloud.points = open3d.utility.Vector3dVector(points.astype(np.float64))
    cloud.colors = open3d.utility.Vector3dVector(colors.astype(np.float64) / 255.0)
    with whole_file(path) as draft:
        if not open3d.io.write_point_cloud(str(draft), cloud):
            raise DepthRosError(f'Open3D cannot write {len(points)} points to {path}; use .ply')


def _vertices(points: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Check points and colours and put them into rows of ``VERTEX``."""
    if points.ndim != 2 or points.shape[1] != 3 or colors.shape != points.shape:
        raise InputError(
            'cloud',
            f'points and colors must both be (N, 3), got {points.shape} and {colors.shape}; '
            'take them from points_of_cloud',
        )
    if not np.isfinite(points).all():
        raise InputError('cloud', 'a point must be finite; drop unknown points first')
    vertices = np.empty(len(points), VERTEX)
    for index, name in enumerate(('x', 'y', 'z')):
        vertices[name] = points[:, index]
    for index, name in enumerate(('red', 'green', 'blue')):
        vertices[name] = colors[:, index]
    return vertices


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read back what ``write_ply`` wrote.

    Returns:
        ``(N, 3)`` float32 points and their ``(N, 3)`` uint8 RGB.

    Raises:
        InputError: If the file has another layout or is cut short, reason ``'cloud'``.
    """
    header, end, body = given_bytes(path).partition(b'end_header\n')
    lines = header.decode('ascii', 'replace').splitlines()
    counts = [line.split()[-1] for line in lines if line.startswith('element vertex ')]
    is_number = counts and counts[0].isascii() and counts[0].isdigit() and len(counts[0]) < 19
    is_ours = end and is_number and header + end == _HEADER.format(count=counts[0]).encode('ascii')
    if not is_ours or len(body) != int(counts[0]) * VERTEX.itemsize:
        raise InputError(
            'cloud',
            f'{path} is not a PLY file of this package, or is cut short; write it again',
        )
    vertices = np.frombuffer(body, VERTEX)
    points = np.stack([vertices[name] for name in ('x', 'y', 'z')], axis=1)
    return points, np.stack([vertices[name] for name in ('red', 'green', 'blue')], axis=1)


WRITERS: dict[str, CloudWriter] = {
    '.ply': write_ply,
    '.pcd': write_pcd,
}
"""Writers that need nothing but NumPy, by ending."""
