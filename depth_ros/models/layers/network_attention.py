"""LoFTR's transformer: linear attention within and across the images, and where pixels are.

Sun et al. 2021 (LoFTR), sections 3.2 and 3.3; Katharopoulos et al. 2020 for the feature map
elu(x) + 1.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NORMALIZER_EPSILON = 1e-6


class AttentionLayer(nn.Module):
    """One residual attention step of tokens (N, L, C) over source tokens (N, S, C)."""

    def __init__(self, channels: int, *, num_heads: int, norm_epsilon: float = 1e-5) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(channels, channels, bias=False)
        self.k_proj = nn.Linear(channels, channels, bias=False)
        self.v_proj = nn.Linear(channels, channels, bias=False)
        self.merge = nn.Linear(channels, channels, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * channels, 2 * channels, bias=False),
            nn.ReLU(),
            nn.Linear(2 * channels, channels, bias=False),
        )
        self.norm1 = nn.LayerNorm(channels, eps=norm_epsilon)
        self.norm2 = nn.LayerNorm(channels, eps=norm_epsilon)

    def forward(
        self,
        tokens: Tensor,
        source: Tensor,
        mask: Tensor | None = None,
        source_mask: Tensor | None = None,
    ) -> Tensor:
        """Return updated tokens; masks are (N, L) and (N, S), 1 for valid and 0 for padding."""
        query, key = self._mapped(self.q_proj(tokens), mask), self.k_proj(source)
        key = self._mapped(key, source_mask)
        value = _masked(self._split(self.v_proj(source)), source_mask)
        message = self.merge(_attend(query, key, value).transpose(1, 2).flatten(2))
        both = torch.cat([tokens, self.norm1(message)], dim=2)
        return tokens + self.norm2(self.mlp(both))

    def _mapped(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        return _masked(F.elu(self._split(tokens)) + 1, mask)

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, L, C) -> (N, heads, L, C / heads)."""
        return tokens.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class FeatureTransformer(nn.Module):
    """Alternating self and cross layers; in a cross layer the first image is updated first."""

    def __init__(
        self, channels: int, *, num_pairs: int, num_heads: int = 8, norm_epsilon: float = 1e-5
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            AttentionLayer(channels, num_heads=num_heads, norm_epsilon=norm_epsilon)
            for _ in range(2 * num_pairs)
        )

    def forward(
        self,
        first: Tensor,
        second: Tensor,
        first_mask: Tensor | None = None,
        second_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Update the tokens (N, L, C) and (N, S, C) of both images."""
        for index, layer in enumerate(self.layers):
            if index % 2 == 0:
                first = layer(first, first, first_mask, first_mask)
                second = layer(second, second, second_mask, second_mask)
            else:
                first = layer(first, second, first_mask, second_mask)
                second = layer(second, first, second_mask, first_mask)
        return first, second


def position_table(
    channels: int, height: int, width: int, *, has_fixed_positions: bool, like: Tensor
) -> Tensor:
    """Make the (1, channels, height, width) sine table.

    Positions start at 1; channels repeat sin x, cos x, sin y, cos y. The frequencies are
    ``exp(-k ln(10000) / (channels / 2))`` for k = 0, 2, 4... In LoFTR's first release a slip of
    operator precedence made them ``exp(-k)``, and the weights of that time depend on it.

    Args:
        channels: A multiple of 4.
        height: Rows.
        width: Columns.
        has_fixed_positions: Whether the weights were trained after the slip was mended.
        like: Gives dtype and device.
    """
    k = torch.arange(0, channels // 2, 2, dtype=like.dtype, device=like.device)
    slope = math.log(10000.0) / (channels // 2) if has_fixed_positions else 1.0
    frequency = torch.exp(-k * slope)[:, None]
    x = frequency * torch.arange(1, width + 1, dtype=like.dtype, device=like.device)
    y = frequency * torch.arange(1, height + 1, dtype=like.dtype, device=like.device)
    x = x[:, None, :].expand(-1, height, -1)
    y = y[:, :, None].expand(-1, -1, width)
    waves = torch.stack([torch.sin(x), torch.cos(x), torch.sin(y), torch.cos(y)], dim=1)
    return waves.flatten(0, 1)[None]


def to_tokens(features: Tensor) -> Tensor:
    """Turn a map (N, C, H, W) into tokens (N, H*W, C)."""
    return features.flatten(2).transpose(1, 2)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend in time linear in the number of tokens; all are (N, heads, tokens, C / heads).

    The values are divided by the source length and multiplied back at the end, which keeps the
    sums small enough for half precision.
    """
    length = value.shape[2]
    key_value = key.transpose(2, 3) @ (value / length)
    normalizer = (query * key.sum(dim=2, keepdim=True)).sum(dim=3, keepdim=True)
    return (query @ key_value) / (normalizer + _NORMALIZER_EPSILON) * length


def _masked(tokens: Tensor, mask: Tensor | None) -> Tensor:
    return tokens if mask is None else tokens * mask[:, None, :, None]
