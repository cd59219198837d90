"""The CREStereo data set: rendered pairs with disparity, in the layout it is downloaded in.

Li et al. 2022, arXiv 2203.11483, section 4; file names and the disparity's unit are those of the
official README. The folders ``tree``, ``shapenet``, ``reflective`` and ``hole`` hold
``NAME_left.jpg``, ``NAME_right.jpg``, ``NAME_left.disp.png`` and ``NAME_right.disp.png``, at any
depth; a part of them will do. Disparities are 16-bit PNG in 1/32 px, 0 where unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError, RecipeError
from depth_ros.files.image import read_rgb
from depth_ros.files.maps import read_steps

PARTS = ('tree', 'shapenet', 'reflective', 'hole')
STEPS_PER_PIXEL = 32.0
LEFT_ENDING = '_left.jpg'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TruePair:
    """A rectified pair with the disparity of one or both views.

    Attributes:
        left: (H, W, 3) uint8 RGB.
        right: The same.
        disparity: (H, W) float32 px on the left pixels, NaN unknown.
        right_disparity: The same on the right pixels, or None where the set has none.
    """

    left: np.ndarray
    right: np.ndarray
    disparity: np.ndarray
    right_disparity: np.ndarray | None = None

    def mirrored(self) -> TruePair | None:
        """Return the mirrored pair, cameras swapped; None without right truth."""
        if self.right_disparity is None:
            return None
        return TruePair(
            left=self.right[:, ::-1],
            right=self.left[:, ::-1],
            disparity=self.right_disparity[:, ::-1],
            right_disparity=self.disparity[:, ::-1],
        )


def find_pairs(folders: Sequence[Path]) -> list[Path]:
    """Find the pairs of a data set.

    Args:
        folders: Folders that hold some of ``PARTS``, or are one of them.

    Returns:
        Paths without their endings, sorted, to be read with ``read_pair``.

    Raises:
        RecipeError: If a folder is absent or nothing is found.
    """
    for folder in folders:
        if not folder.is_dir():
            raise RecipeError(f'there is no data folder {folder}; check --data')
    inside = [
        part
        for folder in folders
        for part in ([folder / name for name in PARTS if (folder / name).is_dir()] or [folder])
    ]
    found = {
        path.with_name(path.name.removesuffix(LEFT_ENDING))
        for part in inside
        for path in part.rglob(f'*{LEFT_ENDING}')
    }
    if not found:
        raise RecipeError(
            f'expected the CREStereo data set, folders {", ".join(PARTS)} with files such as '
            f'NAME{LEFT_ENDING}, found none in {[str(folder) for folder in folders]}; '
            'pass its folder with --data'
        )
    return sorted(found)


def read_pair(stem: Path) -> TruePair:
    """Read a pair that ``find_pairs`` found.

    Raises:
        InputError: If a file is missing or of the wrong kind or size.
    """
    left, right = read_rgb(_file(stem, '_left.jpg')), read_rgb(_file(stem, '_right.jpg'))
    disparity = _disparity(stem, 'left')
    has_right = _file(stem, '_right.disp.png').is_file()
    right_disparity = _disparity(stem, 'right') if has_right else None
    sizes = {left.shape[:2], right.shape[:2], disparity.shape}
    if right_disparity is not None:
        sizes.add(right_disparity.shape)
    if len(sizes) > 1:
        raise InputError(
            'size_mismatch',
            f'the files of {stem} must have one size, got {sorted(sizes)}; download them again',
        )
    return TruePair(left=left, right=right, disparity=disparity, right_disparity=right_disparity)


def _file(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)


def _disparity(stem: Path, side: str) -> np.ndarray:
    path = _file(stem, f'_{side}.disp.png')
    return read_steps(path, unit=1.0 / STEPS_PER_PIXEL, kind='disparity')
