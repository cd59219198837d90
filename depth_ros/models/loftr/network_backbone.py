"""LoFTR's local features: a residual network that halves, then a pyramid back up.

Sun et al. 2021 (LoFTR), section 3.1 and supplement; blocks of He et al. 2016, pyramid of
Lin et al. 2017. Parameter names are those of the official checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class BackboneBlock(nn.Module):
    """Two 3x3 convolutions beside the input, which is projected where the stride is 2."""

    def __init__(self, in_channels: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv3(in_channels, channels, stride=stride)
        self.conv2 = _conv3(channels, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(input + residual)."""
        residual = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.downsample(x) + self.bn2(self.conv2(residual)))


class Stem(nn.Module):
    """The way down: 1/2, then half the size for each further entry of ``channels``."""

    def __init__(self, initial: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, initial, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(initial)
        self.num_stages = len(channels)
        for index, (before, after) in enumerate(zip([initial, *channels], channels)):  # noqa: B905
            stage = _two_blocks(before, after, stride=1 if index == 0 else 2)
            self.add_module(f'layer{index + 1}', stage)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return the maps of all stages, finest first."""
        maps = [F.relu(self.bn1(self.conv1(images)))]
        for index in range(self.num_stages):
            maps.append(getattr(self, f'layer{index + 1}')(maps[-1]))
        return maps[1:]


class Backbone(Stem):
    """Grey images (N, 1, H, W) to coarse features at 1/8 and fine ones at 1/2."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__(channels[0], channels)
        fine, middle, coarse = channels
        self.layer3_outconv = nn.Conv2d(coarse, coarse, 1, bias=False)
        self.layer2_outconv = nn.Conv2d(middle, coarse, 1, bias=False)
        self.layer2_outconv2 = _smoothing(coarse, middle)
        self.layer1_outconv = nn.Conv2d(fine, middle, 1, bias=False)
        self.layer1_outconv2 = _smoothing(middle, fine)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, 256, H/8, W/8) and (N, 128, H/2, W/2)."""
        half, quarter, eighth = self.stages(images)
        coarse = self.layer3_outconv(eighth)
        middle = self.layer2_outconv2(self.layer2_outconv(quarter) + _doubled(coarse))
        fine = self.layer1_outconv2(self.layer1_outconv(half) + _doubled(middle))
        return coarse, fine


class CoarseBackbone(Stem):
    """Backbone of the coarse student: features at 1/16 and no way back up."""

    def __init__(self, initial: int, channels: Sequence[int]) -> None:
        super().__init__(initial, channels)
        self.layer4_outconv = nn.Conv2d(channels[-1], channels[-1], 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map grey images (N, 1, H, W) to (N, 32, H/16, W/16)."""
        return self.layer4_outconv(self.stages(images)[-1])


def _two_blocks(in_channels: int, channels: int, *, stride: int) -> nn.Sequential:
    first = BackboneBlock(in_channels, channels, stride=stride)
    return nn.Sequential(first, BackboneBlock(channels, channels, stride=1))


def _smoothing(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        _conv3(in_channels, in_channels),
        nn.BatchNorm2d(in_channels),
        nn.LeakyReLU(),
        _conv3(in_channels, channels),
    )


def _conv3(in_channels: int, channels: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)


def _doubled(x: Tensor) -> Tensor:
    """Double the size, corners aligned: the published weights need that."""
    size = (2 * x.shape[2], 2 * x.shape[3])
    return F.interpolate(x, size=size, mode='bilinear', align_corners=True)
