"""A reader's folder: the sample files that the documentation's examples name."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from depth_ros.pictures.panels import write_picture
from depth_ros.ros.demo.sample_images import stereodemo_folder
from depth_ros.scenes.paths import scene_path
from tests.kit.bag_writer import info, raw, rig_messages, stamp, write_bag
from tests.kit.shared_data import REPOSITORY, shared_root
from tests.kit.truth_folders import write_hololens

PAIRS = ('desk', 'donkey_toy', 'living_room', 'stairs', 'toy')
NUM_FRAMES = 20
MOTORCYCLE_CALIBRATION = """\
cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]
cam1=[994.978 0 342.279; 0 994.978 254.877; 0 0 1]
doffs=31.086
baseline=193.001
width=741
height=500
ndisp=70
"""
"""As Middlebury 2014 gives it, at a quarter of the size."""
NUM_PAIRS = 5
_DEPTH_STEPS_PER_M = 1000


def stock(folder: Path) -> Path:
    """Make a folder with everything that an example may name; ``../shared`` where there is one."""
    shutil.copytree(_stocked(), folder)
    _add_motorcycle(folder)
    if shared_root().is_dir() and not (folder.parent / 'shared').exists():
        (folder.parent / 'shared').symlink_to(shared_root().resolve())
    return folder


def reader_environment(place: Path) -> dict[str, str]:
    """Return a reader's environment: ``depth-ros`` and ``python`` of this run, an own home."""
    commands = place / 'bin'
    commands.mkdir(exist_ok=True)
    for name, words in (('depth-ros', '-m depth_ros'), ('python', '')):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        script.chmod(0o755)
    return {
        **os.environ,
        'PATH': os.pathsep.join([str(commands), os.environ['PATH']]),
        'PYTHONPATH': os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')]),
        'HOME': str(place),
        'DEPTH_ROS_CACHE': str(place.parent / 'cache'),
        'COLUMNS': '80',
    }


def _add_motorcycle(folder: Path) -> None:
    """Copy the pair with measured truth, where the shared data is there."""
    source = shared_root() / 'data' / 'middlebury_motorcycle'
    if source.is_dir():
        for path in source.glob('motorcycle_*'):
            shutil.copy(path, folder)
        (folder / 'motorcycle_calib.txt').write_text(MOTORCYCLE_CALIBRATION)


@cache
def _stocked() -> Path:
    folder = Path(tempfile.mkdtemp(prefix='reader-'))
    _write_pairs(folder)
    write_hololens(folder, names=[f'{number:05d}' for number in range(5)], size=(240, 320))
    (folder / 'hololens_mvs').rename(folder / 'room')
    _write_walk(folder)
    return folder


def _write_pairs(folder: Path) -> None:
    """Copy the OAK-D pairs that the demo shows, once singly and once as a folder."""
    source = stereodemo_folder()
    (folder / 'pairs').mkdir()
    for name in PAIRS:
        for side in ('left', 'right'):
            shutil.copy(source / f'{name}_{side}.png', folder / 'pairs')
    for side in ('left', 'right'):
        shutil.copy(source / f'toy_{side}.png', folder / f'toy_{side}.png')
        shutil.copy(source / f'toy_{side}.png', folder / f'{side}.png')
    for name in ('rig.json', 'calibration.json'):
        shutil.copy(source / 'stereodemo_calibration.json', folder / name)


def _write_walk(folder: Path) -> None:
    """Write a camera that walks through a room: RGB-D folder, two photos, and a bag."""
    path = scene_path('room', num_frames=NUM_FRAMES, rate_hz=10.0)
    for part in ('images', 'depth'):
        (folder / 'walk' / part).mkdir(parents=True)
    recorded = []
    for number in range(NUM_FRAMES):
        view = path.view(number)
        write_picture(folder / 'walk' / 'images' / f'{number:04d}.png', view.image)
        steps = np.where(np.isfinite(view.depth), view.depth * _DEPTH_STEPS_PER_M, 0)
        cv2.imwrite(
            str(folder / 'walk' / 'depth' / f'{number:04d}.png'), np.rint(steps).astype(np.uint16)
        )
        recorded += [
            ('/camera/camera_info', info(view.camera, stamp_ns=stamp(number))),
            ('/camera/image_rect', raw(view.image, stamp_ns=stamp(number))),
        ]
    np.savetxt(folder / 'walk' / 'K.txt', view.camera.k)
    for name, number in (('a.png', 0), ('b.png', 4), ('street.jpg', 0)):
        write_picture(folder / name, path.view(number).image)
    write_bag(folder / 'drive', recorded, storage='mcap')
    write_bag(folder / 'rig_drive', rig_messages(scene_path('room'), NUM_PAIRS))
