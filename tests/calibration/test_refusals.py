"""Impossible calibrations are refused by the name of the entry, with what came and a remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depth_ros.calibration.rig import BASELINE_RANGE_M
from depth_ros.camera import (
    PinholeCamera,
    StereoCamera,
    camera_from_calibration,
    ideal_camera,
    stereo_camera,
)
from depth_ros.errors import CalibrationError
from depth_ros.geometry.rectify import MonoRectifier, Rectifier, rectified_rig
from tests.kit.impossible import IMPOSSIBLE, POSSIBLE, fields_with, rig_fields

FX = 500.0


def camera_of(**fields: Any) -> PinholeCamera:
    return camera_from_calibration(**fields)


def rig_of(changes: dict[str, Any], *, is_rectified: bool = False) -> StereoCamera:
    left, right = (camera_of(**fields) for fields in rig_fields(changes))
    return rectified_rig(left, right, is_rectified=is_rectified)


@pytest.mark.parametrize('name', IMPOSSIBLE)
def test_impossible_calibrations_are_refused_by_name(name: str) -> None:
    changes, words = IMPOSSIBLE[name]
    with pytest.raises(CalibrationError) as caught:
        rig_of(changes)
    text = str(caught.value)
    assert [word for word in words if word not in text] == [], text
    assert ';' in text or ':' in text, 'no remedy'


@pytest.mark.parametrize('name', POSSIBLE)
def test_what_cameras_have_is_accepted(name: str) -> None:
    camera_of(**fields_with('left', POSSIBLE[name]))


@pytest.mark.parametrize(
    ('baseline_m', 'words'),
    [
        (120.0, ('millimetres (0.12 m)', 'P[0,3] = -60 ')),
        (12.0, ('centimetres (0.12 m)', 'P[0,3] = -60 ')),
        (54.0, ('millimetres (0.054 m)', 'centimetres (0.54 m)')),
        (75.0, ('millimetres (0.075 m)',)),
        (0.12 / FX, ('not multiplied by fx', '(0.12 m)')),
        (1.2e-4, ('kilometres (0.12 m)',)),
        (1.2e5, ('micrometres (0.12 m)',)),
        (1e-9, ('no unit of length',)),
        (5.01, ('0.005 to 5 m',)),
        (0.0049, ('0.005 to 5 m',)),
    ],
)
def test_baselines_in_other_units_are_told(baseline_m: float, words: tuple[str, ...]) -> None:
    with pytest.raises(CalibrationError) as caught:
        rig_of({'right_p': {(0, 3): -FX * baseline_m}})
    assert caught.value.reason == 'baseline_units'
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_the_value_that_the_refusal_gives_is_accepted() -> None:
    """Type what it says: P[0,3] = -60."""
    assert rig_of({'right_p': {(0, 3): -60.0}}).baseline_m == pytest.approx(0.12)


@pytest.mark.parametrize('baseline_m', BASELINE_RANGE_M)
def test_the_limits_are_inside(baseline_m: float) -> None:
    assert rig_of({'right_p': {(0, 3): -FX * baseline_m}}).baseline_m == baseline_m


def test_baseline_parameter_is_proven_too() -> None:
    left = ideal_camera(fx=FX, fy=FX, cx=319.5, cy=239.5, height=480, width=640)
    with pytest.raises(CalibrationError, match=r'--baseline-m.*millimetres \(0.12'):
        stereo_camera(left, left, baseline_m=120.0)


def test_of_several_units_each_is_told_with_its_value() -> None:
    with pytest.raises(CalibrationError) as caught:
        rig_of({'right_p': {(0, 3): -FX * 1.2e-4}})
    text = str(caught.value)
    assert 'type P[0,3] = -30 on the right side if they are 0.06 m apart' in text
    assert 'P[0,3] = -60 on the right side if they are 0.12 m apart' in text
    assert 'baseline_m' not in text


def test_a_horizontal_rig_is_not_to_be_turned() -> None:
    with pytest.raises(CalibrationError, match=r'set P.1,3. to 0') as caught:
        rig_of({'right_p': {(1, 3): 5.0}})
    assert '90 degrees' not in str(caught.value)


def test_unlike_focal_lengths_of_raw_images_are_told(caplog: pytest.LogCaptureFixture) -> None:
    for fx, is_told in ((510.0, False), (600.0, True)):
        caplog.clear()
        left, right = (camera_of(**fields) for fields in rig_fields({'right_p': {(0, 0): fx}}))
        Rectifier(left, right)
        assert ('[focal_lengths_differ]' in caplog.text) == is_told
    assert '0.1000 m' in caplog.text and '0.1200 m' in caplog.text


def test_a_lens_that_blackens_much_is_told(caplog: pytest.LogCaptureFixture) -> None:
    for k3, is_told in ((0.0, False), (50.0, True)):
        caplog.clear()
        d = np.array([0.0, 0.0, 0.0, 0.0, k3])
        _ = MonoRectifier(camera_of(**fields_with('left', {'d': d}))).covered
        assert ('[rectified_black]' in caplog.text) == is_told


def test_a_vertical_rig_is_not_sent_to_the_baseline_parameter() -> None:
    left, right = (
        camera_of(**fields) for fields in rig_fields({'right_p': {(0, 3): 0.0, (1, 3): -60.0}})
    )
    for baseline_m in (None, 0.12):
        with pytest.raises(CalibrationError, match='turn both images by 90 degrees') as caught:
            rectified_rig(left, right, baseline_m=baseline_m)
        assert caught.value.reason == 'vertical_rig'


def test_rigs_say_what_a_pixel_is_worth() -> None:
    text = rig_of({}).describe()
    assert '0.1200 m' in text and '500.0 px' in text and '60.00 m' in text


@pytest.mark.parametrize(
    ('right_p', 'reason'),
    [
        ({(0, 0): 501.0}, 'focal_length'),
        ({(1, 1): 502.0}, 'focal_length'),
        ({(1, 2): 240.2}, 'row_alignment'),
    ],
)
def test_rectified_pairs_are_held_to_a_fraction_of_a_pixel(
    right_p: dict[tuple[int, int], float], reason: str
) -> None:
    """0.2 % of fx is 0.64 px at the border; raw images are brought together exactly."""
    with pytest.raises(CalibrationError, match='--raw') as caught:
        rig_of({'right_p': right_p}, is_rectified=True)
    assert caught.value.reason == reason
    rig = rig_of({'right_p': right_p})
    np.testing.assert_array_equal(rig.left.p[:, 1], rig.right.p[:, 1])
    assert (rig.left.fx, rig.left.cy) == (rig.right.fx, rig.right.cy)


def test_a_focal_length_of_its_own_keeps_the_baseline() -> None:
    """Each side's P[0,3] is divided by its own fx."""
    assert rig_of({'right_p': {(0, 0): 450.0, (0, 3): -54.0}}).baseline_m == pytest.approx(0.12)


def test_k_of_the_binned_image_is_told_from_any_other() -> None:
    """A driver says 2064x1536 and binning 4 beside K and P of the binned image."""
    k = np.array([400.0, 0, 254.1, 0, 400, 190.9, 0, 0, 1])
    with pytest.raises(CalibrationError, match='that of the binned image, 516x384') as caught:
        camera_from_calibration(
            k=k,
            d=np.zeros(5),
            distortion_model='plumb_bob',
            r=np.eye(3),
            p=np.zeros(12),
            height=1536,
            width=2064,
            binning=(4, 4),
        )
    assert 'give K and P of the full image' in str(caught.value)


def test_a_map_that_shows_nothing_has_its_own_reason() -> None:
    """R turns the camera by 80 degrees, though it is a rotation."""
    turn = np.deg2rad(80.0)
    r = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    rectifier = MonoRectifier(camera_of(**fields_with('left', {'r': r})))
    for _ in range(2):
        with pytest.raises(CalibrationError, match='R turns the camera away') as caught:
            _ = rectifier.covered
        assert caught.value.reason == 'rectified_empty'
