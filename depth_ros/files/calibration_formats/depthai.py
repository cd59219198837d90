"""Calibration of an OAK as DepthAI stores it (``eepromToJson``): raw cameras, lengths in cm."""

from __future__ import annotations

import logging

import numpy as np

from depth_ros.camera import scaled_camera
from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats.document import Document
from depth_ros.files.calibration_formats.joined import joined_rig
from depth_ros.files.calibration_formats.numbers import Record, mapping, matrix, numbers, size_of
from depth_ros.files.calibration_formats.stated import Stated
from depth_ros.files.calibration_formats.values import (
    Extrinsics,
    RawCamera,
    ReadOptions,
    StereoCalibration,
    reading,
)
from depth_ros.geometry.rigid import inverse, rigid

LOGGER = logging.getLogger(__name__)
NAME = 'DepthAI JSON'
LARGEST_FACTOR = 3.0
"""Between a translation and its design."""
LEFT, RIGHT = 1, 2
"""Sockets CAM_B and CAM_C, where boards do not say otherwise."""

LENSES = {0: 'rational_polynomial', 1: 'equidistant'}
"""By ``cameraType``: perspective with 14 coefficients, or fisheye with 4."""

Cameras = dict[int, Record]


def matches(document: Document) -> bool:
    """Whether it lists cameras by socket."""
    return document.has('cameraData')


def read_rig(documents: list[Document], options: ReadOptions) -> StereoCalibration:
    """Read the stereo pair; R and P are computed."""
    with reading(documents[0].path, f'a {NAME}'):
        record = documents[0].fields()
        cameras = _cameras(record)
        left, right = _sockets(record)
        if left not in cameras or right not in cameras:
            raise CalibrationError(
                'calibration_file',
                f'it has cameras {sorted(cameras)} but no stereo pair {left} and {right}; read '
                'the calibration of a board with two mono cameras',
            )
        motion = _motion(cameras, left, right)
        return joined_rig(
            _raw(cameras[left], options),
            _raw(cameras[right], options),
            Extrinsics(r=motion[:3, :3], t_m=motion[:3, 3]),
            alpha=options.alpha,
            name=NAME,
            stated=Stated(key='translation', unit='cm', unit_m=1e-2),
        )


def _cameras(record: Record) -> Cameras:
    """Return the cameras by socket: a list of (socket, camera), or a mapping."""
    data = record['cameraData']
    if isinstance(data, dict):
        return {int(socket): mapping(camera) for socket, camera in data.items()}
    if not isinstance(data, list):
        raise ValueError(f'cameraData is {type(data).__name__}')
    return {int(socket): mapping(camera) for socket, camera in data}


def _sockets(record: Record) -> tuple[int, int]:
    stereo = mapping(record.get('stereoRectificationData') or {})
    left = int(numbers(stereo.get('leftCameraSocket', LEFT))[0])
    right = int(numbers(stereo.get('rightCameraSocket', RIGHT))[0])
    return (left, right) if left >= 0 and right >= 0 else (LEFT, RIGHT)


def _motion(cameras: Cameras, left: int, right: int) -> np.ndarray:
    """Return ``right_from_left`` by following each camera's transform to another one."""
    to_root_left, root_left = _to_root(cameras, left)
    to_root_right, root_right = _to_root(cameras, right)
    if root_left != root_right:
        raise CalibrationError(
            'calibration_file',
            f'its extrinsics do not connect cameras {left} and {right}; calibrate the board again',
        )
    return np.asarray(inverse(to_root_right) @ to_root_left)


def _to_root(cameras: Cameras, socket: int) -> tuple[np.ndarray, int]:
    """Return the transform to the end of the chain, and which camera that is."""
    motion, seen = np.eye(4), {socket}
    while True:
        extrinsics = mapping(cameras[socket].get('extrinsics', {}))
        following = int(numbers(extrinsics.get('toCameraSocket', -1))[0])
        if following not in cameras or following in seen:
            return motion, socket
        step = mapping(extrinsics['translation'])
        t_cm = _vector(step)
        _tell_spec(t_cm, mapping(extrinsics.get('specTranslation') or {}), socket)
        motion = rigid(matrix(extrinsics['rotationMatrix'], 3, 3), t_cm / 100.0) @ motion
        seen.add(following)
        socket = following


def _vector(record: Record) -> np.ndarray:
    return np.array([float(numbers(record[axis])[0]) for axis in 'xyz'])


def _tell_spec(t_cm: np.ndarray, spec: Record, socket: int) -> None:
    """Say so where the board's design contradicts the calibration by a factor, as of a unit."""
    if not all(axis in spec for axis in 'xyz'):
        return
    found, meant = float(np.linalg.norm(t_cm)), float(np.linalg.norm(_vector(spec)))
    if min(found, meant) > 0.0 and max(found / meant, meant / found) > LARGEST_FACTOR:
        LOGGER.warning(
            '[spec_conflict] translation of camera %d is %.4g cm long, its specTranslation %.4g '
            'cm: both must be in cm; the translation counts',
            socket,
            found,
            meant,
        )


def _raw(camera: Record, options: ReadOptions) -> RawCamera:
    """Return a camera, brought to the images' resolution where that has the sensor's shape."""
    size = size_of(camera['height'], camera['width'])
    kind = int(numbers(camera.get('cameraType', 0))[0])
    d = numbers(camera['distortionCoeff'])
    whole = RawCamera(
        k=matrix(camera['intrinsicMatrix'], 3, 3),
        d=d[:4] if kind == 1 else d,
        distortion_model=LENSES.get(kind, f'cameraType {kind}'),
        size=size,
    )
    wanted = options.image_size or size
    if wanted == size or abs(wanted[0] * size[1] / (wanted[1] * size[0]) - 1.0) > 0.01:
        return whole
    scaled = scaled_camera(whole.camera(), height=wanted[0], width=wanted[1])
    return RawCamera(k=scaled.k, d=whole.d, distortion_model=whole.distortion_model, size=wanted)
