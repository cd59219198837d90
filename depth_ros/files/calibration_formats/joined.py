"""R and P from extrinsics, by OpenCV's ``stereoRectify``."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.calibration.rig import offsets_m
from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats.stated import Stated, check_stated
from depth_ros.files.calibration_formats.values import Extrinsics, RawCamera, StereoCalibration


def joined_rig(
    left: RawCamera,
    right: RawCamera,
    extrinsics: Extrinsics,
    *,
    alpha: float,
    name: str,
    stated: Stated | None = None,
) -> StereoCalibration:
    """Return a rig of two raw cameras, R and P computed so that rows meet.

    Args:
        left: Left camera.
        right: Right camera.
        extrinsics: The right camera from the left one, metres.
        alpha: 0 shows only valid pixels, 1 keeps every raw one (for fisheyes OpenCV's balance).
        name: Of the format.
        stated: How the file states the extrinsics; None leaves their plausibility to others.

    Raises:
        CalibrationError: If the cameras differ in size or kind of lens, or are impossible.
    """
    # K, D and the size are proven before OpenCV computes with them.
    proven = [camera.camera() for camera in (left, right)]
    if left.size != right.size:
        raise CalibrationError(
            'calibration_size',
            f'the left camera is {left.size[1]}x{left.size[0]}, the right one '
            f'{right.size[1]}x{right.size[0]}; calibrate both at one resolution',
        )
    if proven[0].is_fisheye != proven[1].is_fisheye:
        raise CalibrationError(
            'distortion_model',
            'one camera is a fisheye (equidistant), the other is not; calibrate both alike',
        )
    r, t = _rigid(extrinsics)
    rectify = _rectified_fisheyes if proven[0].is_fisheye else _rectified
    r1, r2, p1, p2 = rectify(proven, r, t, alpha)
    if stated is not None:
        baseline_m, rise_m = offsets_m(p1, p2)
        check_stated(stated, baseline_m, rise_m=rise_m)
    return StereoCalibration(
        left=left.camera(r=r1, p=p1),
        right=right.camera(r=r2, p=p2),
        is_rectified=False,
        format=name,
    )


def _rigid(extrinsics: Extrinsics) -> tuple[np.ndarray, np.ndarray]:
    r = np.array(extrinsics.r, np.float64).reshape(3, 3)
    t = np.array(extrinsics.t_m, np.float64).reshape(3, 1)
    u, _, vt = np.linalg.svd(r) if np.isfinite(r).all() else (r, r, r)
    is_rotation = np.abs(u @ vt - r).max() < 1e-2 and np.linalg.det(r) > 0.0
    if not (is_rotation and np.isfinite(t).all() and t.any()):
        raise CalibrationError(
            'calibration_values',
            f'the extrinsics must be a rotation and a translation other than 0, got R '
            f'{r.ravel().tolist()!r} and T {t.ravel().tolist()!r}; calibrate the cameras as a rig',
        )
    return np.ascontiguousarray(u @ vt), t


Rectified = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _rectified(
    cameras: list[PinholeCamera], r: np.ndarray, t: np.ndarray, alpha: float
) -> Rectified:
    left, right = cameras
    found = cv2.stereoRectify(
        left.k,
        _coefficients(left),
        right.k,
        _coefficients(right),
        (left.width, left.height),
        r,
        t,
        flags=cv2.CALIB_ZERO_DISPARITY,
        alpha=alpha,
    )
    return found[0], found[1], found[2], found[3]


def _rectified_fisheyes(
    cameras: list[PinholeCamera], r: np.ndarray, t: np.ndarray, alpha: float
) -> Rectified:
    left, right = cameras
    found = cv2.fisheye.stereoRectify(
        left.k,
        left.d.reshape(-1, 1) if left.d.size else np.zeros((4, 1)),
        right.k,
        right.d.reshape(-1, 1) if right.d.size else np.zeros((4, 1)),
        (left.width, left.height),
        r,
        t,
        flags=cv2.CALIB_ZERO_DISPARITY,
        balance=alpha,
    )
    return found[0], found[1], found[2], found[3]


def _coefficients(camera: PinholeCamera) -> np.ndarray:
    return camera.d if camera.d.size else np.zeros(5)
