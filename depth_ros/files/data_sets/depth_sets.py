"""RGB-D data sets, each laid out as its authors publish it.

TUM RGB-D (Sturm et al. 2012), ICL-NUIM (Handa et al. 2014), 7-Scenes (Shotton et al. 2013),
ScanNet's export by its SensReader (Dai et al. 2017), and Replica as rendered for iMAP and
NICE-SLAM. Intrinsics that a folder does not hold are those that the data set's page gives.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.data_sets.stamps import seconds_to_ns
from depth_ros.files.data_sets.values import DataSetCamera, DepthFiles, DepthSet, expected, some
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json

TUM_MAX_DIFFERENCE_NS = 20_000_000
"""As the data set's own associate.py pairs."""
RATE_NS = 1_000_000_000 // 30
"""All these cameras take 30 images a second."""

_VGA = (480, 640)
_TUM_CAMERAS = {
    'freiburg1': DataSetCamera(fx=517.3, fy=516.5, cx=318.6, cy=255.3, size=_VGA),
    'freiburg2': DataSetCamera(fx=520.9, fy=521.0, cx=325.1, cy=249.7, size=_VGA),
    'freiburg3': DataSetCamera(fx=535.4, fy=539.2, cx=320.1, cy=247.6, size=_VGA),
    '': DataSetCamera(fx=525.0, fy=525.0, cx=319.5, cy=239.5, size=_VGA),
}
_ICL_CAMERA = DataSetCamera(fx=481.2, fy=480.0, cx=319.5, cy=239.5, size=_VGA)
_SEVEN_SCENES_CAMERA = DataSetCamera(fx=585.0, fy=585.0, cx=320.0, cy=240.0, size=_VGA)
_SCANNET_SIZE = (968, 1296)
_REPLICA = {'fx': 600.0, 'fy': 600.0, 'cx': 599.5, 'cy': 339.5, 'scale': 6553.5}


def read_tum(folder: Path) -> DepthSet:
    """Read ``rgb.txt`` and ``depth.txt``, associated by time.

    Raises:
        InputError: Reason ``'layout'``, or naming the line that is wrong.
    """
    images, depths = (_tum_list(folder / name) for name in ('rgb.txt', 'depth.txt'))
    times = [stamp for stamp, _ in depths]
    frames = []
    for stamp, image in images:
        at = _nearest(times, stamp)
        if at is not None and abs(times[at] - stamp) <= TUM_MAX_DIFFERENCE_NS:
            frames.append(
                DepthFiles(image=folder / image, depth=folder / depths[at][1], stamp_ns=stamp)
            )
    some(folder, frames, 'rgb.txt and depth.txt with times at most 20 ms apart')
    name = next((n for n in _TUM_CAMERAS if n and n in str(folder.absolute())), '')
    left = len(images) - len(frames)
    return DepthSet(
        frames=tuple(frames),
        camera=_TUM_CAMERAS[name],
        unit_m=1 / 5000,
        notes=(
            f'intrinsics of {name or "no known Kinect: 525 px"}, distortion left out',
            *([f'{left} images have no depth within 20 ms'] if left else []),
        ),
    )


def read_icl_nuim(folder: Path) -> DepthSet:
    """Read ``rgb/N.png`` and ``depth/N.png``, paired by number."""
    frames = _numbered(folder / 'rgb', folder / 'depth', r'(\d+)\.png', r'(\d+)\.png')
    some(folder, frames, 'rgb/N.png and depth/N.png')
    return DepthSet(frames=frames, camera=_ICL_CAMERA, unit_m=1 / 5000)


def read_seven_scenes(folder: Path) -> DepthSet:
    """Read ``frame-N.color.png`` and ``frame-N.depth.png``; 65535 is unknown."""
    frames = _numbered(
        folder, folder, r'frame-(\d+)\.color\.(?:png|jpg)', r'frame-(\d+)\.depth\.png'
    )
    some(folder, frames, 'frame-000000.color.png and frame-000000.depth.png')
    return DepthSet(
        frames=frames, camera=_SEVEN_SCENES_CAMERA, unit_m=0.001, unknown_steps=(65535,)
    )


