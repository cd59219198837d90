"""Cameras: immutable calibrations with CameraInfo's field names, checked on construction.

K, D, R, P, binning and ROI are used as ``sensor_msgs/CameraInfo`` defines them: K and D describe
the full-resolution sensor image, P the full-resolution rectified image; binning and ROI turn
both into those of the image that was received (see ``docs/conventions.md``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from depth_ros.errors import CalibrationError


class DistortionModel(Enum):
    """Distortion models of REP 104 and ``sensor_msgs/distortion_models.hpp``."""

    PLUMB_BOB = 'plumb_bob'
    RATIONAL_POLYNOMIAL = 'rational_polynomial'
    EQUIDISTANT = 'equidistant'


NUM_COEFFICIENTS: dict[DistortionModel, tuple[int, ...]] = {
    DistortionModel.PLUMB_BOB: (0, 4, 5),
    DistortionModel.RATIONAL_POLYNOMIAL: (0, 8, 12, 14),
    DistortionModel.EQUIDISTANT: (0, 4),
}
"""Accepted lengths of D for each model; empty means no distortion.

12 and 14 are OpenCV's thin prism and tilted sensor, which some drivers publish as rational.
"""

MAX_ROW_OFFSET_PX = 1.0
"""Largest difference of the rectified ``cy`` of a rig: rows must be aligned."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PinholeCamera:
    """One camera, in pixels of the image as received (binning and ROI applied).

    Attributes:
        k: ``(3, 3)`` float64 intrinsic matrix of the raw image.
        d: ``(n,)`` float64 distortion coefficients in OpenCV's order.
        distortion_model: How to read ``d``.
        r: ``(3, 3)`` float64 rectifying rotation.
        p: ``(3, 4)`` float64 projection of the rectified image; ``p[0, 3] = -fx * baseline_m``.
        height: Rows of the image, also of the rectified one.
        width: Columns of the image.
        frame_id: Optical frame (z forward, x right, y down; REP 103).
    """

    k: np.ndarray
    d: np.ndarray
    distortion_model: DistortionModel
    r: np.ndarray
    p: np.ndarray
    height: int
    width: int
    frame_id: str = ''

    def __post_init__(self) -> None:
        _check_camera(self)

    @property
    def fx(self) -> float:
        """Focal length of the rectified image along x, in pixels."""
        return float(self.p[0, 0])

    @property
    def fy(self) -> float:
        """Focal length of the rectified image along y, in pixels."""
        return float(self.p[1, 1])

    @property
    def cx(self) -> float:
        """Principal point of the rectified image, x in pixels (pixel centres at integers)."""
        return float(self.p[0, 2])

    @property
    def cy(self) -> float:
        """Principal point of the rectified image, y in pixels."""
        return float(self.p[1, 2])

    def fingerprint(self) -> bytes:
        """Return bytes that are equal for equal calibrations, to see when maps must be rebuilt."""
        numbers = np.concatenate([self.k.ravel(), self.d, self.r.ravel(), self.p.ravel()])
        text = f'{self.distortion_model.value}|{self.height}|{self.width}|{self.frame_id}'
        return numbers.tobytes() + text.encode()

    def check_image_size(self, height: int, width: int) -> None:
        """Require that an image has this calibration's size.

        Raises:
            CalibrationError: With reason ``'calibration_size'``.
        """
        if (height, width) != (self.height, self.width):
            raise CalibrationError(
                'calibration_size',
                f'the calibration is for {self.width}x{self.height} but the image is '
                f'{width}x{height}; give the calibration of this resolution '
                '(or set binning or roi in it)',
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoCamera:
    """A rectified rig: two cameras with one focal length, rows aligned.

    Attributes:
        left: Left camera; its ``p`` describes the rectified left image.
        right: Right camera; ``cx`` may differ from the left one's.
        baseline_m: Distance from left to right along the left x axis, above zero.
    """

    left: PinholeCamera
    right: PinholeCamera
    baseline_m: float

    def __post_init__(self) -> None:
        _check_stereo(self)

    @property
    def cx_offset_px(self) -> float:
        """``cx_left - cx_right``: the disparity of a point at infinity (Middlebury's -doffs)."""
        return self.left.cx - self.right.cx


def camera_from_calibration(
    *,
    k: np.ndarray,
    d: np.ndarray,
    distortion_model: str,
    r: np.ndarray,
    p: np.ndarray,
    height: int,
    width: int,
    binning: tuple[int, int] = (0, 0),
    roi: tuple[int, int, int, int] = (0, 0, 0, 0),
    frame_id: str = '',
) -> PinholeCamera:
    """Make a camera from CameraInfo's fields, applying binning and ROI.

    Args:
        k: Nine numbers, row-major, full resolution.
        d: Distortion coefficients.
        distortion_model: CameraInfo's text; empty means no distortion and needs a ``d`` that is
            empty or all zero.
        r: Nine numbers; all zero is read as identity (a field left unset).
        p: Twelve numbers; all zero is read as ``[K|0]`` (a field left unset).
        height: Full-resolution rows, before ROI and binning.
        width: Full-resolution columns.
        binning: ``(binning_x, binning_y)``; 0 means 1.
        roi: ``(x_offset, y_offset, width, height)`` in full-resolution pixels; a size of 0 means
            the whole image.
        frame_id: Optical frame.

    Raises:
        CalibrationError: Saying which field is wrong and what to publish instead.
    """
    k3, r3 = _matrix(k, (3, 3), 'K'), _matrix(r, (3, 3), 'R')
    p34, coefficients = _matrix(p, (3, 4), 'P'), np.array(d, np.float64).ravel()
    if not r3.any():
        r3 = np.eye(3)
    if not p34.any():
        p34 = np.hstack([k3, np.zeros((3, 1))])
    x_offset, y_offset, roi_width, roi_height = roi
    step_x, step_y = max(1, binning[0]), max(1, binning[1])
    _check_roi(roi, height, width)
    return PinholeCamera(
        k=_crop_and_bin(k3, x_offset, y_offset, step_x, step_y),
        d=coefficients,
        distortion_model=_distortion_model(distortion_model, coefficients),
        r=r3,
        p=_crop_and_bin(p34, x_offset, y_offset, step_x, step_y),
        height=(roi_height or height) // step_y,
        width=(roi_width or width) // step_x,
        frame_id=frame_id,
    )


def stereo_camera(
    left: PinholeCamera, right: PinholeCamera, *, baseline_m: float | None = None
) -> StereoCamera:
    """Join two calibrated cameras to a rig.

    The baseline is ``-P_right[0, 3] / fx + P_left[0, 3] / fx`` (``sensor_msgs/CameraInfo``).

    Args:
        left: Left camera.
        right: Right camera.
        baseline_m: Used where P has none; if P has one as well they must agree within 1 %.

    Raises:
        CalibrationError: Reasons ``'baseline_missing'``, ``'baseline_sign'``,
            ``'baseline_conflict'``, ``'focal_length'`` or ``'calibration_size'``.
    """
    from_p = (left.p[0, 3] - right.p[0, 3]) / right.fx
    if from_p == 0.0:
        if not baseline_m:
            raise CalibrationError(
                'baseline_missing',
                'the calibration gives no baseline: P[0, 3] of the right camera is 0 and must be '
                '-fx * baseline; correct it, or set baseline_m',
            )
        shift = np.zeros((3, 4))
        shift[0, 3] = -right.fx * baseline_m
        return StereoCamera(
            left=left, right=replace(right, p=right.p + shift), baseline_m=baseline_m
        )
    if baseline_m and from_p > 0 and abs(from_p - baseline_m) > 0.01 * baseline_m:
        raise CalibrationError(
            'baseline_conflict',
            f'the calibration says a baseline of {from_p:.4f} m but baseline_m is '
            f'{baseline_m:.4f} m; leave baseline_m out or correct the calibration',
        )
    return StereoCamera(left=left, right=right, baseline_m=float(from_p))


def scaled_camera(camera: PinholeCamera, *, height: int, width: int) -> PinholeCamera:
    """Return the camera of the image resized to ``height`` x ``width``.

    Pixel centres are at integers: ``x' = (x + 0.5) * s - 0.5``.
    """
    scale_x, scale_y = width / camera.width, height / camera.height
    return replace(
        camera,
        k=_scaled(camera.k, scale_x, scale_y),
        p=_scaled(camera.p, scale_x, scale_y),
        height=height,
        width=width,
    )


def ideal_camera(
    *,
    fx: float,
    fy: float,
    cx: float,
    cy: float,
    height: int,
    width: int,
    tx: float = 0.0,
    frame_id: str = '',
) -> PinholeCamera:
    """Return a distortion-free, already rectified camera; ``tx`` is ``P[0, 3]`` in px * m."""
    k = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    p = np.hstack([k, [[tx], [0.0], [0.0]]])
    return PinholeCamera(
        k=k,
        d=np.zeros(0),
        distortion_model=DistortionModel.PLUMB_BOB,
        r=np.eye(3),
        p=p,
        height=height,
        width=width,
        frame_id=frame_id,
    )


def rectified_camera(camera: PinholeCamera) -> PinholeCamera:
    """Return the calibration of the rectified image: no distortion, R = I, K from P.

    The distortion model becomes plumb_bob, because equidistant with zeros is still a fisheye.
    """
    return replace(
        camera,
        k=camera.p[:, :3].copy(),
        d=np.zeros(5),
        distortion_model=DistortionModel.PLUMB_BOB,
        r=np.eye(3),
    )


def _matrix(values: np.ndarray, shape: tuple[int, int], name: str) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.size != shape[0] * shape[1] or not np.isfinite(array).all():
        raise CalibrationError(
            'calibration_values',
            f'camera_info {name} must be {shape[0] * shape[1]} finite numbers, '
            f'got {array.ravel().tolist()!r}; calibrate the camera',
        )
    return array.reshape(shape).copy()


def _distortion_model(text: str, d: np.ndarray) -> DistortionModel:
    if not text and not d.any():
        return DistortionModel.PLUMB_BOB
    try:
        return DistortionModel(text)
    except ValueError:
        known = ', '.join(model.value for model in DistortionModel)
        raise CalibrationError(
            'distortion_model',
            f'distortion_model {text!r} is not known; give one of {known}',
        ) from None


def _check_roi(roi: tuple[int, int, int, int], height: int, width: int) -> None:
    x_offset, y_offset, roi_width, roi_height = roi
    if not any(roi):
        return
    is_inside = x_offset + roi_width <= width and y_offset + roi_height <= height
    if min(roi) < 0 or roi_width == 0 or roi_height == 0 or not is_inside:
        raise CalibrationError(
            'calibration_roi',
            f'roi {roi!r} (x, y, width, height) of the calibration does not fit into '
            f'{width}x{height}; '
            'give the full sensor as width and height, or all zeros as roi',
        )


def _crop_and_bin(
    matrix: np.ndarray, x_offset: int, y_offset: int, step_x: int, step_y: int
) -> np.ndarray:
    """Shift by the ROI, then divide by the binning, as image_geometry does."""
    out = matrix.copy()
    out[0, 2] -= x_offset
    out[1, 2] -= y_offset
    out[0] /= step_x
    out[1] /= step_y
    return out


def _scaled(matrix: np.ndarray, scale_x: float, scale_y: float) -> np.ndarray:
    out = matrix.copy()
    out[0] *= scale_x
    out[1] *= scale_y
    out[0, 2] = (matrix[0, 2] + 0.5) * scale_x - 0.5
    out[1, 2] = (matrix[1, 2] + 0.5) * scale_y - 0.5
    return out


def _check_camera(camera: PinholeCamera) -> None:
    arrays = {'K': camera.k, 'D': camera.d, 'R': camera.r, 'P': camera.p}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CalibrationError(
                'calibration_values',
                f'{name} of the calibration has NaN or Inf: {array.ravel().tolist()!r}; '
                'calibrate the camera',
            )
    if camera.height <= 0 or camera.width <= 0:
        raise CalibrationError(
            'calibration_size',
            f'the calibration is for {camera.width}x{camera.height}; give the image size',
        )
    focal_lengths = (camera.k[0, 0], camera.k[1, 1], camera.p[0, 0], camera.p[1, 1])
    if min(focal_lengths) <= 0.0:
        raise CalibrationError(
            'calibration_values',
            f'the calibration needs focal lengths above 0 in K and P, got {focal_lengths!r}; '
            'an uncalibrated driver publishes zeros: calibrate the camera',
        )
    if not np.allclose(camera.r @ camera.r.T, np.eye(3), atol=1e-3):
        raise CalibrationError(
            'calibration_values',
            f'R of the calibration must be a rotation matrix, got {camera.r.ravel().tolist()!r}; '
            'calibrate the cameras, or give the identity for a single camera',
        )
    if camera.d.size not in NUM_COEFFICIENTS[camera.distortion_model]:
        raise CalibrationError(
            'distortion_model',
            f'distortion_model {camera.distortion_model.value!r} takes '
            f'{NUM_COEFFICIENTS[camera.distortion_model]} coefficients, got {camera.d.size}',
        )


def _check_stereo(camera: StereoCamera) -> None:
    left, right = camera.left, camera.right
    if (left.height, left.width) != (right.height, right.width):
        raise CalibrationError(
            'calibration_size',
            f'left camera_info is {left.width}x{left.height}, right is '
            f'{right.width}x{right.height}; set both cameras to one resolution',
        )
    if abs(left.fx - right.fx) > 0.01 * left.fx or abs(left.fy - right.fy) > 0.01 * left.fy:
        raise CalibrationError(
            'focal_length',
            f'rectified focal lengths differ: left ({left.fx:.2f}, {left.fy:.2f}), '
            f'right ({right.fx:.2f}, {right.fy:.2f}); calibrate the two cameras as a stereo rig',
        )
    if abs(left.cy - right.cy) > MAX_ROW_OFFSET_PX:
        raise CalibrationError(
            'row_alignment',
            f'rectified rows do not meet: cy is {left.cy:.2f} left and {right.cy:.2f} right; '
            'give both cameras one roi y_offset, or calibrate them as a stereo rig',
        )
    if not camera.baseline_m > 0.0:
        raise CalibrationError(
            'baseline_sign',
            f'the baseline is {camera.baseline_m:.4f} m but must be above 0: left and '
            'right are swapped (right P[0, 3] must be -fx * baseline)',
        )
