"""MVSNet's 2-D parts: blocks, features and optional refinement (sections 3.1 and 3.4)."""

from __future__ import annotations

import torch
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


class DepthRefinement(nn.Module):
    """Residual from the image and the depth map.

    The published PyTorch code cannot run this step. Ours reduces the image to the depth's size
    (bilinear, half-pixel) and joins both; the last layer has a ReLU as there, so the residual
    is never negative.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBlock2d(4, 32)
        self.conv2 = ConvBlock2d(32, 32)
        self.conv3 = ConvBlock2d(32, 32)
        self.res = ConvBlock2d(32, 1)

    def forward(
        self, image: Tensor, depth: Tensor, *, depth_range: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Refine a depth map.

        Args:
            image: (N, 3, H, W) RGB in 0..1.
            depth: (N, h, w).
            depth_range: Smallest and largest depth, (N,) each: scales the depth to 0..1 before
                the residual is made and back afterwards, as the paper says; None works on the
                depth as it is.

        Returns:
            (N, h, w), depth plus residual.
        """
        if depth_range is None:
            return depth + self.residual(image, depth)
        near, far = (limit[:, None, None] for limit in depth_range)
        scaled = (depth - near) / (far - near)
        return near + (far - near) * (scaled + self.residual(image, scaled))

    def residual(self, image: Tensor, depth: Tensor) -> Tensor:
        """Return (N, h, w), in the unit of ``depth``."""
        x = self.conv1(self.joined(image, depth))
        return self.res(self.conv3(self.conv2(x)))[:, 0]

    def joined(self, image: Tensor, depth: Tensor) -> Tensor:
        """Stack the reduced image and the depth: (N, 4, h, w)."""
        size = (depth.shape[1], depth.shape[2])
        small = F.interpolate(image, size=size, mode='bilinear', align_corners=False)
        return torch.cat([small, depth.unsqueeze(1)], dim=1)
