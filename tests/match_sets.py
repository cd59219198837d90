"""Real image pairs whose matches can be judged, for tests and benchmarks."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.frames import ImagePair
from depth_ros.results import MatchResult


@dataclass(frozen=True, kw_only=True)
class JudgedPair:
    """A pair and its truth.

    Attributes:
        name: Which pair.
        pair: The images.
        errors: Gives each match's distance in px of the second image; NaN where unknown.
        second_from_first: ``(4, 4)`` motion in metres, or None.
        k: ``(3, 3)`` of both cameras, or None.
    """

    name: str
    pair: ImagePair
    errors: Callable[[MatchResult], np.ndarray]
    second_from_first: np.ndarray | None = None
    k: np.ndarray | None = None


def read_rgb(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


def read_pair(first: Path, second: Path) -> ImagePair:
    return ImagePair(first=read_rgb(first), second=read_rgb(second))


def graf(data: Path) -> Iterator[JudgedPair]:
    """Oxford's graffiti wall from two sides: distance from where the homography points."""
    folder = data / 'opencv_planar_pairs'
    text = (folder / 'H1to3p.xml').read_text(encoding='utf-8')
    numbers = re.search(r'<data>(.*?)</data>', text, re.DOTALL).group(1).split()
    truth = np.array(numbers, np.float64).reshape(3, 3)
    yield JudgedPair(
        name='graf1-graf3',
        pair=read_pair(folder / 'graf1.png', folder / 'graf3.png'),
        errors=lambda result: homography_errors(result, truth),
    )


def hololens(data: Path) -> Iterator[JudgedPair]:
    """Frames of a headset with depth and poses: true reprojection error."""
    folder = data / 'hololens_mvs'
    with (folder / 'frame_rows.csv').open(encoding='utf-8') as file:
        rows = {row['file'][:5]: int(row['pose_row']) for row in csv.DictReader(file)}
    poses = np.loadtxt(folder / 'poses.txt').reshape(-1, 4, 4)
    k = np.loadtxt(folder / 'K.txt')
    names = sorted(rows)
    for first, second in itertools.pairwise(names):
        depth = cv2.imread(str(folder / f'depth/{first}.png'), cv2.IMREAD_UNCHANGED) / 1000.0
        motion = np.linalg.inv(poses[rows[second]]) @ poses[rows[first]]
        images = folder / 'images'
        yield JudgedPair(
            name=f'{first}-{second}',
            pair=read_pair(images / f'{first}.png', images / f'{second}.png'),
            errors=reprojection(k, depth, motion),
            second_from_first=motion,
            k=k,
        )


def scannet_neighbours(data: Path) -> Iterator[JudgedPair]:
    """Four posed frames of ScanNet, neighbours paired: distance from the epipolar line."""
    folder = data / 'scannet_posed_mini'
    k = np.loadtxt(folder / 'intrinsic_depth.txt')[:3, :3]
    names = sorted(path.stem for path in (folder / 'color').glob('*.png'))
    poses = {name: np.loadtxt(folder / f'pose/{name}.txt') for name in names}
    for first, second in itertools.pairwise(names):
        motion = np.linalg.inv(poses[second]) @ poses[first]
        colors = folder / 'color'
        yield JudgedPair(
            name=f'{first}-{second}',
            pair=read_pair(colors / f'{first}.png', colors / f'{second}.png'),
            errors=epipolar(k, k, motion),
            second_from_first=motion,
            k=k,
        )


def scannet_wide(data: Path) -> Iterator[JudgedPair]:
    """The 15 wide pairs of ScanNet that LoFTR's repository shows, at 1296x968."""
    folder = data / 'loftr_pairs'
    lines = (folder / 'scannet_sample_pairs_with_gt.txt').read_text(encoding='utf-8').splitlines()
    for line in filter(None, lines):
        words = line.split()
        numbers = np.array(words[4:], np.float64)
        first_k, second_k = numbers[:9].reshape(3, 3), numbers[9:18].reshape(3, 3)
        paths = [next((folder / 'scannet').glob(f'*{Path(word).name}')) for word in words[:2]]
        motion = numbers[18:34].reshape(4, 4)
        yield JudgedPair(
            name=paths[0].stem,
            pair=read_pair(*paths),
            errors=epipolar(first_k, second_k, motion),
            second_from_first=motion,
            k=first_k,
        )


MATCH_SETS: dict[str, Callable[[Path], Iterator[JudgedPair]]] = {
    'HoloLens neighbours (reprojection)': hololens,
    'ScanNet neighbours (epipolar)': scannet_neighbours,
    'ScanNet wide baseline (epipolar)': scannet_wide,
    'graf (homography)': graf,
}


def homography_errors(result: MatchResult, homography: np.ndarray) -> np.ndarray:
    """Distances (N,) of the second points from where the homography takes the first ones."""
    moved = homogeneous(result.points_first) @ homography.T
    return np.linalg.norm(moved[:, :2] / moved[:, 2:] - result.points_second, axis=1)


def reprojection(
    k: np.ndarray, depth: np.ndarray, motion: np.ndarray
) -> Callable[[MatchResult], np.ndarray]:
    """Judge by depth (H, W) m of the first image, 0 where unknown, and the motion."""

    def errors(result: MatchResult) -> np.ndarray:
        height, width = depth.shape
        cells = np.rint(result.points_first).astype(int)
        at = depth[cells[:, 1].clip(0, height - 1), cells[:, 0].clip(0, width - 1)]
        rays = homogeneous(result.points_first) @ np.linalg.inv(k).T
        pixels = (rays * at[:, None] @ motion[:3, :3].T + motion[:3, 3]) @ k.T
        distances = np.linalg.norm(pixels[:, :2] / pixels[:, 2:] - result.points_second, axis=1)
        return np.where(at > 0, distances, np.nan)

    return errors


def epipolar(
    first_k: np.ndarray, second_k: np.ndarray, motion: np.ndarray
) -> Callable[[MatchResult], np.ndarray]:
    """Judge by the distance from the epipolar line: what lies along it goes unseen."""
    x, y, z = motion[:3, 3]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    fundamental = np.linalg.inv(second_k).T @ cross @ motion[:3, :3] @ np.linalg.inv(first_k)

    def errors(result: MatchResult) -> np.ndarray:
        lines = homogeneous(result.points_first) @ fundamental.T
        offset = (lines * homogeneous(result.points_second)).sum(axis=1)
        return np.abs(offset) / np.linalg.norm(lines[:, :2], axis=1)

    return errors


def homogeneous(points: np.ndarray) -> np.ndarray:
    return np.column_stack([points, np.ones(len(points))])
