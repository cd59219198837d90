"""The last step of the small CREStereo variant: one correction at half resolution.

The recurrent levels end at 1/4, where an error of one px is a quarter of a cell and an object of
four px a single cell. This level compares features of 1/2 in a short window along the row
(CREStereo's 1-D window, Li et al. 2022, arXiv 2203.11483, section 3.1), moves the disparity once
and mixes the weights of the last upsampling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.models.crestereo_tiny.network_correlation import row_correlation
from depth_ros.models.layers.network_lookup import sample_bilinear
from depth_ros.models.layers.network_precision import float32_region, full_precision

CHANNELS = 32
STATE_CHANNELS = 16
HIDDEN = 48
RADIUS = 2
"""The window: this many cells of half resolution to both sides."""
CENTRE_LOGIT = 3.0
"""What the upsampling begins with: nearly the nearest cell."""


class FineLevel(nn.Module):
    """One correction of the disparity at half resolution, and weights of the last upsampling.

    Args:
        stem: Channels of the half-resolution features.
        hidden: Channels of the state at 1/4.
        groups: Groups of the correlation.
    """

    def __init__(self, stem: int, hidden: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.lateral = nn.Conv2d(stem, CHANNELS, 1)
        self.above = nn.Conv2d(64, CHANNELS, 1)
        self.smooth = nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1)
        self.match = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.state = nn.Conv2d(hidden, STATE_CHANNELS, 1)
        evidence = (2 * RADIUS + 1) * groups + CHANNELS + STATE_CHANNELS + 3
        self.enter = nn.Conv2d(evidence, HIDDEN, 3, 1, 1)
        self.conv1 = nn.Conv2d(HIDDEN, HIDDEN, 3, 1, 1)
        self.conv2 = nn.Conv2d(HIDDEN, HIDDEN, 3, 1, 1)
        self.move = nn.Conv2d(HIDDEN, 1, 1)
        self.mask = nn.Conv2d(HIDDEN, 36, 1)
        nn.init.normal_(self.move.weight, std=1e-3)
        nn.init.zeros_(self.move.bias)
        nn.init.normal_(self.mask.weight, std=1e-3)
        with torch.no_grad():
            centre = torch.zeros(9, 4)
            centre[4] = CENTRE_LOGIT
            self.mask.bias.copy_(centre.flatten())

    def forward(
        self, half: Tensor, quarter: Tensor, state: Tensor, disparity: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Correct the disparity.

        Args:
            half: Features (2B, stem, H, W) of left and right images.
            quarter: Their maps (2B, 64, H/2, W/2).
            state: (B, hidden, H/2, W/2).
            disparity: (B, 1, H, W) in cells of half resolution.

        Returns:
            The disparity (B, 1, H, W), and logits (B, 36, H, W) to upsample it by 2.
        """
        start = disparity.detach()
        evidence, _, _ = self.gather(half, quarter, state, start)
        x = self.refine(self.enter(evidence))
        return disparity + full_precision(self.move(x)), self.mask(x)

    def gather(
        self, half: Tensor, quarter: Tensor, state: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the evidence at the disparity ``start``, and what is matched, left and right."""
        above = functional.interpolate(self.above(quarter), scale_factor=2.0, mode='nearest')
        features = functional.relu(self.smooth(functional.relu(self.lateral(half) + above)))
        own = features[: start.shape[0]]
        state = functional.interpolate(self.state(state), scale_factor=2.0, mode='nearest')
        left, right = full_precision(self.match(features)).chunk(2, 0)
        with float32_region(features):
            local = row_correlation(left, warp_bilinear(right, start), self.groups, RADIUS)
        evidence = torch.cat((local, own, state, start / 64.0, *_steps_near(start)), 1)
        return evidence, left, right

    def refine(self, entered: Tensor) -> Tensor:
        """Return what move and mask are read from, (B, 48, H, W)."""
        x = functional.relu(entered)
        return functional.relu(x + self.conv2(functional.relu(self.conv1(x))))


def warp_bilinear(right: Tensor, disparity: Tensor) -> Tensor:
    """Sample right features (B, C, H, W) at x - disparity; zero outside."""
    height, width = right.shape[2:]
    kind = {'dtype': disparity.dtype, 'device': disparity.device}
    columns = torch.arange(width, **kind) - disparity
    rows = torch.arange(height, **kind)[:, None].expand_as(columns)
    return sample_bilinear(right, torch.cat((columns, rows), 1))


def _steps_near(disparity: Tensor) -> tuple[Tensor, Tensor]:
    """Tell how far the nearest 3x3 neighbour stands before a cell, and the farthest behind it."""
    nearest, farthest = extremes(disparity)
    return torch.tanh(nearest - disparity), torch.tanh(disparity - farthest)


def extremes(disparity: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest and the farthest disparity of 3x3 neighbours, (B, 1, H, W) each."""
    nearest = functional.max_pool2d(disparity, 3, 1, 1)
    return nearest, -functional.max_pool2d(-disparity, 3, 1, 1)
