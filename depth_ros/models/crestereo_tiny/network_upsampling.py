"""Learned convex upsampling of the small CREStereo variant (Teed and Deng 2020, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.models.layers.network_precision import full_precision


class MaskHead(nn.Module):
    """Weights of the upsampling of the 1/4 level, from its state and the half-resolution features.

    Args:
        stem: Channels of the half-resolution features.
        hidden: Channels of the state.
        factor: What the disparity is upsampled by.
    """

    def __init__(self, stem: int, hidden: int, factor: int) -> None:
        super().__init__()
        self.detail = nn.Conv2d(stem, 16, 1)
        self.mix = nn.Conv2d(hidden + 64, 64, 3, 1, 1)
        self.weights = nn.Conv2d(64, 9 * factor * factor, 1)

    def forward(self, state: Tensor, half: Tensor) -> Tensor:
        """Return logits (B, 9 * factor^2, H, W)."""
        detail = functional.pixel_unshuffle(functional.relu(self.detail(half)), 2)
        return 0.25 * self.weights(functional.relu(self.mix(torch.cat((state, detail), 1))))


def upsample_convex(disparity: Tensor, logits: Tensor, factor: int = 4) -> Tensor:
    """Upsample with a learned convex mix of 3x3 neighbours (Teed and Deng 2020, sec. 3.3).

    Args:
        disparity: (B, 1, H, W) in cells.
        logits: (B, 9 * factor^2, H, W), neighbour-major.
        factor: New cells along the side of an old one.

    Returns:
        (B, 1, factor * H, factor * W) in new cells.
    """
    batch, _, height, width = disparity.shape
    weights = full_precision(logits).reshape(batch, 9, factor * factor, height, width)
    weights = torch.softmax(weights, 1)
    padded = functional.pad(factor * disparity, (1, 1, 1, 1), mode='replicate')
    near = torch.stack(
        [padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)], 1
    )
    return functional.pixel_shuffle((weights * near).sum(1), factor)
