"""Camera infos: read with ROI and binning, refused when unset, right on the wire."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest

from depth_ros.camera import camera_from_calibration, rectified_camera
from depth_ros.errors import CalibrationError
from depth_ros.messages.camera_info import camera_from_info, fill_camera_info
from tests.kit import message_doubles as doubles


def test_camera_info_is_read_with_roi_and_binning() -> None:
    info = doubles.camera_info(
        header=doubles.header('optical'),
        height=480,
        width=640,
        distortion_model='plumb_bob',
        d=array('d', [-0.3, 0.1, 0.0, 0.0, 0.0]),
        k=np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1]),
        r=np.eye(3).ravel(),
        p=np.array([480.0, 0, 330, -48, 0, 480, 250, 0, 0, 0, 1, 0]),
        binning_x=2,
        binning_y=2,
        roi=doubles.roi(x_offset=20, y_offset=40, width=600, height=400),
    )
    camera = camera_from_info(info)
    assert (camera.height, camera.width, camera.frame_id) == (200, 300, 'optical')
    assert (camera.cx, camera.cy) == (155.0, 105.0)
    np.testing.assert_array_equal(camera.d, info.d)


def test_unset_camera_info_is_refused() -> None:
    with pytest.raises(CalibrationError):
        camera_from_info(doubles.camera_info())


def test_camera_info_round_trips_over_the_wire() -> None:
    raw = camera_from_calibration(
        k=np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1]),
        d=np.array([0.1, 0.2, 0.3, 0.4]),
        distortion_model='equidistant',
        r=cv2.Rodrigues(np.array([0.1, 0.0, 0.02]))[0],
        p=np.array([480.0, 0, 330, -48, 0, 480, 250, 0, 0, 0, 1, 0]),
        height=480,
        width=640,
    )
    for camera in (raw, rectified_camera(raw)):
        info = doubles.camera_info(binning_x=4, roi=doubles.roi(width=9, do_rectify=True))
        fill_camera_info(info, camera)
        read = doubles.over_the_wire(info, 'sensor_msgs/msg/CameraInfo')
        assert (read.binning_x, read.roi.width, read.roi.do_rectify) == (0, 0, False)
        assert camera_from_info(read).fingerprint() == camera.fingerprint()
