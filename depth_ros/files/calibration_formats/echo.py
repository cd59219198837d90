"""What ``ros2 topic echo`` (and ``rostopic echo``) print of a ``camera_info`` topic."""

from __future__ import annotations

import re
from dataclasses import replace

from depth_ros.camera import PinholeCamera, camera_from_calibration
from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats.document import Document, second_camera
from depth_ros.files.calibration_formats.numbers import (
    Record,
    mapping,
    numbers,
    size_of,
    yaml_record,
)
from depth_ros.files.calibration_formats.ros_yaml import SIDES
from depth_ros.files.calibration_formats.values import (
    MonoCalibration,
    ReadOptions,
    StereoCalibration,
    reading,
)

NAME = 'dump of ros2 topic echo'
_END = re.compile(r'^---\s*$', re.M)
_ROI = ('x_offset', 'y_offset', 'width', 'height')


def matches(document: Document) -> bool:
    """Whether it has CameraInfo's own field names; ROS 1 wrote the matrices in capitals."""
    return document.has('distortion_model', 'k', 'p') or document.has('distortion_model', 'K', 'P')


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read both cameras."""
    right = second_camera(documents, *SIDES)
    return StereoCalibration(
        left=_camera(documents[0]), right=_camera(right), is_rectified=False, format=NAME
    )


def read_camera(document: Document, options: ReadOptions) -> MonoCalibration:
    """Read one camera."""
    return MonoCalibration(camera=_camera(document), is_rectified=False, format=NAME)


def _camera(document: Document) -> PinholeCamera:
    """Return the first usable message: drivers may begin with one that is all zeros."""
    with reading(document.path, f'a {NAME}'):
        first: CalibrationError | None = None
        for text in filter(str.strip, _END.split(document.text)):
            whole = replace(document, record=yaml_record(text))
            try:
                return _message(whole.fields())
            except CalibrationError as error:
                first = first or error
        raise first or ValueError('it is empty')


def _message(record: Record) -> PinholeCamera:
    fields = {key.lower(): value for key, value in record.items()}
    roi = mapping(fields.get('roi', {}))
    height, width = size_of(fields['height'], fields['width'])
    return camera_from_calibration(
        k=numbers(fields['k']),
        d=numbers(fields['d']),
        distortion_model=str(fields['distortion_model']),
        r=numbers(fields['r']),
        p=numbers(fields['p']),
        height=height,
        width=width,
        binning=(_whole(fields.get('binning_x', 0)), _whole(fields.get('binning_y', 0))),
        roi=(
            _whole(roi.get(_ROI[0], 0)),
            _whole(roi.get(_ROI[1], 0)),
            _whole(roi.get(_ROI[2], 0)),
            _whole(roi.get(_ROI[3], 0)),
        ),
        frame_id=str(mapping(fields.get('header', {})).get('frame_id', '')),
    )


def _whole(value: object) -> int:
    return int(numbers(value)[0])
