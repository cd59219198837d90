"""Linear attention at 1/16 with a sine position table, as CREStereo takes it from LoFTR.

Li et al. 2022, arXiv 2203.11483, section 3.1; Sun et al. 2021 (LoFTR), sections 3.2 and 3.3;
Katharopoulos et al. 2020 for the feature map elu(x) + 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NUM_HEADS = 8
_NORMALIZER_EPSILON = 1e-6


class AttentionLayer(nn.Module):
    """One residual attention step of tokens (N, L, C) over source tokens (N, S, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(channels, channels, bias=False)
        self.k_proj = nn.Linear(channels, channels, bias=False)
        self.v_proj = nn.Linear(channels, channels, bias=False)
        self.merge = nn.Linear(channels, channels, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * channels, 2 * channels, bias=False),
            nn.ReLU(),
            nn.Linear(2 * channels, channels, bias=False),
        )
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Give the updated tokens."""
        query, key, value = self.q_proj(tokens), self.k_proj(source), self.v_proj(source)
        message = self.norm1(self.merge(linear_attention(query, key, value)))
        return tokens + self.norm2(self.mlp(torch.cat([tokens, message], dim=2)))


class SelfAttention(nn.Module):
    """Tokens attend to their own image; left and right may share one batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([AttentionLayer(channels)])

    def forward(self, tokens: Tensor) -> Tensor:
        """Give the updated tokens (N, L, C)."""
        return self.layers[0](tokens, tokens)


class CrossAttention(nn.Module):
    """Each image attends to the other; the right one sees the already updated left."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([AttentionLayer(channels)])

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Give both updated token sets (N, L, C)."""
        layer = self.layers[0]
        left = layer(left, right)
        return left, layer(right, left)


def linear_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend with phi(x) = elu(x) + 1 in time linear in the number of tokens.

    The values are divided by the source length and multiplied back at the end, which keeps
    the sums small enough for half precision.
    """
    query, key = F.elu(_split_heads(query)) + 1, F.elu(_split_heads(key)) + 1
    length = value.shape[1]
    key_value = key.transpose(2, 3) @ (_split_heads(value) / length)
    normalizer = (query * key.sum(dim=2, keepdim=True)).sum(dim=3, keepdim=True)
    message = (query @ key_value) / (normalizer + _NORMALIZER_EPSILON) * length
    return message.transpose(1, 2).flatten(2)


def position_table(channels: int, height: int, width: int, *, like: Tensor) -> Tensor:
    """Make the (1, channels, height, width) sine table the published weights were trained with.

    Positions start at 1; channels repeat sin x, cos x, sin y, cos y. The frequencies are
    ``exp(-k)`` for k = 0, 2, 4...: an operator-precedence slip in LoFTR's first release
    replaced ``exp(-k * ln(10000) / (channels / 2))``, and the weights depend on it.
    """
    k = torch.arange(0, channels // 2, 2, dtype=like.dtype, device=like.device)
    frequency = torch.exp(-k)[:, None]
    x = frequency * torch.arange(1, width + 1, dtype=like.dtype, device=like.device)
    y = frequency * torch.arange(1, height + 1, dtype=like.dtype, device=like.device)
    x = x[:, None, :].expand(-1, height, -1)
    y = y[:, :, None].expand(-1, -1, width)
    waves = torch.stack([torch.sin(x), torch.cos(x), torch.sin(y), torch.cos(y)], dim=1)
    return waves.flatten(0, 1)[None]


def to_tokens(features: Tensor) -> Tensor:
    """Turn a map (N, C, H, W) into tokens (N, H*W, C)."""
    return features.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Turn tokens (N, H*W, C) into a map (N, C, H, W)."""
    return tokens.transpose(1, 2).unflatten(2, (height, width))


def _split_heads(tokens: Tensor) -> Tensor:
    """(N, L, C) -> (N, heads, L, C / heads): heads become a batch axis, no einsum needed."""
    return tokens.unflatten(2, (_NUM_HEADS, -1)).transpose(1, 2)
