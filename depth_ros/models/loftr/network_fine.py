"""LoFTR's fine stage: 5x5 windows around a coarse match, and where within the second it lies.

Sun et al. 2021 (LoFTR), section 3.4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.models.layers.network_attention import to_tokens

WINDOW = 5
RADIUS = WINDOW // 2
STRIDE = 4
"""Fine cells (1/2) to a coarse one (1/8)."""
_MIN_VARIANCE = 1e-10


class FinePreprocess(nn.Module):
    """Cuts windows out of the fine maps and tells each what the coarse stage knows."""

    def __init__(self, coarse_channels: int, fine_channels: int) -> None:
        super().__init__()
        self.down_proj = nn.Linear(coarse_channels, fine_channels)
        self.merge_feat = nn.Linear(2 * fine_channels, fine_channels)

    def forward(self, fine: Tensor, coarse: Tensor, item: Tensor, cell: Tensor) -> Tensor:
        """Return the windows (M, 25, C) of one image's matches.

        Args:
            fine: (N, C, H, W) at 1/2.
            coarse: (N, L, D) tokens at 1/8.
            item: (M,) indices within the batch.
            cell: (M,) indices of coarse cells.
        """
        context = self.down_proj(coarse[item, cell])[:, None].expand(-1, WINDOW**2, -1)
        return self.merge_feat(torch.cat([windows(fine, item, cell), context], dim=2))


def windows(fine: Tensor, item: Tensor, cell: Tensor) -> Tensor:
    """Cut (M, 25, C) windows around coarse cells, row by row, zero outside the map.

    Indices into the padded map rather than ``unfold``, which would cut windows for every cell.
    """
    columns = fine.shape[3] // STRIDE
    padded = F.pad(fine, (RADIUS, RADIUS, RADIUS, RADIUS))
    padded_width = padded.shape[3]
    offset = torch.arange(WINDOW, device=fine.device)
    within = (offset[:, None] * padded_width + offset[None, :]).flatten()
    row = torch.div(cell, columns, rounding_mode='floor')
    start = STRIDE * row * padded_width + STRIDE * (cell - row * columns)
    start = start + item * (padded.shape[2] * padded_width)
    return to_tokens(padded).flatten(0, 1)[start[:, None] + within]


def expectation(first: Tensor, second: Tensor) -> Tensor:
    """Locate the centre of the first window in the second.

    Args:
        first: (M, 25, C) window of the first image.
        second: (M, 25, C) window of the second.

    Returns:
        (M, 3): expected x and y in -1..1 (the window's edge cells), and the sum of their
        standard deviations.
    """
    centre = first[:, WINDOW**2 // 2]
    scores = (second @ centre[:, :, None])[:, :, 0] / first.shape[2] ** 0.5
    heat = F.softmax(scores, dim=1)
    axis = torch.linspace(-1, 1, WINDOW, dtype=heat.dtype, device=heat.device)
    grid = torch.stack([axis.repeat(WINDOW), axis.repeat_interleave(WINDOW)], dim=1)
    mean = heat @ grid
    variance = heat @ grid**2 - mean**2
    deviation = torch.sqrt(torch.clamp(variance, min=_MIN_VARIANCE)).sum(dim=1, keepdim=True)
    return torch.cat([mean, deviation], dim=1)
