"""The hint at half and at full resolution, where it says more than any coarser level can hold.

At half resolution the correction of ``network_fine`` may jump to the hint through a gate. At
full resolution three convolutions on half-resolution cells (four pixels a cell, pixel
unshuffling as in Shi et al. 2016, arXiv 1609.05158) look at how well both images agree at the own
disparity and at the hint, and correct every pixel by a residual and a gated jump.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.models.crestereo_tiny.network_correlation import row_correlation
from depth_ros.models.crestereo_tiny.network_fine import (
    HIDDEN,
    RADIUS,
    FineLevel,
    extremes,
    warp_bilinear,
)
from depth_ros.models.crestereo_tiny.network_hint_planes import HintPlane
from depth_ros.models.crestereo_tiny.network_hint_rule import GateRule
from depth_ros.models.layers.network_precision import float32_region, full_precision

NUM_HALF = 5
NUM_FULL = 9
"""Planes at full resolution that the last convolutions see."""
WIDTH = 24
HALF_RULE = {'trust': 2.5, 'away': -6.0, 'nearby': 0.0, 'gain': 0.0, 'always': -0.5}
FULL_RULE = {'trust': 2.5, 'away': -6.0, 'nearby': 0.0, 'gain': 4.0, 'always': -0.5}


class HintedFine(FineLevel):
    """The level at half resolution, with the hint as a second hypothesis."""

    def __init__(self, stem: int, hidden: int, groups: int) -> None:
        super().__init__(stem, hidden, groups)
        self.hint_enter = nn.Conv2d((2 * RADIUS + 1) * groups + NUM_HALF, HIDDEN, 1, bias=False)
        self.hint_gate = nn.Conv2d(HIDDEN, 1, 1, bias=False)
        self.hint_rule = GateRule(HALF_RULE)
        nn.init.zeros_(self.hint_enter.weight)
        nn.init.zeros_(self.hint_gate.weight)

    def correct(
        self,
        half: Tensor,
        quarter: Tensor,
        state: Tensor,
        disparity: Tensor,
        hint: HintPlane,
        nearby: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Correct the disparity (B, 1, H, W) cells.

        Args:
            half: As ``forward`` takes it.
            quarter: The same.
            state: The same.
            disparity: The same.
            hint: At this resolution.
            nearby: (B, 1, H/2, W/2) share of the clear matches around that agree with the hint.

        Returns:
            The disparity, logits (B, 36, H, W) to upsample it by 2, and features (B, 48, H, W).
        """
        start = disparity.detach()
        evidence, left, right = self.gather(half, quarter, state, start)
        known = hint.known
        away = (hint.disparity - start) * known
        with float32_region(left):
            there = row_correlation(
                left, warp_bilinear(right, hint.disparity), self.groups, RADIUS
            )
        ways = (torch.tanh(away / 8.0), torch.tanh(away / 2.0), torch.tanh(2.0 * away))
        told = torch.cat((there * known, *ways, hint.trust, known), 1)
        x = self.refine(self.enter(evidence) + self.hint_enter(told))
        gain = _centre(there, self.groups) - _centre(evidence, self.groups)
        votes = functional.interpolate(nearby, scale_factor=2.0, mode='nearest')
        near = torch.cat((hint.trust, torch.tanh(away.abs() / 2.0), votes, gain * known), 1)
        share = torch.sigmoid(self.hint_rule(near, self.hint_gate(x), known))
        moved = disparity + (1.0 - share) * full_precision(self.move(x)) + share * away
        return moved, self.mask(x), x


class FullLevel(nn.Module):
    """The last correction, for every pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(HIDDEN + 4 * NUM_FULL, WIDTH, 3, 1, 1)
        self.conv = nn.Conv2d(WIDTH, WIDTH, 3, 1, 1)
        self.leave = nn.Conv2d(WIDTH, 8, 3, 1, 1)
        self.hint_rule = GateRule(FULL_RULE)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        features: Tensor,
        disparity: Tensor,
        hint: HintPlane,
        nearby: Tensor,
    ) -> Tensor:
        """Return the corrected disparity (B, 1, H, W) px.

        Args:
            left: RGB (B, 3, H, W), 0..255.
            right: The same.
            features: (B, 48, H/2, W/2).
            disparity: (B, 1, H, W) px.
            hint: At full resolution.
            nearby: (B, 1, H/4, W/4) share of the clear matches around that agree with the hint.
        """
        start, known = disparity.detach(), hint.known
        away = (hint.disparity - start) * known
        with float32_region(left):
            (own, there), detail = disagreement(left, right, (start, hint.disparity))
        ways = (torch.tanh(away / 8.0), torch.tanh(away), torch.tanh(4.0 * away))
        flat = (own, there * known, detail, slope(start), hint.trust, known)
        planes = torch.cat((*ways, *flat), 1)
        cells = functional.pixel_unshuffle(planes, 2)
        x = functional.relu(self.enter(torch.cat((features, cells), 1)))
        x = self.leave(functional.relu(x + self.conv(x)))
        residual, logit = functional.pixel_shuffle(full_precision(x), 2).chunk(2, 1)
        gain = (own - there) * known
        votes = functional.interpolate(nearby, scale_factor=4.0, mode='nearest')
        near = torch.cat((hint.trust, torch.tanh(away.abs() / 2.0), votes, gain), 1)
        share = torch.sigmoid(self.hint_rule(near, logit, known))
        return disparity + (1.0 - share) * residual + share * away


def _centre(local: Tensor, groups: int) -> Tensor:
    """Return the mean correlation at the middle of the window, (B, 1, H, W)."""
    return full_precision(local[:, RADIUS * groups : (RADIUS + 1) * groups]).mean(1, keepdim=True)


def disagreement(
    left: Tensor, right: Tensor, disparities: Sequence[Tensor]
) -> tuple[list[Tensor], Tensor]:
    """Compare fine structure of both images at disparities, 0..1 each, and return the left one's.

    The mean of 3x3 pixels is taken away first, since two cameras differ in brightness.
    """
    left, right = _detail(left), _detail(right)
    errors = [
        functional.avg_pool2d((left - _warp_grey(right, at)).abs(), 3, 1, 1).clamp(max=1.0)
        for at in disparities
    ]
    return errors, left


def _warp_grey(right: Tensor, disparity: Tensor) -> Tensor:
    """Sample (B, 1, H, W) at x - disparity, linearly; zero outside.

    As ``warp_bilinear``, which would keep a constant of all rows in the graph.
    """
    width = right.shape[3]
    last = float(width - 1)  # Limits that are integers cannot be exported.
    columns = torch.arange(width, dtype=disparity.dtype, device=disparity.device)
    columns = (columns - disparity).clamp(-1.0, last + 1.0)
    base = torch.floor(columns)
    found = []
    for at in (base, base + 1.0):
        inside = ((at >= 0.0) & (at <= last)).to(right.dtype)
        found.append(inside * torch.gather(right, 3, at.clamp(0.0, last).long()))
    share = columns - base
    return found[0] * (1.0 - share) + found[1] * share


def _detail(image: Tensor) -> Tensor:
    grey = image.mean(1, keepdim=True)
    return torch.tanh(
        (grey - functional.avg_pool2d(grey, 3, 1, 1, count_include_pad=False)) / 16.0
    )


def slope(disparity: Tensor) -> Tensor:
    """Tell how far the nearest and the farthest 3x3 neighbour are apart, 0..1."""
    nearest, farthest = extremes(disparity)
    return torch.tanh((nearest - farthest) / 4.0)
