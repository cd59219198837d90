"""Losses of LoFTR: confidence of true cells, and distance of the fine stage from the truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from depth_ros.training.loftr.supervision import CellPairs

MIN_DEVIATION = 0.05
"""Below this share of the window's half a heatmap is not taken to be surer still."""
_SUREST = 1.0 - 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class LossSettings:
    """How the parts of the loss are weighed.

    Attributes:
        focus: Exponent of the focal loss (Lin et al. 2017); 0 is eq. 5 as the paper has it.
        wrong: Weight of confidences between cells that do not match; 0 as the paper has it. The
            released code supervises all pairs and says that this is better.
        fine: Weight of the fine loss.
        fine_matches: Matches that the fine stage learns from, for each pair of images.
        min_true: How many of them are true ones at least.
    """

    focus: float = 0.0
    wrong: float = 1.0
    fine: float = 1.0
    fine_matches: int = 160
    min_true: int = 40


def coarse_loss(log_confidence: Tensor, truth: CellPairs, *, focus: float = 0.0) -> Tensor:
    """Return the mean over true pairs of ``-(1 - P)^focus log P`` (Sun et al. 2021, eq. 5).

    Args:
        log_confidence: (B, L, S), logarithm of the dual softmax P.
        truth: M pairs; without any the loss is 0.
        focus: Exponent of the focal loss; 0 in the paper.
    """
    found = log_confidence[truth.item, truth.first, truth.second]
    weight = (1.0 - found.exp()).clamp(min=0.0) ** focus if focus else torch.ones_like(found)
    return -(weight * found).sum() / max(1, found.numel())


def wrong_loss(log_confidence: Tensor, is_wrong: Tensor, *, focus: float = 0.0) -> Tensor:
    """Return sum over wrong pairs of ``-P^focus log(1 - P)``, for each cell of the first image.

    Without it nothing lowers the confidence of a cell whose point is hidden in the other image.

    Args:
        log_confidence: (B, L, S), logarithm of the dual softmax P.
        is_wrong: (B, L, S) bool, pairs that are known not to match.
        focus: As in ``coarse_loss``.
    """
    confidence = log_confidence.exp().clamp(max=_SUREST)
    cost = -torch.log1p(-confidence)
    cost = cost * confidence**focus if focus else cost
    return (cost * is_wrong).sum() / (cost.shape[0] * cost.shape[1])


def fine_loss(found: Tensor, target: Tensor) -> Tensor:
    """Return the mean of ``|found - target|^2 / sigma^2`` (Sun et al. 2021, eq. 6).

    sigma is the heatmap's standard deviation; no gradient flows through it, and the weights are
    scaled to a mean of 1, so that all being unsure does not pay.

    Args:
        found: (M, 3), see ``network_fine.expectation``: x, y and the sum of both deviations.
        target: (M, 2), -1..1.
    """
    if found.shape[0] == 0:
        return found.sum()
    weight = 1.0 / (0.5 * found[:, 2].detach()).clamp(min=MIN_DEVIATION) ** 2
    weight = weight / weight.mean()
    return (weight * (found[:, :2] - target).square().sum(dim=1)).mean()
