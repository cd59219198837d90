"""Losses against exact depth of one image: its shape, its edges and what is in front of what.

All compare inverse depth, the network's against 1 / m, (B, H, W). Neither unit matters: a shift
and scale (Ranftl et al. 2020, arXiv 1907.01341, eqs. 5 and 6) or a scale alone are taken out
first. The second keeps the shift right, which depth as this package publishes it needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-6
PAIR_STEPS = (1, 4, 10)
"""How far two pixels of a pair are apart, in every second pixel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SupervisedWeights:
    """What counts how much.

    Attributes:
        shape: Of the error after scale and shift.
        ratio: Of the logarithm of the ratio, after a scale alone.
        gradient: Of the differences between neighbours, at ``scales`` resolutions.
        order: Of pairs of pixels in the wrong order, across steps of depth.
        scales: Resolutions of the gradients.
        step: Least ratio of two depths that makes a step.
    """

    shape: float = 0.5
    ratio: float = 1.0
    gradient: float = 0.5
    order: float = 0.3
    scales: int = 4
    step: float = 1.15


def supervised_loss(found: Tensor, truth: Tensor, weights: SupervisedWeights) -> Tensor:
    """Return the weighted sum of all parts, a scalar.

    Args:
        found: ``(B, H, W)`` positive inverse depth in any unit.
        truth: ``(B, H, W)`` positive inverse depth, 1 / m.
        weights: Of the parts.
    """
    own, true = aligned(found), aligned(truth)
    difference = own - true
    return (
        weights.shape * difference.abs().mean()
        + weights.ratio * ratio_loss(found, truth)
        + weights.gradient * gradient_loss(difference, scales=weights.scales)
        + weights.order * order_loss(own, truth, step=weights.step)
    )


def aligned(inverse_depth: Tensor) -> Tensor:
    """Take each map's median away and divide by the mean distance from it."""
    flat = inverse_depth.flatten(1)
    centred = flat - flat.median(1, keepdim=True).values
    spread = centred.abs().mean(1, keepdim=True).clamp(min=_LEAST)
    return (centred / spread).view_as(inverse_depth)


def ratio_loss(found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean deviation of log(found / truth) from its median in each map.

    Near and far count alike, as they do in the relative error of depth.
    """
    ratio = (found.clamp(min=_LEAST) / truth).log().flatten(1)
    return (ratio - ratio.median(1, keepdim=True).values).abs().mean()


def gradient_loss(difference: Tensor, *, scales: int) -> Tensor:
    """Return the mean step of a difference between neighbours, summed over resolutions.

    Li and Snavely 2018 (arXiv 1804.00607), eq. 3, of every second, fourth... pixel.
    """
    total = difference.new_zeros(())
    for scale in range(scales):
        small = difference[:, :: 2**scale, :: 2**scale]
        total = total + small.diff(dim=1).abs().mean() + small.diff(dim=2).abs().mean()
    return total / scales


def order_loss(own: Tensor, truth: Tensor, *, step: float) -> Tensor:
    """Return log(1 + exp(-d)), d being how much nearer the nearer of two pixels is found.

    Chen et al. 2016 (arXiv 1604.03901), eq. 2, of pixels a few steps apart whose true depths
    differ by ``step`` or more, as at the border of a thing; the mean over all such pairs.

    Args:
        own: ``(B, H, W)`` inverse depth after ``aligned``.
        truth: ``(B, H, W)`` inverse depth, positive.
        step: Least ratio of the depths.
    """
    # Every second pixel says as much about the borders of things for a quarter of the time.
    own, logarithm, least = own[:, ::2, ::2], truth[:, ::2, ::2].log(), math.log(step)
    total, count = own.new_zeros(()), own.new_zeros(())
    for distance in PAIR_STEPS:
        for axis in (1, 2):
            true_step, own_step = _apart(logarithm, distance, axis), _apart(own, distance, axis)
            is_step = (true_step.abs() > least).to(own.dtype)
            total = total + (is_step * F.softplus(-own_step * true_step.sign())).sum()
            count = count + is_step.sum()
    return total / count.clamp(min=1.0)


def _apart(values: Tensor, distance: int, axis: int) -> Tensor:
    length = values.shape[axis] - distance
    if length <= 0:
        return values[:0]
    return values.narrow(axis, distance, length) - values.narrow(axis, 0, length)
