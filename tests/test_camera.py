"""Calibrations: CameraInfo's rules for binning and ROI, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depth_ros.camera import (
    DistortionModel,
    PinholeCamera,
    camera_from_calibration,
    ideal_camera,
    rectified_camera,
    scaled_camera,
    stereo_camera,
)
from depth_ros.errors import CalibrationError

K = np.array([500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0])
P = np.array([480.0, 0.0, 330.0, -48.0, 0.0, 480.0, 250.0, 0.0, 0.0, 0.0, 1.0, 0.0])


def calibrated(**changes: Any) -> PinholeCamera:
    fields: dict[str, Any] = {
        'k': K,
        'd': np.array([-0.3, 0.1, 0.001, -0.001, 0.0]),
        'distortion_model': 'plumb_bob',
        'r': np.eye(3).ravel(),
        'p': P,
        'height': 480,
        'width': 640,
        'frame_id': 'left',
    }
    return camera_from_calibration(**{**fields, **changes})


def rig_of(right: PinholeCamera, **changes: Any) -> Any:
    left = ideal_camera(fx=480.0, fy=480.0, cx=330.0, cy=250.0, height=480, width=640)
    return stereo_camera(left, right, **changes)


def right_camera(**changes: Any) -> PinholeCamera:
    numbers = {'fx': 480.0, 'fy': 480.0, 'cx': 330.0, 'cy': 250.0, 'tx': -48.0}
    return ideal_camera(**{**numbers, 'height': 480, 'width': 640, **changes})


def test_fields_are_read_in_row_major_order() -> None:
    camera = calibrated()
    assert camera.k[0, 2] == 320.0
    assert camera.k[1, 1] == 510.0
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (480.0, 480.0, 330.0, 250.0)
    assert camera.p[0, 3] == -48.0
    assert (camera.height, camera.width, camera.frame_id) == (480, 640, 'left')
    assert camera.distortion_model is DistortionModel.PLUMB_BOB


def test_unset_p_and_r_are_k_and_identity() -> None:
    camera = calibrated(p=np.zeros(12), r=np.zeros(9))
    np.testing.assert_array_equal(camera.p, np.hstack([K.reshape(3, 3), np.zeros((3, 1))]))
    np.testing.assert_array_equal(camera.r, np.eye(3))


def test_binning_divides_both_matrices_and_the_baseline_term() -> None:
    camera = calibrated(binning=(2, 2))
    assert (camera.height, camera.width) == (240, 320)
    np.testing.assert_allclose(camera.k[:2], K.reshape(3, 3)[:2] / 2)
    np.testing.assert_allclose(camera.p[:2], P.reshape(3, 4)[:2] / 2)
    assert -camera.p[0, 3] / camera.fx == pytest.approx(48.0 / 480.0)


def test_roi_shifts_centres_before_binning() -> None:
    camera = calibrated(roi=(100, 40, 400, 300), binning=(2, 1))
    assert (camera.height, camera.width) == (300, 200)
    assert camera.k[0, 2] == (320.0 - 100.0) / 2
    assert camera.cx == (330.0 - 100.0) / 2
    assert camera.cy == 250.0 - 40.0


@pytest.mark.parametrize(
    'roi', [(600, 0, 100, 100), (0, 400, 640, 100), (10, 10, 0, 0), (0, 0, 640, 0)]
)
def test_impossible_roi_is_refused(roi: tuple[int, int, int, int]) -> None:
    with pytest.raises(CalibrationError, match='roi') as caught:
        calibrated(roi=roi)
    assert caught.value.reason == 'calibration_roi'


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'k': np.zeros(9), 'p': np.zeros(12)}, 'calibration_unset'),
        ({'k': np.full(9, np.nan)}, 'calibration_values'),
        ({'p': np.full(12, np.inf)}, 'calibration_values'),
        ({'k': K[:8]}, 'calibration_values'),
        ({'d': np.array([np.nan, 0.0, 0.0, 0.0])}, 'calibration_values'),
        ({'r': 2.0 * np.eye(3).ravel()}, 'calibration_values'),
        ({'p': np.array([0.0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0])}, 'calibration_values'),
        ({'height': 0}, 'calibration_size'),
        ({'width': 0}, 'calibration_size'),
        ({'distortion_model': 'fov'}, 'distortion_model'),
        ({'distortion_model': ''}, 'distortion_model'),
        ({'d': np.zeros(3)}, 'distortion_model'),
        ({'distortion_model': 'equidistant', 'd': np.ones(5)}, 'distortion_model'),
    ],
)
def test_bad_calibration_is_refused_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(CalibrationError) as caught:
        calibrated(**changes)
    assert caught.value.reason == reason
    assert any(remedy in str(caught.value) for remedy in ('calibrate', 'give', 'takes'))


@pytest.mark.parametrize(
    ('model', 'length'),
    [
        ('plumb_bob', 0),
        ('plumb_bob', 4),
        ('rational_polynomial', 8),
        ('rational_polynomial', 14),
        ('equidistant', 4),
    ],
)
def test_known_lengths_of_d_are_accepted(model: str, length: int) -> None:
    assert calibrated(distortion_model=model, d=np.zeros(length)).d.size == length


def test_unnamed_model_without_distortion_is_accepted() -> None:
    assert calibrated(distortion_model='', d=np.zeros(5)).distortion_model.value == 'plumb_bob'
    assert calibrated(distortion_model='', d=np.zeros(0)).d.size == 0


def test_calibration_does_not_follow_its_message() -> None:
    k, d = K.copy(), np.array([0.1, 0.0, 0.0, 0.0])
    camera = calibrated(k=k, d=d)
    k[:], d[:] = 1.0, 1.0
    assert camera.k[0, 0] == 500.0
    assert camera.d[0] == 0.1


def test_rectified_camera_has_no_distortion_whatever_the_model() -> None:
    raw = calibrated(distortion_model='equidistant', d=np.array([0.1, 0.0, 0.0, 0.0]))
    camera = rectified_camera(raw)
    assert camera.distortion_model is DistortionModel.PLUMB_BOB
    np.testing.assert_array_equal(camera.d, np.zeros(5))
    np.testing.assert_array_equal(camera.r, np.eye(3))
    np.testing.assert_array_equal(camera.k, raw.p[:, :3])
    np.testing.assert_array_equal(camera.p, raw.p)


def test_scaling_keeps_the_outer_edges_of_the_image() -> None:
    half = scaled_camera(calibrated(), height=240, width=320)
    left_edge_ray = (-0.5 - 330.0) / 480.0
    assert (-0.5 - half.cx) / half.fx == pytest.approx(left_edge_ray)
    assert -half.p[0, 3] / half.fx == pytest.approx(0.1)


def test_fingerprint_changes_with_every_number() -> None:
    same = calibrated().fingerprint()
    assert calibrated().fingerprint() == same
    others = [
        calibrated(k=K + np.eye(9)[4]),
        calibrated(d=np.zeros(5)),
        calibrated(p=P + np.eye(12)[2]),
        calibrated(frame_id='other'),
        calibrated(distortion_model='equidistant', d=np.zeros(4)),
    ]
    assert len({same, *(camera.fingerprint() for camera in others)}) == 6


def test_baseline_comes_from_p_or_the_parameter() -> None:
    assert rig_of(right_camera()).baseline_m == pytest.approx(0.1)
    rig = rig_of(right_camera(tx=0.0), baseline_m=0.2)
    assert rig.baseline_m == 0.2
    assert rig.right.p[0, 3] == pytest.approx(-96.0)
    assert rig_of(right_camera(cx=300.0)).cx_offset_px == 30.0


@pytest.mark.parametrize(
    ('changes', 'baseline_m', 'reason'),
    [
        ({'tx': 0.0}, None, 'baseline_missing'),
        ({'tx': 48.0}, None, 'baseline_sign'),
        ({}, 0.2, 'baseline_conflict'),
        ({'fx': 500.0}, None, 'focal_length'),
        ({'cy': 245.0}, None, 'row_alignment'),
        ({'width': 600}, None, 'calibration_size'),
    ],
)
def test_what_is_no_rig_is_refused(
    changes: dict[str, Any], baseline_m: float | None, reason: str
) -> None:
    with pytest.raises(CalibrationError) as caught:
        rig_of(right_camera(**changes), baseline_m=baseline_m)
    assert caught.value.reason == reason


def test_image_of_another_size_is_refused() -> None:
    with pytest.raises(CalibrationError, match='640x480 but the image is 320x240'):
        calibrated().check_image_size(240, 320)
