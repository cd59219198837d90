"""The small variant of LoFTR that this project trains: LoFTR's stages with few channels.

The structure is that of Sun et al. 2021 (arXiv 2104.00680): linear attention within and across
the images on a grid of 8 px, dual softmax, and 5x5 windows at half resolution that refine a match
below a pixel. What differs:

* 16, 32 and 64 channels at 1/2, 1/4 and 1/8, two pairs of attention layers instead of four;
* maps are halved by averaging 3x3 pixels, which keeps cell i above pixel 2i and does not alias,
  and a level at 1/16 widens what a cell sees;
* mean and contrast are taken out of each image first, so that exposure does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_strict
from depth_ros.errors import WeightsError
from depth_ros.models.layers.network_attention import FeatureTransformer
from depth_ros.models.loftr.network import Loftr, LoftrVariant, Parts
from depth_ros.models.loftr.network_backbone import BackboneBlock
from depth_ros.models.loftr.network_fine import FinePreprocess
from depth_ros.models.loftr.network_graph import (
    MatchGraph,
    made_up_state,
    match_exportable,
    read_options,
)
from depth_ros.models.loftr.network_tiles import tiled_matches
from depth_ros.tensors import Exportable

TINY = LoftrVariant(has_fixed_positions=True, border=0, is_normalised=True)
COARSE_HEAD, FINE_HEAD = 16, 8
"""Channels of an attention head."""
_SIZED = ('stem.conv', 'lateral', 'coarse_out', 'fine_out')
"""Convolutions of the backbone whose shapes tell its sizes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TinyLoftrConfig:
    """Size of the network; weights tell it by their shapes.

    Attributes:
        widths: Channels at 1/2, 1/4 and 1/8; the last, a multiple of 16, is matched.
        fine: Channels of the fine windows, a multiple of 8.
        num_pairs: Pairs of a self and a cross layer of the coarse transformer.
    """

    widths: tuple[int, int, int] = (16, 32, 64)
    fine: int = 16
    num_pairs: int = 2


class ConvNorm(nn.Module):
    """A convolution, batch normalisation and what is above 0."""

    def __init__(self, inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        padding = size // 2
        self.conv = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        return F.relu(self.bn(self.conv(x)))


class TinyBackbone(nn.Module):
    """Grey images (N, 1, H, W) to coarse features at 1/8 and fine ones at 1/2."""

    def __init__(self, config: TinyLoftrConfig) -> None:
        super().__init__()
        half, quarter, eighth = config.widths
        self.stem = ConvNorm(1, half, size=5, stride=2)
        self.quarter = _halving(half, quarter)
        self.eighth = _halving(quarter, eighth)
        self.sixteenth = _halving(eighth, eighth)
        self.coarse_out = nn.Conv2d(eighth, eighth, 1, bias=False)
        self.lateral = nn.Conv2d(quarter, half, 1)
        self.fine_out = nn.Conv2d(half, config.fine, 3, padding=1, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, C, H/8, W/8) and (N, C', H/2, W/2)."""
        half = self.stem(images)
        quarter = self.quarter(half)
        eighth = self.eighth(quarter)
        coarse = self.coarse_out(eighth + _enlarged(self.sixteenth(eighth), eighth))
        fine = self.fine_out(F.relu(half + _enlarged(self.lateral(quarter), half)))
        return coarse, fine


def tiny_loftr(config: TinyLoftrConfig) -> Loftr:
    """Make the network with random weights."""
    channels = config.widths[-1]
    parts = Parts(
        backbone=TinyBackbone(config),
        coarse=FeatureTransformer(
            channels, num_pairs=config.num_pairs, num_heads=channels // COARSE_HEAD
        ),
        windows=FinePreprocess(channels, config.fine),
        fine=FeatureTransformer(config.fine, num_pairs=1, num_heads=config.fine // FINE_HEAD),
    )
    return Loftr(TINY, parts)


def tiny_config(state: Mapping[str, Tensor]) -> TinyLoftrConfig:
    """Read the sizes off the weights' shapes.

    Raises:
        WeightsError: If they are another network's.
    """
    names = {part: f'backbone.{part}.weight' for part in _SIZED}
    shapes = {part: state[name].shape for part, name in names.items() if name in state}
    if sum(len(shape) == 4 for shape in shapes.values()) < len(names):
        raise WeightsError(
            f'expected weights of loftr_tiny, with {list(names.values())}, found '
            f'{sorted(state)[:4]}; use those of: depth-ros train loftr_tiny, or '
            'name the variant of yours, e.g. outdoor_ds'
        )
    layers = {name.split('.')[2] for name in state if name.startswith('loftr_coarse.layers.')}
    return TinyLoftrConfig(
        widths=(shapes['stem.conv'][0], shapes['lateral'][1], shapes['coarse_out'][0]),
        fine=shapes['fine_out'][0],
        num_pairs=len(layers) // 2,
    )


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, Tensor],
) -> Exportable:
    """Make the static graph of one input size; inputs and outputs are those of ``loftr``.

    Args:
        graph: ``'loftr'``, the only one.
        height: Rows of both images; a multiple of 8.
        width: Columns, as ``height``.
        options: ``matches``, as for ``network.exportable``.
        state: The weights that ``depth-ros train loftr_tiny`` writes.

    Raises:
        RecipeError: If graph, size or options cannot be served.
        WeightsError: If the weights are not this network's.
    """
    num_matches, _ = read_options(graph, options, names=('matches',))
    network = tiny_loftr(tiny_config(state))
    load_strict(network, state)
    graph_module = MatchGraph(network, num_matches, choose=tiled_matches)
    return match_exportable(graph_module, height=height, width=width)


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make up weights, for tests and benchmarks only."""
    return made_up_state(tiny_loftr(TinyLoftrConfig()), seed)


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    """Average, widen, refine: cell i of the result lies above cell 2i."""
    return nn.Sequential(
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        ConvNorm(inputs, outputs),
        BackboneBlock(outputs, outputs, stride=1),
    )


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode='bilinear', align_corners=False)
