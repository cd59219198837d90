"""Disparity maps as the servers of benchmarks take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.files.pfm import write_pfm
from depth_ros.files.whole_file import whole_file

KITTI_STEPS_PER_PX = 256.0
KITTI_LARGEST = 65535


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """One map.

    Attributes:
        name: Of the pair, as its data set calls it.
        disparity: ``(H, W)`` float32 px, NaN unknown.
        seconds: What it took.
        method: Short name of what made it, for files that carry it.
    """

    name: str
    disparity: np.ndarray
    seconds: float
    method: str


def write_kitti_2012(folder: Path, result: Submitted) -> list[Path]:
    """Write ``NAME.png``: 16 bits of 1/256 px, 0 unknown."""
    return [_kitti_png(folder / f'{result.name}.png', result.disparity)]


def write_kitti_2015(folder: Path, result: Submitted) -> list[Path]:
    """Write ``disp_0/NAME.png``: 16 bits of 1/256 px, 0 unknown."""
    return [_kitti_png(folder / 'disp_0' / f'{result.name}.png', result.disparity)]


def write_eth3d(folder: Path, result: Submitted) -> list[Path]:
    """Write ``low_res_two_view/NAME.pfm``, and ``NAME.txt`` with the runtime in seconds."""
    place = folder / 'low_res_two_view'
    return _pfm_and_time(
        place / f'{result.name}.pfm',
        place / f'{result.name}.txt',
        result,
        time_text=f'runtime {result.seconds:.3f}\n',
    )


def write_middlebury(folder: Path, result: Submitted) -> list[Path]:
    """Write ``NAME/disp0METHOD.pfm`` and ``timeMETHOD.txt`` with seconds."""
    place = folder / result.name
    return _pfm_and_time(
        place / f'disp0{result.method}.pfm',
        place / f'time{result.method}.txt',
        result,
        time_text=f'{result.seconds:.3f}\n',
    )


SUBMISSIONS: dict[str, Callable[[Path, Submitted], list[Path]]] = {
    'kitti_2012': write_kitti_2012,
    'kitti_2015': write_kitti_2015,
    'eth3d': write_eth3d,
    'middlebury': write_middlebury,
}
"""Writers by the word of the benchmark; each returns the files it wrote."""


def _kitti_png(path: Path, disparity: np.ndarray) -> Path:
    """Write a map; what is known is at least one step, because 0 means unknown."""
    known = np.isfinite(disparity)
    steps = np.rint(np.where(known, disparity, 0.0).astype(np.float64) * KITTI_STEPS_PER_PX)
    steps = np.where(known, np.clip(steps, 1, KITTI_LARGEST), 0).astype(np.uint16)
    _, data = cv2.imencode('.png', steps)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        draft.write_bytes(data.tobytes())
    return path


def _pfm_and_time(
    map_path: Path, time_path: Path, result: Submitted, *, time_text: str
) -> list[Path]:
    """Write both; what is unknown is infinite."""
    map_path.parent.mkdir(parents=True, exist_ok=True)
    values = np.where(np.isfinite(result.disparity), result.disparity, np.inf)
    with whole_file(map_path) as draft:
        write_pfm(draft, values.astype(np.float32))
    with whole_file(time_path) as draft:
        draft.write_text(time_text, encoding='utf-8')
    return [map_path, time_path]
