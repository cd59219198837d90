"""Decoder of TiO-Depth: the dual-path decoder with self-distilled feature aggregation.

Zhou and Dong 2023, arXiv 2309.00933; the aggregation is that of SDFA-Net (Zhou and Dong 2022,
arXiv 2209.07088): what comes from below and the encoder's map are each resampled at positions
that the network chooses, then added. One set of convolutions serves three paths; ``_convs`` is
numbered in the order in which the official network creates them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.models.tio_depth.network_matching import (
    NUM_LEVELS,
    MatchingBlock,
    MatchingSide,
    PlainConv3x3,
)
from depth_ros.models.tio_depth.network_swin import CHANNELS as SKIP_CHANNELS

STAGES = (3, 2, 1)
"""Stages with a skip: they end at 1/8, 1/4 and 1/2."""

CHANNELS = (256, 256, 128, 64)
"""Of the stages, coarse to fine, and of the head."""

_CONVS_PER_STAGE = 5
_FINAL_FIRST, _FINAL_SECOND, _HEAD = 15, 16, 17
_FIRST_MATCHING, _FIRST_DISTILLED, _DISTILLED_HEAD = 18, 21, 24

MATCHING_CONVS = range(_FIRST_MATCHING, _FIRST_DISTILLED)
"""Numbers in ``_convs`` of what only stereo uses; the others below serve all paths."""

DISTILLED_CONVS = range(_FIRST_DISTILLED, _DISTILLED_HEAD + 1)
"""Numbers of what only ``Path.REFINE`` uses."""


class Path(Enum):
    """Which convolutions serve a single image."""

    MONO = 'mono'
    """Those that stereo uses too."""

    REFINE = 'refine'
    """The branch distilled from stereo: its own offsets for the skips, and its own head."""


class DecoderBlock(nn.Module):
    """A 3x3 convolution and ELU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = PlainConv3x3(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W), keeping H and W."""
        return F.elu(self.conv(x))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DecodedPair:
    """What the decoder makes of pairs.

    Attributes:
        scores: (N, 49, H, W) of the left views at full size; those of the right views behind
            them, (2N, 49, H, W), where both sides were wanted.
        matches: Probabilities of the levels that matching found in the left views at 1/8, 1/4
            and 1/2, (N, 49, h, w) each.
    """

    scores: Tensor
    matches: tuple[Tensor, ...]


class DualPathDecoder(nn.Module):
    """Turn encoder maps into 49 scores per pixel, for one image or for a pair.

    Args:
        skip_channels: Of the encoder's maps, fine to coarse.
        channels: Of its own stages, coarse to fine, and of the head.
    """

    def __init__(
        self,
        skip_channels: tuple[int, ...] = SKIP_CHANNELS,
        channels: tuple[int, ...] = CHANNELS,
    ) -> None:
        super().__init__()
        self._convs = nn.ModuleList(_make_convs(skip_channels, channels))

    def mono(self, features: list[Tensor], size: tuple[int, int], path: Path) -> Tensor:
        """Decode the maps (N, C, H, W) of single images to scores (N, 49, *size)."""
        x = features[-1]
        for stage in STAGES:
            x = self._aggregate(stage, x, features[stage - 1], path)
        return self._finish(x, size, path)

    def stereo(self, features: list[Tensor], size: tuple[int, int], *, both_sides: bool) -> Tensor:
        """Decode the maps of pairs, (2N, C, H, W), left views first.

        Returns:
            Scores (N, 49, *size) of the left views; with ``both_sides`` those of the right
            views follow: (2N, 49, *size).
        """
        return self.decode_pair(features, size, both_sides=both_sides).scores

    def decode_pair(
        self, features: list[Tensor], size: tuple[int, int], *, both_sides: bool = False
    ) -> DecodedPair:
        """Decode the maps of pairs as ``stereo`` does, and tell what matching found."""
        x = features[-1]
        matches = []
        for stage in STAGES:
            x = self._aggregate(stage, x, features[stage - 1], Path.MONO)
            needs_right = both_sides or stage != STAGES[-1]
            x, found = self._match(stage, x, size[1], needs_right=needs_right)
            matches.append(found)
        return DecodedPair(scores=self._finish(x, size, Path.MONO), matches=tuple(matches))

    def _aggregate(self, stage: int, x: Tensor, skip: Tensor, path: Path) -> Tensor:
        """Bring ``x`` to the size of the encoder's map ``skip`` and join the two."""
        first = _first_conv(stage)
        x = _upsample(self._convs[first](x), (skip.shape[2], skip.shape[3]))
        skip = self._convs[first + 1](skip)
        both = torch.cat([x, skip], dim=1)
        for_skip = first + 3 if path is Path.MONO else _FIRST_DISTILLED + STAGES.index(stage)
        x = resample(x, self._convs[first + 2](both))
        return self._convs[first + 4](x + resample(skip, self._convs[for_skip](both)))

    def _match(
        self, stage: int, x: Tensor, image_width: int, *, needs_right: bool
    ) -> tuple[Tensor, Tensor]:
        """Match the left views with the right ones, and the other way round where needed."""
        block = self._convs[_FIRST_MATCHING + STAGES.index(stage)]
        left, right = x.chunk(2)
        matched, found = block(left, right, MatchingSide.LEFT, image_width)
        if not needs_right:
            return matched, found
        of_right, _ = block(right, left, MatchingSide.RIGHT, image_width)
        return torch.cat([matched, of_right]), found

    def _finish(self, x: Tensor, size: tuple[int, int], path: Path) -> Tensor:
        """Go to full size, where there is no skip, and return the scores."""
        x = _upsample(self._convs[_FINAL_FIRST](x), size)
        head = self._convs[_HEAD if path is Path.MONO else _DISTILLED_HEAD]
        return head(self._convs[_FINAL_SECOND](x))


