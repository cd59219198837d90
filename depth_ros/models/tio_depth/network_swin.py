"""Encoder of TiO-Depth: a Swin Transformer, tiny, whose patches overlap by half.

Liu et al. 2021, arXiv 2103.14030, as detectors use it (any input size). Zhou and Dong 2023
(arXiv 2309.00933) embed 4x4 patches with stride 2, so the four maps come at 1/2, 1/4, 1/8 and
1/16. Inside a stage a map is (N, H, W, C), its channels last.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (96, 192, 384, 768)
DEPTHS = (2, 2, 6, 2)
"""Blocks per stage of the tiny Swin Transformer."""

HEADS = (3, 6, 12, 24)
_PATCH = 4
_WINDOW = 7
_TOKENS = _WINDOW * _WINDOW
_SHIFT = _WINDOW // 2
_MASKED = -100.0
"""Added to the score of two tokens that are neighbours only because the map was rolled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SwinSizes:
    """Sizes of the encoder, fine to coarse; the published ones unless a test wants it quick.

    Attributes:
        channels: Of the four stages; each is twice the one before.
        depths: Blocks per stage.
        heads: Attention heads per stage; they divide the channels.
    """

    channels: tuple[int, ...] = CHANNELS
    depths: tuple[int, ...] = DEPTHS
    heads: tuple[int, ...] = HEADS


class SwinEncoder(nn.Module):
    """Map images (N, 3, H, W) to four maps, fine to coarse, each normalised."""

    def __init__(self, sizes: SwinSizes | None = None) -> None:
        super().__init__()
        sizes = sizes or SwinSizes()
        self.patch_embed = PatchEmbedding(sizes.channels[0])
        stages = []
        per_stage = zip(sizes.channels, sizes.depths, sizes.heads, strict=True)
        for index, (channels, depth, heads) in enumerate(per_stage):
            has_next = index + 1 < len(sizes.channels)
            stages.append(SwinStage(channels, depth=depth, heads=heads, has_next=has_next))
            self.add_module(f'norm{index}', nn.LayerNorm(channels))
        self.layers = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return maps (N, C..8C, H/2..H/16, W/2..W/16); sizes are rounded up."""
        x = self.patch_embed(images)
        features = []
        for index, stage in enumerate(self.layers):
            x = stage(x)
            norm = self.get_submodule(f'norm{index}')
            features.append(norm(x).permute(0, 3, 1, 2))
            x = stage.downsample(x)
        return features

    def freeze(self) -> None:
        """Keep position biases as constants: for export, after the weights are loaded."""
        for module in self.modules():
            if isinstance(module, WindowAttention):
                module.freeze()


class PatchEmbedding(nn.Module):
    """Embed 4x4 patches, every second pixel; bottom and right are padded to whole patches."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, _PATCH, stride=2, padding=1)
        self.norm = nn.LayerNorm(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, H/2, W/2, C)."""
        height, width = images.shape[2:]
        images = F.pad(images, (0, -width % _PATCH, 0, -height % _PATCH))
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class SwinStage(nn.Module):
    """Blocks of one resolution, every second one with shifted windows."""

    def __init__(self, channels: int, *, depth: int, heads: int, has_next: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(channels, heads, is_shifted=index % 2 == 1) for index in range(depth)
        )
        self.downsample = PatchMerging(channels) if has_next else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Transform (N, H, W, C); going to the next resolution is the caller's."""
        mask = shift_mask(x)
        for block in self.blocks:
            x = block(x, mask)
        return x


class Block(nn.Module):
    """Attention within windows, then an MLP, both on normalised input and added."""

    def __init__(self, channels: int, heads: int, *, is_shifted: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)
        self.is_shifted = is_shifted

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Transform (N, H, W, C)."""
        x = x + self._attend(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attend within windows; tokens that pad the last windows take part, as in training."""
        height, width = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, -width % _WINDOW, 0, -height % _WINDOW))
        padded = (x.shape[1], x.shape[2])
        if self.is_shifted:
            x = torch.roll(x, (-_SHIFT, -_SHIFT), dims=(1, 2))
        windows = self.attn(to_windows(x), mask if self.is_shifted else None)
        x = from_windows(windows, padded)
        if self.is_shifted:
            x = torch.roll(x, (_SHIFT, _SHIFT), dims=(1, 2))
        return x[:, :height, :width]


