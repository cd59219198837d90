"""Calibrations of real cameras are accepted as they are."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.files.calibration import read_stereo_calibration
from tests.kit.shared_data import shared_path

REAL = {
    'KITTI odometry 00': ((718.856, 718.856, 607.1928, 185.2157), (376, 1241), 0.5372),
    'Middlebury Motorcycle, reduced': ((994.978, 994.978, 311.193, 254.877), (500, 741), 0.193001),
    'OAK-D': ((451.034, 451.034, 299.038, 255.165), (480, 640), 0.075),
    'ScanNet depth': ((577.59, 578.73, 318.905, 242.684), (480, 640), 0.1),
    'ICL-NUIM': ((481.2, 480.0, 319.5, 239.5), (480, 640), 0.1),
    'RealSense D435 infrared': ((385.1, 385.1, 320.9, 240.4), (480, 640), 0.05),
    'ZED 2 at 720p': ((528.7, 528.7, 642.2, 361.1), (720, 1280), 0.1199),
    'KITTI resized for a network': ((0.58 * 640, 1.92 * 192, 320.0, 96.0), (192, 640), 0.54),
}


@pytest.mark.parametrize('name', REAL)
def test_real_rigs_are_accepted(name: str) -> None:
    (fx, fy, cx, cy), (height, width), baseline_m = REAL[name]
    numbers = {'fx': fx, 'fy': fy, 'cx': cx, 'cy': cy, 'height': height, 'width': width}
    rig = stereo_camera(ideal_camera(**numbers), ideal_camera(**numbers, tx=-fx * baseline_m))
    assert rig.baseline_m == pytest.approx(baseline_m)


def test_hololens_intrinsics_are_accepted() -> None:
    root = shared_path('data/hololens_mvs')
    k = np.loadtxt(root / 'K.txt')
    ideal_camera(fx=k[0, 0], fy=k[1, 1], cx=k[0, 2], cy=k[1, 2], height=360, width=540)


def test_oak_file_is_accepted() -> None:
    path = shared_path('data/oakd_stereo/stereodemo_calibration.json')
    rig = read_stereo_calibration([path])
    assert stereo_camera(rig.left, rig.right).baseline_m == pytest.approx(0.075)
