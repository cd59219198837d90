"""MVSNet's blocks and its feature extractor (section 3.1 of the paper)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

NUM_FEATURES = 32


class ConvBlock2d(nn.Module):
    """Convolution without bias, batch norm, ReLU; the names are those of the checkpoint."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return F.relu(self.bn(self.conv(x)))


class FeatureTower(nn.Module):
    """Eight convolutions down to 1/4: pixel (x, y) of the map lies at (4x, 4y) of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = ConvBlock2d(3, 8)
        self.conv1 = ConvBlock2d(8, 8)
        self.conv2 = ConvBlock2d(8, 16, kernel=5, stride=2)
        self.conv3 = ConvBlock2d(16, 16)
        self.conv4 = ConvBlock2d(16, 16)
        self.conv5 = ConvBlock2d(16, 32, kernel=5, stride=2)
        self.conv6 = ConvBlock2d(32, 32)
        self.feature = nn.Conv2d(32, NUM_FEATURES, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) RGB in 0..1 to (N, 32, H/4, W/4)."""
        x = self.conv1(self.conv0(images))
        x = self.conv4(self.conv3(self.conv2(x)))
        return self.feature(self.conv6(self.conv5(x)))
