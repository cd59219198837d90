"""Real image pairs with truth for matches: a homography, depth and pose, or pose alone."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError
from depth_ros.evaluation.data_sets import DataSet
from depth_ros.evaluation.hololens import FOLDER, read_frames
from depth_ros.files.image import read_rgb
from depth_ros.frames import ImagePair
from depth_ros.geometry.rigid import skew
from depth_ros.results import MatchResult

Judge = Callable[[MatchResult], np.ndarray]
"""Returns each match's distance (N,) from the truth, px of the second image; NaN where unknown."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class JudgedPair:
    """A pair and its truth.

    Attributes:
        name: Which pair.
        pair: The images.
        errors: Judges matches.
        second_from_first: ``(4, 4)`` motion in metres, or None.
        k: ``(3, 3)`` of both cameras, or None.
    """

    name: str
    pair: ImagePair
    errors: Judge
    second_from_first: np.ndarray | None = None
    k: np.ndarray | None = None


def graf(folder: Path) -> Iterator[JudgedPair]:
    """Read Oxford's graffiti wall from two sides: distance from where the homography points.

    Raises:
        InputError: If a file is missing or damaged.
    """
    truth = _opencv_matrix(folder / 'H1to3p.xml')
    yield JudgedPair(
        name='graf1-graf3',
        pair=_read_pair(folder / 'graf1.png', folder / 'graf3.png'),
        errors=lambda result: homography_errors(result, truth),
    )


def hololens(folder: Path) -> Iterator[JudgedPair]:
    """Pair neighbouring frames of a headset with depth and poses: true reprojection error.

    Raises:
        InputError: If a file is damaged.
    """
    for first, second in itertools.pairwise(read_frames(folder).values()):
        motion = np.linalg.inv(second.world_from_camera) @ first.world_from_camera
        yield JudgedPair(
            name=f'{first.name}-{second.name}',
            pair=ImagePair(first=first.image(), second=second.image()),
            errors=reprojection(first.k, first.depth(), motion),
            second_from_first=motion,
            k=first.k,
        )


def scannet_neighbours(folder: Path) -> Iterator[JudgedPair]:
    """Pair neighbours of four posed frames of ScanNet: distance from the epipolar line.

    Raises:
        InputError: If a file is missing or damaged.
    """
    k = _numbers(folder / 'intrinsic_depth.txt', 16).reshape(4, 4)[:3, :3]
    images = sorted((folder / 'color').glob('*.png'))
    poses = [_numbers(folder / f'pose/{image.stem}.txt', 16).reshape(4, 4) for image in images]
    for first, second in itertools.pairwise(range(len(images))):
        motion = np.linalg.inv(poses[second]) @ poses[first]
        yield JudgedPair(
            name=f'{images[first].stem}-{images[second].stem}',
            pair=_read_pair(images[first], images[second]),
            errors=epipolar(k, k, motion),
            second_from_first=motion,
            k=k,
        )


def scannet_wide(folder: Path) -> Iterator[JudgedPair]:
    """Read the 15 wide pairs of ScanNet that LoFTR's repository shows, at 1296x968.

    Raises:
        InputError: If a file is missing or damaged.
    """
    table = folder / 'scannet_sample_pairs_with_gt.txt'
    for line in filter(None, table.read_text(encoding='utf-8').splitlines()):
        words = line.split()
        numbers = _as_numbers(words[4:38], table, 34)
        first_k, second_k = numbers[:9].reshape(3, 3), numbers[9:18].reshape(3, 3)
        first, second = (_with_ending(folder / 'scannet', Path(word).name) for word in words[:2])
        motion = numbers[18:34].reshape(4, 4)
        yield JudgedPair(
            name=first.stem,
            pair=_read_pair(first, second),
            errors=epipolar(first_k, second_k, motion),
            second_from_first=motion,
            k=first_k,
        )


MATCH_SETS: dict[str, DataSet[JudgedPair]] = {
    'HoloLens neighbours (reprojection)': DataSet(folder=FOLDER, load=hololens),
    'ScanNet neighbours (epipolar)': DataSet(folder='scannet_posed_mini', load=scannet_neighbours),
    'ScanNet wide baseline (epipolar)': DataSet(folder='loftr_pairs', load=scannet_wide),
    'graf (homography)': DataSet(folder='opencv_planar_pairs', load=graf),
}
"""Every set by name."""


