"""MegaDepth (Li and Snavely 2018) in the layout that LoFTR's training documents.

Below the folder: ``index/scene_info_0.1_0.7/*.npz`` with ``image_paths``, ``depth_paths``,
``intrinsics``, ``poses`` (camera from world) and ``pair_infos``, one entry for each pair: the two
indices and their overlap; and ``train/`` with ``Undistorted_SfM`` (images undistorted by D2-Net)
and ``phoenix`` (depth maps, ``.h5`` with a data set ``depth``, 0 where unknown). If
``index/trainvaltest_list/train_list.txt`` exists, only the scenes it names are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError, RecipeError
from depth_ros.files.image import read_rgb
from depth_ros.geometry.rigid import inverse
from depth_ros.training.datasets.archives import read_archive
from depth_ros.training.datasets.measured_view import MeasuredView

INDEX = 'index/scene_info_0.1_0.7'
TRAIN_LIST = 'index/trainvaltest_list/train_list.txt'
IMAGES = 'train'
FIELDS = ('image_paths', 'depth_paths', 'intrinsics', 'poses', 'pair_infos')


@dataclass(frozen=True, kw_only=True, slots=True)
class MegaDepth:
    """The data set, opened; see ``open_megadepth``."""

    root: Path
    scenes: tuple[Path, ...]
    min_overlap: float

    def draw(self, rng: np.random.Generator) -> tuple[MeasuredView, MeasuredView]:
        """Draw a scene evenly, then one of its pairs, and read it; depth in the scene's unit.

        Raises:
            InputError: If a file is absent or damaged.
            RecipeError: If h5py is missing or no scene has such pairs.
        """
        for index in rng.permutation(len(self.scenes)):
            scene = _scene(self.scenes[index], self.min_overlap)
            if scene.pairs:
                first, second = scene.pairs[int(rng.integers(len(scene.pairs)))]
                return self._view(scene, first), self._view(scene, second)
        raise RecipeError(
            f'no pair of MegaDepth overlaps by more than {self.min_overlap}; lower min_overlap in '
            'the recipe, or check the index'
        )

    def _view(self, scene: _Scene, index: int) -> MeasuredView:
        folder = self.root / IMAGES
        return MeasuredView(
            image=read_rgb(folder / str(scene.image_paths[index])),
            depth=read_depth(folder / str(scene.depth_paths[index])),
            k=np.asarray(scene.intrinsics[index], np.float64).reshape(3, 3),
            world_from_camera=inverse(np.asarray(scene.poses[index], np.float64).reshape(4, 4)),
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Scene:
    """One index file; the arrays have an entry for each image, None for images left out."""

    image_paths: np.ndarray
    depth_paths: np.ndarray
    intrinsics: np.ndarray
    poses: np.ndarray
    pairs: Sequence[tuple[int, int]]


def open_megadepth(root: Path, *, min_overlap: float) -> MegaDepth:
    """Find the scenes.

    Raises:
        RecipeError: If the folder is laid out otherwise.
    """
    found = sorted((root / INDEX).glob('*.npz'))
    names = root / TRAIN_LIST
    if names.is_file():
        wanted = set(names.read_text(encoding='utf-8').split())
        found = [path for path in found if {path.name, path.stem} & wanted]
    if not found or not (root / IMAGES).is_dir():
        raise RecipeError(
            f'expected MegaDepth with {INDEX}/*.npz and {IMAGES}/ in {root}, found {len(found)} '
            'scenes; pass --data with a folder laid out as docs/training/README.md says'
        )
    return MegaDepth(root=root, scenes=tuple(found), min_overlap=min_overlap)


def read_depth(path: Path) -> np.ndarray:
    """Read a depth map, (H, W) float32, 0 where unknown.

    Raises:
        InputError: If the file is absent or holds no data set ``depth``.
        RecipeError: If h5py is missing.
    """
    try:
        import h5py
    except ImportError:
        raise RecipeError(
            "MegaDepth's depth maps need the package h5py; install it with: pip install h5py"
        ) from None
    try:
        with h5py.File(path, 'r') as file:
            return np.asarray(file['depth'], np.float32)
    except (OSError, KeyError) as error:
        raise InputError(
            'file',
            f'expected a depth map in {path} ({error}); unpack MegaDepth_v1 below train/',
        ) from error


@lru_cache(maxsize=16)
def _scene(path: Path, min_overlap: float) -> _Scene:
    fields = read_archive(path)
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        raise InputError('index', f'{path} lacks {missing}; download the index of MegaDepth again')
    pairs = [
        (int(info[0][0]), int(info[0][1]))
        for info in fields['pair_infos']
        if float(info[1]) > min_overlap
    ]
    parts = {name: fields[name] for name in FIELDS if name != 'pair_infos'}
    return _Scene(pairs=pairs, **parts)
