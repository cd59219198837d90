"""How far the final disparity may be off: the standard deviation of its error at every pixel.

The error is taken to be Laplacian (Kendall and Gal 2017, arXiv 1703.04977, section 3, for the
likelihood). Two convolutions on half-resolution cells look at what tells a guess from a match: how
well both images agree, how much texture there is, the slope, whether the match lies inside the
right image, and how far the row's best match and the hint are away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.models.crestereo_tiny.network_fine import HIDDEN
from depth_ros.models.crestereo_tiny.network_hint_fine import disagreement, slope
from depth_ros.models.crestereo_tiny.network_hint_planes import HintPlane
from depth_ros.models.layers.network_precision import float32_region, full_precision

NUM_PLANES = 11
WIDTH = 16
WIDE_PX = 11
"""Side of the window in which texture and agreement are averaged."""
LOG_LEAST, LOG_MOST = math.log(0.03), math.log(60.0)
"""Range of the Laplace scale, px of the engine."""
LOG_FIRST = math.log(0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Matched:
    """What the network found, and found on the way.

    Attributes:
        disparity: (B, 1, H, W) px.
        features: (B, 48, H/2, W/2).
        best: Disparity of the row's best match (B, 1, H/4, W/4), cells.
        score: Its share, 0..1.
        nearby: (B, 1, H/4, W/4) share of the clear matches around that agree with the hint.
        hint: At full resolution, as far as it is believed.
        belief: How far that is, (B, 1, 1, 1), 0..1.
    """

    disparity: Tensor
    features: Tensor
    best: Tensor
    score: Tensor
    nearby: Tensor
    hint: HintPlane
    belief: Tensor

    def detached(self) -> Matched:
        """Return it without its history: nothing here is learnt from the error."""
        return Matched(
            disparity=self.disparity.detach(),
            features=self.features.detach(),
            best=self.best.detach(),
            score=self.score.detach(),
            nearby=self.nearby.detach(),
            hint=self.hint,
            belief=self.belief,
        )


class ErrorHead(nn.Module):
    """Laplace scale of the error of the final disparity."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(HIDDEN + 4 * NUM_PLANES, WIDTH, 3, 1, 1)
        self.conv = nn.Conv2d(WIDTH, WIDTH, 3, 1, 1)
        self.leave = nn.Conv2d(WIDTH, 4, 3, 1, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.constant_(self.leave.bias, LOG_FIRST)

    def rescale(self, factor: float) -> None:
        """Tell scales that are ``factor`` times as large from now on, within the range."""
        with torch.no_grad():
            self.leave.bias += math.log(factor)

    def forward(self, left: Tensor, right: Tensor, matched: Matched) -> Tensor:
        """Return the logarithm of the scale in px, (B, 1, H, W).

        Args:
            left: RGB (B, 3, H, W), 0..255.
            right: The same.
            matched: What was found.
        """
        matched = matched.detached()
        with float32_region(left):
            planes = _evidence(left, right, matched)
        cells = functional.pixel_unshuffle(planes, 2)
        x = functional.relu(self.enter(torch.cat((matched.features, cells), 1)))
        x = self.leave(functional.relu(x + self.conv(x)))
        return functional.pixel_shuffle(full_precision(x), 2).clamp(LOG_LEAST, LOG_MOST)


def deviation(log_scale: Tensor) -> Tensor:
    """Return the standard deviation of a Laplace distribution, from its scale's logarithm."""
    return math.sqrt(2.0) * torch.exp(log_scale)


def _evidence(left: Tensor, right: Tensor, matched: Matched) -> Tensor:
    """Return what is told of every pixel, (B, 11, H, W)."""
    disparity, hint = matched.disparity, matched.hint
    known = hint.known
    (own,), detail = disagreement(left, right, (disparity,))
    away = (hint.disparity - disparity).abs() * known
    planes = (
        own,
        _around(own),
        _around(detail.abs()),
        slope(disparity),
        torch.tanh(2.0 * away),
        torch.tanh(away / 4.0),
        hint.trust,
        *match_planes(disparity, matched, cell=4),
    )
    return torch.cat(planes, 1)


def match_planes(disparity: Tensor, matched: Matched, *, cell: int) -> tuple[Tensor, ...]:
    """Return what the row's matches tell of a disparity, four planes (B, 1, H, W).

    Whether the match lies inside the right image, how far the row's best match is away, its share,
    and the share of the votes nearby.

    Args:
        disparity: (B, 1, H, W) px.
        matched: What was found.
        cell: Pixels of ``disparity`` to one of its cells at 1/4.
    """
    best, score, nearby = (
        functional.interpolate(value, scale_factor=float(cell), mode='nearest')
        for value in (cell * matched.best, matched.score, matched.nearby)
    )
    columns = torch.arange(disparity.shape[3], device=disparity.device, dtype=disparity.dtype)
    outside = torch.tanh((disparity - columns) / 4.0)
    return outside, torch.tanh((best - disparity).abs() / 4.0), score, nearby


def _around(values: Tensor) -> Tensor:
    return functional.avg_pool2d(values, WIDE_PX, 1, WIDE_PX // 2)