def homography_errors(result: MatchResult, homography: np.ndarray) -> np.ndarray:
    """Distances (N,) of the second points from where the homography takes the first ones."""
    moved = homogeneous(result.points_first) @ homography.T
    return np.linalg.norm(moved[:, :2] / moved[:, 2:] - result.points_second, axis=1)


def reprojection(k: np.ndarray, depth: np.ndarray, motion: np.ndarray) -> Judge:
    """Judge by depth and motion.

    Args:
        k: ``(3, 3)`` of both images.
        depth: ``(H, W)`` m of the first image, NaN where unknown.
        motion: ``(4, 4)`` second from first.
    """

    def errors(result: MatchResult) -> np.ndarray:
        height, width = depth.shape
        cells = np.rint(result.points_first).astype(int)
        at = depth[cells[:, 1].clip(0, height - 1), cells[:, 0].clip(0, width - 1)]
        rays = homogeneous(result.points_first) @ np.linalg.inv(k).T
        pixels = (rays * at[:, None] @ motion[:3, :3].T + motion[:3, 3]) @ k.T
        return np.linalg.norm(pixels[:, :2] / pixels[:, 2:] - result.points_second, axis=1)

    return errors


def epipolar(first_k: np.ndarray, second_k: np.ndarray, motion: np.ndarray) -> Judge:
    """Judge by the distance from the epipolar line; errors along it are not detected."""
    essential = skew(motion[:3, 3]) @ motion[:3, :3]
    fundamental = np.linalg.inv(second_k).T @ essential @ np.linalg.inv(first_k)

    def errors(result: MatchResult) -> np.ndarray:
        lines = homogeneous(result.points_first) @ fundamental.T
        offset = (lines * homogeneous(result.points_second)).sum(axis=1)
        return np.abs(offset) / np.linalg.norm(lines[:, :2], axis=1)

    return errors


def symmetric_epipolar(judged: JudgedPair, result: MatchResult) -> np.ndarray:
    """Return squared symmetric epipolar distances (N,) in normalised coordinates.

    ``(x'^T E x)^2 (1 / |(E x)_12|^2 + 1 / |(E^T x')_12|^2)``, as Sarlin et al. 2020 judge
    matches; NaN without a pose.
    """
    if judged.second_from_first is None or judged.k is None:
        return np.full(len(result.confidence), np.nan)
    essential = skew(judged.second_from_first[:3, 3]) @ judged.second_from_first[:3, :3]
    to_rays = np.linalg.inv(judged.k).T
    first = homogeneous(result.points_first) @ to_rays
    second = homogeneous(result.points_second) @ to_rays
    in_second, in_first = first @ essential.T, second @ essential
    offset = (in_second * second).sum(axis=1) ** 2
    squares = [(lines[:, :2] ** 2).sum(axis=1) for lines in (in_second, in_first)]
    return np.asarray(offset * (1 / squares[0] + 1 / squares[1]))


def homogeneous(points: np.ndarray) -> np.ndarray:
    """Append ones: (N, 2) to (N, 3) float64."""
    return np.column_stack([points, np.ones(len(points))]).astype(np.float64)


def _read_pair(first: Path, second: Path) -> ImagePair:
    return ImagePair(first=read_rgb(first), second=read_rgb(second))


def _opencv_matrix(path: Path) -> np.ndarray:
    """Read the 3x3 matrix of an OpenCV XML file, float64."""
    found = re.search(r'<data>(.*?)</data>', path.read_text(encoding='utf-8'), re.DOTALL)
    return _as_numbers(found[1].split() if found else [], path, 9).reshape(3, 3)


def _numbers(path: Path, count: int) -> np.ndarray:
    return _as_numbers(path.read_text(encoding='utf-8').split(), path, count)


def _as_numbers(words: list[str], path: Path, count: int) -> np.ndarray:
    try:
        values = np.array(words, np.float64)
    except ValueError as error:
        raise _damaged(path, f'{count} numbers, got {error}') from error
    if values.size != count or not np.isfinite(values).all():
        raise _damaged(path, f'{count} finite numbers, got {values.size}')
    return values


def _with_ending(folder: Path, name: str) -> Path:
    """Find the one file of a folder whose name ends so."""
    found = sorted(folder.glob(f'*{name}'))
    if not found:
        raise _damaged(folder, f'a file *{name}, got none')
    return found[0]


def _damaged(path: Path, what: str) -> InputError:
    return InputError('damaged', f'{path}: expected {what}; restore it')