class WindowAttention(nn.Module):
    """Multi-head attention among the 49 tokens of a window, with a bias per displacement."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        span = 2 * _WINDOW - 1
        self.relative_position_bias_table = nn.Parameter(torch.zeros(span * span, heads))
        self.register_buffer('relative_position_index', relative_position_index())
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self._heads = heads
        self._frozen: Tensor | None = None

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attend within windows (M, 49, C); ``mask`` (windows of one map, 1, 49, 49) or None."""
        count, tokens, channels = windows.shape
        qkv = self.qkv(windows).reshape(count, tokens, 3, self._heads, channels // self._heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        query = query * (channels // self._heads) ** -0.5
        scores = query @ key.transpose(2, 3) + self._bias()
        if mask is not None:
            scores = (scores.unflatten(0, (-1, mask.shape[0])) + mask).flatten(0, 1)
        heads = scores.softmax(dim=3) @ value
        return self.proj(heads.transpose(1, 2).reshape(count, tokens, channels))

    def freeze(self) -> None:
        """Keep the bias as a constant; later changes of the table have no effect."""
        with torch.no_grad():
            self._frozen = self._bias()

    def _bias(self) -> Tensor:
        """Look up (heads, 49, 49)."""
        if self._frozen is not None:
            return self._frozen
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        return bias.unflatten(0, (_TOKENS, _TOKENS)).permute(2, 0, 1).contiguous()


class Mlp(nn.Module):
    """Two layers, four times as wide between them, with the exact GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the last axis."""
        return self.fc2(F.gelu(self.fc1(x)))


class PatchMerging(nn.Module):
    """Join 2x2 tokens into one of twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, H, W, C) to (N, H/2, W/2, 2C); odd sizes are padded by one.

        The four tokens are joined down the left column first, then down the right one.
        """
        height, width = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        x = x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
        joined = x.permute(0, 1, 3, 4, 2, 5).flatten(3)
        return self.reduction(self.norm(joined))


def to_windows(x: Tensor) -> Tensor:
    """Cut (N, H, W, C), H and W multiples of 7, into windows (M, 49, C), row by row."""
    x = x.unflatten(2, (-1, _WINDOW)).unflatten(1, (-1, _WINDOW))
    return x.transpose(2, 3).flatten(0, 2).flatten(1, 2)


def from_windows(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo ``to_windows`` for maps of ``size``."""
    rows, columns = size[0] // _WINDOW, size[1] // _WINDOW
    x = windows.unflatten(1, (_WINDOW, _WINDOW)).unflatten(0, (-1, rows, columns))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def shift_mask(like: Tensor) -> Tensor:
    """Make (windows, 1, 49, 49) for maps (N, H, W, C) rolled by the shift: 0 or -100.

    After rolling, a last window holds tokens of both borders; they may not see each other.
    """
    row, column = torch.arange(_TOKENS) // _WINDOW, torch.arange(_TOKENS) % _WINDOW
    rows = _axis_mask(like.shape[1], row).to(like)
    columns = _axis_mask(like.shape[2], column).to(like)
    return torch.minimum(rows[:, None], columns[None]).flatten(0, 1)[:, None]


def _axis_mask(length: int, place: Tensor) -> Tensor:
    """Make (windows along the axis, 49, 49) for tokens at ``place`` (49,) along it in a window."""
    is_rolled = (place >= _WINDOW - _SHIFT).float()
    last = _MASKED * (is_rolled[:, None] - is_rolled[None, :]).abs()
    windows = -(-length // _WINDOW)
    return torch.cat([torch.zeros(windows - 1, _TOKENS, _TOKENS), last[None]])


def relative_position_index() -> Tensor:
    """Number the displacements of all token pairs of a window: (49, 49) int64, 0 to 168."""
    positions = torch.cartesian_prod(torch.arange(_WINDOW), torch.arange(_WINDOW))
    displacement = positions[:, None] - positions[None, :] + (_WINDOW - 1)
    return displacement[..., 0] * (2 * _WINDOW - 1) + displacement[..., 1]
