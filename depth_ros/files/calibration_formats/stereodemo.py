"""JSON of the ``stereodemo`` package: one focal length, one ``cx`` per camera."""

from __future__ import annotations

from dataclasses import replace

from depth_ros.files.calibration_formats.document import Document
from depth_ros.files.calibration_formats.numbers import numbers, size_of
from depth_ros.files.calibration_formats.stated import Stated
from depth_ros.files.calibration_formats.values import (
    ReadOptions,
    StereoCalibration,
    reading,
    rectified_pair,
)

NAME = 'stereodemo JSON'


def matches(document: Document) -> bool:
    """Whether it names a baseline in its words."""
    return document.has('baseline_meters')


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read the rig of rectified images, and what the file says of its useful part."""
    path = documents[0].path
    with reading(path, f'a {NAME}'):
        record = documents[0].fields()
        fx, fy, cx0, cx1, cy, baseline_m = (
            float(numbers(record[name])[0])
            for name in ('fx', 'fy', 'cx0', 'cx1', 'cy', 'baseline_meters')
        )
        rig = rectified_pair(
            focal=(fx, fy),
            left_center=(cx0, cy),
            right_center=(cx1, cy),
            baseline_m=baseline_m,
            size=size_of(record['height'], record['width']),
            name=NAME,
            stated=Stated(key='baseline_meters'),
        )
        near, far = numbers(record.get('depth_range', [0.0, 0.0]))
        x0, y0, x1, y1 = numbers(record.get('left_image_rect_normalized', [0.0] * 4))
    return replace(
        rig,
        depth_range_m=(float(near), float(far)) if far > near else None,
        valid_region=(float(x0), float(y0), float(x1), float(y1)) if x1 > x0 else None,
    )
