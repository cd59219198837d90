"""Gates that begin with a plain rule: how far to go to a hint, from what is known of it.

A gate that begins shut hardly opens: its gradient is as small as its share. A rule that is right
on the whole from the start, written as a linear function of a few figures, is learnt from there.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.models.layers.network_precision import float32_region, full_precision

SHUT = -30.0
"""Logit where there is no hint."""
PACE = 16.0
"""Weights are kept divided by this: they are large, and steps of an optimizer are not."""


class GateRule(nn.Module):
    """A linear function of figures (B, C, H, W), always in float32.

    Args:
        begin: Weights it begins with by the name of the figure, and last the constant.
    """

    def __init__(self, begin: Mapping[str, float]) -> None:
        super().__init__()
        *weights, constant = begin.values()
        self.weight = nn.Parameter(torch.tensor(weights)[None, :, None, None] / PACE)
        self.bias = nn.Parameter(torch.tensor([constant]) / PACE)

    def forward(self, figures: Tensor, learnt: Tensor, known: Tensor) -> Tensor:
        """Return the logit (B, 1, H, W): the rule plus what else was learnt, shut if unknown."""
        with float32_region(figures):
            by_rule = PACE * functional.conv2d(full_precision(figures), self.weight, self.bias)
            return torch.where(known > 0.0, full_precision(learnt) + by_rule, SHUT)
