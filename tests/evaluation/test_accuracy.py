from __future__ import annotations

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.evaluation.accuracy import depth_errors, disparity_errors, median_scale

NAN, INF = np.nan, np.inf


def test_known_answer():
    truth = np.array([[10, 10, 10, 10, 10, NAN, INF]])
    estimate = np.array([[10, 10.5, 12.0, 13.5, NAN, 3, 4]])
    errors = disparity_errors(estimate, truth)
    assert errors.num_pixels == 5
    assert errors.density == pytest.approx(4 / 5)
    assert errors.epe_px == pytest.approx((0 + 0.5 + 2.0 + 3.5) / 4)
    assert (errors.bad1, errors.bad2, errors.bad3) == (0.5, 0.25, 0.25)


def test_mask_says_where_to_look():
    truth, estimate = np.zeros((2, 2)), np.array([[0.0, 5.0], [7.0, 9.0]])
    errors = disparity_errors(estimate, truth, mask=np.array([[True, True], [False, False]]))
    assert (errors.num_pixels, errors.epe_px, errors.bad3) == (2, 2.5, 0.5)


def test_nothing_in_common_gives_nan_not_zero():
    errors = disparity_errors(np.full((3, 3), NAN), np.ones((3, 3)))
    assert np.isnan(errors.epe_px)
    assert np.isnan(errors.bad1)
    assert errors.density == 0.0
    assert np.isnan(disparity_errors(np.ones((3, 3)), np.full((3, 3), INF)).density)


def test_other_sizes_are_refused_not_broadcast():
    with pytest.raises(InputError, match='one size'):
        disparity_errors(np.ones((3, 3)), np.ones((3, 1)))
    with pytest.raises(InputError, match='one size'):
        disparity_errors(np.ones((3, 3)), np.ones((3, 3)), mask=np.ones((1, 3)))


def test_depth_errors_by_hand():
    truth = np.array([[1.0, 2.0, 4.0, NAN, 0.0]])
    # Medians 2 and 20: scaled by 0.1 the estimates are 1.1, 2 and 6.
    relative = np.array([[11.0, 20.0, 60.0, 7.0, 8.0]])
    scale = median_scale(relative, truth)
    assert scale == pytest.approx(0.1)
    errors = depth_errors(scale * relative, truth)
    assert errors.abs_rel == pytest.approx((0.1 + 0.0 + 0.5) / 3)
    assert errors.rmse == pytest.approx(np.sqrt((0.01 + 0.0 + 4.0) / 3))
    assert errors.within_125 == pytest.approx(2 / 3)
    assert (errors.density, errors.num_pixels, errors.num_compared) == (1.0, 3, 3)


def test_depth_that_is_not_known_is_not_compared():
    truth, estimate = np.ones((1, 4)), np.array([[1.0, INF, NAN, -1.0]])
    errors = depth_errors(estimate, truth, mask=np.array([[True, True, True, False]]))
    assert (errors.num_pixels, errors.num_compared, errors.abs_rel) == (3, 1, 0.0)
    assert median_scale(estimate, truth) == 1.0


def test_without_common_depth_errors_and_scale_are_nan():
    nothing = np.full((2, 2), NAN)
    errors = depth_errors(np.ones((2, 2)), nothing)
    assert np.isnan([errors.abs_rel, errors.rmse, errors.within_125, errors.density]).all()
    assert errors.num_compared == 0
    assert np.isnan(median_scale(nothing, np.ones((2, 2))))


@pytest.mark.parametrize('compare', [depth_errors, median_scale])
def test_depth_of_another_size_is_refused(compare):
    with pytest.raises(InputError, match='one size'):
        compare(np.ones((2, 2)), np.ones((2, 3)))
