from __future__ import annotations

import numpy as np
import pytest

from depth_ros.accuracy import disparity_errors
from depth_ros.errors import InputError

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
