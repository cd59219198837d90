"""A rendered pair on disk with calibration and truth, shared by the tests of commands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from depth_ros.pictures.panels import write_picture
from depth_ros.scenes.solids import StereoView, ideal_stereo_camera, render_stereo, room


@dataclass(frozen=True)
class PairOnDisk:
    """Files of one rendered pair; ``view`` holds the exact answers."""

    folder: Path
    left: Path
    right: Path
    calibration: Path
    truth: Path
    view: StereoView


@pytest.fixture(scope='session')
def pair(tmp_path_factory: pytest.TempPathFactory) -> PairOnDisk:
    folder = tmp_path_factory.mktemp('pair')
    rig = ideal_stereo_camera(height=120, width=192)
    view = render_stereo(room(), rig, supersample=2)
    files = PairOnDisk(
        folder=folder,
        left=folder / 'room_left.png',
        right=folder / 'room_right.png',
        calibration=folder / 'rig.json',
        truth=folder / 'truth.npy',
        view=view,
    )
    write_picture(files.left, view.left.image)
    write_picture(files.right, view.right.image)
    np.save(files.truth, view.left_disparity)
    files.calibration.write_text(json.dumps(stereodemo_record(rig)), encoding='utf-8')
    return files


def stereodemo_record(rig):
    return {
        'width': rig.left.width,
        'height': rig.left.height,
        'baseline_meters': rig.baseline_m,
        'fx': rig.left.fx,
        'fy': rig.left.fy,
        'cx0': rig.left.cx,
        'cx1': rig.right.cx,
        'cy': rig.left.cy,
    }
