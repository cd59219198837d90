"""Adaptive group correlation (AGCL): nine samples in a small window, four channel groups.

Li et al. 2022, arXiv 2203.11483, section 3.2. Even iterations search along the row (1x9), odd
ones in a square (3x3). Coarse levels move each sample by a learned offset; the finest level
warps the right features once and then shifts by whole pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_ros.models.layers.network_lookup import group_means, sample_bilinear

NUM_SAMPLES = 9
NUM_GROUPS = 4
NUM_CORRELATIONS = NUM_GROUPS * NUM_SAMPLES

Window = tuple[tuple[int, int], ...]
ROW_WINDOW: Window = tuple((dx, 0) for dx in range(-4, 5))
SQUARE_WINDOW: Window = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
"""Sample offsets (dx, dy) in pixels of the level, in channel order."""


class Correlation(Protocol):
    """Compares left features with right ones around where the flow points."""

    def __call__(self, flow: Tensor, window: Window) -> Tensor:
        """Return similarities (N, 36, H, W), group-major, for a flow (N, 2, H, W)."""


@dataclass(frozen=True, slots=True, eq=False)
class DeformableCorrelation:
    """Correlation of the coarse levels.

    Attributes:
        left: (N, C, H, W) features.
        right: (N, C, H, W) features.
        offsets: (N, 2, 9, H, W) learned displacement of each sample in pixels, (x, y).
    """

    left: Tensor
    right: Tensor
    offsets: Tensor

    def __call__(self, flow: Tensor, window: Window) -> Tensor:
        """Sample at pixel + flow + window + learned offset."""
        batch, channels, height, width = self.left.shape
        centres = (pixel_grid(flow) + flow).unsqueeze(2)
        shifts = torch.tensor(window, dtype=flow.dtype, device=flow.device).t()
        positions = centres + shifts.reshape(1, 2, NUM_SAMPLES, 1, 1) + self.offsets
        samples = sample_bilinear(self.right, positions.flatten(2, 3))
        samples = samples.reshape(batch, channels, NUM_SAMPLES, height * width)
        products = self.left.reshape(batch, channels, 1, height * width) * samples
        means = group_means(products, NUM_GROUPS)
        return means.reshape(batch, NUM_CORRELATIONS, height, width)


@dataclass(frozen=True, slots=True, eq=False)
class LocalCorrelation:
    """Correlation of the finest level: warp once, then whole-pixel shifts, edges replicated.

    Attributes:
        left: (N, C, H, W) features.
        right: (N, C, H, W) features.
    """

    left: Tensor
    right: Tensor

    def __call__(self, flow: Tensor, window: Window) -> Tensor:
        """Compare with the right features warped by the flow."""
        height, width = self.left.shape[2:]
        warped = sample_bilinear(self.right, pixel_grid(flow) + flow)
        reach_x, reach_y = max(dx for dx, _ in window), max(dy for _, dy in window)
        padded = F.pad(warped, (reach_x, reach_x, reach_y, reach_y), mode='replicate')
        # Cut as (N, H, W, C): OpenVINO then changes the memory layout once, not for every shift.
        rows = padded.permute(0, 2, 3, 1)
        similarities = []
        for dx, dy in window:
            shifted = rows[:, reach_y + dy :, reach_x + dx :][:, :height, :width]
            products = self.left * shifted.permute(0, 3, 1, 2)
            similarities.append(group_means(products, NUM_GROUPS))
        return torch.stack(similarities, dim=2).flatten(1, 2)


def pixel_grid(like: Tensor) -> Tensor:
    """Make (1, 2, H, W) pixel coordinates (x, y) for a map of the size of ``like``."""
    height, width = like.shape[2:]
    x = torch.arange(width, dtype=like.dtype, device=like.device)
    y = torch.arange(height, dtype=like.dtype, device=like.device)
    x, y = x[None, :].expand(height, -1), y[:, None].expand(-1, width)
    return torch.stack([x, y])[None]
