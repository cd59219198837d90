"""Kalibr's ``camchain.yaml``: cameras in a chain, each with the transform from the one before."""

from __future__ import annotations

import numpy as np

from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats.document import Document
from depth_ros.files.calibration_formats.joined import joined_rig
from depth_ros.files.calibration_formats.numbers import (
    Record,
    intrinsic_matrix,
    mapping,
    numbers,
    size_of,
)
from depth_ros.files.calibration_formats.stated import Stated
from depth_ros.files.calibration_formats.values import (
    Extrinsics,
    MonoCalibration,
    RawCamera,
    ReadOptions,
    StereoCalibration,
    reading,
)

NAME = 'Kalibr camchain'
DISTORTIONS = {
    'radtan': 'plumb_bob',
    'radial-tangential': 'plumb_bob',
    'equi': 'equidistant',
    'equidistant': 'equidistant',
    'none': '',
    'None': '',
}
"""CameraInfo's name by Kalibr's and EuRoC's."""


def matches(document: Document) -> bool:
    """Whether it has ``cam0`` with intrinsics."""
    if not document.has('cam0'):
        return False
    first = document.record.get('cam0') if document.record else None
    return document.record is None or (isinstance(first, dict) and 'intrinsics' in first)


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read ``cam0`` and ``cam1``."""
    with reading(documents[0].path, f'a {NAME}'):
        record = documents[0].fields()
        if 'cam1' not in record:
            raise CalibrationError(
                'calibration_file', 'it has one camera, cam0; calibrate both cameras together'
            )
        second = mapping(record['cam1'])
        right_from_left = pose(second, 'T_cn_cnm1')
        return joined_rig(
            pinhole(mapping(record['cam0'])),
            pinhole(second),
            Extrinsics(r=right_from_left[:3, :3], t_m=right_from_left[:3, 3]),
            alpha=options.alpha,
            name=NAME,
            stated=Stated(key='T_cn_cnm1'),
        )


def read_camera(document: Document, options: ReadOptions) -> MonoCalibration:
    """Read ``cam0``."""
    with reading(document.path, f'a {NAME}'):
        camera = pinhole(mapping(document.fields()['cam0'])).camera()
    return MonoCalibration(camera=camera, is_rectified=False, format=f'{NAME}, cam0')


def pose(record: Record, key: str) -> np.ndarray:
    """Return a transform, ``(4, 4)``; raises ValueError naming the key for another count."""
    values = numbers(record[key])
    if values.size != 16:
        raise ValueError(f'{key} must be 4x4 numbers, got {values.size}')
    return values.reshape(4, 4)


def pinhole(record: Record) -> RawCamera:
    """Return the camera of Kalibr's or EuRoC's fields.

    Raises:
        CalibrationError: For what is no pinhole, by its name.
    """
    model, lens = str(record.get('camera_model')), str(record.get('distortion_model', 'none'))
    if model != 'pinhole' or lens not in DISTORTIONS:
        raise CalibrationError(
            'distortion_model',
            f'camera_model {model!r} with distortion_model {lens!r} is not supported, only '
            f'pinhole with {", ".join(sorted(set(DISTORTIONS) - {"None"}))}; calibrate again with '
            '--models pinhole-radtan, or pinhole-equi for a fisheye',
        )
    width, height = numbers(record['resolution'])
    d = numbers(record.get('distortion_coeffs', record.get('distortion_coefficients', [])))
    return RawCamera(
        k=intrinsic_matrix(*_four(numbers(record['intrinsics']))),
        d=d if DISTORTIONS[lens] else np.zeros(0),
        distortion_model=DISTORTIONS[lens] or 'plumb_bob',
        size=size_of(float(height), float(width)),
    )


def _four(values: np.ndarray) -> tuple[float, float, float, float]:
    fx, fy, cx, cy = (float(value) for value in values)
    return fx, fy, cx, cy
