"""EuRoC's ``sensor.yaml`` of two cameras, each with its pose in the body (Burri et al. 2016)."""

from __future__ import annotations

import numpy as np

from depth_ros.files.calibration_formats.document import Document, second_camera
from depth_ros.files.calibration_formats.joined import joined_rig
from depth_ros.files.calibration_formats.kalibr import pinhole, pose
from depth_ros.files.calibration_formats.stated import Stated
from depth_ros.files.calibration_formats.values import (
    Extrinsics,
    MonoCalibration,
    ReadOptions,
    StereoCalibration,
    reading,
)

NAME = 'EuRoC sensor.yaml'


def matches(document: Document) -> bool:
    """Whether it is a camera with ``T_BS``."""
    return document.has('T_BS', 'intrinsics')


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read both files; the second is looked for in the folder ``cam1``."""
    left, right = documents[0], second_camera(documents, ('cam0', 'cam1'), ('left', 'right'))
    cameras, poses = [], []
    for document in (left, right):
        with reading(document.path, f'an {NAME}'):
            record = document.fields()
            cameras.append(pinhole(record))
            poses.append(pose(record, 'T_BS'))
    with reading(right.path, f'an {NAME}'):
        right_from_left = np.linalg.solve(poses[1], poses[0])
        return joined_rig(
            cameras[0],
            cameras[1],
            Extrinsics(r=right_from_left[:3, :3], t_m=right_from_left[:3, 3]),
            alpha=options.alpha,
            name=NAME,
            stated=Stated(key='T_BS'),
        )


def read_camera(document: Document, options: ReadOptions) -> MonoCalibration:
    """Read one camera."""
    with reading(document.path, f'an {NAME}'):
        camera = pinhole(document.fields()).camera()
    return MonoCalibration(camera=camera, is_rectified=False, format=NAME)
