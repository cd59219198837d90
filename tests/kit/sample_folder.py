"""A reader's folder: the sample files that the documentation's examples name.

``python -m tests.kit.sample_folder FOLDER`` makes one; it needs what ``make demo`` installs.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from depth_ros.pictures.panels import write_picture
from depth_ros.ros.demo.sample_images import stereodemo_folder
from depth_ros.scenes.paths import scene_path
from depth_ros.scenes.solids import View
from tests.kit.child_environment import child_environment
from tests.kit.shared_data import shared_root
from tests.kit.truth_folders import write_depth, write_hololens

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
BAG_PACKAGES = ('rosbags',)


def stock(folder: Path) -> Path:
    """Make a folder with everything that an example may name."""
    shutil.copytree(_stocked(), folder)
    _add_motorcycle(folder)
    return folder


def stock_for_a_reader(place: Path) -> Path:
    """Make the folder ``work`` in a place of its own, with the shared data beside it."""
    place.mkdir(exist_ok=True)
    if shared_root().is_dir():
        (place / 'shared').symlink_to(shared_root().resolve())
    return stock(place / 'work')


def reader_environment(place: Path) -> dict[str, str]:
    """Return a reader's environment: ``depth-ros`` and ``python`` of this run, an own home."""
    commands = place / 'bin'
    commands.mkdir(exist_ok=True)
    for name, words in (('depth-ros', '-m depth_ros'), ('python', '')):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        script.chmod(0o755)
    return child_environment(
        PATH=os.pathsep.join([str(commands), os.environ['PATH']]),
        HOME=str(place),
        DEPTH_ROS_CACHE=str(place.parent / 'cache'),
        COLUMNS='80',
    )


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
    """Write a camera that walks through a room: RGB-D folder, photos, and a bag."""
    path = scene_path('room', num_frames=NUM_FRAMES, rate_hz=10.0)
    views = [path.view(number) for number in range(NUM_FRAMES)]
    for part in ('images', 'depth'):
        (folder / 'walk' / part).mkdir(parents=True)
    for number, view in enumerate(views):
        write_picture(folder / 'walk' / 'images' / f'{number:04d}.png', view.image)
        write_depth(folder / 'walk' / 'depth' / f'{number:04d}.png', view.depth, unit_m=0.001)
    np.savetxt(folder / 'walk' / 'K.txt', path.left.k)
    for name, number in (('a.png', 0), ('b.png', 4), ('street.jpg', 0)):
        write_picture(folder / name, views[number].image)
    if all(map(find_spec, BAG_PACKAGES)):
        _write_bags(folder, views)


def _write_bags(folder: Path, views: Sequence[View]) -> None:
    from tests.kit.bag_writer import info, raw, rig_messages, stamp, write_bag

    recorded = []
    for number, view in enumerate(views):
        recorded += [
            ('/camera/camera_info', info(view.camera, stamp_ns=stamp(number))),
            ('/camera/image_rect', raw(view.image, stamp_ns=stamp(number))),
        ]
    write_bag(folder / 'drive', recorded, storage='mcap')
    rig = rig_messages(scene_path('room'), NUM_PAIRS)
    write_bag(folder / 'rig_drive', rig)
    write_bag(folder / 'rig_mcap', rig, storage='mcap')


def main(words: Sequence[str]) -> int:
    """Make a folder named by the one word; return the exit code."""
    if len(words) != 1 or Path(words[0]).exists():
        print('type: python -m tests.kit.sample_folder FOLDER, for a folder that is not there yet')
        return 2
    folder = stock(Path(words[0]))
    print(f'{folder} has what the examples of README and docs name')
    missing = [name for name in BAG_PACKAGES if find_spec(name) is None]
    if missing:
        print(f'the bags are left out: {", ".join(missing)} is missing; type: pip install rosbags')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
