"""Rebuild one view from the other through the planes of a disparity volume.

Zhou and Dong 2023 (arXiv 2309.00933), section 3.3, step 1, after FAL-Net (Gonzalez Bello and Kim
2020, arXiv 2008.03633): the left view is the right one shifted by every level d_n, weighted by
what the network says of that level, shifted likewise:

    I_l(x) = sum_n softmax_n(s_n(x - d_n)) * I_r(x - d_n)

The shifts are constant, so nothing is resampled at learned places; gradients reach all levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.models.tio_depth.network_matching import disparity_levels
from depth_ros.training.photometric_loss import photometric_error


def mono_reconstruction_loss(
    left: Tensor, right: Tensor, scores: Tensor, *, ssim_share: float
) -> tuple[Tensor, Tensor]:
    """Compare the left view with what the right one and its own volume make of it.

    The published loss is L1 (``ssim_share`` 0) plus 0.01 times the squared distance of VGG-19
    features at three depths; that term is left out, as it needs a second network's weights.

    Args:
        left: (B, 3, H, W), 0..1.
        right: As ``left``; what the network saw.
        scores: Of the right view's pixels, (B, 49, H, W).
        ssim_share: Share of structural dissimilarity, which stands in for the features.

    Returns:
        The loss, and the rebuilt left view.
    """
    rebuilt = synthesize_left(right, scores, disparity_levels())
    return photometric_error(rebuilt, left, ssim_share=ssim_share).mean(), rebuilt


def synthesize_left(right: Tensor, scores: Tensor, levels: Sequence[float]) -> Tensor:
    """Rebuild the left view.

    Args:
        right: (B, C, H, W).
        scores: Of its pixels, (B, len(levels), H, W); 0 is taken beyond its border.
        levels: Disparities, px, at least 0.

    Returns:
        (B, C, H, W); beyond the right view's border its outermost pixel counts.
    """
    moved = [
        shift_right(scores[:, index : index + 1], level, padding='constant')
        for index, level in enumerate(levels)
    ]
    weights = torch.cat(moved, 1).softmax(1)
    rebuilt = torch.zeros_like(right)
    for index, level in enumerate(levels):
        plane = shift_right(right, level, padding='replicate')
        rebuilt = rebuilt + weights[:, index : index + 1] * plane
    return rebuilt


def shift_right(image: Tensor, shift: float, *, padding: str) -> Tensor:
    """Move (B, C, H, W) by ``shift`` px, at least 0: x shows what was at x - shift.

    Args:
        image: What is moved.
        shift: Between two pixels, linear.
        padding: ``'constant'`` fills with 0, ``'replicate'`` repeats the border.
    """
    width, whole = image.shape[3], math.floor(shift)
    padded = functional.pad(image, (whole + 1, 0, 0, 0), mode=padding)
    below, above = padded[..., 1 : width + 1], padded[..., :width]
    return below + (shift - whole) * (above - below)
