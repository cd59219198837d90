"""Figures with known answers, whole and by parts."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.evaluation.disparity_figures import (
    disparity_figures,
    edge_distance_px,
    joined,
    parts_of,
    texture_levels,
)
from depth_ros.pictures.disparity_errors import error_picture
from tests.kit.stereo_truth_folders import rendered, truth_of


def test_every_figure_counts_what_it_says() -> None:
    truth = np.full((1, 8), 40.0)
    errors = np.array([0.0, 0.6, -1.5, 2.5, 3.5, -5.0, np.nan, 100.0])
    estimate = truth + errors
    truth[0, 7] = np.nan
    figures = disparity_figures(estimate, truth)
    assert figures.num_pixels == 7 and figures.density == pytest.approx(6 / 7)
    assert figures.epe_px == pytest.approx((0.6 + 1.5 + 2.5 + 3.5 + 5.0) / 6)
    shares = (figures.bad05, figures.bad1, figures.bad2, figures.bad4)
    assert shares == pytest.approx((5 / 6, 4 / 6, 3 / 6, 1 / 6))
    assert figures.d1_all == pytest.approx(2 / 6), 'above 3 px and above 2 px, 5 % of 40'
    far = disparity_figures(estimate * 0 + 104.0, np.full((1, 8), 100.0))
    assert (far.bad2, far.d1_all) == (1.0, 0.0), '4 px of 100 are 4 %'


def test_nothing_to_compare_is_not_known() -> None:
    nothing = np.full((2, 2), np.nan)
    figures = disparity_figures(nothing, nothing)
    assert np.isnan(figures.epe_px) and np.isnan(figures.density) and figures.num_pixels == 0
    blind = disparity_figures(nothing, np.zeros((2, 2)))
    assert np.isnan(blind.bad2) and blind.density == 0.0


def test_another_size_is_told() -> None:
    with pytest.raises(InputError, match='the truth is 3x2 and the estimate 4x2'):
        disparity_figures(np.zeros((2, 4)), np.zeros((2, 3)))


def test_parts_cover_the_image_and_say_where() -> None:
    view = rendered()
    parts = parts_of(view.left.image, truth_of(view))
    for group in (
        ('visible', 'occluded'),
        ('near edges', 'off edges', 'far from edges'),
        ('textured', 'plain'),
    ):
        total = np.sum([parts[name].astype(int) for name in group], axis=0)
        np.testing.assert_array_equal(total, 1)
    told = (parts['occluded'] == view.left_occluded).mean()
    assert told > 0.97


def test_edges_are_steps_of_the_truth() -> None:
    truth = np.full((9, 40), 5.0)
    truth[:, 20:] = 9.0
    distance = edge_distance_px(truth)
    assert distance[4, 19] == distance[4, 20] == 0
    assert distance[4, 10] == pytest.approx(9, abs=0.5)
    assert np.isinf(edge_distance_px(np.full((4, 4), 5.0))).all()


def test_texture_is_change_along_rows() -> None:
    stripes = np.zeros((20, 40, 3), np.uint8)
    stripes[:, 20::2] = 100
    levels = texture_levels(stripes)
    assert levels[10, 5] == 0.0 and levels[10, 34] == pytest.approx(100.0)


def test_means_leave_out_pairs_without_such_a_part() -> None:
    nothing = disparity_figures(np.full((1, 1), np.nan), np.full((1, 1), np.nan))
    one, three = (disparity_figures(np.full((1, 1), 1.0 + e), np.ones((1, 1))) for e in (1.0, 3.0))
    mean = joined([one, nothing, three])
    assert (mean.epe_px, mean.bad2, mean.num_pixels) == (2.0, 0.5, 2)


def test_the_picture_shows_errors_red_and_unknown_black() -> None:
    view = rendered()
    truth = truth_of(view)
    estimate = truth.copy()
    estimate[:, 60:] += 6.0
    estimate[:20] = np.nan
    picture = error_picture(view.left.image, truth, estimate)
    height, width = picture.shape[0], picture.shape[1] // 4
    errors = picture[:, 3 * width :]
    assert not errors[5, 10:].any()
    wrong, right = errors[height - 20, width - 20], errors[height - 20, 20]
    assert wrong[0] > 100 and wrong[2] < 60 and right[0] < 80
