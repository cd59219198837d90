"""Linear attention at 1/16, as CREStereo takes it from LoFTR.

Li et al. 2022, arXiv 2203.11483, section 3.1. The layer and the sine position table are LoFTR's
own, with the table of its first release, which the published weights were trained with.
"""

from __future__ import annotations

from torch import Tensor, nn

from depth_ros.models.layers.network_attention import AttentionLayer

_NUM_HEADS = 8


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