def resample(x: Tensor, offsets: Tensor) -> Tensor:
    """Sample (N, C, H, W) at each pixel plus ``offsets`` (N, 2, H, W) as (x, y); zero outside.

    Offsets are pixels; bilinear, corners aligned.
    """
    height, width = x.shape[2:]
    columns = torch.arange(width, dtype=x.dtype, device=x.device)[None, :]
    rows = torch.arange(height, dtype=x.dtype, device=x.device)[:, None]
    grid = torch.stack(
        [
            (columns + offsets[:, 0]) * (2 / (width - 1)) - 1,
            (rows + offsets[:, 1]) * (2 / (height - 1)) - 1,
        ],
        dim=3,
    )
    return F.grid_sample(x, grid, padding_mode='zeros', align_corners=True)


def _first_conv(stage: int) -> int:
    return _CONVS_PER_STAGE * STAGES.index(stage)


def _make_convs(skip_channels: tuple[int, ...], of_stages: tuple[int, ...]) -> list[nn.Module]:
    convs: list[nn.Module] = []
    below, final = skip_channels[-1], of_stages[-1]
    for stage, channels in zip(STAGES, of_stages[:-1], strict=True):
        convs += [
            DecoderBlock(below, channels),
            DecoderBlock(skip_channels[stage - 1], channels),
            _offset_branch(channels),
            _offset_branch(channels),
            DecoderBlock(channels, channels),
        ]
        below = channels
    convs += [
        DecoderBlock(below, final),
        DecoderBlock(final, final),
        PlainConv3x3(final, NUM_LEVELS),
    ]
    convs += [MatchingBlock(channels) for channels in of_stages[:-1]]
    convs += [_offset_branch(channels) for channels in of_stages[:-1]]
    convs.append(PlainConv3x3(final, NUM_LEVELS))
    return convs


def _offset_branch(channels: int) -> nn.Sequential:
    """Map two joined maps to offsets (N, 2, H, W)."""
    return nn.Sequential(
        nn.Conv2d(2 * channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ELU(),
        PlainConv3x3(channels, 2, bias=False),
    )


def _upsample(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode='nearest')
