"""The census at single pixels: alike at the true match, whatever gain and offset cameras have."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_ros.geometry.census import CensusPair

HEIGHT, WIDTH, DISPARITY_PX = 24, 48, 7
ROWS, COLUMNS = (axis.ravel() for axis in np.mgrid[0:HEIGHT, DISPARITY_PX:WIDTH])


def views(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return two views of smooth texture at ``DISPARITY_PX``, float32 grey."""
    drawn = np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH + DISPARITY_PX))
    wide = (128.0 + 60.0 * cv2.GaussianBlur(drawn, (0, 0), 1.0)).astype(np.float32)
    return wide[:, :WIDTH], wide[:, DISPARITY_PX:]


def unlikeness(left: np.ndarray, right: np.ndarray, disparity_px: float) -> np.ndarray:
    """Compare at all pixels that the right image shows."""
    disparity = np.full(ROWS.shape, disparity_px, np.float32)
    return CensusPair(left, right).unlikeness(ROWS, COLUMNS, disparity)


def test_true_matches_are_alike_and_wrong_ones_are_not() -> None:
    left, right = views()
    inner = (COLUMNS >= DISPARITY_PX + 2) & (COLUMNS < WIDTH - 2)
    assert unlikeness(left, right, DISPARITY_PX)[inner].max() < 1e-5
    wrong = unlikeness(left, right, DISPARITY_PX - 3.0)
    assert np.median(wrong) > 0.4 and wrong.min() >= 0.0 and wrong.max() <= 2.0


def test_another_gain_and_offset_matter_little() -> None:
    left, right = views()
    changed = unlikeness(left, 0.7 * right + 30.0, DISPARITY_PX)
    assert np.median(changed) < 0.25 * np.median(unlikeness(left, right, DISPARITY_PX - 3.0))


def test_half_a_pixel_lies_between_two() -> None:
    left, right = views()
    middle = 0.5 * (right + np.roll(right, 1, 1))
    own = unlikeness(left, right, DISPARITY_PX + 0.5)
    inner = (COLUMNS >= DISPARITY_PX + 4) & (COLUMNS < WIDTH - 4)
    whole = unlikeness(left, middle, DISPARITY_PX)
    np.testing.assert_allclose(own[inner], whole[inner], atol=1e-4)


@pytest.mark.parametrize('disparity_px', [-1e6, -3.0, 1e6])
def test_matches_beyond_the_border_are_those_of_its_last_column(disparity_px: float) -> None:
    left, right = views()
    found = unlikeness(left, right, disparity_px)
    assert np.isfinite(found).all() and found.shape == ROWS.shape


def test_no_pixels_give_nothing() -> None:
    none = np.zeros(0, int)
    assert CensusPair(*views()).unlikeness(none, none, np.zeros(0)).shape == (0,)
