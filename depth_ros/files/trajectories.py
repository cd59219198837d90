"""Trajectories in files: written as TUM, read as TUM, EuRoC or KITTI, recognised by content.

TUM (Sturm et al. 2012): ``timestamp tx ty tz qx qy qz qw``, seconds, metres, camera in the world.
EuRoC (Burri et al. 2016): commas, nanoseconds, then x y z and the quaternion with w first.
KITTI (Geiger et al. 2012): the upper 3x4 of the pose in twelve numbers a frame, without stamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.given_file import MAX_TEXT_BYTES, given_bytes
from depth_ros.geometry.rigid import quaternion_from_rotation, rigid, rotation_from_quaternion

MAX_STAMP_NS = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trajectory:
    """Poses in order of time.

    Attributes:
        stamps_ns: ``(N,)`` int64.
        poses: ``(N, 4, 4)`` float64, world from camera.
    """

    stamps_ns: np.ndarray
    poses: np.ndarray

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def length_m(self) -> float:
        """Length of the path."""
        steps = np.diff(self.poses[:, :3, 3], axis=0)
        return float(np.linalg.norm(steps, axis=1).sum())


def trajectory(stamps_ns: Sequence[int], poses: Sequence[np.ndarray]) -> Trajectory:
    """Make a trajectory from lists, which may be empty."""
    return Trajectory(
        stamps_ns=np.asarray(stamps_ns, np.int64),
        poses=np.asarray(poses, np.float64).reshape(-1, 4, 4),
    )


def write_tum(path: Path, values: Trajectory) -> None:
    """Write a trajectory; stamps keep their nanoseconds."""
    lines = ['# timestamp tx ty tz qx qy qz qw']
    for stamp_ns, pose in zip(values.stamps_ns.tolist(), values.poses, strict=True):
        numbers = [*pose[:3, 3], *quaternion_from_rotation(pose[:3, :3])]
        seconds, nanoseconds = divmod(int(stamp_ns), 1_000_000_000)
        text = ' '.join(f'{number:.9g}' for number in numbers)
        lines.append(f'{seconds}.{nanoseconds:09d} {text}')
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def read_trajectory(path: Path) -> Trajectory:
    """Read a trajectory of any known format; poses of KITTI get their numbers as stamps.

    Raises:
        InputError: Reason ``'trajectory'``, naming the invalid line.
    """
    stamps: list[int] = []
    poses: list[np.ndarray] = []
    lines = given_bytes(path, max_bytes=MAX_TEXT_BYTES).decode('utf-8-sig', 'replace').splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        try:
            stamp_ns, pose = _pose_of(line, index=len(poses))
        except (ValueError, IndexError, OverflowError, DepthRosError):
            raise InputError(
                'trajectory',
                f'line {number} of {path} is no pose of TUM ("timestamp tx ty tz qx qy qz qw"), '
                f'EuRoC or KITTI, got {line[:120]!r}; correct it',
            ) from None
        stamps.append(stamp_ns)
        poses.append(pose)
    if not poses:
        raise InputError('trajectory', f'{path} has no pose; give a trajectory in TUM format')
    return trajectory(stamps, poses)


def _pose_of(line: str, *, index: int) -> tuple[int, np.ndarray]:
    is_euroc = ',' in line
    words = line.replace(',', ' ').split()
    if len(words) == 12 and not is_euroc:
        return index, np.vstack([np.array(words, float).reshape(3, 4), [0.0, 0.0, 0.0, 1.0]])
    numbers = _finite([float(word) for word in words[1:8]], count=7)
    if not is_euroc and len(words) != 8:
        raise ValueError(line)
    x, y, z, *quaternion = numbers
    if is_euroc:
        quaternion = [*quaternion[1:], quaternion[0]]
    stamp_ns = int(words[0]) if is_euroc else _nanoseconds(words[0])
    if abs(stamp_ns) > MAX_STAMP_NS:
        raise ValueError(line)
    return stamp_ns, rigid(rotation_from_quaternion(quaternion), np.array([x, y, z]))


def _finite(numbers: list[float], *, count: int) -> list[float]:
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(numbers)
    return numbers


def _nanoseconds(text: str) -> int:
    """Read decimal seconds without rounding them to a float."""
    whole, _, fraction = text.partition('.')
    if not fraction.isdigit() and fraction:
        return round(float(text) * 1e9)
    return int(whole) * 1_000_000_000 + int((fraction + '000000000')[:9])
