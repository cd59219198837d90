"""Trajectories from above, with a grid in metres."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

_SIZE_PX = 640
_MARGIN_PX = 48
_COLORS = ((200, 90, 30), (30, 120, 200), (60, 160, 60), (160, 60, 160))
_GRID_STEPS_M = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def plot(paths: Mapping[str, np.ndarray]) -> np.ndarray:
    """Draw trajectories from above: x to the right, z (forward) upwards, with a grid in metres.

    Args:
        paths: ``(N, 4, 4)`` poses by name, world from camera; all in one world.

    Returns:
        ``(640, 640, 3)`` uint8 RGB.
    """
    image = np.full((_SIZE_PX, _SIZE_PX, 3), 255, np.uint8)
    points = [poses[:, [0, 2], 3] for poses in paths.values() if len(poses)]
    everything = np.concatenate([*points, np.zeros((1, 2))])
    center = (everything.min(axis=0) + everything.max(axis=0)) / 2.0
    reach = max(float(np.ptp(everything, axis=0).max()), 1e-3)
    scale = (_SIZE_PX - 2 * _MARGIN_PX) / reach
    _draw_grid(image, center, scale, reach)
    for index, (name, poses) in enumerate(paths.items()):
        color = _COLORS[index % len(_COLORS)]
        line = _pixels(poses[:, [0, 2], 3], center, scale)
        cv2.polylines(image, [line.reshape(-1, 1, 2)], False, color, 2, cv2.LINE_AA)
        if len(line):
            cv2.circle(image, tuple(map(int, line[0])), 5, color, -1, cv2.LINE_AA)
        place = (10, 24 + 22 * index)
        text = f'{name}: {len(poses)} poses, {_length_m(poses):.2f} m'
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA)
    return image


def _length_m(poses: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).sum())


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
