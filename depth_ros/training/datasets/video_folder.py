"""A folder of numbered images of one camera with its calibration: the user's own video.

Images are ordered by the last number in their names, be it a count or a time. A step much longer
than usual ends a clip, so that samples never reach over a pause of the recording. A folder
without images may hold folders with images instead, one for each clip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from depth_ros.errors import RecipeError
from depth_ros.files.calibration import MonoCalibration, read_mono_calibration
from depth_ros.files.image import SUFFIXES, read_rgb
from depth_ros.training.datasets.frame_files import FrameFiles

CALIBRATION_NAMES = (
    'camera.yaml', 'camera_info.yaml', 'calibration.yaml', 'left.yaml',
    'calibration.json', 'calib.txt',
)  # fmt: skip
LONG_STEP = 2.5
"""A step of more than this many usual ones is a pause."""


def find_video(
    folder: Path, *, calibration: Path | None = None, step: int = 1
) -> list[list[FrameFiles]]:
    """Find all samples, a list for each clip in order of time.

    Args:
        folder: Images, or folders of images.
        calibration: Calibration file of any kind that ``calibration_file`` reads; None looks for
            one of ``CALIBRATION_NAMES`` beside the images, then in ``folder``.
        step: Images from one frame of a sample to the next: more than 1 for a slow camera with
            a high rate, whose neighbouring images hardly differ.

    Raises:
        RecipeError: If there are too few images, or no calibration.
        CalibrationError: If the calibration cannot be read.
        ImageError: If the first image of a clip cannot be read.
    """
    if step < 1:
        raise RecipeError(f'step must be 1 or more, got {step}; correct it')
    if not folder.is_dir():
        raise RecipeError(f'there is no data folder {folder}; check --data')
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    places = [folder] if _images(folder) else [path for path in inside if _images(path)]
    clips = []
    for place in places:
        found = _calibration(place, folder, calibration)
        clips += [_samples(run, found, step) for run in _runs(_images(place))]
    if not any(clips):
        raise RecipeError(
            f'expected {2 * step + 1} or more numbered images ({", ".join(SUFFIXES)}) without a '
            f'pause in {folder}, found {sum(len(_images(place)) for place in places)}; record '
            'longer, or choose another folder with --data'
        )
    return [clip for clip in clips if clip]


def _images(folder: Path) -> list[Path]:
    """List the images with a number in their names, in order of it."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    numbered = [(number, path) for path in paths if (number := _number(path)) is not None]
    return [path for _, path in sorted(numbered)]


def _number(path: Path) -> float | None:
    """Read the last number of a file's name: ``frame_0012``, ``1305031452.791720``."""
    found = re.findall(r'\d+(?:\.\d+)?', path.stem)
    return float(found[-1]) if found else None


def _runs(paths: Sequence[Path]) -> list[list[Path]]:
    """Cut where a step is much longer than the median one."""
    steps = np.diff([_number(path) for path in paths])
    if steps.size == 0:
        return [list(paths)]
    (ends,) = np.nonzero(steps > LONG_STEP * np.median(steps))
    bounds = [0, *(int(end) + 1 for end in ends), len(paths)]
    return [list(paths[a:b]) for a, b in pairwise(bounds)]


def _calibration(place: Path, folder: Path, given: Path | None) -> MonoCalibration:
    paths = [given] if given else [near / n for near in (place, folder) for n in CALIBRATION_NAMES]
    path = next((path for path in paths if path.is_file()), paths[0])
    if not given and not path.is_file():
        raise RecipeError(
            f'there is no calibration for the images in {place}; put one of '
            f'{", ".join(CALIBRATION_NAMES)} beside them (as camera_calibration writes it)'
        )
    height, width = read_rgb(_images(place)[0]).shape[:2]
    return read_mono_calibration(path, image_size=(height, width))


def _samples(run: Sequence[Path], calibration: MonoCalibration, step: int) -> list[FrameFiles]:
    return [
        FrameFiles(
            target=run[index],
            before=run[index - step],
            after=run[index + step],
            camera=calibration.camera,
            is_rectified=calibration.is_rectified,
        )
        for index in range(step, len(run) - step)
    ]
