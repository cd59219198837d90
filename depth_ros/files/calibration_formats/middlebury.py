"""``calib.txt`` of Middlebury 2014 and 2021 (Scharstein et al. 2014) and of ETH3D two-view."""

from __future__ import annotations

import re

from depth_ros.files.calibration_formats.document import Document
from depth_ros.files.calibration_formats.numbers import matrix, size_of
from depth_ros.files.calibration_formats.stated import Stated
from depth_ros.files.calibration_formats.values import (
    ReadOptions,
    StereoCalibration,
    reading,
    rectified_pair,
    stated_size,
)

NAME = 'Middlebury calib.txt'


def matches(document: Document) -> bool:
    """Whether it gives ``cam0=``."""
    return re.search(r'^\s*cam0\s*=', document.text, re.M) is not None


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read ``cam0``, ``cam1`` and, in mm, ``baseline``; doffs = cx1 - cx0 follows from them."""
    path = documents[0].path
    with reading(path, f'a {NAME}'):
        lines = dict(re.findall(r'^\s*(\w+)\s*=\s*(.+?)\s*$', documents[0].text, re.M))
        left, right = (matrix(lines[name], 3, 3) for name in ('cam0', 'cam1'))
        has_size = 'width' in lines and 'height' in lines
        size = (
            size_of(lines['height'], lines['width'])
            if has_size
            else stated_size(path, options.image_size)
        )
        return rectified_pair(
            focal=(left[0, 0], left[1, 1]),
            left_center=(left[0, 2], left[1, 2]),
            right_center=(right[0, 2], right[1, 2]),
            baseline_m=float(lines['baseline']) / 1000.0,
            size=size,
            name=NAME,
            stated=Stated(key='baseline', unit='mm', unit_m=1e-3),
        )
