"""First weights: drawn, of a Swin Transformer, of an earlier stage, or the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.models.tio_depth.network import TioDepth, load_weights
from depth_ros.models.tio_depth.network_decoder import DualPathDecoder
from depth_ros.models.tio_depth.network_matching import MatchingBlock, PlainConv3x3

_SPREAD = 0.02
_SWIN_KEY = 'patch_embed.proj.weight'
_SWIN_ONLY = ('head.', 'norm.')
_SWIN_MASK = '.attn_mask'
_NEW_NORMS = ('norm0.', 'norm1.', 'norm2.', 'norm3.')


def draw_weights(network: TioDepth) -> None:
    """Draw the encoder's weights as Liu et al. 2021 do; offsets and matching begin neutrally.

    Zero offsets: at first nothing is resampled (Zhou and Dong 2022, arXiv 2209.07088). Matching
    at first passes the features on, nearly: a pair begins where the single image is. That is
    ours; the published training begins with random blocks between trained ones.
    """
    for module in network.encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=_SPREAD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, value in network.encoder.named_parameters():
        if name.endswith('relative_position_bias_table'):
            nn.init.trunc_normal_(value, std=_SPREAD)
    for convolution in offset_convolutions(network.decoder):
        nn.init.zeros_(convolution.conv.weight)
    for module in network.decoder.modules():
        if isinstance(module, MatchingBlock):
            _pass_features_on(module)


def _pass_features_on(block: MatchingBlock) -> None:
    """Let the block give its features plus a little of the matches.

    The gates open half at first, so the features count twice before them.
    """
    joining, gate = block.redu[0].conv, block.redu[1].fc[2]
    channels = len(joining.weight)
    with torch.no_grad():
        joining.weight[:, :channels].zero_()
        centre = joining.weight[:, :channels, 1, 1]
        centre.fill_diagonal_(2.0)
        joining.bias.zero_()
        gate.weight.zero_()


def offset_convolutions(decoder: DualPathDecoder) -> list[PlainConv3x3]:
    """Find the last convolutions of the branches that choose where to resample."""
    found = [module for module in decoder.modules() if isinstance(module, PlainConv3x3)]
    return [module for module in found if module.conv.bias is None]


def load_start(network: TioDepth, path: Path) -> None:
    """Load all weights, or an ImageNet Swin Transformer's (tiny, window 7) into the encoder.

    Raises:
        WeightsError: If they are neither.
    """
    state = load_checkpoint(path)
    if _SWIN_KEY in state:
        load_strict(network.encoder, _swin_state(network, state))
    else:
        load_weights(network, state)


def _swin_state(network: TioDepth, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take what the encoder has out of a classifier's weights; its four norms stay its own."""
    own = network.encoder.state_dict()
    kept = {key: own[key] for key in own if key.startswith(_NEW_NORMS)}
    taken = {
        key: value
        for key, value in state.items()
        if not key.startswith(_SWIN_ONLY) and not key.endswith(_SWIN_MASK)
    }
    return {**kept, **taken}
