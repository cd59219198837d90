"""How well a hint agrees with what the images themselves say: a wrong one is left out.

Wherever a row has one clear best match, that match votes for or against the hint. The share of
the votes over the whole image tells a hint of this scene from one of another scene or another
moment, which no look at a single place could; the share nearby tells where something has moved.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.models.crestereo_tiny.network_hint_planes import HintPlane

TOLERANCE_CELLS = 1.0
"""A best match as far as this from the hint is a full vote against it."""
NEAR_CELLS = 9
"""Side of the window of the votes nearby."""
REFUSED, BELIEVED = 0.3, 0.55
"""Shares of the votes below which a hint is left out, and above which it is taken as it is."""
FEW = 1e-3


def votes(best: Tensor, score: Tensor, plane: HintPlane) -> tuple[Tensor, Tensor]:
    """Return the votes for the hint and all votes, (B, 1, H, W) each.

    Args:
        best: Disparity of the row's best match (B, 1, H, W), cells.
        score: Its share of its row, 0..1.
        plane: The hint at this level.
    """
    distance = (best - plane.disparity).abs() * (1.0 / TOLERANCE_CELLS)
    weight = score * score * plane.trust
    return weight * torch.relu(1.0 - distance), weight


def share_nearby(votes_for: Tensor, all_votes: Tensor) -> Tensor:
    """Return the share of the votes for the hint in a window, (B, 1, H, W), 0..1."""
    radius = NEAR_CELLS // 2
    near = [
        functional.avg_pool2d(value, NEAR_CELLS, 1, radius) for value in (votes_for, all_votes)
    ]
    return near[0] / (near[1] + FEW)


def belief(votes_for: Tensor, all_votes: Tensor) -> Tensor:
    """Return how far to believe the hint as a whole, (B, 1, 1, 1), 0..1."""
    total = all_votes.mean((1, 2, 3), keepdim=True)
    share = votes_for.mean((1, 2, 3), keepdim=True) / (total + 1e-6)
    return ((share - REFUSED) / (BELIEVED - REFUSED)).clamp(0.0, 1.0)
