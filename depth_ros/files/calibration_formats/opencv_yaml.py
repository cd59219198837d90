"""Stereo calibrations as OpenCV's samples and most programs around OpenCV write them.

``intrinsics.yml`` with M1, D1, M2, D2 and ``extrinsics.yml`` with R, T, R1, R2, P1, P2; or all in
one file, under several names. R1, R2, P1 and P2 are computed where they are missing.
"""

from __future__ import annotations

import logging

import numpy as np

from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats.document import Document, partner
from depth_ros.files.calibration_formats.joined import joined_rig
from depth_ros.files.calibration_formats.numbers import Record, matrix, numbers, size_of
from depth_ros.files.calibration_formats.stated import Stated
from depth_ros.files.calibration_formats.values import (
    Extrinsics,
    ImageSize,
    MonoCalibration,
    RawCamera,
    ReadOptions,
    StereoCalibration,
    reading,
    stated_size,
)

LOGGER = logging.getLogger(__name__)
NAME = 'OpenCV stereo YAML'
NAMES: dict[str, tuple[str, ...]] = {
    'K': ('M{}', 'K{}', 'CM{}', 'cameraMatrix{}', 'camera_matrix{}', 'camera_matrix_{}'),
    'D': ('D{}', 'distCoeffs{}', 'dist_coeffs{}', 'dist_coeffs_{}', 'distortion_coefficients{}'),
    'R': ('R{}',),
    'P': ('P{}',),
}
"""Names of the matrices of camera 1 and 2."""

WORDS = {'1': ('1', '_left', 'Left', 'L', 'l'), '2': ('2', '_right', 'Right', 'R', 'r')}
ROTATIONS, TRANSLATIONS = ('R', 'rotation', 'rotation_matrix'), ('T', 'translation', 't')
SIZES = ('image_size', 'imageSize', 'size', 'img_size')


def matches(document: Document) -> bool:
    """Whether it has two camera matrices, or extrinsics that go with them."""
    keys = [name.format(word) for name in NAMES['K'] for word in WORDS['1']]
    return any(document.has(key) for key in keys) or document.has('R', 'T')


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read one file, or the two; the second is looked for beside the first."""
    path = documents[0].path
    with reading(path, f'an {NAME}'):
        record = _whole_record(documents)
        size = _size(record) or stated_size(path, options.image_size)
        left, right = (_raw(record, side, size) for side in ('1', '2'))
        r1, r2 = (_found(record, 'R', side) for side in ('1', '2'))
        p1, p2 = (_found(record, 'P', side) for side in ('1', '2'))
        if r1 is None or r2 is None or p1 is None or p2 is None:
            return joined_rig(
                left,
                right,
                _extrinsics(record),
                alpha=options.alpha,
                name=NAME,
                stated=Stated(key='T'),
            )
        return StereoCalibration(
            left=left.camera(r=matrix(r1, 3, 3), p=matrix(p1, 3, 4)),
            right=right.camera(r=matrix(r2, 3, 3), p=matrix(p2, 3, 4)),
            is_rectified=False,
            format=NAME,
        )


def read_camera(document: Document, options: ReadOptions) -> MonoCalibration:
    """Read the first camera alone, which needs no extrinsics."""
    with reading(document.path, f'an {NAME}'):
        record = document.fields()
        size = _size(record) or stated_size(document.path, options.image_size)
        camera = _raw(record, '1', size).camera()
    return MonoCalibration(camera=camera, is_rectified=False, format=f'{NAME}, first camera')


def _whole_record(documents: list[Document]) -> Record:
    """Join the record of both files, whichever was given first."""
    others = documents[1:]
    if not others:
        beside = partner(
            documents[0],
            ('intrinsics', 'extrinsics'),
            ('extrinsics', 'intrinsics'),
            ('intrinsic', 'extrinsic'),
            ('extrinsic', 'intrinsic'),
        )
        others = [beside] if beside else []
    joined: dict[str, object] = {}
    for document in [*documents[:1], *others]:
        joined.update(document.fields())
    return joined


def _raw(record: Record, side: str, size: ImageSize) -> RawCamera:
    k, d = _found(record, 'K', side), _found(record, 'D', side)
    if k is None:
        raise CalibrationError(
            'calibration_file',
            f'there is no camera matrix M{side} in it; give intrinsics.yml and extrinsics.yml '
            'both: --calibration intrinsics.yml extrinsics.yml',
        )
    coefficients = np.zeros(0) if d is None else numbers(d)
    if d is None:
        LOGGER.warning(
            '[calibration_default] there is no D%s: lens %s is taken as free of distortion',
            side,
            side,
        )
    is_fisheye = bool(record.get('fisheye')) or record.get('distortion_model') in (
        'fisheye',
        'equidistant',
    )
    if _is_column_of_four(d) and not is_fisheye:
        LOGGER.warning(
            '[calibration_default] D%s is a column of 4, as of cv::fisheye too: it is taken as '
            'plumb_bob; write "distortion_model: equidistant" into the file if it is a fisheye',
            side,
        )
    usual = 'rational_polynomial' if coefficients.size > 5 else 'plumb_bob'
    return RawCamera(
        k=matrix(k, 3, 3),
        d=coefficients,
        distortion_model='equidistant' if is_fisheye else usual,
        size=size,
    )


def _is_column_of_four(d: object) -> bool:
    return isinstance(d, dict) and (d.get('rows'), d.get('cols')) == (4, 1)


def _found(record: Record, what: str, side: str) -> object:
    """Return a matrix of one camera under the first of its names that is there."""
    for name in NAMES[what]:
        for word in WORDS[side]:
            if (key := name.format(word)) in record:
                return record[key]
    return None


def _extrinsics(record: Record) -> Extrinsics:
    r = next((record[name] for name in ROTATIONS if name in record), None)
    t = next((record[name] for name in TRANSLATIONS if name in record), None)
    if r is None or t is None:
        raise CalibrationError(
            'calibration_file',
            'there are two cameras but neither R and T nor R1, R2, P1 and P2; give the extrinsics '
            'too: --calibration intrinsics.yml extrinsics.yml',
        )
    return Extrinsics(r=matrix(r, 3, 3), t_m=numbers(t))


def _size(record: Record) -> ImageSize | None:
    if 'image_width' in record:
        return size_of(record['image_height'], record['image_width'])
    for key in SIZES:
        if key in record:
            width, height = numbers(record[key])
            return size_of(float(height), float(width))
    return None
