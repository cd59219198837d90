"""Stereo matching of TiO-Depth: similarities at 49 constant shifts, without resampling.

Zhou and Dong 2023, arXiv 2309.00933, section 3 ("monocular feature matching"). Every shift is
the same for the whole map, so sampling is slicing: similarities are taken at whole pixels and
interpolated between the two neighbours, which is the same because they are linear in the
samples. Outside the map its border pixel is repeated.
"""

from __future__ import annotations

import math
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_LEVELS = 49
MIN_DISPARITY_PX, MAX_DISPARITY_PX = 2.0, 300.0


class MatchingSide(Enum):
    """Whose disparity is wanted: where its point lies in the other view."""

    LEFT = -1
    """The right view shows it at x - disparity."""

    RIGHT = 1
    """The left view shows it at x + disparity."""


def disparity_levels() -> list[float]:
    """Return the 49 disparities, 2 to 300 pixels of the network's input, evenly on a log scale."""
    ratio = MAX_DISPARITY_PX / MIN_DISPARITY_PX
    return [
        MAX_DISPARITY_PX * ratio ** (index / (NUM_LEVELS - 1) - 1) for index in range(NUM_LEVELS)
    ]


def level_shifts(width: int, image_width: int) -> list[float]:
    """Return the levels in pixels of a map ``width`` wide, whose corners lie on the image's."""
    return [level * (width - 1) / image_width for level in disparity_levels()]


class MatchingBlock(nn.Module):
    """Look for a feature along its row in the other view and join what was found."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.q_conv = nn.Sequential(nn.Conv2d(channels, channels // 4, 1))
        self.k_conv = nn.Sequential(nn.Conv2d(channels, channels // 4, 1))
        self.redu = nn.Sequential(
            PlainConv3x3(channels + NUM_LEVELS, channels), SqueezeExcitation(channels), nn.ELU()
        )

    def forward(
        self, features: Tensor, other: Tensor, side: MatchingSide, image_width: int
    ) -> tuple[Tensor, Tensor]:
        """Match (N, C, H, W) with the other view's features.

        Returns:
            The joined features, (N, C, H, W), and the probabilities of the levels,
            (N, 49, H, W), which training guides.
        """
        query, key = self.q_conv(features), self.k_conv(other)
        shifts = level_shifts(query.shape[3], image_width)
        scores = shifted_products(query, key, shifts, side) / math.sqrt(query.shape[1])
        probabilities = scores.softmax(dim=1)
        return self.redu(torch.cat([features, probabilities], dim=1)), probabilities


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from all channels' means (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 16, bias=False),
            nn.ReLU(),
            nn.Linear(channels // 16, channels, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale (N, C, H, W)."""
        gate = torch.sigmoid(self.fc(x.mean(dim=(2, 3))))
        return x * gate[:, :, None, None]


class PlainConv3x3(nn.Module):
    """A 3x3 convolution that reflects at the border."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W), keeping H and W."""
        return self.conv(F.pad(x, (1, 1, 1, 1), mode='reflect'))


def shifted_products(
    query: Tensor, key: Tensor, shifts: list[float], side: MatchingSide
) -> Tensor:
    """Multiply each query with the key at its x plus (or minus) every shift, bilinearly.

    Args:
        query: (N, C, H, W).
        key: (N, C, H, W), repeated beyond its left and right border.
        shifts: Pixels, at least 0.
        side: Whose query it is: LEFT looks at x - shift, RIGHT at x + shift.

    Returns:
        (N, len(shifts), H, W) sums over the channels.
    """
    farthest = query.shape[3] - 1
    lower = [min(math.floor(shift), farthest) for shift in shifts]
    upper = [min(math.floor(shift) + 1, farthest) for shift in shifts]
    steps = sorted({*lower, *upper})
    products = _products_at(query, key, steps, side)
    place = {step: index for index, step in enumerate(steps)}
    below = _take(products, [place[step] for step in lower])
    above = _take(products, [place[step] for step in upper])
    weights = [shift - math.floor(shift) for shift in shifts]
    weight = torch.tensor(weights, dtype=query.dtype, device=query.device)[:, None, None]
    return below + weight * (above - below)


def _take(x: Tensor, channels: list[int]) -> Tensor:
    return x.index_select(1, torch.tensor(channels, device=x.device))


def _products_at(query: Tensor, key: Tensor, steps: list[int], side: MatchingSide) -> Tensor:
    """Multiply at whole-pixel steps: (N, len(steps), H, W)."""
    width, reach = query.shape[3], steps[-1]
    padding = (reach, 0) if side is MatchingSide.LEFT else (0, reach)
    padded = F.pad(key, (*padding, 0, 0), mode='replicate')
    products = []
    for step in steps:
        start = reach - step if side is MatchingSide.LEFT else step
        products.append((query * padded[..., start : start + width]).sum(dim=1))
    return torch.stack(products, dim=1)
