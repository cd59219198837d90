"""What ROS's ``camera_calibration`` and ``camera_info_manager`` write, in any style of YAML.

The same field names are read as ``cv::FileStorage`` writes them, and without R and P, as OpenCV's
``calibration`` sample gives them.
"""

from __future__ import annotations

import logging

import numpy as np

from depth_ros.camera import PinholeCamera, camera_from_calibration
from depth_ros.files.calibration_formats.document import Document, second_camera
from depth_ros.files.calibration_formats.numbers import numbers, size_of
from depth_ros.files.calibration_formats.values import (
    MonoCalibration,
    ReadOptions,
    StereoCalibration,
    reading,
    stated_size,
)

NAME = 'ROS camera_info YAML'
INSTEAD = {
    'distortion_coefficients': 'the lens is taken as free of distortion',
    'rectification_matrix': 'R is taken as the identity',
}
"""What stands in for keys that are missing."""
LOGGER = logging.getLogger(__name__)
SIDES = (('left', 'right'), ('cam0', 'cam1'), ('_l.', '_r.'))


def matches(document: Document) -> bool:
    """Whether it is one camera by ROS's field names."""
    return document.has('camera_matrix')


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read both cameras."""
    right = second_camera(documents, *SIDES)
    return StereoCalibration(
        left=_camera(documents[0], options),
        right=_camera(right, options),
        is_rectified=False,
        format=NAME,
    )


def read_camera(document: Document, options: ReadOptions) -> MonoCalibration:
    """Read one camera."""
    return MonoCalibration(camera=_camera(document, options), is_rectified=False, format=NAME)


def _camera(document: Document, options: ReadOptions) -> PinholeCamera:
    with reading(document.path, f'a {NAME}'):
        record = document.fields()
        _tell_missing(document)
        d = numbers(record.get('distortion_coefficients', []))
        size = (
            size_of(record['image_height'], record['image_width'])
            if 'image_width' in record or 'image_height' in record
            else stated_size(document.path, options.image_size)
        )
        return camera_from_calibration(
            k=numbers(record['camera_matrix']),
            d=d,
            distortion_model=str(record.get('distortion_model') or _usual_model(d)),
            r=numbers(record.get('rectification_matrix', [0.0] * 9)),
            p=numbers(record.get('projection_matrix', [0.0] * 12)),
            height=size[0],
            width=size[1],
            frame_id=str(record.get('camera_name', '')),
        )


def _tell_missing(document: Document) -> None:
    for key, instead in INSTEAD.items():
        if not document.has(key):
            LOGGER.warning('[calibration_default] %s has no %s: %s', document.path, key, instead)


def _usual_model(d: np.ndarray) -> str:
    """Return the model of a file that names none, as OpenCV's own do not."""
    return 'rational_polynomial' if d.size > 5 else 'plumb_bob'
