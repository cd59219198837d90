"""Photometric loss: values by hand, right gradients, sampling where it should be."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.training.photometric_loss import (
    edge_aware_smoothness,
    photometric_error,
    sample_pixels,
    ssim,
    warp_by_disparity,
)

C1, C2 = 1e-4, 9e-4


def test_ssim_of_flat_images_is_that_of_their_means() -> None:
    a, b = torch.full((2, 3, 4, 5), 0.25), torch.full((2, 3, 4, 5), 0.75)
    expected = (2 * 0.25 * 0.75 + C1) / (0.25**2 + 0.75**2 + C1)
    found = ssim(a, b)
    assert found.shape == (2, 1, 4, 5)
    torch.testing.assert_close(found, torch.full_like(found, expected), rtol=1e-4, atol=0)


def test_ssim_of_a_window_written_out() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, 3, 3, dtype=torch.float64).unbind(0)
    mean_a, mean_b = a.mean(), b.mean()
    covariance = ((a - mean_a) * (b - mean_b)).mean()
    above = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    spread = ((a - mean_a) ** 2).mean() + ((b - mean_b) ** 2).mean()
    below = (mean_a**2 + mean_b**2 + C1) * (spread + C2)
    assert float(ssim(a, b)[0, 0, 1, 1]) == pytest.approx(float(above / below), rel=1e-9)


def test_ssim_tells_equal_from_opposite() -> None:
    torch.manual_seed(1)
    a = torch.rand(1, 3, 8, 9)
    torch.testing.assert_close(ssim(a, a), torch.ones(1, 1, 8, 9))
    assert float(ssim(a, 1.0 - a).max()) < 0.1


def test_photometric_error_joins_both_terms() -> None:
    a, b = torch.full((1, 3, 4, 4), 0.25), torch.full((1, 3, 4, 4), 0.75)
    likeness = (2 * 0.25 * 0.75 + C1) / (0.25**2 + 0.75**2 + C1)
    expected = 0.85 * (1 - likeness) / 2 + 0.15 * 0.5
    assert float(photometric_error(a, b)[0, 0, 2, 1]) == pytest.approx(expected, rel=1e-4)
    assert float(photometric_error(a, b, ssim_share=0.0)[0, 0, 0, 0]) == 0.5
    assert float(photometric_error(a, a).abs().max()) < 1e-6
    # One channel of three differs: L1 is the mean over the channels.
    b = a.clone()
    b[:, 1] += 0.3
    assert float(photometric_error(a, b, ssim_share=0.0).mean()) == pytest.approx(0.1, rel=1e-5)


def test_smoothness_by_hand() -> None:
    disparity = torch.tensor([[1.0, 3.0], [1.0, 3.0]]).view(1, 1, 2, 2)
    flat = torch.zeros(1, 3, 2, 2)
    # Mean 2: one step of 1 in x, none in y.
    assert float(edge_aware_smoothness(disparity, flat)) == pytest.approx(1.0, rel=1e-5)
    edge = torch.tensor([[0.0, 0.6], [0.0, 0.6]]).expand(1, 3, 2, 2)
    found = float(edge_aware_smoothness(disparity, edge))
    assert found == pytest.approx(math.exp(-0.6), rel=1e-5)
    across = edge.transpose(2, 3)
    assert float(edge_aware_smoothness(disparity, across)) == pytest.approx(1.0, rel=1e-5)


def test_smoothness_does_not_reward_small_disparities() -> None:
    torch.manual_seed(2)
    disparity, image = torch.rand(2, 1, 6, 7) + 0.1, torch.rand(2, 3, 6, 7)
    whole, small = (edge_aware_smoothness(f * disparity, image) for f in (1.0, 0.01))
    torch.testing.assert_close(whole, small, rtol=1e-3, atol=0)


def test_warp_reads_at_x_minus_disparity_and_repeats_the_border() -> None:
    ramp = torch.arange(16.0).expand(1, 3, 4, 16)
    warped = warp_by_disparity(ramp, torch.full((1, 1, 4, 16), 2.5))
    torch.testing.assert_close(warped[0, 1, 2, 3:], torch.arange(3.0, 16.0) - 2.5)
    assert float(warped[0, 0, 0, :2].abs().max()) == 0.0
    back = warp_by_disparity(ramp, torch.full((1, 1, 4, 16), -3.0))
    torch.testing.assert_close(back[0, 0, 0, :13], torch.arange(3.0, 16.0))
    assert (back[0, 0, 0, 13:] == 15.0).all()


def test_warp_without_disparity_changes_nothing() -> None:
    torch.manual_seed(3)
    image = torch.rand(2, 3, 5, 7)
    torch.testing.assert_close(warp_by_disparity(image, torch.zeros(2, 1, 5, 7)), image)


def test_sampling_takes_x_before_y_and_can_blacken() -> None:
    image = torch.arange(12.0).view(1, 1, 3, 4)
    pixels = torch.tensor([[[[3.0, 1.0], [0.5, 0.5], [-2.0, 0.0]]]])
    found = sample_pixels(image, pixels)[0, 0, 0]
    assert found.tolist() == pytest.approx([7.0, 2.5, 0.0], abs=1e-5)
    black = sample_pixels(image + 1.0, pixels, padding='zeros')[0, 0, 0]
    assert black.tolist() == pytest.approx([8.0, 3.5, 0.0], abs=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(4)
    a, b = torch.rand(2, 1, 2, 4, 5, dtype=torch.float64).unbind(0)
    disparity = 0.3 + torch.rand(1, 1, 4, 5, dtype=torch.float64)
    for tensor in (a, b, disparity):
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(photometric_error, (a, b))
    assert torch.autograd.gradcheck(edge_aware_smoothness, (disparity, a.detach()))
    assert torch.autograd.gradcheck(warp_by_disparity, (b, disparity))
