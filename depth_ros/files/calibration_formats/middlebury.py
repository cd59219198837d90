"""``calib.txt`` of Middlebury 2014 and 2021 (Scharstein et al. 2014) and of ETH3D two-view."""

from __future__ import annotations

import logging
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

LOGGER = logging.getLogger(__name__)
NAME = 'Middlebury calib.txt'
LARGEST_DOFFS_ERROR_PX = 0.1


def matches(document: Document) -> bool:
    """Whether it gives ``cam0=``."""
    return re.search(r'^\s*cam0\s*=', document.text, re.M) is not None


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read ``cam0``, ``cam1`` and, in mm, ``baseline``; doffs = cx1 - cx0 follows from them."""
    path = documents[0].path
    with reading(path, f'a {NAME}'):
        lines = dict(re.findall(r'^\s*(\w+)\s*=\s*(.+?)\s*$', documents[0].text, re.M))
        left, right = (matrix(lines[name], 3, 3) for name in ('cam0', 'cam1'))
        _tell_doffs(float(lines.get('doffs', right[0, 2] - left[0, 2])), right[0, 2] - left[0, 2])
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


def _tell_doffs(doffs: float, offset: float) -> None:
    """Say so where doffs is not what cam0 and cam1 give, which count."""
    if abs(doffs - offset) > LARGEST_DOFFS_ERROR_PX:
        LOGGER.warning(
            '[doffs_conflict] doffs=%g is left aside: cx of cam1 minus cx of cam0 is %g; correct '
            'the one that is wrong',
            doffs,
            offset,
        )
