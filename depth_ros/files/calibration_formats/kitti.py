"""KITTI's ``calib.txt`` and ``calib_cam_to_cam.txt`` (Geiger et al. 2013).

``P0`` and ``P1`` are the grey pair, ``P2`` and ``P3`` the colour pair; the folder of the images
(``image_2``, ``image_02``) says which is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from depth_ros.files.calibration_formats.document import Document
from depth_ros.files.calibration_formats.numbers import matrix, numbers, size_of
from depth_ros.files.calibration_formats.values import (
    ImageSize,
    ReadOptions,
    StereoCalibration,
    reading,
    rectified_pair,
    stated_size,
)

NAME = 'KITTI calib.txt'
_COLOUR = re.compile(r'image_0?[23]')


def matches(document: Document) -> bool:
    """Whether it gives a rectified projection by KITTI's names."""
    return (
        re.search(r'^\s*P(0|2|_rect_00|_rect_02)\s*:\s*[-+.\d]', document.text, re.M) is not None
    )


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read the pair that the images are of; the grey one where their folder says nothing."""
    path = documents[0].path
    with reading(path, f'a {NAME}'):
        lines = dict(re.findall(r'^\s*(\w+)\s*:\s*(.+?)\s*$', documents[0].text, re.M))
        is_colour = _is_colour(lines, options.image)
        left_number, right_number = ('2', '3') if is_colour else ('0', '1')
        prefix = 'P_rect_0' if f'P_rect_0{left_number}' in lines else 'P'
        left = matrix(lines[f'{prefix}{left_number}'], 3, 4)
        right = matrix(lines[f'{prefix}{right_number}'], 3, 4)
        size = _size(lines, left_number) or stated_size(path, options.image_size)
        return rectified_pair(
            focal=(left[0, 0], left[1, 1]),
            left_center=(left[0, 2], left[1, 2]),
            right_center=(right[0, 2], right[1, 2]),
            baseline_m=float(left[0, 3] / left[0, 0] - right[0, 3] / right[0, 0]),
            size=size,
            name=f'{NAME}, {"colour" if is_colour else "grey"} pair',
        )


def _is_colour(lines: Mapping[str, str], image: Path | None) -> bool:
    has_grey = 'P0' in lines or 'P_rect_00' in lines
    folders = image.absolute().parts[:-1] if image else ()
    return not has_grey or any(_COLOUR.fullmatch(part) for part in folders)


def _size(lines: Mapping[str, str], number: str) -> ImageSize | None:
    """Return the size of the rectified images, which only the raw data's file states."""
    key = f'S_rect_0{number}'
    if key not in lines:
        return None
    width, height = numbers(lines[key])
    return size_of(float(height), float(width))
