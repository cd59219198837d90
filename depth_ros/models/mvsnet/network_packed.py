"""A 3-D convolution to one channel, computed for 4x4 pixels at once.

CPUs compute sixteen output channels in one instruction; with one channel, fifteen are thrown
away. Here the sixteen are neighbouring pixels: their 3x3 windows lie within one of 6x6, so the
same numbers come from a convolution with a 3x6x6 kernel that moves four pixels at a time: four
times the sums, all lanes at work (``benchmarks/graph_race.py``; figures in docs/performance.md).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 4
"""Pixels along the side of a block; rows and columns must be a multiple of it."""


class PackedConvolution(nn.Module):
    """What ``nn.Conv3d(C, 1, 3, padding=1)`` gives, for inference.

    Args:
        plain: The convolution to take weights and bias from.
    """

    kernel: Tensor
    bias: Tensor

    def __init__(self, plain: nn.Conv3d) -> None:
        super().__init__()
        weight = plain.weight.detach()
        blocks = [
            F.pad(weight, (x, SIDE - 1 - x, y, SIDE - 1 - y))
            for y in range(SIDE)
            for x in range(SIDE)
        ]
        self.register_buffer('kernel', torch.cat(blocks), persistent=False)
        bias = torch.zeros(1) if plain.bias is None else plain.bias.detach()
        self.register_buffer('bias', bias.repeat(SIDE * SIDE), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (1, C, D, H, W) to (D, 1, H, W); H and W in multiples of ``SIDE``."""
        blocks = F.conv3d(x, self.kernel, self.bias, stride=(1, SIDE, SIDE), padding=1)
        return F.pixel_shuffle(blocks[0].transpose(0, 1), SIDE)
