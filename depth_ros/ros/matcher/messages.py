"""Messages of the matching service to our values and back; imports no ROS.

Anything with the attributes of ``depth_ros_interfaces`` types will do. Status codes are those
of ``srv/MatchImages.srv``; a test compares them with the generated ones.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import (
    CalibrationError,
    DepthRosError,
    ImageError,
    InputError,
    ParameterError,
)
from depth_ros.geometry.two_view import TwoViewGeometry, TwoViewStatus
from depth_ros.messages.buffers import byte_view
from depth_ros.messages.camera_info import CameraInfoMessage, camera_from_info
from depth_ros.messages.images import ImageMessage
from depth_ros.messages.poses import fill_motion

if TYPE_CHECKING:
    from geometry_msgs.msg import PoseWithCovariance

    from depth_ros_interfaces.msg import TwoViewGeometry as GeometryMessage
    from depth_ros_interfaces.srv import MatchImages

LARGEST_PIXELS = 4096 * 2160
"""Images with more (than 4K) are refused: two of these are 53 MB a request already."""


class MatchStatus(IntEnum):
    """``status`` of the service's response."""

    OK = 0
    BUSY = 1
    NOT_READY = 2
    INVALID_IMAGE = 3
    INVALID_MASK = 4
    INVALID_CAMERA_INFO = 5
    INVALID_REQUEST = 6
    UNKNOWN_STAMP = 7
    TOO_LARGE = 8
    FAILED = 9
    SHUTTING_DOWN = 10


REASON_STATUS = {
    'mask': MatchStatus.INVALID_MASK,
    'unknown_stamp': MatchStatus.UNKNOWN_STAMP,
    'too_large': MatchStatus.TOO_LARGE,
    'request': MatchStatus.INVALID_REQUEST,
    'no_camera_info': MatchStatus.INVALID_CAMERA_INFO,
    'expired': MatchStatus.BUSY,
}
KIND_STATUS: tuple[tuple[type[DepthRosError], MatchStatus], ...] = (
    (ImageError, MatchStatus.INVALID_IMAGE),
    (CalibrationError, MatchStatus.INVALID_CAMERA_INFO),
    (InputError, MatchStatus.INVALID_REQUEST),
    (ParameterError, MatchStatus.INVALID_REQUEST),
)
GEOMETRY_STATUS = {
    TwoViewStatus.OK: 0,
    TwoViewStatus.TOO_FEW: 1,
    TwoViewStatus.DEGENERATE: 2,
    TwoViewStatus.NO_MODEL: 3,
    TwoViewStatus.PURE_ROTATION: 4,
    TwoViewStatus.AMBIGUOUS: 6,
}
GEOMETRY_NOT_ASKED = 5


def status_of(error: DepthRosError) -> MatchStatus:
    """Return the status that says what kind of error it is."""
    if isinstance(error, InputError) and error.reason in REASON_STATUS:
        return REASON_STATUS[error.reason]
    for kind, status in KIND_STATUS:
        if isinstance(error, kind):
            return status
    return MatchStatus.FAILED


def check_pixels(height: int, width: int, *, what: str) -> None:
    """Require an image of at most ``LARGEST_PIXELS``.

    Raises:
        ImageError: With reason ``'too_large'``.
    """
    if height * width > LARGEST_PIXELS:
        raise ImageError(
            'too_large',
            f'{what} is {width}x{height}, the service takes as many pixels as 4096x2160; '
            'make it smaller',
        )


def check_limits(request: MatchImages.Request) -> None:
    """Require a confidence within 0..1 (or negative) and a finite wait.

    Raises:
        InputError: With reason ``'request'``.
    """
    if not request.min_confidence <= 1.0:
        raise InputError(
            'request',
            f'min_confidence must be 0..1, or negative for the default, got '
            f'{request.min_confidence!r}; 0.2 is usual',
        )
    if not 0.0 <= request.max_wait_s < math.inf:
        raise InputError(
            'request',
            f'max_wait_s must be seconds, 0 for the default, got {request.max_wait_s!r}; '
            'set how long the caller waits',
        )


def needs_cameras(request: MatchImages.Request) -> bool:
    """Whether something is asked for that calibrations are needed for."""
    return bool(request.essential or request.pose)


def needs_geometry(request: MatchImages.Request) -> bool:
    """Whether anything is asked for beside matches and inliers."""
    return bool(request.fundamental or request.homography or needs_cameras(request))


def request_camera(info: CameraInfoMessage, *, what: str) -> PinholeCamera | None:
    """Read a calibration that was sent; None if none was.

    Raises:
        CalibrationError: If it cannot be used.
    """
    if not info.width and not info.height:
        return None
    try:
        return camera_from_info(info)
    except CalibrationError as error:
        raise CalibrationError(error.reason, f'{what}: {error}') from error


def decode_mask(message: ImageMessage, *, what: str) -> np.ndarray | None:
    """Read a mask; None if none was sent.

    Returns:
        ``(H, W)`` bool, True where matches may lie.

    Raises:
        ImageError: With reason ``'mask'``.
    """
    if not len(message.data):
        return None
    height, width, step = int(message.height), int(message.width), int(message.step)
    if message.encoding not in ('mono8', '8UC1'):
        raise ImageError(
            'mask', f'{what} must be mono8, got {message.encoding!r}; convert it to mono8'
        )
    if min(height, width) < 1 or step < width or len(message.data) < step * height:
        raise ImageError(
            'mask',
            f'{what} says {width}x{height} and step {step} but has {len(message.data)} bytes; '
            'set step to the bytes of a row and send all rows',
        )
    rows = byte_view(message.data)[: step * height].reshape(height, step)
    return np.asarray(rows[:, :width] != 0)


def fill_geometry(
    message: GeometryMessage, geometry: TwoViewGeometry, request: MatchImages.Request
) -> None:
    """Set what was asked for and could be estimated."""
    if not needs_geometry(request):
        message.status, message.text = GEOMETRY_NOT_ASKED, ''
        message.parallax_px = math.nan
        return
    message.status, message.text = GEOMETRY_STATUS[geometry.status], geometry.text
    message.is_homography = geometry.is_homography
    message.parallax_px = float(geometry.parallax_px)
    for name in ('fundamental', 'essential', 'homography'):
        matrix = getattr(geometry, name)
        if getattr(request, name) and matrix is not None:
            setattr(message, f'has_{name}', True)
            setattr(message, name, matrix.ravel().astype(np.float64))
    if request.pose and geometry.second_from_first is not None:
        message.has_pose = True
        _fill_pose(message.second_from_first, geometry)


def _fill_pose(message: PoseWithCovariance, geometry: TwoViewGeometry) -> None:
    matrix, covariance = geometry.second_from_first, geometry.covariance
    assert matrix is not None
    pose = message.pose
    fill_motion(pose.position, pose.orientation, matrix)
    if covariance is not None:
        message.covariance = covariance.ravel().astype(np.float64)
