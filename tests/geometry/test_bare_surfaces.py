"""Bare surfaces: faint texture that both cameras see is believed, what each sees alone is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_ros.geometry.bare_surfaces import LARGEST_FACTOR, doubted_sigma

HEIGHT, WIDTH, DISPARITY_PX = 80, 160, 9
INSIDE = np.s_[8:-8, 24:-8]


def wall(*, texture: float, noise: float) -> list[np.ndarray]:
    """Return a pair of a wall at ``DISPARITY_PX``; texture and noise in grey levels."""
    rng = np.random.default_rng(3)
    drawn = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH + 16)), (0, 0), 2.0)
    drawn *= texture / drawn.std()
    views = (drawn[:, :WIDTH], drawn[:, DISPARITY_PX : DISPARITY_PX + WIDTH])
    noisy = (128.0 + view + noise * rng.standard_normal(view.shape) for view in views)
    return [np.repeat(np.rint(view).astype(np.uint8)[..., None], 3, 2) for view in noisy]


def factor(pair: list[np.ndarray], disparity_px: float) -> np.ndarray:
    """Return how many times as large the deviation has become."""
    shape = (HEIGHT, WIDTH)
    sigma = np.full(shape, 0.5, np.float32)
    found = doubted_sigma(sigma, np.full(shape, disparity_px, np.float32), *pair)
    assert (sigma == 0.5).all() and found.dtype == np.float32 and found.shape == shape
    return (found / sigma)[INSIDE]


def test_faint_texture_at_its_disparity_is_believed() -> None:
    assert np.mean(factor(wall(texture=4.0, noise=0.7), DISPARITY_PX) < 1.5) > 0.95


def test_faint_texture_at_another_disparity_is_not() -> None:
    found = factor(wall(texture=4.0, noise=0.7), DISPARITY_PX + 20.0)
    assert np.mean(found > 0.9 * LARGEST_FACTOR) > 0.6


def test_noise_alone_is_not_believed_at_any_disparity() -> None:
    pair = wall(texture=1e-6, noise=1.5)
    for disparity_px in (0.0, 7.25, DISPARITY_PX):
        assert np.median(factor(pair, disparity_px)) == pytest.approx(LARGEST_FACTOR)


def test_one_grey_has_nothing_to_believe() -> None:
    pair = wall(texture=1e-6, noise=0.0)
    assert factor(pair, DISPARITY_PX) == pytest.approx(LARGEST_FACTOR)


def test_textured_surfaces_are_left_to_the_matcher() -> None:
    pair = wall(texture=40.0, noise=1.0)
    assert np.mean(factor(pair, DISPARITY_PX + 20.0) == 1.0) > 0.99


def test_what_is_unknown_does_no_harm() -> None:
    shape = (HEIGHT, WIDTH)
    sigma = np.where(np.arange(WIDTH) < 40, np.nan, 0.5) * np.ones(shape)
    disparity = np.where(np.arange(WIDTH) < 60, np.nan, DISPARITY_PX) * np.ones(shape)
    found = doubted_sigma(
        sigma.astype(np.float32), disparity.astype(np.float32), *wall(texture=4.0, noise=0.7)
    )
    assert np.isnan(found[:, :40]).all() and np.isfinite(found[:, 40:]).all()
