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

from depth_ros.errors import InputError
from depth_ros.files.given_file import given_text
from depth_ros.files.posed.poses import IMAGE_SUFFIXES
from depth_ros.files.posed.values import PosedFolder, ViewFile, damaged
from depth_ros.geometry.rigid import inverse

DEFAULT_NUM_DEPTHS = 192
REMEDY = 'see docs/multiview.md for the layout, and write the file anew'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CamFile:
    """What one ``*_cam.txt`` holds; lengths in the file's unit."""

    camera_from_world: np.ndarray
    k: np.ndarray
    depth_range: tuple[float, float]


def is_mvsnet_folder(folder: Path) -> bool:
    """Return whether a folder has this layout."""
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
    _check_sources(folder / 'pair.txt', pairs)
    cams: dict[int, CamFile] = {}
    refused = []
    for name in sorted(pairs):
        try:
            cams[name] = read_cam(folder / 'cams' / f'{name:08d}_cam.txt')
        except InputError as error:
            refused.append((f'{name:08d}', error))
    index = {name: number for number, name in enumerate(cams)}
    views = [_view(folder, name, cams[name], pairs[name], index, unit_m) for name in cams]
    return PosedFolder(
        layout='mvsnet',
        views=tuple(views),
        is_sequence=False,
        is_metric=True,
        points=np.empty((0, 3)),
        refused=tuple(refused),
    )


def _check_sources(path: Path, pairs: dict[int, tuple[int, ...]]) -> None:
    for name, sources in pairs.items():
        missing = [source for source in sources if source not in pairs]
        if missing:
            what = f'view {name} names sources {missing} that have no line of their own'
            raise damaged(path, what, 'add them, or leave them out')


def _view(
    folder: Path,
    name: int,
    cam: CamFile,
    sources: tuple[int, ...],
    index: dict[int, int],
    unit_m: float,
) -> ViewFile:
    """Join what is known of a view; sources without a camera are left out."""
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
        sources=tuple(index[source] for source in sources if source in index),
    )


def _image(folder: Path, name: int) -> Path:
    """Return the image's file; the first of the names it may have if there is none."""
    endings = [case(suffix) for case in (str.lower, str.upper) for suffix in IMAGE_SUFFIXES]
    paths = [folder / f'{name:08d}{suffix}' for suffix in endings]
    return next((path for path in paths if path.is_file()), paths[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Word:
    text: str
    line: int


def read_cam(path: Path) -> CamFile:
    """Read a camera file.

    Raises:
        InputError: Reason ``'posed_file'``, naming file and line.
    """
    lines = _lines(path)
    words = [_Word(text=text, line=line) for line, texts in lines for text in texts]
    extrinsic, _ = _matrix(path, words, 'extrinsic', 4)
    intrinsic, end = _matrix(path, words, 'intrinsic', 3)
    depths = _floats(path, words[end:], 'the line of depths')
    if len(depths) < 2:
        raise damaged(path, 'no last line with nearest depth and interval', REMEDY)
    near, interval = depths[:2]
    count = depths[2] if len(depths) > 2 else DEFAULT_NUM_DEPTHS
    far = depths[3] if len(depths) > 3 else near + interval * (count - 1)
    if not 0.0 < near < far:
        what = f'line {words[end].line}: the depth range is {near:g} to {far:g}'
        raise damaged(path, what, 'give 0 < nearest < farthest')
    return CamFile(camera_from_world=extrinsic, k=intrinsic, depth_range=(near, far))


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the words of each line that is not empty, with its number from 1."""
    try:
        lines = given_text(path).splitlines()
    except InputError as error:
        raise damaged(path, f'cannot be read ({error})', REMEDY) from error
    return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]


def _matrix(path: Path, words: list[_Word], title: str, size: int) -> tuple[np.ndarray, int]:
    """Read the ``size`` squared numbers after a title; also return where they end."""
    start = next((at for at, word in enumerate(words, 1) if word.text == title), 0)
    if not start:
        raise damaged(path, f'the word {title!r} is missing', REMEDY)
    end = start + size * size
    values = _floats(path, words[start:end], f'the matrix {title!r}')
    if len(values) != size * size:
        what = f'line {words[start - 1].line}: {title!r} has {len(values)} of {size**2} numbers'
        raise damaged(path, what, REMEDY)
    return np.array(values, np.float64).reshape(size, size), end


def _floats(path: Path, words: list[_Word], what: str) -> list[float]:
    values = []
    for word in words:
        try:
            values.append(float(word.text))
        except ValueError as error:
            text = f'line {word.line}: {what} holds {word.text!r}, which is no number'
            raise damaged(path, text, REMEDY) from error
        if not np.isfinite(values[-1]):
            raise damaged(path, f'line {word.line}: {what} holds NaN or Inf', REMEDY)
    return values


def read_pairs(path: Path) -> dict[int, tuple[int, ...]]:
    """Read ``pair.txt``: for each view its sources, best first.

    Raises:
        InputError: Reason ``'posed_file'``, naming file and line.
    """
    rows = _lines(path)
    if not rows:
        raise damaged(path, 'is empty', REMEDY)
    count = _integer(path, *rows[0])
    if len(rows) != 1 + 2 * count:
        what = f'{count} views need {1 + 2 * count} lines, there are {len(rows)}'
        raise damaged(path, what, REMEDY)
    pairs: dict[int, tuple[int, ...]] = {}
    for view, sources in zip(rows[1::2], rows[2::2], strict=True):
        name = _integer(path, *view)
        if name in pairs or name < 0:
            raise damaged(path, f'line {view[0]}: view {name} is negative or there twice', REMEDY)
        pairs[name] = _sources(path, *sources)
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
