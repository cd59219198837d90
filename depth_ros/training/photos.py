"""Photographs used as textures: those that PyPI packages ship under free licences, by name.

Nothing is vendored: the pictures are read from an unpacked or installed ``scikit-image`` or
``scikit-learn``. Licences were read in scikit-image's ``skimage/data/_fetchers.py`` (docstrings
of the loaders) and scikit-learn's ``sklearn/datasets/images/README.txt``. A picture that is not
in the table is never used; the Motorcycle pair in scikit-image is a test pair and stays out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from depth_ros.errors import RecipeError

PHOTO_LICENCES: dict[str, str] = {
    'astronaut.png': 'public domain (NASA)',
    'brick.png': 'CC0 (CC0Textures)',
    'camera.png': 'CC0 (Lav Varshney)',
    'chelsea.png': 'CC0 (Stefan van der Walt)',
    'clock_motion.png': 'public domain (Stefan van der Walt)',
    'coffee.png': 'CC0 (Rachel Michetti)',
    'grass.png': 'CC0 (CC0Textures)',
    'gravel.png': 'CC0 (CC0Textures)',
    'hubble_deep_field.jpg': 'public domain (NASA)',
    'retina.jpg': 'CC0 (Häggström 2014)',
    'rocket.jpg': 'public domain (SpaceX)',
    'china.jpg': 'CC BY 2.0 (danielbuechele)',
    'flower.jpg': 'CC BY 2.0 (vultilion)',
}
"""File name -> licence; the card lists them."""

PACKAGE_FOLDERS = {'skimage': 'data', 'sklearn': 'datasets/images'}


def photo_folders() -> tuple[Path, ...]:
    """Find the folders of the packages that are installed; empty without them."""
    folders = []
    for package, inside in PACKAGE_FOLDERS.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            folders.append(Path(spec.submodule_search_locations[0]) / inside)
    return tuple(folders)


def load_photos(folders: Sequence[Path]) -> list[np.ndarray]:
    """Read the listed photographs, (H, W, 3) uint8 RGB, in the order of the table.

    Raises:
        RecipeError: If a folder was named and none of the photographs is in any of them.
    """
    paths = [folder / name for name in PHOTO_LICENCES for folder in folders]
    found = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in paths if path.is_file()]
    photos = [np.ascontiguousarray(image[..., ::-1]) for image in found if image is not None]
    if folders and not photos:
        raise RecipeError(
            f'expected photographs such as {next(iter(PHOTO_LICENCES))} in '
            f'{[str(folder) for folder in folders]}, found none; '
            'pass --photos with the data folder of an unpacked scikit-image, or leave it out'
        )
    return photos
