"""Cameras: immutable calibrations with CameraInfo's field names, checked on construction.

K, D, R, P, binning and ROI are used as ``sensor_msgs/CameraInfo`` defines them: K and D describe
the full-resolution sensor image, P the full-resolution rectified image; binning and ROI turn
both into those of the image that was received (see ``docs/conventions.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from depth_ros.calibration.distortion import NUM_COEFFICIENTS, DistortionModel, distortion
from depth_ros.calibration.entries import (
    check_coefficients,
    check_matrix,
    check_rotation,
    check_sides,
    finite_matrix,
)
from depth_ros.calibration.resolution import ImageSize, Intrinsics, check_resolution
from depth_ros.calibration.rig import (
    aligned_projection,
    check_alignment,
    check_baseline,
    check_beside,
    check_given_baseline,
    check_some_baseline,
    offsets_m,
)
from depth_ros.errors import CalibrationError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PinholeCamera:
    """One camera, in pixels of the image as received (binning and ROI applied).

    Attributes:
        k: ``(3, 3)`` float64 intrinsic matrix of the raw image, skew allowed; all zero where it
            is not known, which will do for rectified images.
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

    @property
    def has_raw_intrinsics(self) -> bool:
        """Whether raw images can be rectified: K is known."""
        return bool(self.k.any())

    def check_raw_intrinsics(self) -> None:
        """Require K, which raw images need.

        Raises:
            CalibrationError: Reason ``'calibration_values'``.
        """
        if not self.has_raw_intrinsics:
            raise CalibrationError(
                'calibration_values',
                'K of the calibration is all zero, which will do for rectified images alone, and '
                'these are raw; give K and D (calibrate the camera), or take rectified images '
                '(input: rectified, --rectified)',
            )

    @property
    def is_fisheye(self) -> bool:
        """Whether raw images are of a fisheye, also with zero coefficients."""
        return self.distortion_model is DistortionModel.EQUIDISTANT

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

    def describe(self) -> str:
        """Return baseline, focal length and the depth of one pixel of disparity in words."""
        return (
            f'baseline {self.baseline_m:.4f} m, focal length {self.left.fx:.1f} px: a disparity '
            f'of 1 px is {self.left.fx * self.baseline_m:.2f} m away'
        )


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
        k: Nine numbers, row-major, full resolution; all zero is not known.
        d: Distortion coefficients.
        distortion_model: CameraInfo's text; empty means no distortion and needs a ``d`` that is
            empty or all zero.
        r: Nine numbers; all zero is read as identity (a field left unset).
        p: Twelve numbers; all zero is read as ``[K|0]`` without skew (a field left unset).
        height: Full-resolution rows, before ROI and binning.
        width: Full-resolution columns.
        binning: ``(binning_x, binning_y)``; 0 means 1.
        roi: ``(x_offset, y_offset, width, height)`` in full-resolution pixels; a size of 0 means
            the whole image.
        frame_id: Optical frame.

    Raises:
        CalibrationError: Saying which field is wrong and what to publish instead.
    """
    k3, r3 = finite_matrix(k, (3, 3), 'K'), finite_matrix(r, (3, 3), 'R')
    p34, coefficients = finite_matrix(p, (3, 4), 'P'), np.array(d, np.float64).ravel()
    check_coefficients(coefficients)
    _check_set(k3, p34)
    model, coefficients = distortion(distortion_model, coefficients)
    if not r3.any():
        r3 = np.eye(3)
    if not p34.any():
        p34 = _projection_of(k3)
    x_offset, y_offset, roi_width, roi_height = roi
    step_x, step_y = max(1, binning[0]), max(1, binning[1])
    check_sides(height, width)
    _check_roi(roi, height, width)
    camera = PinholeCamera(
        k=_crop_and_bin(k3, x_offset, y_offset, step_x, step_y),
        d=coefficients,
        distortion_model=model,
        r=r3,
        p=_crop_and_bin(p34, x_offset, y_offset, step_x, step_y),
        height=(roi_height or height) // step_y,
        width=(roi_width or width) // step_x,
        frame_id=frame_id,
    )
    others = {'the received image': (camera.height, camera.width)}
    if step_x * step_y > 1:
        others = {'the binned image': (height // step_y, width // step_x), **others}
    _check_resolutions(k3, p34, (height, width), others, is_fisheye=camera.is_fisheye)
    return camera


def stereo_camera(
    left: PinholeCamera, right: PinholeCamera, *, baseline_m: float | None = None
) -> StereoCamera:
    """Join two calibrated cameras to a rig.

    The baseline is ``-P_right[0, 3] / fx + P_left[0, 3] / fx`` (``sensor_msgs/CameraInfo``), each
    by its own focal length.

    Args:
        left: Left camera.
        right: Right camera.
        baseline_m: Used where P has none; if P has one as well they must agree within 1 %.

    Raises:
        CalibrationError: Reasons ``'vertical_rig'``, ``'baseline_missing'``,
            ``'baseline_sign'``, ``'baseline_units'``, ``'baseline_conflict'``,
            ``'row_alignment'``, ``'focal_length'``, ``'calibration_size'`` or
            ``'calibration_type'``.
    """
    for side, camera in (('left', left), ('right', right)):
        _check_is_camera(camera, side)
    from_p = offsets_m(left.p, right.p)[0]
    check_beside(left.p, right.p, baseline_m=from_p or baseline_m or 0.0)
    if from_p != 0.0 or not baseline_m:
        check_some_baseline(left.p, right.p)
        check_baseline(from_p, left.p, right.p)
    if from_p == 0.0:
        assert baseline_m, 'check_some_baseline lets nothing else pass'
        check_given_baseline(baseline_m)
        shift = np.zeros((3, 4))
        shift[0, 3] = left.p[0, 3] * right.fx / left.fx - right.fx * baseline_m - right.p[0, 3]
        return StereoCamera(
            left=left, right=replace(right, p=right.p + shift), baseline_m=baseline_m
        )
    if baseline_m and abs(from_p - baseline_m) > 0.01 * baseline_m:
        raise CalibrationError(
            'baseline_conflict',
            f'the calibration says a baseline of {from_p:.4f} m but baseline_m is '
            f'{baseline_m:.4f} m; leave baseline_m out or correct the calibration',
        )
    return StereoCamera(left=left, right=right, baseline_m=from_p)


def aligned_camera(right: PinholeCamera, left: PinholeCamera) -> PinholeCamera:
    """Return the right camera of raw images with the left one's rectified rows and scale.

    Rectification is free to choose P, so that two calibrations made one by one meet exactly.
    """
    return replace(right, p=aligned_projection(left.p, right.p))


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
    """Return a distortion-free, already rectified camera; ``tx`` is ``P[0, 3]`` in px * m.

    Raises:
        CalibrationError: If the numbers are no camera's, or those of another resolution.
    """
    k = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    p = np.hstack([k, [[tx], [0.0], [0.0]]])
    camera = PinholeCamera(
        k=k,
        d=np.zeros(0),
        distortion_model=DistortionModel.PLUMB_BOB,
        r=np.eye(3),
        p=p,
        height=height,
        width=width,
        frame_id=frame_id,
    )
    _check_resolutions(k, p, (height, width), {}, is_fisheye=False)
    return camera


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


def _check_set(k: np.ndarray, p: np.ndarray) -> None:
    """Refuse what drivers publish before they have loaded a calibration."""
    if not k.any() and not p.any():
        raise CalibrationError(
            'calibration_unset',
            'K and P of the calibration are all zero, as a driver publishes that has no '
            'calibration (yet); calibrate the camera, or give its driver the file '
            '(camera_info_url)',
        )


def _projection_of(k: np.ndarray) -> np.ndarray:
    """Return ``[K|0]`` without skew: rectification takes it out."""
    p = np.hstack([k, np.zeros((3, 1))])
    p[0, 1] = 0.0
    return p


def _check_resolutions(
    k: np.ndarray,
    p: np.ndarray,
    size: ImageSize,
    others: Mapping[str, ImageSize],
    *,
    is_fisheye: bool,
) -> None:
    height, width = size
    if k.any():
        raw = Intrinsics(name='K', matrix=k, height=height, width=width, is_fisheye=is_fisheye)
        check_resolution(raw, others)
    check_resolution(Intrinsics(name='P', matrix=p, height=height, width=width), others)


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
    """Require the form of every matrix; sizes and resolutions are asked at the doors."""
    check_sides(camera.height, camera.width)
    k, p = finite_matrix(camera.k, (3, 3), 'K'), finite_matrix(camera.p, (3, 4), 'P')
    if k.any():
        check_matrix(k, 'K')
    check_matrix(p, 'P')
    check_rotation(camera.r)
    check_coefficients(camera.d)
    if camera.d.size not in NUM_COEFFICIENTS[camera.distortion_model]:
        raise CalibrationError(
            'distortion_model',
            f'distortion_model {camera.distortion_model.value!r} takes '
            f'{NUM_COEFFICIENTS[camera.distortion_model]} coefficients, got {camera.d.size}',
        )


def _check_is_camera(camera: object, side: str) -> None:
    if not isinstance(camera, PinholeCamera):
        raise CalibrationError(
            'calibration_type',
            f'the {side} camera must be a PinholeCamera, got a {type(camera).__name__}; '
            'depth_ros.read_camera(path).camera is one',
        )


def _check_stereo(camera: StereoCamera) -> None:
    left, right = camera.left, camera.right
    if (left.height, left.width) != (right.height, right.width):
        raise CalibrationError(
            'calibration_size',
            f'left camera_info is {left.width}x{left.height}, right is '
            f'{right.width}x{right.height}; set both cameras to one resolution',
        )
    check_alignment(left.p, right.p, height=left.height, width=left.width)
    check_baseline(camera.baseline_m, left.p, right.p)
