"""Folders as MVSNet and DTU have them: ``images/``, ``cams/*_cam.txt`` and ``pair.txt``.

A camera file holds the world-to-camera matrix after the word ``extrinsic``, K after
``intrinsic``, and a last line with the nearest depth, the interval and perhaps their number and
the farthest depth (Yao et al. 2018, arXiv 1804.02505, and its data sets). DTU counts in
millimetres: ``unit_m`` turns lengths into metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.posed_files.poses import IMAGE_SUFFIXES
from depth_ros.posed_files.values import PosedFolder, ViewFile, damaged
from depth_ros.rigid import inverse

DEFAULT_NUM_DEPTHS = 192
REMEDY = 'see docs/multiview.md for the layout, and write the file anew'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CamFile:
    """What one ``*_cam.txt`` holds; lengths in the file's unit."""

    camera_from_world: np.ndarray
    k: np.ndarray
    depth_range: tuple[float, float]


def is_mvsnet_folder(folder: Path) -> bool:
    """Tell whether a folder has this layout."""
    return (folder / 'cams').is_dir() and (folder / 'pair.txt').is_file()


def read_mvsnet_folder(folder: Path, *, unit_m: float = 1.0) -> PosedFolder:
    """Read the whole layout.

    Args:
        folder: With ``images``, ``cams`` and ``pair.txt``.
        unit_m: Metres in one unit of the files; 0.001 for DTU.

    Raises:
        InputError: Reason ``'posed_file'``, naming the file and the line.
    """
    pairs = read_pairs(folder / 'pair.txt')
    names = sorted(pairs)
    index = {name: number for number, name in enumerate(names)}
    views = [_view(folder, name, pairs[name], index, unit_m) for name in names]
    return PosedFolder(
        layout='mvsnet',
        views=tuple(views),
        is_sequence=False,
        is_metric=True,
        points=np.empty((0, 3)),
    )


def _view(
    folder: Path, name: int, sources: tuple[int, ...], index: dict[int, int], unit_m: float
) -> ViewFile:
    missing = [source for source in sources if source not in index]
    if missing:
        what = f'view {name} names sources {missing} that have no line of their own'
        raise damaged(folder / 'pair.txt', what, 'add them, or leave them out')
    cam = read_cam(folder / 'cams' / f'{name:08d}_cam.txt')
    pose = inverse(cam.camera_from_world)
    pose[:3, 3] *= unit_m
    near, far = cam.depth_range
    return ViewFile(
        name=f'{name:08d}',
        image=_image(folder / 'images', name),
        k=cam.k,
        d=np.zeros(0),
        world_from_camera=pose,
        depth_range_m=(near * unit_m, far * unit_m),
        sources=tuple(index[source] for source in sources),
    )


def _image(folder: Path, name: int) -> Path:
    for suffix in IMAGE_SUFFIXES:
        path = folder / f'{name:08d}{suffix}'
        if path.is_file():
            return path
    raise damaged(folder / f'{name:08d}.png', 'no such image (nor .jpg)', 'add it')


def read_cam(path: Path) -> CamFile:
    """Read a camera file.

    Raises:
        InputError: Reason ``'posed_file'``, naming file and what is wrong.
    """
    try:
        words = path.read_text(encoding='utf-8').split()
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, f'cannot be read ({error})', REMEDY) from error
    extrinsic = _matrix(path, words, 'extrinsic', 4)
    intrinsic = _matrix(path, words, 'intrinsic', 3)
    depths = _floats(path, words[words.index('intrinsic') + 10 :], 'the line of depths')
    if len(depths) < 2:
        raise damaged(path, 'no last line with nearest depth and interval', REMEDY)
    near, interval = depths[:2]
    count = depths[2] if len(depths) > 2 else DEFAULT_NUM_DEPTHS
    far = depths[3] if len(depths) > 3 else near + interval * (count - 1)
    if not 0.0 < near < far:
        raise damaged(path, f'the depth range is {near:g} to {far:g}', 'give 0 < nearest < far')
    return CamFile(camera_from_world=extrinsic, k=intrinsic, depth_range=(near, far))


def _matrix(path: Path, words: list[str], title: str, size: int) -> np.ndarray:
    if title not in words:
        raise damaged(path, f'the word {title!r} is missing', REMEDY)
    start = words.index(title) + 1
    values = _floats(path, words[start : start + size * size], f'the matrix {title!r}')
    if len(values) != size * size:
        raise damaged(path, f'{title!r} has {len(values)} of {size * size} numbers', REMEDY)
    return np.array(values, np.float64).reshape(size, size)


def _floats(path: Path, words: list[str], what: str) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise damaged(path, f'{what} holds no number ({error})', REMEDY) from error
    if not np.isfinite(values).all():
        raise damaged(path, f'{what} holds NaN or Inf', REMEDY)
    return values


def read_pairs(path: Path) -> dict[int, tuple[int, ...]]:
    """Read ``pair.txt``: for each view its sources, best first.

    Raises:
        InputError: Reason ``'posed_file'``, naming file and line.
    """
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, f'cannot be read ({error})', REMEDY) from error
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise damaged(path, 'is empty', REMEDY)
    count = _integer(path, *rows[0])
    if len(rows) != 1 + 2 * count:
        what = f'{count} views need {1 + 2 * count} lines, there are {len(rows)}'
        raise damaged(path, what, REMEDY)
    pairs = {}
    for view, sources in zip(rows[1::2], rows[2::2], strict=True):
        pairs[_integer(path, *view)] = _sources(path, *sources)
    return pairs


def _integer(path: Path, number: int, words: list[str]) -> int:
    try:
        (value,) = (int(word) for word in words)
    except ValueError as error:
        raise damaged(path, f'line {number}: expected one integer', REMEDY) from error
    return value


def _sources(path: Path, number: int, words: list[str]) -> tuple[int, ...]:
    try:
        count = int(words[0])
        sources = tuple(int(word) for word in words[1::2])
        _ = [float(word) for word in words[2::2]]
    except ValueError as error:
        raise damaged(path, f'line {number}: {error}', REMEDY) from error
    if len(words) != 1 + 2 * count:
        what = f'line {number}: {count} sources need {1 + 2 * count} words, got {len(words)}'
        raise damaged(path, what, REMEDY)
    return sources
