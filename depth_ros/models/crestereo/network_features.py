"""Features of CREStereo: one residual encoder for both images, stride 4, and their attention.

Li et al. 2022, arXiv 2203.11483, section 3.1; the encoder is RAFT's (Teed & Deng 2020) with
instance normalisation that has no weights and no running statistics. The linear attention at
1/16, layer and sine position table, is LoFTR's, with the table of its first release, which the
published weights were trained with.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.models.layers.network_attention import AttentionLayer

NUM_FEATURES = 256
_NUM_HEADS = 8


class FeatureEncoder(nn.Module):
    """Map images (N, 3, H, W) in -1..1 to features (N, 256, H/4, W/4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.layer1 = _two_blocks(64, 64, stride=1)
        self.layer2 = _two_blocks(64, 96, stride=2)
        self.layer3 = _two_blocks(96, 128, stride=1)
        self.conv2 = nn.Conv2d(128, NUM_FEATURES, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Encode a batch of images."""
        x = F.relu(_normalize(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.conv2(x)


class EncoderBlock(nn.Module):
    """Two 3x3 convolutions beside a projected shortcut, each normalised."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride=stride))

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(shortcut + residual)."""
        residual = F.relu(_normalize(self.conv1(x)))
        residual = F.relu(_normalize(self.conv2(residual)))
        return F.relu(_normalize(self.downsample(x)) + residual)


def _two_blocks(in_channels: int, out_channels: int, *, stride: int) -> nn.Sequential:
    first = EncoderBlock(in_channels, out_channels, stride=stride)
    return nn.Sequential(first, EncoderBlock(out_channels, out_channels, stride=1))


def _normalize(x: Tensor) -> Tensor:
    return F.instance_norm(x, eps=1e-5)


class SelfAttention(nn.Module):
    """Tokens attend to their own image; left and right may share one batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([AttentionLayer(channels, num_heads=_NUM_HEADS)])

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the updated tokens (N, L, C)."""
        return self.layers[0](tokens, tokens)


class CrossAttention(nn.Module):
    """Each image attends to the other; the right one sees the already updated left."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([AttentionLayer(channels, num_heads=_NUM_HEADS)])

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Return both updated token sets (N, L, C)."""
        layer = self.layers[0]
        left = layer(left, right)
        return left, layer(right, left)


def to_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Turn tokens (N, H*W, C) into a map (N, C, H, W)."""
    return tokens.transpose(1, 2).unflatten(2, (height, width))
