"""COLMAP's ``cameras.txt``: one camera of it; a rig's poses are in no such file."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from depth_ros.errors import CalibrationError, InputError
from depth_ros.files.calibration_formats.document import Document
from depth_ros.files.calibration_formats.values import (
    MonoCalibration,
    RawCamera,
    ReadOptions,
    StereoCalibration,
    reading,
)
from depth_ros.files.posed.colmap import MODELS, ColmapCamera, calibration, text_cameras

NAME = 'COLMAP cameras.txt'
_LINE = re.compile(r'^\s*\d+\s+[A-Z]+[A-Z_]*\s+\d+\s+\d+\s+[-\d.]', re.M)


def matches(document: Document) -> bool:
    """Whether it has a line of number, model, width, height and parameters."""
    return document.record is None and _LINE.search(document.text) is not None


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Refuse: it says nothing of where the cameras are."""
    raise CalibrationError(
        'calibration_file',
        f'{documents[0].path} is a {NAME}, which does not say where its cameras are; give a '
        'calibration of the rig, or run multiview on the folder of the model',
    )


def read_camera(document: Document, options: ReadOptions) -> MonoCalibration:
    """Read the camera whose size the images have, else the only one."""
    with reading(document.path, f'a {NAME}'):
        try:
            cameras = text_cameras(document.path)
        except InputError as error:
            raise CalibrationError('calibration_file', str(error)) from None
        fitting = {n: camera for n, camera in cameras.items() if camera.size == options.image_size}
        chosen = _only(fitting or cameras)
        try:
            k, d = calibration(chosen)
        except InputError as error:
            raise CalibrationError('distortion_model', str(error)) from None
        model = MODELS[chosen.model].distortion_model or 'plumb_bob'
        raw = RawCamera(k=k, d=d, distortion_model=model, size=chosen.size)
        return MonoCalibration(camera=raw.camera(), is_rectified=False, format=NAME)


def _only(cameras: Mapping[int, ColmapCamera]) -> ColmapCamera:
    """Return the camera, which several numbers may have; refuse different ones."""
    first = next(iter(cameras.values()))
    if all(_are_equal(first, camera) for camera in cameras.values()):
        return first
    raise CalibrationError(
        'calibration_file',
        f'it has the different cameras {", ".join(map(str, cameras))}; keep the line of one',
    )


def _are_equal(one: ColmapCamera, other: ColmapCamera) -> bool:
    same_kind = (one.model, one.size) == (other.model, other.size)
    return same_kind and np.array_equal(one.parameters, other.parameters)
