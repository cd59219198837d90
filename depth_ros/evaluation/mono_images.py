"""Single images with measured or exact depth that depth from one camera is judged on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera, scaled_camera
from depth_ros.errors import InputError
from depth_ros.evaluation.data_sets import DataSet
from depth_ros.evaluation.hololens import FOLDER, read_frames
from depth_ros.files.image import read_rgb
from depth_ros.files.maps import read_depth
from depth_ros.frames import MonoFrame

ICLNUIM_UNIT_M = 1.0 / 5000.0
ICLNUIM_K = (481.2, 480.0, 319.5, 239.5)
"""fx, fy, cx, cy at 640x480. ICL-NUIM has fy negative, its y axis being up; images show none."""

ICLNUIM_SIZE = (480, 640)
"""Height and width of K; images of another size are resized ones."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MeasuredImage:
    """An image and its depth.

    Attributes:
        name: Which.
        frame: The image, free of distortion.
        truth: (H, W) float64 m along the optical axis, NaN unknown.
    """

    name: str
    frame: MonoFrame
    truth: np.ndarray


def iclnuim(folder: Path) -> Iterator[MeasuredImage]:
    """Read rendered rooms: ``color/N.png``, ``depth/N.png`` in 1/5000 m.

    Raises:
        InputError: If there is no image, or a file is missing or damaged.
    """
    paths = sorted((folder / 'color').glob('*.png'))
    if not paths:
        raise InputError('missing', f'{folder}/color has no *.png; restore the set')
    for path in paths:
        fx, fy, cx, cy = ICLNUIM_K
        image = read_rgb(path)
        height, width = image.shape[:2]
        whole = ideal_camera(
            fx=fx, fy=fy, cx=cx, cy=cy, height=ICLNUIM_SIZE[0], width=ICLNUIM_SIZE[1]
        )
        camera = scaled_camera(whole, height=height, width=width)
        truth = read_depth(folder / 'depth' / path.name, unit_m=ICLNUIM_UNIT_M)
        yield _measured(path.stem, image, camera, truth.astype(np.float64))


def hololens(folder: Path) -> Iterator[MeasuredImage]:
    """Read the frames of a headset, whole.

    Raises:
        InputError: If a file is missing or damaged.
    """
    for frame in read_frames(folder).values():
        image = frame.image()
        camera = frame.camera((image.shape[0], image.shape[1]))
        yield _measured(frame.name, image, camera, frame.depth())


MONO_SETS: dict[str, DataSet[MeasuredImage]] = {
    'ICL-NUIM': DataSet(folder='iclnuim_rgbd', load=iclnuim),
    'HoloLens': DataSet(folder=FOLDER, load=hololens),
}
"""Every set by name."""


def _measured(
    name: str, image: np.ndarray, camera: PinholeCamera, truth: np.ndarray
) -> MeasuredImage:
    frame = MonoFrame(image=image, camera=camera, stamp_ns=0, is_rectified=True)
    return MeasuredImage(name=name, frame=frame, truth=truth)
