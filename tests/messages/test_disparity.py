"""Disparity images have every field, and give the right metres."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depth_ros.camera import StereoCamera, ideal_camera, stereo_camera
from depth_ros.geometry.depth import disparity_to_depth
from depth_ros.messages.disparity import fill_disparity
from depth_ros.results import DisparityResult
from tests.kit import message_doubles as doubles


def rig(*, cx_right: float = 2.0) -> Any:
    numbers = {'fx': 100.0, 'fy': 100.0, 'cy': 1.0, 'height': 2, 'width': 6}
    return stereo_camera(
        ideal_camera(cx=2.0, **numbers), ideal_camera(cx=cx_right, tx=-10.0, **numbers)
    )


def disparity_result(values: list[list[float]], **changes: Any) -> DisparityResult:
    fields: dict[str, Any] = {
        'disparity': np.array(values, np.float32),
        'camera': rig(),
        'stamp_ns': 5,
        'min_disparity_px': 0.0,
        'max_disparity_px': 63.0,
        'step_px': 1.0 / 16.0,
    }
    return DisparityResult(**{**fields, **changes})


def filled(result: DisparityResult) -> Any:
    message = doubles.disparity_image()
    fill_disparity(message, result)
    return doubles.over_the_wire(message, 'stereo_msgs/msg/DisparityImage')


def pixels(message: Any) -> np.ndarray:
    return np.frombuffer(message.image.data, np.float32).reshape(message.image.height, -1)


def test_disparity_image_has_every_field() -> None:
    values = [[np.nan, 0.0, 1.0, 2.5, 63.0, 4.0]] * 2
    read = filled(disparity_result(values, num_masked_left=2))
    np.testing.assert_array_equal(pixels(read)[0], [-1.0, 0.0, 1.0, 2.5, 63.0, 4.0])
    assert (read.f, read.t) == (100.0, pytest.approx(0.1))
    assert (read.min_disparity, read.max_disparity, read.delta_d) == (0.0, 63.0, 0.0625)
    assert (read.image.encoding, read.image.step) == ('32FC1', 24)
    window = read.valid_window
    assert (window.x_offset, window.y_offset, window.width, window.height) == (2, 0, 4, 2)
    assert not window.do_rectify


def test_disparity_image_of_verged_cameras_gives_the_right_metres() -> None:
    motorcycle = stereo_camera(
        ideal_camera(fx=994.978, fy=994.978, cx=311.193, cy=254.877, height=2, width=3),
        ideal_camera(
            fx=994.978,
            fy=994.978,
            cx=311.193 + 31.086,
            cy=254.877,
            height=2,
            width=3,
            tx=-994.978 * 0.193001,
        ),
    )
    values = [[7.19, 20.0, 59.91], [0.0, np.nan, 63.0]]
    read = filled(disparity_result(values, camera=motorcycle))
    metres = read.f * read.t / pixels(read)
    expected = 994.978 * 0.193001 / (np.array(values) + 31.086)
    known = np.isfinite(values)
    np.testing.assert_allclose(metres[known], expected[known], rtol=1e-6)
    assert read.min_disparity == pytest.approx(31.086, abs=1e-5)
    assert read.max_disparity == pytest.approx(94.086, abs=1e-5)
    assert pixels(read)[1, 1] == np.float32(read.min_disparity) - 1
    assert (pixels(read)[known] >= np.float32(read.min_disparity)).all()


def test_disparities_behind_infinity_are_unknown_on_the_wire() -> None:
    read = filled(
        disparity_result([[5.0, 10.0, 10.5, 30.0, 9.0, np.nan]] * 2, camera=rig(cx_right=-8.0))
    )
    assert read.min_disparity == 0.0
    assert read.max_disparity == 53.0
    np.testing.assert_array_equal(pixels(read)[0], [-1.0, 0.0, 0.5, 20.0, -1.0, -1.0])


@pytest.mark.parametrize(
    ('num_masked', 'min_disparity', 'first', 'width'),
    [(0, 0.0, 0, 6), (6, 0.0, 6, 0), (900, 0.0, 6, 0), (0, -2.0, 0, 4), (3, -9.0, 3, 0)],
)
def test_valid_window_stays_in_the_image(
    num_masked: int, min_disparity: float, first: int, width: int
) -> None:
    result = disparity_result(
        [[1.0] * 6] * 2, num_masked_left=num_masked, min_disparity_px=min_disparity
    )
    window = filled(result).valid_window
    assert (window.x_offset, window.width) == (first, width)


def test_filling_does_not_touch_the_result() -> None:
    result = disparity_result([[np.nan, 1.0, 2.0, 3.0, 4.0, 5.0]] * 2)
    filled(result)
    assert np.isnan(result.disparity[0, 0])


def depth_upstream(message: Any, rig: StereoCamera) -> np.ndarray:
    """Give Z as ``image_geometry::StereoCameraModel`` does of a disparity and both camera_info.

    Its Q has ``(cx_right - cx_left) / T`` in the last place, whatever was taken off before.
    """
    offset = rig.right.cx - rig.left.cx
    return rig.left.fx * rig.baseline_m / (pixels(message) + offset)


@pytest.mark.parametrize('cx_right', [2.0, 5.0])
def test_upstream_agrees_for_parallel_rigs_and_corrects_verged_ones_twice(cx_right: float) -> None:
    """What the warning [verged] of the node is about; f, T and d alone are right for both."""
    both = rig(cx_right=cx_right)
    result = disparity_result([[4.0, 8.0, 16.0, 20.0, 32.0, 40.0]] * 2, camera=both)
    message = filled(result)
    ours = disparity_to_depth(result.disparity, both)
    np.testing.assert_allclose(message.f * message.t / pixels(message), ours, rtol=1e-6)
    theirs = depth_upstream(message, both)
    assert np.allclose(theirs, ours, rtol=1e-6) == (cx_right == 2.0)
