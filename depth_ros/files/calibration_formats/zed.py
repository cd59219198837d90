"""Stereolabs' factory file ``SNxxxxx.conf`` of a ZED: raw cameras at four resolutions.

Lengths are in millimetres; RX, CV (about y) and RZ are a Rodrigues vector in radians, each with
the resolution's suffix or without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import cv2
import numpy as np

from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats.document import Document
from depth_ros.files.calibration_formats.joined import joined_rig
from depth_ros.files.calibration_formats.numbers import intrinsic_matrix
from depth_ros.files.calibration_formats.stated import Stated
from depth_ros.files.calibration_formats.values import (
    Extrinsics,
    ImageSize,
    RawCamera,
    ReadOptions,
    StereoCalibration,
    reading,
    stated_size,
)

NAME = 'ZED conf'
SUFFIXES: dict[ImageSize, str] = {
    (1242, 2208): '2K',
    (1080, 1920): 'FHD',
    (1200, 1920): 'FHD1200',
    (720, 1280): 'HD',
    (600, 960): 'SVGA',
    (376, 672): 'VGA',
}
"""Of sections and keys, by (height, width)."""

Sections = Mapping[str, Mapping[str, float]]


def matches(document: Document) -> bool:
    """Whether it has a section of a ZED's left camera."""
    return re.search(r'^\s*\[LEFT_CAM_\w+\]', document.text, re.M) is not None


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read both cameras at the images' resolution; R and P are computed."""
    path = documents[0].path
    with reading(path, f'a {NAME}'):
        sections = _sections(documents[0].text)
        size = stated_size(path, options.image_size)
        suffix = SUFFIXES.get(size, '')
        if f'LEFT_CAM_{suffix}' not in sections:
            known = ', '.join(f'{w}x{h}' for (h, w), s in SUFFIXES.items() if _has(sections, s))
            raise CalibrationError(
                'calibration_size',
                f'it has no calibration for images of {size[1]}x{size[0]}, only for {known}; give '
                'images of one of them, one side each',
            )
        left, right = (_camera(sections[f'{side}_CAM_{suffix}'], size) for side in SIDES)
        extrinsics = _extrinsics(sections['STEREO'], suffix)
        stated = Stated(key='Baseline', unit='mm', unit_m=1e-3)
        return joined_rig(left, right, extrinsics, alpha=options.alpha, name=NAME, stated=stated)


SIDES = ('LEFT', 'RIGHT')


def _has(sections: Sections, suffix: str) -> bool:
    return f'LEFT_CAM_{suffix}' in sections


def _sections(text: str) -> Sections:
    """Return numbers by section and key; other values are left out."""
    found: dict[str, dict[str, float]] = {}
    keys: dict[str, float] = {}
    for line in text.splitlines():
        if header := re.fullmatch(r'\s*\[(\w+)\]\s*', line):
            keys = found.setdefault(header[1], {})
        elif entry := re.fullmatch(r'\s*(\w+)\s*=\s*([-+.\deE]+)\s*', line):
            keys[entry[1]] = float(entry[2])
    return found


def _camera(keys: Mapping[str, float], size: ImageSize) -> RawCamera:
    d = [keys.get(name, 0.0) for name in ('k1', 'k2', 'p1', 'p2', 'k3')]
    k = intrinsic_matrix(keys['fx'], keys['fy'], keys['cx'], keys['cy'])
    return RawCamera(k=k, d=np.array(d), size=size)


def _extrinsics(keys: Mapping[str, float], suffix: str) -> Extrinsics:
    """The file has the place of the right camera; OpenCV's T is its negative for small angles."""

    def value(name: str) -> float:
        return keys.get(f'{name}_{suffix}', keys.get(name, 0.0))

    rotation = np.array([value('RX'), value('CV'), value('RZ')])
    place_mm = np.array([keys['Baseline'], value('TY'), value('TZ')])
    return Extrinsics(r=cv2.Rodrigues(rotation)[0], t_m=-place_mm / 1000.0)
