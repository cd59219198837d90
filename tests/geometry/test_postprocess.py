"""Filters and colours: small maps worked out by hand, and a scene with exact occlusion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from depth_ros.geometry.postprocess import (
    colorize_depth,
    colorize_disparity,
    fill_holes,
    left_right_confidence,
    remove_speckles,
)
from depth_ros.scenes.solids import ideal_stereo_camera, render_stereo, thin_bars
from depth_ros.settings import settings_of
from depth_ros.tasks.stereo.settings import StereoSettings

NAN = np.nan


def maps(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_agreement_gives_one_and_falls_linearly() -> None:
    left = np.full((1, 8), 2.0, np.float32)
    right = maps([2.0, 2.25, 2.5, 1.5, 3.0, 9.0, 2.0, 2.0])
    confidence = left_right_confidence(left, right, threshold_px=1.0)
    np.testing.assert_allclose(confidence, maps([0, 0, 1.0, 0.75, 0.5, 0.5, 0.0, 0.0]), atol=1e-6)
    doubled = left_right_confidence(left, right, threshold_px=2.0)
    np.testing.assert_allclose(doubled[0, 2:7], [1.0, 0.875, 0.75, 0.75, 0.5], atol=1e-6)


def test_unknown_on_either_side_gives_zero() -> None:
    left = maps([1.0, 1.0, NAN, 1.0, 1.0])
    right = maps([1.0, 1.0, NAN, 1.0, 1.0])
    confidence = left_right_confidence(left, right)
    np.testing.assert_array_equal(confidence, maps([0.0, 1.0, 0.0, 0.0, 1.0]))


def test_matches_outside_the_right_image_give_zero() -> None:
    left = maps([1.0, 1.0, 5.0, -1.0, -4.0])
    right = maps([1.0, -1.0, 0.0, 0.0, -1.0])
    confidence = left_right_confidence(left, right)
    np.testing.assert_array_equal(confidence, maps([0.0, 1.0, 0.0, 1.0, 0.0]))


def test_subpixel_matches_are_interpolated() -> None:
    left = maps([0.0, 0.0, 0.5, 0.0])
    right = maps([0.0, 0.0, 1.0, 0.0])
    confidence = left_right_confidence(left, right)
    assert confidence[0, 2] == pytest.approx(1.0, abs=0.02)


def test_rows_do_not_mix() -> None:
    left = np.array([[1.0] * 6, [3.0] * 6], np.float32)
    confidence = left_right_confidence(left, left.copy())
    np.testing.assert_array_equal(confidence[:, 3:], np.ones((2, 3)))
    np.testing.assert_array_equal(confidence[1, :3], np.zeros(3))


def test_confidence_of_exact_truth_finds_what_is_hidden() -> None:
    view = render_stereo(thin_bars(), ideal_stereo_camera(height=60, width=120))
    confidence = left_right_confidence(view.left_disparity, view.right_disparity)
    seen = ~view.left_occluded
    assert view.left_occluded.mean() > 0.05
    assert (confidence[view.left_occluded] == 0).mean() > 0.95
    assert (confidence[seen] > 0.9).mean() > 0.9


@settings(deadline=None)
@given(
    arrays(np.float32, (3, 7), elements=st.floats(-20, 20, width=32) | st.just(NAN)),
    arrays(np.float32, (3, 7), elements=st.floats(-20, 20, width=32) | st.just(NAN)),
)
def test_confidence_is_always_within_zero_and_one(left: np.ndarray, right: np.ndarray) -> None:
    confidence = left_right_confidence(left, right)
    assert confidence.dtype == np.float32
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert (confidence[np.isnan(left)] == 0).all()


def test_speckles_are_removed_by_size() -> None:
    disparity = np.full((8, 8), 5.0, np.float32)
    disparity[1:3, 1:3] = 20.0
    disparity[5, 5:7] = 1.0
    kept = disparity.copy()
    few = remove_speckles(disparity, max_size_px=2, max_difference_px=1.0)
    assert np.isnan(few[5, 5:7]).all()
    assert np.isnan(few).sum() == 2
    more = remove_speckles(disparity, max_size_px=4, max_difference_px=1.0)
    assert np.isnan(more[1:3, 1:3]).all()
    assert np.isnan(more).sum() == 6
    np.testing.assert_array_equal(disparity, kept)
    np.testing.assert_array_equal(
        remove_speckles(disparity, max_size_px=0, max_difference_px=1.0), disparity
    )


def test_speckle_filter_keeps_values_and_gentle_slopes() -> None:
    slope = np.tile(np.linspace(3.0, 9.0, 40, dtype=np.float32), (5, 1))
    slope[2, 7] = NAN
    filtered = remove_speckles(slope, max_size_px=50, max_difference_px=0.5)
    np.testing.assert_array_equal(filtered, slope)
    cut = remove_speckles(slope, max_size_px=50, max_difference_px=0.0625)
    assert np.isnan(cut).all()


def test_speckles_join_their_surroundings_at_the_given_difference() -> None:
    disparity = np.full((6, 6), 5.0, np.float32)
    disparity[2, 2:4] = 6.5
    apart = remove_speckles(disparity, max_size_px=2, max_difference_px=1.4)
    assert np.isnan(apart[2, 2:4]).all()
    joined = remove_speckles(disparity, max_size_px=2, max_difference_px=1.5)
    np.testing.assert_array_equal(joined, disparity)


def test_speckles_of_negative_and_unknown_disparity() -> None:
    disparity = np.full((6, 6), -7.5, np.float32)
    disparity[0, 0], disparity[3, 3] = NAN, 2.0
    filtered = remove_speckles(disparity, max_size_px=1, max_difference_px=1.0)
    assert np.isnan(filtered[[0, 3], [0, 3]]).all()
    assert np.isfinite(filtered).sum() == 34


def test_holes_take_the_background_of_their_row() -> None:
    filled = fill_holes(
        maps(
            [9.0, NAN, NAN, 2.0, NAN, 5.0],
            [NAN, NAN, 3.0, NAN, NAN, NAN],
            [NAN] * 6,
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        )
    )
    expected = maps(
        [9.0, 2.0, 2.0, 2.0, 2.0, 5.0],
        [3.0] * 6,
        [NAN] * 6,
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    )
    np.testing.assert_array_equal(filled, expected)
    assert filled.dtype == np.float32


@settings(deadline=None)
@given(arrays(np.float32, (3, 9), elements=st.floats(0, 20, width=32) | st.just(NAN)))
def test_filling_keeps_what_is_known_and_is_done_once(disparity: np.ndarray) -> None:
    filled = fill_holes(disparity)
    known = np.isfinite(disparity)
    np.testing.assert_array_equal(filled[known], disparity[known])
    np.testing.assert_array_equal(fill_holes(filled), filled)
    np.testing.assert_array_equal(np.isfinite(filled).all(axis=1), known.any(axis=1))


def turbo(entry: int) -> list[int]:
    bgr = cv2.applyColorMap(np.full((1, 1), entry, np.uint8), cv2.COLORMAP_TURBO)
    return [int(value) for value in bgr[0, 0, ::-1]]


def test_disparity_colors() -> None:
    painted = colorize_disparity(
        maps([NAN, 10.0, 20.0, 30.0, -5.0, 99.0, np.inf]), min=10.0, max=30.0
    )
    assert painted.shape == (1, 7, 3)
    assert painted.dtype == np.uint8
    expected = [[0, 0, 0], turbo(1), turbo(128), turbo(255), turbo(1), turbo(255), turbo(255)]
    assert painted[0].tolist() == expected


def test_near_is_red_and_far_is_blue() -> None:
    near = colorize_disparity(maps([29.0]), min=0.0, max=30.0)[0, 0].astype(int)
    far = colorize_disparity(maps([3.0]), min=0.0, max=30.0)[0, 0].astype(int)
    assert near[0] > near[2] + 50
    assert far[2] > far[0] + 50
    middle = colorize_disparity(maps([15.0]), min=0.0, max=30.0)[0, 0].astype(int)
    assert middle[1] > 200


def test_depth_colors_run_the_other_way() -> None:
    painted = colorize_depth(
        maps([1.0, 5.0, 3.0, np.inf, -np.inf, NAN, 0.2, 80.0]), min=1.0, max=5.0
    )
    near, far = turbo(255), turbo(1)
    assert painted[0].tolist() == [near, far, turbo(128), far, near, [0, 0, 0], near, far]


def test_a_speckle_of_the_size_itself_goes_and_a_larger_one_stays() -> None:
    """The words of ``speckle_size_px``: at most so many pixels."""
    (spec,) = (each for each in settings_of(StereoSettings) if each.name == 'speckle_size_px')
    assert 'of at most so many pixels' in spec.description
    disparity = np.full((12, 12), 1.0, np.float32)
    disparity[2, 2:5], disparity[8, 2:6] = 20.0, 30.0
    filtered = remove_speckles(disparity, max_size_px=3, max_difference_px=1.0)
    assert np.isnan(filtered[2, 2:5]).all(), 'three pixels are at most three'
    assert (filtered[8, 2:6] == 30.0).all(), 'four are more'
