from __future__ import annotations

import math

import numpy as np
import pytest

from depth_ros.evaluation.certainty import (
    coverage,
    fitted_plane,
    sparsification,
    sparsification_error,
    uneven_share,
)

ERROR = np.arange(1.0, 101.0)


def test_the_curve_falls_if_doubt_tells_the_error_and_rises_if_it_tells_the_opposite():
    curve = sparsification(ERROR, ERROR)
    assert curve[0] == pytest.approx(50.5) and curve[10] == pytest.approx(25.5)
    assert sparsification(ERROR, -ERROR)[10] == pytest.approx(75.5)


def test_a_perfect_order_is_no_error_and_no_order_is_half_way():
    assert sparsification_error(ERROR, 3.0 * ERROR) == 0.0
    assert sparsification_error(ERROR, -ERROR) > 0.9
    rng = np.random.default_rng(1)
    error = rng.exponential(1.0, 20_000)
    assert 0.3 < sparsification_error(error, rng.random(20_000)) < 0.7


def test_what_nobody_knows_is_taken_away_first():
    doubt = np.where(ERROR > 90, np.inf, 0.0)
    assert sparsification(ERROR, doubt)[2] == pytest.approx(45.5)


@pytest.mark.parametrize('share', [0.68, 0.95])
def test_laplacian_errors_lie_in_their_intervals(share: float):
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.1, 5.0, 50_000)
    error = np.abs(rng.laplace(0.0, sigma / math.sqrt(2.0)))
    assert coverage(error, sigma, share) == pytest.approx(share, abs=0.01)
    assert coverage(error, 0.5 * sigma, share) < share - 0.05


def test_the_plane_is_that_of_most_pixels():
    y, x = np.mgrid[:60, :80]
    plane = 20.0 + 0.1 * x - 0.05 * y
    disparity = plane.copy()
    disparity[:, :25] = 60.0
    disparity[40:, 60:] = np.nan
    region = np.ones(plane.shape, bool)
    found = fitted_plane(disparity, region)
    np.testing.assert_allclose(found, plane, atol=1e-6)
    known = 60 * 80 - 20 * 20
    assert uneven_share(disparity, found, region) == pytest.approx(60 * 25 / known)


def test_where_nothing_is_known_nothing_is_uneven():
    nothing = np.full((4, 4), np.nan)
    assert math.isnan(uneven_share(nothing, np.ones((4, 4)), np.ones((4, 4), bool)))
