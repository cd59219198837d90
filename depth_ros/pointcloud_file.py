"""Point clouds as PLY files (Turk, "The PLY polygon file format", 1994), binary little endian."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.errors import InputError

VERTEX = np.dtype(
    [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('red', 'u1'), ('green', 'u1'), ('blue', 'u1')]
)
"""One point as it lies in the file: 15 bytes."""

_HEADER = """ply
format binary_little_endian 1.0
comment metres, optical frame: x right, y down, z forward
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def points_of_cloud(cloud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take the known points out of an organised cloud.

    Args:
        cloud: ``(h, w, 4)`` float32 as ``geometry.organised_cloud`` gives it: x, y, z in metres
            and 0x00RRGGBB in the bits of the fourth; unknown points are NaN.

    Returns:
        ``(N, 3)`` float32 points and their ``(N, 3)`` uint8 RGB.
    """
    flat = np.ascontiguousarray(cloud, np.float32).reshape(-1, 4)
    known = flat[np.isfinite(flat[:, :3]).all(axis=1)]
    packed = np.ascontiguousarray(known[:, 3]).view(np.uint32)
    channels = [(packed >> shift) & 0xFF for shift in (16, 8, 0)]
    return known[:, :3], np.stack(channels, axis=1).astype(np.uint8)


def write_ply(path: Path, points: np.ndarray, colors: np.ndarray) -> None:
    """Write coloured points.

    Args:
        path: File to make or replace.
        points: ``(N, 3)``, metres, all finite: viewers stumble over NaN.
        colors: ``(N, 3)`` uint8 RGB.

    Raises:
        InputError: If shapes do not fit or a coordinate is not finite, reason ``'cloud'``.
    """
    if points.ndim != 2 or points.shape[1] != 3 or colors.shape != points.shape:
        raise InputError(
            'cloud',
            f'points and colors must both be (N, 3), got {points.shape} and {colors.shape}; '
            'take them from points_of_cloud',
        )
    if not np.isfinite(points).all():
        raise InputError('cloud', 'a PLY point must be finite; drop unknown points first')
    vertices = np.empty(len(points), VERTEX)
    for index, name in enumerate(('x', 'y', 'z')):
        vertices[name] = points[:, index]
    for index, name in enumerate(('red', 'green', 'blue')):
        vertices[name] = colors[:, index]
    path.write_bytes(_HEADER.format(count=len(points)).encode('ascii') + vertices.tobytes())


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read back what ``write_ply`` wrote.

    Returns:
        ``(N, 3)`` float32 points and their ``(N, 3)`` uint8 RGB.

    Raises:
        InputError: If the file has another layout or is cut short, reason ``'cloud'``.
    """
    header, end, body = path.read_bytes().partition(b'end_header\n')
    lines = header.decode('ascii', 'replace').splitlines()
    counts = [line.split()[2] for line in lines if line.startswith('element vertex ')]
    is_ours = end and counts and header + end == _HEADER.format(count=counts[0]).encode('ascii')
    if not is_ours or len(body) != int(counts[0]) * VERTEX.itemsize:
        raise InputError(
            'cloud',
            f'{path} is not a PLY file of this package, or is cut short; write it again with: '
            'depth-ros run stereo',
        )
    vertices = np.frombuffer(body, VERTEX)
    points = np.stack([vertices[name] for name in ('x', 'y', 'z')], axis=1)
    return points, np.stack([vertices[name] for name in ('red', 'green', 'blue')], axis=1)