def read_scannet(folder: Path) -> DepthSet:
    """Read ``color``, ``depth`` and both matrices of ``intrinsic``."""
    frames = _numbered(folder / 'color', folder / 'depth', r'(\d+)\.(?:jpg|png)', r'(\d+)\.png')
    some(folder, frames, 'color/N.jpg, depth/N.png and intrinsic/')
    color, depth = (
        _matrix(folder, f'intrinsic_{kind}.txt', size)
        for kind, size in (('color', _SCANNET_SIZE), ('depth', None))
    )
    return DepthSet(frames=frames, camera=color, depth_camera=depth, unit_m=0.001)


def read_replica(folder: Path) -> DepthSet:
    """Read ``results/frameN.jpg`` and ``results/depthN.png``, with ``cam_params.json``."""
    place = folder / 'results'
    frames = _numbered(place, place, r'frame(\d+)\.(?:jpg|png)', r'depth(\d+)\.png')
    some(folder, frames, 'results/frame000000.jpg and results/depth000000.png')
    values, note = _replica_camera(folder)
    return DepthSet(
        frames=frames,
        camera=DataSetCamera(fx=values['fx'], fy=values['fy'], cx=values['cx'], cy=values['cy']),
        unit_m=1.0 / values['scale'],
        notes=(note,) if note else (),
    )


DEPTH_SETS: dict[str, Callable[[Path], DepthSet]] = {
    'tum_rgbd': read_tum,
    'icl_nuim': read_icl_nuim,
    '7scenes': read_seven_scenes,
    'scannet': read_scannet,
    'replica': read_replica,
}
"""Readers by the word of their layout."""


def _tum_list(path: Path) -> list[tuple[int, str]]:
    """Read lines of a time and a file, in order of time."""
    if not path.is_file():
        raise expected(path.parent, path.name)
    rows = []
    for number, line in enumerate(given_text(path).splitlines(), 1):
        words = line.split()
        if not words or line.lstrip().startswith('#'):
            continue
        try:
            rows.append((seconds_to_ns(words[0]), words[1]))
        except (ValueError, IndexError, OverflowError):
            raise InputError(
                'layout', f'line {number} of {path} must be "time file", got {line[:80]!r}'
            ) from None
    return sorted(rows)


def _nearest(times: Sequence[int], stamp: int) -> int | None:
    at = bisect_left(times, stamp)
    around = [index for index in (at - 1, at) if 0 <= index < len(times)]
    return min(around, key=lambda index: abs(times[index] - stamp), default=None)


def _numbered(
    images: Path, depths: Path, image_name: str, depth_name: str
) -> tuple[DepthFiles, ...]:
    """Pair files of two folders by the number in their names, 30 a second."""
    by_number = [_by_number(images, image_name), _by_number(depths, depth_name)]
    both = sorted(by_number[0].keys() & by_number[1].keys())
    return tuple(
        DepthFiles(
            image=by_number[0][number],
            depth=by_number[1][number],
            stamp_ns=1_000_000_000 + number * RATE_NS,
        )
        for number in both
    )


def _by_number(folder: Path, name: str) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    found = ((re.fullmatch(name, path.name, re.IGNORECASE), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in found if match and len(match[1]) < 18}


def _matrix(folder: Path, name: str, size: tuple[int, int] | None) -> DataSetCamera:
    """Read a 3x3 or 4x4 matrix in ``intrinsic/`` or beside it."""
    places = [folder / 'intrinsic' / name, folder / name]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise expected(folder, f'intrinsic/{name}')
    try:
        values = np.array(given_text(path).split(), np.float64)
        matrix = values.reshape(4, 4) if values.size == 16 else values.reshape(3, 3)
    except ValueError:
        raise InputError('layout', f'{path} must be a matrix of 3x3 or 4x4 numbers') from None
    fx, fy, cx, cy = (float(matrix[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return DataSetCamera(fx=fx, fy=fy, cx=cx, cy=cy, size=size)


def _replica_camera(folder: Path) -> tuple[dict[str, float], str]:
    """Return intrinsics and steps a metre, with a note where the usual ones are taken."""
    paths = [place / 'cam_params.json' for place in (folder, folder.absolute().parent)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return _REPLICA, 'no cam_params.json: intrinsics of 1200x680 and 6553.5 steps a metre'
    try:
        camera = cast(dict, parse_json(given_text(path)))['camera']
        values = {name: float(camera[name]) for name in _REPLICA}
        if not values['scale'] > 0.0:
            raise ValueError('scale must be above 0')
        return values, ''
    except (KeyError, TypeError, ValueError, OverflowError):
        names = ', '.join(_REPLICA)
        raise InputError('layout', f'{path} must hold "camera" with the numbers {names}') from None
