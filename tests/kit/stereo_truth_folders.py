"""Tiny rendered pairs with exact truth, written as every data set lays its own out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from depth_ros.files.pfm import write_pfm
from depth_ros.pictures.panels import write_picture
from depth_ros.scenes.solids import SCENES, StereoView, ideal_stereo_camera, render_stereo

SIZE = (96, 128)
"""``(height, width)`` of every pair."""


def rendered(scene: str = 'room') -> StereoView:
    height, width = SIZE
    return render_stereo(SCENES[scene](), ideal_stereo_camera(height=height, width=width))


def truth_of(view: StereoView) -> np.ndarray:
    return view.left_disparity.astype(np.float32)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.ndim == 3:
        write_picture(path, image)
    else:
        cv2.imwrite(str(path), image)


def save_map(path: Path, disparity: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pfm(path, disparity)


def kitti_steps(disparity: np.ndarray) -> np.ndarray:
    return np.rint(np.nan_to_num(disparity) * 256.0).astype(np.uint16)


def visible_only(view: StereoView) -> np.ndarray:
    return np.where(view.left_occluded, np.float32(np.nan), truth_of(view))


def kitti_2012(folder: Path, view: StereoView) -> None:
    _kitti(folder / 'training', view, ('colored_0', 'colored_1'), ('disp_occ', 'disp_noc'))


def kitti_2015(folder: Path, view: StereoView) -> None:
    _kitti(folder / 'training', view, ('image_2', 'image_3'), ('disp_occ_0', 'disp_noc_0'))


def eth3d(folder: Path, view: StereoView) -> None:
    """Images and truth come in two archives."""
    scene = folder / 'two_view_training' / 'room_1l'
    _scene(scene, view)
    beside = folder / 'two_view_training_gt' / 'room_1l'
    save_map(beside / 'disp0GT.pfm', truth_of(view))
    save(beside / 'mask0nocc.png', _mask(view))


def middlebury_v3(folder: Path, view: StereoView) -> None:
    scene = folder / 'trainingQ' / 'Room'
    _scene(scene, view)
    save_map(scene / 'disp0GT.pfm', np.where(np.eye(*SIZE) > 0, np.inf, truth_of(view)))
    save(scene / 'mask0nocc.png', _mask(view))


def middlebury_2014(folder: Path, view: StereoView) -> None:
    scene = folder / 'Room-perfect'
    _scene(scene, view)
    save_map(scene / 'disp0.pfm', truth_of(view))


def middlebury_2003(folder: Path, view: StereoView) -> None:
    """A quarter of the size: four grey values are a pixel."""
    _grey(folder / 'cones', view, ('im2', 'im6', 'disp2'), factor=4)


def middlebury_2006(folder: Path, view: StereoView) -> None:
    """A third of the size: three grey values are a pixel."""
    _grey(folder / 'Aloe', view, ('view1', 'view5', 'disp1'), factor=3)


def sceneflow(folder: Path, view: StereoView) -> None:
    for side, image in (('left', view.left.image), ('right', view.right.image)):
        save(folder / 'frames_cleanpass' / 'TRAIN' / 'A' / '0000' / side / '0006.png', image)
    place = folder / 'disparity' / 'TRAIN' / 'A' / '0000'
    save_map(place / 'left' / '0006.pfm', truth_of(view))


def booster(folder: Path, view: StereoView) -> None:
    scene = folder / 'train' / 'balanced' / 'Room'
    save(scene / 'camera_00' / 'im0.png', view.left.image)
    save(scene / 'camera_02' / 'im0.png', view.right.image)
    np.save(scene / 'disp_00.npy', truth_of(view))
    save(scene / 'mask_00.png', _mask(view))


def plain(folder: Path, view: StereoView) -> None:
    save(folder / 'left' / '0001.png', view.left.image)
    save(folder / 'right' / '0001.png', view.right.image)
    save_map(folder / 'truth' / '0001.pfm', truth_of(view))


def files(folder: Path, view: StereoView) -> None:
    save(folder / 'desk_left.png', view.left.image)
    save(folder / 'desk_right.png', view.right.image)
    np.save(folder / 'desk_truth.npy', truth_of(view))


LAYOUTS: dict[str, tuple[Callable[[Path, StereoView], None], str, str]] = {
    'kitti_2012': (kitti_2012, '', 'kitti_2012'),
    'kitti_2015': (kitti_2015, '', 'kitti_2015'),
    'eth3d': (eth3d, 'two_view_training', 'scenes'),
    'middlebury_v3': (middlebury_v3, 'trainingQ', 'scenes'),
    'middlebury_2014': (middlebury_2014, '', 'scenes'),
    'middlebury_2003': (middlebury_2003, '', 'middlebury_2003'),
    'middlebury_2006': (middlebury_2006, '', 'middlebury_2006'),
    'sceneflow': (sceneflow, '', 'sceneflow'),
    'booster': (booster, '', 'booster'),
    'plain': (plain, '', 'plain'),
    'files': (files, '', 'plain'),
}
"""Writer, folder below that is given to the reader, and the layout that it is told as."""


def _kitti(place: Path, view: StereoView, sides: tuple[str, str], truths: tuple[str, str]) -> None:
    for side, image in zip(sides, (view.left.image, view.right.image), strict=True):
        save(place / side / '000000_10.png', image)
        save(place / side / '000000_11.png', image)
    for name, disparity in zip(truths, (truth_of(view), visible_only(view)), strict=True):
        save(place / name / '000000_10.png', kitti_steps(disparity))


def _scene(scene: Path, view: StereoView) -> None:
    save(scene / 'im0.png', view.left.image)
    save(scene / 'im1.png', view.right.image)


def _grey(scene: Path, view: StereoView, names: tuple[str, str, str], *, factor: int) -> None:
    left, right, truth = names
    save(scene / f'{left}.png', view.left.image)
    save(scene / f'{right}.png', view.right.image)
    save(scene / f'{truth}.png', np.rint(factor * truth_of(view)).astype(np.uint8))


def _mask(view: StereoView) -> np.ndarray:
    return np.where(view.left_occluded, 128, 255).astype(np.uint8)
