"""Reconstruction of the left view that does not ask the impossible of what is occluded."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_ros.training.photometric_loss import photometric_error, warp_by_disparity
from depth_ros.training.tio_depth.visibility import hidden_pixels, in_view


def stereo_reconstruction_loss(
    left: Tensor, right: Tensor, disparity: Tensor, mono_disparity: Tensor
) -> tuple[Tensor, Tensor]:
    """Compare the warped right view with the left one, or with a stand-in where that is hidden.

    Zhou and Dong 2023, section 3.3, step 2: 0.15 L1 + 0.85 (1 - SSIM) / 2 between I_r warped by
    the stereo disparity and

        M * I_l + (1 - M) * (I_r warped by the monocular disparity),

    M being 1 where the monocular disparity says that the right camera sees the pixel. So occluded
    pixels follow the monocular path instead of looking for a match that does not exist.

    Args:
        left: (B, 3, H, W), 0..1.
        right: As ``left``.
        disparity: Of the stereo path, (B, 1, H, W) px.
        mono_disparity: Of the monocular path, alike; no gradient reaches it.

    Returns:
        The loss, and the right view warped to the left one.
    """
    rebuilt = warp_by_disparity(right, disparity)
    target = occlusion_aware_target(left, right, mono_disparity)
    return photometric_error(rebuilt, target).mean(), rebuilt


def occlusion_aware_target(left: Tensor, right: Tensor, mono_disparity: Tensor) -> Tensor:
    """Return the left view with what the right camera does not see filled in; no gradient."""
    with torch.no_grad():
        is_seen = in_view(mono_disparity) & ~hidden_pixels(mono_disparity)
        return torch.where(is_seen, left, warp_by_disparity(right, mono_disparity))
