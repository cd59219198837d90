"""Losses: CREStereo's sequence loss, and a cross-entropy on the matches of each row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.models.crestereo_tiny.network import TinyPredictions

GAMMA = 0.9
CLIP_PX = 80.0
MATCHING_WEIGHT = 2.5
RIGHT_PX = 1.0
"""A hint that errs by less is right."""
FINE_CELL = 4


def at_cells(values: Tensor, cell: int) -> Tensor:
    """Take (B, 1, H, W) values at the pixel next to each cell's centre: no mixed pixels."""
    return values[:, :, cell // 2 :: cell, cell // 2 :: cell]


def sequence_loss(predictions: TinyPredictions, disparity: Tensor) -> Tensor:
    """Weigh the L1 errors of all n predictions by gamma^(n - i) (Li et al. 2022, eq. 6).

    Coarse predictions are compared at the centres of their cells, the last at every pixel; an
    error above ``CLIP_PX`` counts as that much.

    Args:
        predictions: In px of the full resolution.
        disparity: Truth (B, 1, H, W), px.
    """
    count = len(predictions.coarse) + 1
    total = _clipped_l1(predictions.full, disparity)
    for index, (cell, coarse) in enumerate(predictions.coarse):
        error = _clipped_l1(coarse, at_cells(disparity, cell))
        total = total + GAMMA ** (count - 1 - index) * error
    return total


def flow_sequence_loss(predictions: Sequence[Tensor], disparity: Tensor) -> Tensor:
    """Weigh the L1 errors of all n full-size predictions by gamma^(n - i) (Li et al. 2022, eq. 6).

    The vertical part of every prediction is pulled to zero. Pixels of unknown disparity do not
    count. The published code weighs by 0.8, the paper by ``GAMMA``.

    Args:
        predictions: (B, 2, H, W) px each, from first to last.
        disparity: Truth (B, 1, H, W), px; NaN unknown.
    """
    is_known = torch.isfinite(disparity)
    truth = torch.where(is_known, disparity, 0.0)
    truth = torch.cat((truth, torch.zeros_like(truth)), 1)
    weight = is_known.float() / is_known.sum().clamp(min=1) / 2.0
    last = len(predictions) - 1
    errors = [
        GAMMA ** (last - index) * ((found - truth).abs() * weight).sum()
        for index, found in enumerate(predictions)
    ]
    return torch.stack(errors).sum()


def _clipped_l1(found: Tensor, truth: Tensor) -> Tensor:
    return (found - truth).abs().clamp(max=CLIP_PX).mean()


def matching_loss(log_match: Tensor, disparity: Tensor, is_occluded: Tensor, cell: int) -> Tensor:
    """Return minus the logarithm of the true match (Sun et al. 2021, eq. 5, per row).

    The match lies between two cells; both get their linear share. Only left cells whose match is
    visible count.

    Args:
        log_match: (B, h, w, w) of left column with right column, both softmaxes added.
        disparity: Truth (B, 1, H, W), px.
        is_occluded: (B, 1, H, W) bool.
        cell: Pixels per cell.
    """
    width = log_match.shape[-1]
    columns = torch.arange(width, device=log_match.device, dtype=torch.float32)
    match = columns - at_cells(disparity, cell)[:, 0] / cell
    counts = ~at_cells(is_occluded, cell)[:, 0] & (match >= 0.0)
    below = match.clamp(0.0, width - 1.0).floor()
    share_above = (match - below).clamp(0.0, 1.0)
    low = below.long().unsqueeze(-1)
    high = torch.minimum((low + 1), columns.long()[:, None])
    found = torch.gather(log_match, -1, torch.cat((low, high), -1))
    value = -((1.0 - share_above) * found[..., 0] + share_above * found[..., 1])
    counts = counts.float()
    return (value * counts).sum() / counts.sum().clamp(min=1.0)


def small_error_loss(found: Tensor, truth: Tensor) -> Tensor:
    """Return mean of log(1 + error in px): gradients are large for small errors.

    The L1 error pulls as hard at a pixel that no evidence can settle as at one that is 2 px off.
    """
    return torch.log1p((found - truth).abs()).mean()


def left_hint_loss(predictions: TinyPredictions, disparity: Tensor, hint: Tensor) -> Tensor:
    """Return mean of log(1 + what a prediction is worse than the hint by, px).

    Only where the hint is right: a wrong one may be left. Predictions from cells of ``FINE_CELL``
    px down count alike.

    Args:
        predictions: In px of the full resolution.
        disparity: Truth (B, 1, H, W), px.
        hint: (B, 2, H, W) disparity px and trust.
    """
    error = (hint[:, :1] - disparity).abs()
    is_right = ((hint[:, 1:] > 0.0) & (error < RIGHT_PX)).float()
    found = [(cell, coarse) for cell, coarse in predictions.coarse if cell <= FINE_CELL]
    found.append((1, predictions.full))
    losses = []
    for cell, own in found:
        truth, allowed, counts = (at_cells(value, cell) for value in (disparity, error, is_right))
        worse = functional.relu((own - truth).abs() - allowed)
        losses.append((torch.log1p(worse) * counts).mean())
    return torch.stack(losses).mean()


def error_loss(found: Tensor, log_scale: Tensor, truth: Tensor) -> Tensor:
    """Return minus the logarithm of a Laplace likelihood of the error, up to a constant.

    ``|e| / b + log b`` (Kendall and Gal 2017, arXiv 1703.04977, section 3).

    Args:
        found: Disparity (B, 1, H, W) px; it learns nothing from this.
        log_scale: Logarithm of the scale b in px, (B, 1, H, W).
        truth: (B, 1, H, W) px.
    """
    error = (found.detach() - truth).abs().clamp(max=CLIP_PX)
    return (error * torch.exp(-log_scale) + log_scale).mean()


def total_loss(
    predictions: TinyPredictions,
    disparity: Tensor,
    is_occluded: Tensor,
    *,
    small_errors: float = 0.0,
) -> Tensor:
    """Return the sequence loss plus the weighted matching losses of all levels.

    Args:
        predictions: In px of the full resolution.
        disparity: Truth (B, 1, H, W), px.
        is_occluded: (B, 1, H, W) bool.
        small_errors: Weight of ``small_error_loss`` of the final disparity; 0 leaves it out.
    """
    rows = [
        matching_loss(log_match, disparity, is_occluded, cell)
        for cell, log_match in predictions.log_matches
    ]
    total = sequence_loss(predictions, disparity) + MATCHING_WEIGHT * torch.stack(rows).sum()
    if small_errors:
        total = total + small_errors * small_error_loss(predictions.full, disparity)
    return total
