"""What is minimised: the masked L1 of the initial and the refined depth map."""

from __future__ import annotations

import torch
from torch import Tensor

REFINED_WEIGHT = 1.0


def hypothesis_position(depth: Tensor, depths: Tensor, is_inverse: Tensor) -> Tensor:
    """Return the positions of depths among the hypotheses, in intervals from the nearest.

    Args:
        depth: (B, h, w), metres.
        depths: (B, D), ascending, even in depth or in inverse depth.
        is_inverse: (B,) bool: which of the two.

    Returns:
        (B, h, w): 0 at the nearest hypothesis, D - 1 at the farthest; NaN stays NaN.
    """
    near, far = depths[:, :1, None], depths[:, -1:, None]
    linear = (depth - near) / (far - near)
    inverse = (1.0 / near - 1.0 / depth) / (1.0 / near - 1.0 / far)
    return torch.where(is_inverse[:, None, None], inverse, linear) * (depths.shape[1] - 1.0)


def valid_pixels(position: Tensor, count: int) -> Tensor:
    """Return the mask (B, h, w) bool: the truth is known and within the ``count`` hypotheses."""
    return (position >= 0.0) & (position <= count - 1.0)


def masked_l1(found: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Average |found - truth| over the valid pixels of all samples; 0 where there are none."""
    error = torch.where(valid, found - truth, torch.zeros_like(found)).abs()
    return error.sum() / valid.sum().clamp(min=1)


def depth_loss(initial: Tensor, refined: Tensor | None, truth: Tensor, valid: Tensor) -> Tensor:
    """Add the errors of the initial and the refined map (Yao et al. 2018, eq. 6, lambda 1).

    All are positions among the hypotheses, that is, depths in units of each sample's own
    interval: scenes of every scale count alike, where the paper's all had one interval.

    Args:
        initial: (B, h, w), see ``hypothesis_position``.
        refined: The same, or None without refinement.
        truth: The same; anything where not valid.
        valid: (B, h, w) bool.
    """
    loss = masked_l1(initial, truth, valid)
    if refined is not None:
        loss = loss + REFINED_WEIGHT * masked_l1(refined, truth, valid)
    return loss
