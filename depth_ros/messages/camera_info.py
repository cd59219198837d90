"""``sensor_msgs/CameraInfo`` and cameras."""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np

from depth_ros.camera import PinholeCamera, camera_from_calibration
from depth_ros.messages.headers import HeaderMessage


class RoiMessage(Protocol):
    """Fields of ``sensor_msgs/RegionOfInterest``."""

    x_offset: int
    y_offset: int
    height: int
    width: int
    do_rectify: bool


class CameraInfoMessage(Protocol):
    """Fields of ``sensor_msgs/CameraInfo``."""

    header: HeaderMessage
    height: int
    width: int
    distortion_model: str
    d: np.ndarray | array[float]
    k: np.ndarray
    r: np.ndarray
    p: np.ndarray
    binning_x: int
    binning_y: int
    roi: RoiMessage


def camera_from_info(info: CameraInfoMessage) -> PinholeCamera:
    """Read a ``sensor_msgs/CameraInfo``, with binning and ROI applied.

    Raises:
        CalibrationError: Saying which field is wrong and what to publish instead.
    """
    roi = info.roi
    return camera_from_calibration(
        k=np.asarray(info.k),
        d=np.asarray(info.d),
        distortion_model=info.distortion_model,
        r=np.asarray(info.r),
        p=np.asarray(info.p),
        height=int(info.height),
        width=int(info.width),
        binning=(int(info.binning_x), int(info.binning_y)),
        roi=(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
        frame_id=info.header.frame_id,
    )


def fill_camera_info(message: CameraInfoMessage, camera: PinholeCamera) -> None:
    """Set every field of a ``sensor_msgs/CameraInfo`` but the header.

    Binning and ROI are applied in a ``PinholeCamera`` already, so none is announced.
    """
    message.height, message.width = camera.height, camera.width
    message.distortion_model = camera.distortion_model.value
    message.d = array('d', camera.d.tolist())
    message.k = camera.k.ravel().astype(np.float64)
    message.r = camera.r.ravel().astype(np.float64)
    message.p = camera.p.ravel().astype(np.float64)
    message.binning_x = message.binning_y = 0
    fill_roi(message.roi, x_offset=0, width=0, height=0)


def fill_roi(roi: RoiMessage, *, x_offset: int, width: int, height: int) -> None:
    """Set every field: all rows from the top, columns from ``x_offset``."""
    roi.x_offset, roi.y_offset = x_offset, 0
    roi.width, roi.height = width, height
    roi.do_rectify = False
