"""Stereo pairs with calibration for ``sample_camera``: real photographs or rendered scenes.

The photographs are the OAK-D pairs inside the PyPI package ``stereodemo`` by Nicolas Burrus
(that folder is CC BY 4.0), or any folder laid out alike. No ROS here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera, scaled_camera
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.calibration import read_stereo_calibration
from depth_ros.files.image import read_rgb
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render_stereo

CALIBRATION_NAMES = ('stereodemo_calibration.json', 'calib.txt', 'left.yaml')


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SamplePair:
    """A pair: ``left`` and ``right`` are ``(H, W, 3)`` uint8 RGB."""

    name: str
    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SampleRig:
    """Pairs of one rig.

    Attributes:
        left: Left calibration.
        right: Right calibration, ``P[0, 3] = -fx * baseline``.
        pairs: At least one.
    """

    left: PinholeCamera
    right: PinholeCamera
    pairs: tuple[SamplePair, ...]

    def chosen(self, names: Sequence[str]) -> SampleRig:
        """Return rig with some of its pairs, in the order of their names; all if none is named.

        Raises:
            ParameterError: If there is no pair of a name.
        """
        by_name = {pair.name: pair for pair in self.pairs}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise ParameterError(
                f'there is no pair {unknown[0]!r}; set pairs to some of: {", ".join(by_name)}'
            )
        chosen = tuple(by_name[name] for name in names) or self.pairs
        return SampleRig(left=self.left, right=self.right, pairs=chosen)

    def resized(self, height: int, width: int) -> SampleRig:
        """Return the rig with other pixels."""
        return SampleRig(
            left=scaled_camera(self.left, height=height, width=width),
            right=scaled_camera(self.right, height=height, width=width),
            pairs=tuple(
                SamplePair(
                    name=pair.name,
                    left=_resized(pair.left, height, width),
                    right=_resized(pair.right, height, width),
                )
                for pair in self.pairs
            ),
        )


def stereodemo_folder() -> Path:
    """Find the OAK-D pairs of the ``stereodemo`` package without importing it.

    Raises:
        InputError: If it is not installed.
    """
    spec = importlib.util.find_spec('stereodemo')
    if spec is None or spec.origin is None:
        raise InputError(
            'sample_images',
            'the sample images are not installed; type: pip install --no-deps stereodemo==0.7, '
            'or set folder or source:=scene',
        )
    return Path(spec.origin).parent / 'datasets' / 'oak-d'


def folder_rig(folder: Path) -> SampleRig:
    """Read ``NAME_left.png`` and ``NAME_right.png`` pairs and their calibration.

    Raises:
        InputError: If there is no pair, or no calibration.
    """
    lefts = sorted(folder.glob('*_left.*'))
    calibrations = [folder / name for name in CALIBRATION_NAMES if (folder / name).is_file()]
    if not lefts or not calibrations:
        raise InputError(
            'sample_images',
            f'{folder} needs NAME_left.png and NAME_right.png and one of '
            f'{", ".join(CALIBRATION_NAMES)}; set folder to such a folder',
        )
    pairs = tuple(_read_pair(path) for path in lefts)
    height, width = pairs[0].left.shape[:2]
    calibration = read_stereo_calibration(calibrations[:1], image_size=(height, width))
    return SampleRig(left=calibration.left, right=calibration.right, pairs=pairs)


def scene_rig(name: str, *, height: int, width: int) -> SampleRig:
    """Render a scene of ``depth_ros.scenes.solids``.

    Raises:
        ParameterError: If there is no scene of that name.
    """
    if name not in SCENES:
        raise ParameterError(f'there is no scene {name!r}; set scene to one of: {list(SCENES)}')
    rig = ideal_stereo_camera(height=height, width=width)
    view = render_stereo(SCENES[name](), rig)
    pair = SamplePair(name=name, left=view.left.image, right=view.right.image)
    return SampleRig(left=rig.left, right=rig.right, pairs=(pair,))


def _read_pair(left_path: Path) -> SamplePair:
    right_path = left_path.with_name(left_path.name.replace('_left.', '_right.'))
    return SamplePair(
        name=left_path.stem.removesuffix('_left'),
        left=read_rgb(left_path),
        right=read_rgb(right_path),
    )


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
