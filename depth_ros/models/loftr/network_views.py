"""One image of a pair inside LoFTR, and what both networks do with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.errors import ShapeError
from depth_ros.models.layers.network_attention import (
    FeatureTransformer,
    position_table,
    to_tokens,
)
from depth_ros.models.loftr.network_matching import cells_inside

Maps = Any
"""What a backbone gives for one image: a tensor, or a tuple of coarse and fine."""
Masks = tuple['Tensor | None', 'Tensor | None']
"""For both images (N, h, w) at the coarse grid, 0 for padding, or None."""
_MIN_CONTRAST = 1 / 255


@dataclass(frozen=True, slots=True, eq=False)
class TokenView:
    """One image of a pair inside the network.

    Attributes:
        coarse: (N, L, C) tokens at the coarse grid.
        grid: Rows and columns of the coarse grid.
        fine: (N, C, H, W) at 1/2, or None.
        mask: (N, H, W) of the coarse grid, 0 for padding, or None.
    """

    coarse: Tensor
    grid: tuple[int, int]
    fine: Tensor | None = None
    mask: Tensor | None = None

    @property
    def flat_mask(self) -> Tensor | None:
        """The mask as (N, L), in the features' dtype."""
        return None if self.mask is None else self.mask.flatten(1).to(self.coarse.dtype)


def transformed(
    transformer: FeatureTransformer, views: tuple[TokenView, TokenView]
) -> tuple[TokenView, TokenView]:
    """Put the coarse tokens of both views through a transformer."""
    first, second = views
    tokens = transformer(first.coarse, second.coarse, first.flat_mask, second.flat_mask)
    return replace(first, coarse=tokens[0]), replace(second, coarse=tokens[1])


def valid_pairs(views: tuple[TokenView, TokenView]) -> Tensor | None:
    """Mark pairs of cells (N, L, S) of which neither is padding; None without masks."""
    first, second = (view.flat_mask for view in views)
    if first is None and second is None:
        return None
    first = torch.ones_like(views[0].coarse[:, :, 0]) if first is None else first
    second = torch.ones_like(views[1].coarse[:, :, 0]) if second is None else second
    return first[:, :, None] * second[:, None, :]


def insides(views: tuple[TokenView, TokenView], border: int) -> tuple[Tensor, Tensor]:
    """Mark cells that are off the border, for each view."""
    first, second = (
        cells_inside(*view.grid, border, view.mask, like=view.coarse) for view in views
    )
    return first, second


def cell_points(cells: Tensor, grid: tuple[int, int], cell_px: int) -> Tensor:
    """Return the pixels (M, 2) as (x, y) that cells stand for."""
    row = torch.div(cells, grid[1], rounding_mode='floor')
    return torch.stack([cells - row * grid[1], row], dim=1).float() * cell_px


def check_images(first: Tensor, second: Tensor, *, multiple: int) -> None:
    """Require (N, 1, H, W) images whose sizes are multiples of the coarse cell."""
    for image in (first, second):
        shape = tuple(image.shape)
        fits = len(shape) == 4 and shape[1] == 1 and shape[2] * shape[3] > 0
        if not fits or shape[2] % multiple or shape[3] % multiple or shape[0] != first.shape[0]:
            raise ShapeError(
                f'LoFTR needs two grey images (N, 1, H, W), H and W multiples of {multiple}, got '
                f'{tuple(first.shape)} and {tuple(second.shape)}; pad or resize them'
            )


def both_features(backbone: nn.Module, first: Tensor, second: Tensor) -> tuple[Maps, Maps]:
    """Run a backbone on both images, at once where they have one size."""
    if first.shape != second.shape:
        return backbone(first), backbone(second)
    result = backbone(torch.cat([first, second]))
    if isinstance(result, Tensor):
        return result.chunk(2)
    halves = [features.chunk(2) for features in result]
    return tuple(half[0] for half in halves), tuple(half[1] for half in halves)


def normalised(image: Tensor, mask: Tensor | None, cell_px: int) -> Tensor:
    """Take mean and standard deviation of the valid cells out of (N, 1, H, W) images.

    An image without contrast is left flat: what is below one grey level is not stretched.
    """
    means, squares = F.avg_pool2d(image, cell_px), F.avg_pool2d(image * image, cell_px)
    weight = torch.ones_like(means) if mask is None else mask[:, None].to(means.dtype)
    count = weight.sum(dim=(2, 3), keepdim=True).clamp(min=1.0)
    mean = (means * weight).sum(dim=(2, 3), keepdim=True) / count
    variance = (squares * weight).sum(dim=(2, 3), keepdim=True) / count - mean * mean
    return (image - mean) / torch.sqrt(variance.clamp(min=_MIN_CONTRAST**2))


def placed_tokens(
    coarse: Tensor, *, has_fixed_positions: bool, origin: tuple[int, int] = (0, 0)
) -> Tensor:
    """Add the position table and make tokens.

    Args:
        coarse: (N, C, h, w).
        has_fixed_positions: See ``position_table``.
        origin: Row and column of the table at which the map begins. Training draws it, so that a
            network that saw small images knows the positions of large ones.
    """
    channels, height, width = coarse.shape[1:]
    row, column = origin
    table = position_table(
        channels,
        row + height,
        column + width,
        has_fixed_positions=has_fixed_positions,
        like=coarse,
    )
    return to_tokens(coarse + table[:, :, row:, column:])


def grid_of(coarse: Tensor) -> tuple[int, int]:
    """Return rows and columns of a coarse map."""
    return coarse.shape[2], coarse.shape[3]
