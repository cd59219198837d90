"""A disparity that somebody already has, brought to the cells of every level without mixing.

A hint has two planes: disparity in px, below 0 where nobody knows, and trust. Trust is 1 where it
was measured, less where it was carried over from a neighbour, 0 where nobody knows. Averaging
would invent surfaces between foreground and background, so a cell takes one of its pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_TRUST = 0.02
"""What is trusted less is as good as unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HintPlane:
    """The hint at one resolution.

    Attributes:
        disparity: (B, 1, H, W) in cells; 0 where unknown.
        trust: (B, 1, H, W) 0..1; 0 where unknown.
    """

    disparity: Tensor
    trust: Tensor

    @property
    def known(self) -> Tensor:
        """1 where there is a hint to speak of, else 0, (B, 1, H, W)."""
        return (self.trust > LEAST_TRUST).to(self.trust.dtype)

    def halved(self, nearest: Sequence[Tensor]) -> HintPlane:
        """Return it at half the resolution.

        Every cell takes the most trusted of its four; of equals the first.

        Args:
            nearest: More candidates, which come first: (B, 2, H/2, W/2) disparity and trust.
        """
        planes = torch.cat((self.disparity, self.trust), 1)
        inside = [planes[:, :, y::2, x::2] for y in (1, 0) for x in (1, 0)]
        chosen = _most_trusted([*nearest, *inside])
        return HintPlane(disparity=0.5 * chosen[:, :1], trust=chosen[:, 1:])

    def trusted(self, factor: Tensor) -> HintPlane:
        """Return it with the trust (B, 1, 1, 1) times as large."""
        return HintPlane(disparity=self.disparity, trust=self.trust * factor)


def full_plane(hint: Tensor) -> HintPlane:
    """Return the hint at full resolution from (B, 2, H, W): disparity px and trust."""
    known = (hint[:, :1] >= 0.0) & (hint[:, 1:] > 0.0)
    nothing = torch.zeros_like(hint[:, :1])
    return HintPlane(
        disparity=torch.where(known, hint[:, :1], nothing),
        trust=torch.where(known, hint[:, 1:], nothing),
    )


def hint_pyramid(full: HintPlane) -> dict[int, HintPlane]:
    """Return the planes by cell size in px: 1, 2, 4, 8 and 16.

    From 4 px on the four pixels around a cell's centre are asked before the level below.
    """
    planes = {1: full}
    pixels = torch.cat((full.disparity, full.trust), 1)
    for cell in (2, 4, 8, 16):
        below = planes[cell // 2]
        nearest = [] if cell == 2 else _around_centre(pixels, cell)
        planes[cell] = below.halved([_in_cells(one, cell // 2) for one in nearest])
    return planes


def _around_centre(pixels: Tensor, cell: int) -> list[Tensor]:
    middle = cell // 2
    return [
        pixels[:, :, y::cell, x::cell] for y in (middle, middle - 1) for x in (middle, middle - 1)
    ]


def _in_cells(planes: Tensor, cell: int) -> Tensor:
    return torch.cat((planes[:, :1] / cell, planes[:, 1:]), 1)


def _most_trusted(candidates: Sequence[Tensor]) -> Tensor:
    chosen = candidates[0]
    for one in candidates[1:]:
        chosen = torch.where(one[:, 1:] > chosen[:, 1:], one, chosen)
    return chosen
