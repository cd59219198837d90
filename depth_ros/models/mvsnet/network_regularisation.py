"""MVSNet's cost volume regularisation and depth regression (sections 3.2 and 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.models.mvsnet.network_features import NUM_FEATURES

NUM_COST_FEATURES = 8
PLANES_BEFORE, PLANES_AFTER = 1, 2
"""Planes whose probability makes the confidence: around the truncated expected index."""
SIDE = 4
"""Pixels along the side of a block; rows and columns must be a multiple of it."""


class ConvBlock3d(nn.Module):
    """As ``ConvBlock2d``, in three dimensions."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, D, H, W) to (N, outputs, ...), each halved with stride 2."""
        return F.relu(self.bn(self.conv(x)))

    def inner(self, x: Tensor) -> Tensor:
        """Leave out the first and last plane, which lack a neighbour in ``x``."""
        x = F.conv3d(x, self.conv.weight, padding=(0, 1, 1))
        return F.relu(self.bn(x))


def _upward(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose3d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False),
        nn.BatchNorm3d(outputs),
        nn.ReLU(),
    )


class CostRegularisation(nn.Module):
    """3-D U-net with additions for skips; sizes must be multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = ConvBlock3d(NUM_FEATURES, NUM_COST_FEATURES)
        self.conv1 = ConvBlock3d(8, 16, stride=2)
        self.conv2 = ConvBlock3d(16, 16)
        self.conv3 = ConvBlock3d(16, 32, stride=2)
        self.conv4 = ConvBlock3d(32, 32)
        self.conv5 = ConvBlock3d(32, 64, stride=2)
        self.conv6 = ConvBlock3d(64, 64)
        self.conv7 = _upward(64, 32)
        self.conv9 = _upward(32, 16)
        self.conv11 = _upward(16, NUM_COST_FEATURES)
        self.prob = nn.Conv3d(NUM_COST_FEATURES, 1, 3, padding=1)

    def forward(self, variance: Tensor) -> Tensor:
        """Map (N, 32, D, h, w) to costs (N, 1, D, h, w)."""
        return self.after_first(self.conv0(variance))

    def after_first(self, first: Tensor) -> Tensor:
        """Go on from the first layer's output (N, 8, D, h, w) to costs (N, 1, D, h, w)."""
        return self.prob(self.before_last(first))

    def before_last(self, first: Tensor) -> Tensor:
        """Go on from the first layer's output to what the last layer reads, of the same shape."""
        half = self.conv2(self.conv1(first))
        quarter = self.conv4(self.conv3(half))
        x = self.conv6(self.conv5(quarter))
        x = quarter + self.conv7(x)
        x = half + self.conv9(x)
        return first + self.conv11(x)


def regress(costs: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turn costs into the expected value, its index and the photometric confidence.

    Args:
        costs: (N, D, h, w); the softmax over D is the probability of each hypothesis.
        values: (N, D), what each hypothesis stands for.

    Returns:
        Expected value, expected index and confidence, each (N, h, w). The confidence is the sum
        of the probabilities at the truncated expected index, one before and two after it.
    """
    probability = torch.softmax(costs, dim=1)
    steps = torch.arange(costs.shape[1], dtype=costs.dtype, device=costs.device).view(1, -1, 1, 1)
    value = (probability * values[:, :, None, None]).sum(dim=1)
    index = (probability * steps).sum(dim=1)
    offset = steps - torch.floor(index).unsqueeze(1)
    is_near = (offset >= -PLANES_BEFORE) & (offset <= PLANES_AFTER)
    confidence = (probability * is_near.to(probability.dtype)).sum(dim=1)
    return value, index, confidence


class PackedConvolution(nn.Module):
    """What ``nn.Conv3d(C, 1, 3, padding=1)`` gives, for inference: 4x4 pixels at once.

    CPUs compute sixteen output channels in one instruction; with one channel, fifteen are thrown
    away. Here the sixteen are neighbouring pixels: their 3x3 windows lie within one of 6x6, so
    the same numbers come from a convolution with a 3x6x6 kernel that moves four pixels at a time:
    four times the sums, all lanes at work (``benchmarks/graph_race.py``; figures in
    docs/performance.md).

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
