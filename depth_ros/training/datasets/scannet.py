"""ScanNet (Dai et al. 2017) in the layout that LoFTR's training documents.

Below the folder: ``index/scene_data/train/*.npz`` with ``name``, four numbers for each pair
(scene, its scan, both frames), and ``score``, their overlap; ``index/intrinsics.npz`` with the
``(3, 3)`` of each scene's depth camera; and ``train/sceneSSSS_NN/`` as the official Python
exporter writes it: ``color/F.jpg``, ``depth/F.png`` (16 bit, mm), ``pose/F.txt`` (camera to
world, metres). Without ``intrinsics.npz`` each scene's ``intrinsic/intrinsic_depth.txt`` serves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError, RecipeError
from depth_ros.files.image import read_rgb
from depth_ros.files.maps import read_depth
from depth_ros.training.datasets.archives import read_archive
from depth_ros.training.datasets.measured_view import MeasuredView

INDEX = 'index/scene_data/train'
INTRINSICS = 'index/intrinsics.npz'
IMAGES = 'train'
_TRIES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanNet:
    """The data set, opened; see ``open_scannet``."""

    root: Path
    scenes: tuple[Path, ...]
    min_overlap: float

    def draw(self, rng: np.random.Generator) -> tuple[MeasuredView, MeasuredView]:
        """Draw a scene evenly, then one of its pairs, and read it; depth in metres.

        Frames whose pose was lost are passed over.

        Raises:
            InputError: If a file is absent or damaged.
            RecipeError: If no usable pair is found.
        """
        for _ in range(_TRIES):
            pairs = _pairs(self.scenes[int(rng.integers(len(self.scenes)))], self.min_overlap)
            if not len(pairs):
                continue
            scene, scan, *frames = (int(v) for v in pairs[int(rng.integers(len(pairs)))])
            folder = self.root / IMAGES / f'scene{scene:04d}_{scan:02d}'
            first, second = (self._view(folder, frame) for frame in frames)
            if first is not None and second is not None:
                return first, second
        raise RecipeError(
            f'no usable pair of ScanNet overlaps by more than {self.min_overlap}; lower '
            'min_overlap in the recipe, or check the index'
        )

    def _view(self, folder: Path, frame: int) -> MeasuredView | None:
        world_from_camera = _matrix(folder / 'pose' / f'{frame}.txt')
        if not np.isfinite(world_from_camera).all():
            return None
        return MeasuredView(
            image=read_rgb(folder / 'color' / f'{frame}.jpg'),
            depth=np.nan_to_num(read_depth(folder / 'depth' / f'{frame}.png')),
            k=self._intrinsics(folder),
            world_from_camera=world_from_camera,
        )

    def _intrinsics(self, folder: Path) -> np.ndarray:
        known = _all_intrinsics(self.root / INTRINSICS)
        if folder.name in known:
            return np.asarray(known[folder.name], np.float64).reshape(3, 3)
        return _matrix(folder / 'intrinsic' / 'intrinsic_depth.txt')[:3, :3]


def open_scannet(root: Path, *, min_overlap: float) -> ScanNet:
    """Find the scenes.

    Raises:
        RecipeError: If the folder is laid out otherwise.
    """
    scenes = tuple(sorted((root / INDEX).glob('*.npz')))
    if not scenes or not (root / IMAGES).is_dir():
        raise RecipeError(
            f'expected ScanNet with {INDEX}/*.npz and {IMAGES}/ in {root}, found {len(scenes)} '
            'scenes; pass --data with a folder laid out as docs/training/README.md says'
        )
    return ScanNet(root=root, scenes=scenes, min_overlap=min_overlap)


def _matrix(path: Path) -> np.ndarray:
    """Read a (4, 4) matrix of text; lost poses are -Inf."""
    try:
        return np.loadtxt(path).reshape(4, 4)
    except (OSError, ValueError) as error:
        raise InputError(
            'file', f'expected a 4x4 matrix in {path} ({error}); export it again'
        ) from error


@lru_cache(maxsize=8)
def _pairs(path: Path, min_overlap: float) -> np.ndarray:
    """Read the pairs (N, 4) of a scene that overlap enough."""
    fields = read_archive(path)
    if 'name' not in fields:
        raise InputError(
            'index', f'{path} lacks the array name; download the index of ScanNet again'
        )
    names = fields['name']
    return names[fields['score'] > min_overlap] if 'score' in fields else names


@lru_cache(maxsize=1)
def _all_intrinsics(path: Path) -> dict[str, np.ndarray]:
    return read_archive(path) if path.is_file() else {}
