"""Losses of training without truth: how well one image explains another, and smooth maps.

From Godard et al. 2017, "Unsupervised Monocular Depth Estimation with Left-Right Consistency"
(arXiv 1609.03677), and Godard et al. 2019 (arXiv 1806.01260). Images are (B, C, H, W) within
0..1, disparities (B, 1, H, W); pixel centres are at integers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SSIM_SHARE = 0.85
_C1, _C2 = 0.01**2, 0.03**2


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity in 3x3 windows, mean over the channels.

    Wang et al. 2004, eq. 13, with a box window as in Godard et al. 2017; images are mirrored at
    their borders.

    Args:
        a: Images (B, C, H, W), 0..1.
        b: As ``a``.

    Returns:
        (B, 1, H, W) in -1..1; 1 where the windows are equal.
    """
    a, b = (functional.pad(image, (1, 1, 1, 1), mode='reflect') for image in (a, b))
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    variance_a = _window_mean(a * a) - mean_a * mean_a
    variance_b = _window_mean(b * b) - mean_b * mean_b
    covariance = _window_mean(a * b) - mean_a * mean_b
    above = (2.0 * mean_a * mean_b + _C1) * (2.0 * covariance + _C2)
    below = (mean_a * mean_a + mean_b * mean_b + _C1) * (variance_a + variance_b + _C2)
    return (above / below).mean(1, keepdim=True)


def _window_mean(image: Tensor) -> Tensor:
    return functional.avg_pool2d(image, 3, 1)


def photometric_error(a: Tensor, b: Tensor, *, ssim_share: float = SSIM_SHARE) -> Tensor:
    """Return share * (1 - SSIM) / 2 + (1 - share) * L1 (Godard et al. 2019, section 3.1).

    Args:
        a: Images (B, C, H, W), 0..1.
        b: As ``a``.
        ssim_share: Weight of the first term.

    Returns:
        (B, 1, H, W), 0..1; L1 is the mean over the channels.
    """
    absolute = (a - b).abs().mean(1, keepdim=True)
    if ssim_share == 0.0:
        return absolute
    unlike = ((1.0 - ssim(a, b)) / 2.0).clamp(0.0, 1.0)
    return ssim_share * unlike + (1.0 - ssim_share) * absolute


def edge_aware_smoothness(disparity: Tensor, image: Tensor) -> Tensor:
    """Return |dx d*| exp(-|dx I|) + |dy d*| exp(-|dy I|), d* = d / mean(d) per image.

    Godard et al. 2019, eq. 3; without the mean a network would shrink all disparities.

    Args:
        disparity: (B, 1, H, W), positive; any unit.
        image: (B, C, H, W) of the same size, 0..1.

    Returns:
        A scalar: the means of both terms, added.
    """
    normalised = disparity / (disparity.mean((2, 3), keepdim=True) + 1e-7)
    terms = [
        (step(normalised).abs() * torch.exp(-step(image).abs().mean(1, keepdim=True))).mean()
        for step in (_step_x, _step_y)
    ]
    return terms[0] + terms[1]


def _step_x(values: Tensor) -> Tensor:
    return values[..., 1:] - values[..., :-1]


def _step_y(values: Tensor) -> Tensor:
    return values[..., 1:, :] - values[..., :-1, :]


def sample_pixels(image: Tensor, pixels: Tensor, *, padding: str = 'border') -> Tensor:
    """Read images between their pixels, bilinearly.

    Args:
        image: (B, C, H, W).
        pixels: (B, h, w, 2) x and y, px.
        padding: ``'border'`` repeats the outermost pixels, ``'zeros'`` blackens.

    Returns:
        (B, C, h, w).
    """
    height, width = image.shape[-2:]
    # Pixel x fills x - 0.5 .. x + 0.5 of a width that grid_sample counts from -1 to 1.
    size = pixels.new_tensor((width, height))
    grid = (2.0 * pixels + 1.0) / size - 1.0
    return functional.grid_sample(image, grid, 'bilinear', padding, align_corners=False)


def warp_by_disparity(right: Tensor, disparity: Tensor) -> Tensor:
    """Rebuild the left image from the right one: its pixels at x - disparity.

    Args:
        right: (B, C, H, W).
        disparity: Of the left image, (B, 1, H, W), px.

    Returns:
        (B, C, H, W); what lies beyond the border is the outermost pixel. For a right image
        rebuilt from the left one, pass minus the right image's disparity.
    """
    height, width = right.shape[-2:]
    columns = torch.arange(width, device=right.device, dtype=disparity.dtype)
    rows = torch.arange(height, device=right.device, dtype=disparity.dtype)
    x = columns - disparity[:, 0]
    y = rows[None, :, None].expand_as(x)
    return sample_pixels(right, torch.stack((x, y), -1))
