"""Hints: what is filled, spread and fitted, with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.errors import ShapeError
from depth_ros.frames import DisparityHint, RectifiedStereo
from depth_ros.geometry.hints import (
    FILLED,
    MEASURED,
    SPREAD_TRUST,
    dense_hint,
    depth_hint,
    distance_from,
    engine_hint,
    nothing_known,
    refined,
    sparse_hint,
)
from depth_ros.geometry.postprocess import agreement_confidence
from depth_ros.geometry.preprocess import Fit, fit_size

NAN = np.float32(np.nan)


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_a_short_hole_takes_the_background_with_less_trust() -> None:
    hint = dense_hint(row(9, 9, 9, NAN, 4, 4, 4, 4))
    np.testing.assert_array_equal(hint.disparity, row(9, 9, 9, 4, 4, 4, 4, 4))
    assert hint.trust[0, 3] == FILLED
    assert (np.delete(hint.trust[0], 3) == MEASURED).all()


def test_a_long_run_stays_unknown() -> None:
    hint = dense_hint(row(9, NAN, NAN, NAN, 4, 4, 4, 4))
    assert np.isnan(hint.disparity[0, 1:4]).all() and not hint.trust[0, 1:4].any()


def test_an_empty_row_stays_unknown() -> None:
    hint = dense_hint(np.full((2, 6), NAN))
    assert np.isnan(hint.disparity).all() and not hint.trust.any()


def test_points_spread_with_falling_trust_up_to_their_reach() -> None:
    points = np.full((1, 12), NAN)
    points[0, 0], points[0, 11] = 5.0, 8.0
    hint = sparse_hint(points.astype(np.float32), reach_px=4.0)
    np.testing.assert_allclose(hint.trust[0, :3], SPREAD_TRUST * np.array([1, 0.75, 0.5]), 1e-2)
    np.testing.assert_array_equal(hint.disparity[0, :4], 5.0)
    np.testing.assert_array_equal(hint.disparity[0, 8:], 8.0)
    assert np.isnan(hint.disparity[0, 5:7]).all() and not hint.trust[0, 5:7].any()


def test_no_points_are_no_hint() -> None:
    assert not sparse_hint(np.full((3, 4), NAN), reach_px=4.0).trust.any()


def test_fitting_scales_disparity_and_mixes_nothing() -> None:
    disparity = np.where(np.arange(8) < 4, 20.0, 6.0)[None].repeat(4, 0).astype(np.float32)
    disparity[:, 7] = NAN
    placement = fit_size((4, 8), (2, 4), fit=Fit.RESIZE)
    planes = engine_hint(dense_hint(disparity), placement)
    np.testing.assert_array_equal(planes[0], [[10, 10, 3, 3]] * 2)
    assert set(np.unique(planes[1])) <= {0.0, FILLED, MEASURED}


def test_padding_and_unknown_pixels_know_nothing() -> None:
    placement = fit_size((2, 2), (4, 4), fit=Fit.PAD)
    unknown = DisparityHint(disparity=np.full((2, 2), NAN), trust=np.ones((2, 2)))
    planes = engine_hint(unknown, placement)
    assert (planes[0] == -1).all() and not planes[1].any()
    known = engine_hint(dense_hint(np.full((2, 2), 3.0, np.float32)), placement)
    assert (known[0, :2, :2] == 3).all()
    assert (known[0, 2:] == -1).all() and (known[0, :, 2:] == -1).all()
    assert (engine_hint(None, placement)[0] == -1).all()


def test_planes_of_two_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match='of one size'):
        DisparityHint(disparity=np.zeros((2, 3), np.float32), trust=np.zeros((3, 2), np.float32))


def test_a_hint_of_another_size_than_the_pair_is_refused() -> None:
    size = {'height': 4, 'width': 6}
    numbers = {'fx': 5.0, 'fy': 5.0, 'cx': 3.0, 'cy': 2.0, **size}
    camera = stereo_camera(ideal_camera(**numbers), ideal_camera(**numbers, tx=-1.0))
    image = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(ShapeError, match='rectified left image'):
        RectifiedStereo(left=image, right=image, camera=camera, hint=nothing_known((6, 4)))


def test_a_soft_edge_becomes_as_sharp_as_the_hint() -> None:
    sharp = np.where(np.arange(24) < 12, 20.0, 4.0)[None].repeat(6, 0).astype(np.float32)
    soft = sharp.copy()
    soft[:, 11:13] = 12.0
    hint = dense_hint(sharp)
    np.testing.assert_array_equal(refined(soft, hint, tolerance_px=1.0), sharp)


def test_a_hint_the_map_does_not_hold_is_left_out() -> None:
    found = np.full((12, 24), 8.0, np.float32)
    wrong = found.copy()
    wrong[4:8, 4:8] = 15.0
    expected = np.where(wrong == 15.0, found, wrong)
    np.testing.assert_array_equal(refined(found, dense_hint(wrong), tolerance_px=1.0), expected)
    wrong[:, 8:] = 8.0 + 3.0
    np.testing.assert_array_equal(refined(found, dense_hint(wrong), tolerance_px=1.0), found)


def test_unknown_pixels_of_the_map_stay_unless_the_hint_is_held_nearby() -> None:
    found = np.full((12, 24), 8.0, np.float32)
    found[:, 10] = NAN
    result = refined(found, dense_hint(np.full((12, 24), 8.25, np.float32)), tolerance_px=1.0)
    assert (result == 8.25).all()
    assert np.isnan(refined(found, nothing_known((12, 24)), tolerance_px=1.0)[:, 10]).all()


def test_streaks_of_a_hint_stay_out_of_a_smooth_map_but_not_its_finer_slope() -> None:
    found = np.full((12, 24), 8.0, np.float32)
    streaks = np.where(np.arange(12) % 3 == 0, 9.5, 8.0)[:, None].repeat(24, 1)
    hint = dense_hint(streaks.astype(np.float32))
    np.testing.assert_array_equal(refined(found, hint, tolerance_px=2.0), found)
    alone = np.where(np.arange(12) == 6, 8.5, NAN)[:, None].repeat(24, 1).astype(np.float32)
    np.testing.assert_array_equal(refined(found, dense_hint(alone), tolerance_px=2.0), found)
    slope = np.linspace(7.5, 8.5, 24, dtype=np.float32)[None].repeat(12, 0)
    np.testing.assert_array_equal(refined(found, dense_hint(slope), tolerance_px=2.0), slope)


def test_streaks_are_taken_at_an_edge_that_the_map_has() -> None:
    """Only there, because the place of the edge is what the hint knows better."""
    found = np.where(np.arange(40) < 20, 20.0, 4.0)[None].repeat(12, 0).astype(np.float32)
    streaks = found + np.where(np.arange(12) % 2 == 0, 1.5, 0.0)[:, None].astype(np.float32)
    taken = refined(found, dense_hint(streaks), tolerance_px=2.0) != found
    np.testing.assert_array_equal(np.flatnonzero(taken.any(axis=0)), np.arange(18, 22))


def test_measured_depth_becomes_disparity() -> None:
    """Z = f b / (d - c) with f = 5 px, b = 0.2 m and c = 0."""
    size = {'height': 4, 'width': 6}
    numbers = {'fx': 5.0, 'fy': 5.0, 'cx': 3.0, 'cy': 2.0, **size}
    camera = stereo_camera(ideal_camera(**numbers), ideal_camera(**numbers, tx=-1.0))
    depth = np.full((4, 6), NAN)
    depth[1, 2], depth[3, 5], depth[0, 0] = 0.5, np.inf, 0.0
    hint = depth_hint(depth, camera, reach_px=1.5)
    assert hint.disparity[1, 2] == pytest.approx(2.0)
    assert hint.trust[1, 2] == pytest.approx(SPREAD_TRUST)
    assert np.isnan(hint.disparity[3, 5]) and np.isnan(hint.disparity[0, 0])


def test_distance_is_from_what_was_measured() -> None:
    hint = dense_hint(row(9, 9, 9, NAN, 4, 4, 4, 4))
    distance = distance_from(hint, np.full((1, 8), 5.0, np.float32))
    np.testing.assert_array_equal(distance, row(4, 4, 4, NAN, 1, 1, 1, 1))
    score = agreement_confidence(distance, threshold_px=2.0)
    np.testing.assert_array_equal(score, row(0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5))
