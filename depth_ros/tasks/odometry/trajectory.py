"""Trajectories in TUM's text format, and a picture of them.

One line a pose: ``timestamp tx ty tz qx qy qz qw``, seconds and metres, camera in the world
(Sturm et al. 2012, the TUM RGB-D benchmark).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.errors import InputError
from depth_ros.geometry.rigid import quaternion_from_rotation, rigid, rotation_from_quaternion

_SIZE_PX = 640
_MARGIN_PX = 48
_COLORS = ((200, 90, 30), (30, 120, 200), (60, 160, 60), (160, 60, 160))
_GRID_STEPS_M = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


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


def read_tum(path: Path) -> Trajectory:
    """Read a trajectory.

    Raises:
        InputError: Reason ``'trajectory'``, naming the line that is none.
    """
    stamps, poses = [], []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        words = line.split()
        try:
            values = [float(word) for word in words[1:]]
            stamps.append(_nanoseconds(words[0]))
        except ValueError:
            values = []
        if len(values) != 7:
            raise InputError(
                'trajectory',
                f'line {number} of {path} must be "timestamp tx ty tz qx qy qz qw", got '
                f'{line!r}; correct it',
            )
        poses.append(rigid(rotation_from_quaternion(values[3:]), np.array(values[:3])))
    return trajectory(stamps, poses)


def plot(paths: dict[str, Trajectory]) -> np.ndarray:
    """Draw trajectories from above: x to the right, z (forward) upwards, with a grid in metres.

    Args:
        paths: By name; all in one world.

    Returns:
        ``(640, 640, 3)`` uint8 RGB.
    """
    image = np.full((_SIZE_PX, _SIZE_PX, 3), 255, np.uint8)
    points = [values.poses[:, [0, 2], 3] for values in paths.values() if len(values)]
    everything = np.concatenate([*points, np.zeros((1, 2))])
    center = (everything.min(axis=0) + everything.max(axis=0)) / 2.0
    reach = max(float(np.ptp(everything, axis=0).max()), 1e-3)
    scale = (_SIZE_PX - 2 * _MARGIN_PX) / reach
    _draw_grid(image, center, scale, reach)
    for index, (name, values) in enumerate(paths.items()):
        color = _COLORS[index % len(_COLORS)]
        line = _pixels(values.poses[:, [0, 2], 3], center, scale)
        cv2.polylines(image, [line.reshape(-1, 1, 2)], False, color, 2, cv2.LINE_AA)
        if len(line):
            cv2.circle(image, tuple(map(int, line[0])), 5, color, -1, cv2.LINE_AA)
        place = (10, 24 + 22 * index)
        text = f'{name}: {len(values)} poses, {values.length_m:.2f} m'
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA)
    return image


def _nanoseconds(text: str) -> int:
    """Read decimal seconds without rounding them to a float."""
    whole, _, fraction = text.partition('.')
    if not fraction.isdigit() and fraction:
        return round(float(text) * 1e9)
    return int(whole) * 1_000_000_000 + int((fraction + '000000000')[:9])


def _pixels(points: np.ndarray, center: np.ndarray, scale: float) -> np.ndarray:
    offset = (points - center) * scale * np.array([1.0, -1.0])
    return np.rint(offset + _SIZE_PX / 2.0).astype(np.int32)


def _draw_grid(image: np.ndarray, center: np.ndarray, scale: float, reach: float) -> None:
    step = next((step for step in _GRID_STEPS_M if step * 8 >= reach), _GRID_STEPS_M[-1])
    half = _SIZE_PX / 2.0 / scale
    for axis in (0, 1):
        first = np.ceil((center[axis] - half) / step) * step
        for value in np.arange(first, center[axis] + half, step):
            point = center.copy()
            point[axis] = value
            place = int(_pixels(point[None], center, scale)[0, axis])
            ends = (
                ((place, 0), (place, _SIZE_PX)) if axis == 0 else ((0, place), (_SIZE_PX, place))
            )
            cv2.line(image, *ends, (225, 225, 225), 1)
    text = f'grid {step:g} m'
    corner = (_SIZE_PX - 130, _SIZE_PX - 12)
    cv2.putText(
        image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (120, 120, 120), 1, cv2.LINE_AA
    )
