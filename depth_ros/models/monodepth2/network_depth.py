"""Monodepth2's depth network: encoder, decoder with skips, sigmoid disparities at four scales.

From Godard et al. 2019 (arXiv 1806.01260), supplementary table 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.models.monodepth2.network_resnet import Layout, ResnetEncoder, check_images

NUM_SCALES = 4
_NUM_LEVELS = 5


@dataclass(frozen=True, slots=True)
class DecoderLayout:
    """What a decoder is like; the paper's unless the network is a slimmer one of this project.

    Attributes:
        widths: Channels from full size to 1/16, finest first.
        has_pooled_term: Whether the coarsest features are told their mean over the image.
    """

    widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 256)
    has_pooled_term: bool = False


def decoder_layout_of(state: Mapping[str, Tensor]) -> DecoderLayout:
    """Tell from the weights of a depth network what its decoder is like.

    What has no decoder gets the paper's layout, which strict loading then refuses.
    """
    names = [f'depth.decoder.{2 * (4 - level)}.conv.conv.bias' for level in range(_NUM_LEVELS)]
    if not all(name in state and state[name].numel() for name in names):
        return DecoderLayout()
    full, half, quarter, eighth, sixteenth = (state[name].numel() for name in names)
    return DecoderLayout(
        widths=(full, half, quarter, eighth, sixteenth),
        has_pooled_term='depth.pooled.weight' in state,
    )


class Conv3x3(nn.Module):
    """3x3 convolution whose border mirrors the map."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_inputs, num_outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, num_outputs, H, W)."""
        return self.conv(F.pad(x, (1, 1, 1, 1), mode='reflect'))


class ConvBlock(nn.Module):
    """3x3 convolution and ELU."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.conv = Conv3x3(num_inputs, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, num_outputs, H, W)."""
        return F.elu(self.conv(x))


class DepthDecoder(nn.Module):
    """From features at 1/32 up to sigmoid disparities at full size, 1/2, 1/4 and 1/8.

    ``decoder`` is in the official order: for each level from coarse to fine the convolution
    before and the one after upsampling, then the heads from fine to coarse.
    """

    def __init__(self, channels: tuple[int, ...], layout: DecoderLayout = DecoderLayout()) -> None:
        super().__init__()
        widths = layout.widths
        blocks: list[nn.Module] = []
        for level in reversed(range(_NUM_LEVELS)):
            width = widths[level]
            below = channels[4] if level == 4 else widths[level + 1]
            skip = channels[level - 1] if level > 0 else 0
            blocks += [ConvBlock(below, width), ConvBlock(width + skip, width)]
        heads = [Conv3x3(widths[scale], 1) for scale in range(NUM_SCALES)]
        self.decoder = nn.ModuleList([*blocks, *heads])
        if layout.has_pooled_term:
            self.pooled = nn.Conv2d(channels[4], channels[4], 1)
        self.has_pooled_term = layout.has_pooled_term

    def forward(self, features: list[Tensor], *, num_scales: int = 1) -> list[Tensor]:
        """Return (N, 1, H / 2^s, W / 2^s) in 0..1 for s from 0 to ``num_scales - 1``."""
        x = features[-1]
        if self.has_pooled_term:
            x = x + self.pooled(x.mean((2, 3), keepdim=True))
        disparities: list[Tensor] = []
        for level in reversed(range(_NUM_LEVELS)):
            before, after = self.decoder[2 * (4 - level)], self.decoder[2 * (4 - level) + 1]
            x = F.interpolate(before(x), scale_factor=2, mode='nearest')
            if level > 0:
                x = torch.cat([x, features[level - 1]], dim=1)
            x = after(x)
            if level < num_scales:
                disparities.insert(0, torch.sigmoid(self.decoder[2 * _NUM_LEVELS + level](x)))
        return disparities


class DepthNetwork(nn.Module):
    """Encoder and decoder of one image."""

    def __init__(self, layout: Layout, decoder: DecoderLayout = DecoderLayout()) -> None:
        super().__init__()
        self.encoder = ResnetEncoder(layout)
        self.depth = DepthDecoder(layout.channels, decoder)

    def forward(self, images: Tensor, *, num_scales: int = 1) -> list[Tensor]:
        """Estimate disparities of (N, 3, H, W) RGB images in 0..1; H and W multiples of 32."""
        check_images(images)
        return self.depth(self.encoder(images), num_scales=num_scales)
