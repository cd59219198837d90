"""Visibility of left pixels in the right camera, computed from the left disparity."""

from __future__ import annotations

import torch
from torch import Tensor

MARGIN_PX = 1.0


def in_view(disparity: Tensor) -> Tensor:
    """Return which pixels' matches lie inside the right view.

    Args:
        disparity: (B, 1, H, W) px of the left view.

    Returns:
        (B, 1, H, W) bool.
    """
    match = _columns(disparity) - disparity
    return (match >= 0.0) & (match <= disparity.shape[3] - 1)


def hidden_pixels(disparity: Tensor) -> Tensor:
    """Return which pixels something nearer covers in the right view.

    Every pixel is sent to its match, the nearest wins there (a z-buffer, Catmull 1974); hidden is
    who finds another on both sides of its match that is nearer by more than ``MARGIN_PX``. No
    order along the row is assumed, so what is seen on both sides of a pole is not hidden.

    Args:
        disparity: (B, 1, H, W) px of the left view, above 0.

    Returns:
        (B, 1, H, W) bool; False where the match lies outside the right view.
    """
    disparity = disparity.detach()
    width = disparity.shape[3]
    match = _columns(disparity) - disparity
    # One column more on either side takes what leaves the view.
    below, above = (
        (side.clamp(-1.0, float(width)) + 1.0).long() for side in (match.floor(), match.ceil())
    )
    nearest = disparity.new_zeros((*disparity.shape[:3], width + 2))
    for place in (below, above):
        nearest = nearest.scatter_reduce(3, place, disparity, 'amax')
    covering = torch.minimum(nearest.gather(3, below), nearest.gather(3, above))
    return (covering > disparity + MARGIN_PX) & in_view(disparity)


def hidden_from_left(disparity: Tensor) -> Tensor:
    """Tell what would be hidden were this the right view of a pair: the other side of things.

    Args:
        disparity: (B, 1, H, W) px, above 0.

    Returns:
        (B, 1, H, W) bool.
    """
    return hidden_pixels(disparity.flip(3)).flip(3)


def _columns(disparity: Tensor) -> Tensor:
    width = disparity.shape[3]
    return torch.arange(width, dtype=disparity.dtype, device=disparity.device)
