"""DTU as MVSNet's authors prepared it for training: images, cameras, pairs and rendered depth.

Jensen et al. 2014 (the set), Yao et al. 2018, arXiv 1804.02505 (the depth maps and the splits of
section 4.1); file names are those of the authors' archives::

    Cameras/pair.txt                                sources of each of the 49 views, best first
    Cameras/train/00000000_cam.txt                  camera of a view, for maps of 160x128
    Cameras/00000000_cam.txt                        the same for images of 1600x1200
    Rectified/scan1_train/rect_001_0_r5000.png      640x512; views from 1, then the light, 0 to 6
    Depths/scan1_train/depth_map_0000.pfm           160x128, mm, or else
    Depths_raw/scan1/depth_map_0000.pfm             1600x1200, mm; views from 0
    .../depth_visual_0000.png                       beside either: dark where the depth is unknown

Images are the big ones at half size, cut to the middle 640x512; every pixel of a map is every
fourth of an image. Lengths become metres.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError, RecipeError
from depth_ros.files.image import read_rgb
from depth_ros.files.pfm import read_pfm
from depth_ros.files.posed.mvsnet import CamFile, read_cam, read_pairs

UNIT_M = 1e-3
NUM_LIGHTS = 7
MASK_ABOVE = 10
IMAGE_FROM_MAP = 4.0
RAW_SIZE, RAW_STEP, RAW_CORNER = (1200, 1600), 8, (88, 160)
"""Of a big map every 8th pixel from row 88 and column 160 is a pixel of the small one."""
MAP_SIZE = (128, 160)

VALIDATION_SCANS = frozenset(
    (3, 5, 17, 21, 28, 35, 37, 38, 40, 43, 56, 59, 66, 67, 82, 86, 106, 117)
)
EVALUATION_SCANS = frozenset(
    (1, 4, 9, 10, 11, 12, 13, 15, 23, 24, 29, 32, 33, 34, 48, 49, 62, 75, 77, 110, 114, 118)
)
"""Kept for tests; never trained on."""

_SCAN = re.compile(r'scan(\d+)_train')
_REMEDY = "unpack the authors' archives (docs/training) and pass their common folder with --data"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DtuCamera:
    """A view's camera.

    Attributes:
        k: (3, 3) float64 intrinsics of the 640x512 image.
        camera_from_world: (4, 4) float64, metres.
        depth_range_m: Nearest and farthest depth of the file.
    """

    k: np.ndarray
    camera_from_world: np.ndarray
    depth_range_m: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DtuSet:
    """What a folder holds.

    Attributes:
        folder: The folder with ``Cameras`` and ``Rectified``.
        scans: Numbers of the scans that are there.
        pairs: Sources of each view, best first.
        cameras: Camera of each view.
    """

    folder: Path
    scans: tuple[int, ...]
    pairs: Mapping[int, tuple[int, ...]]
    cameras: Mapping[int, DtuCamera]

    def image(self, scan: int, view: int, light: int) -> np.ndarray:
        """Read an image, (H, W, 3) uint8 RGB.

        Raises:
            InputError: If it is missing or damaged.
        """
        name = f'rect_{view + 1:03d}_{light}_r5000.png'
        return read_rgb(_there(self.folder / 'Rectified' / f'scan{scan}_train' / name))

    def depth(self, scan: int, view: int) -> np.ndarray:
        """Read the depth at every fourth pixel, (128, 160) float32, metres, NaN unknown.

        Raises:
            InputError: If map or mask is missing, damaged or of another size.
        """
        small = self.folder / 'Depths' / f'scan{scan}_train'
        raw = self.folder / 'Depths_raw' / f'scan{scan}'
        place = small if small.is_dir() or not raw.is_dir() else raw
        depth = read_pfm(_there(place / f'depth_map_{view:04d}.pfm'))
        mask = read_rgb(_there(place / f'depth_visual_{view:04d}.png'))[..., 0]
        _check_size(place, depth.shape, mask.shape, RAW_SIZE if place is raw else MAP_SIZE)
        known = (mask > MASK_ABOVE) & (depth > 0.0)
        depth = np.where(known, depth * np.float32(UNIT_M), np.float32(np.nan))
        return _thinned(depth) if place is raw else depth


def open_dtu(folders: Sequence[Path]) -> DtuSet:
    """Open a data folder: read cameras and pairs, but no image.

    Args:
        folders: Folders, the first of which that has the layout is taken; its child
            ``mvs_training/dtu``, as the archive has it, will do.

    Raises:
        RecipeError: If no folder has the layout.
        InputError: Reason ``'posed_file'`` if a camera or ``pair.txt`` is damaged or missing.
    """
    for folder in folders:
        for place in (folder, folder / 'mvs_training' / 'dtu', folder / 'dtu'):
            if (place / 'Cameras' / 'pair.txt').is_file() and (place / 'Rectified').is_dir():
                return _opened(place)
    raise RecipeError(
        f'expected Cameras/pair.txt and Rectified/scan1_train/ in a data folder, found none in '
        f'{[str(folder) for folder in folders]}; {_REMEDY}'
    )


def _opened(folder: Path) -> DtuSet:
    found = (_SCAN.fullmatch(path.name) for path in (folder / 'Rectified').iterdir())
    scans = tuple(sorted(int(match[1]) for match in found if match))
    if not scans:
        raise RecipeError(
            f'expected folders such as scan1_train in {folder / "Rectified"}, found none; '
            f'{_REMEDY}'
        )
    pairs = read_pairs(folder / 'Cameras' / 'pair.txt')
    return DtuSet(
        folder=folder,
        scans=scans,
        pairs=pairs,
        cameras={view: _camera(folder / 'Cameras', view) for view in pairs},
    )


def _camera(folder: Path, view: int) -> DtuCamera:
    """Read a camera file and bring it to 640x512 and metres."""
    name = f'{view:08d}_cam.txt'
    is_small = (folder / 'train' / name).is_file()
    cam: CamFile = read_cam(folder / 'train' / name if is_small else folder / name)
    k = cam.k.copy()
    if is_small:
        k[:2] *= IMAGE_FROM_MAP
    else:
        k[:2] *= IMAGE_FROM_MAP / RAW_STEP
        k[:2, 2] -= np.array(RAW_CORNER[::-1]) * IMAGE_FROM_MAP / RAW_STEP
    pose = cam.camera_from_world.copy()
    pose[:3, 3] *= UNIT_M
    near, far = cam.depth_range
    return DtuCamera(k=k, camera_from_world=pose, depth_range_m=(near * UNIT_M, far * UNIT_M))


def _thinned(raw: np.ndarray) -> np.ndarray:
    top, left = RAW_CORNER
    return np.ascontiguousarray(
        raw[top::RAW_STEP, left::RAW_STEP][: MAP_SIZE[0], : MAP_SIZE[1]], np.float32
    )


def _there(path: Path) -> Path:
    if not path.is_file():
        raise InputError('dataset_file', f'expected the file {path}, it is missing; {_REMEDY}')
    return path


def _check_size(
    place: Path, depth: tuple[int, ...], mask: tuple[int, ...], size: tuple[int, int]
) -> None:
    if depth != size or mask != size:
        raise InputError(
            'size_mismatch',
            f'depth maps and masks in {place} must be {size[1]}x{size[0]}, got {depth} and '
            f'{mask} (rows, columns); {_REMEDY}',
        )
