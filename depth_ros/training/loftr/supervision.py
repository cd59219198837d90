"""Which cells truly match, which surely do not, and which matches the fine stage learns from.

Sun et al. 2021 (LoFTR), section 3.5 and supplement. B batch, L and S cells of the two images;
places are those of ``pairs.PairBatch``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from depth_ros.models.loftr.network_fine import RADIUS
from depth_ros.models.loftr.network_graph import FINE_CELL_PX
from depth_ros.models.loftr.network_matching import CellMatches
from depth_ros.training.loftr.pairs import CELL_PX

REACH_PX = RADIUS * FINE_CELL_PX
"""How far from its cell's point the fine stage can move a match."""
NEAR_PX = 12.0
"""Pairs of cells nearer to the truth than this are never called wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class CellPairs:
    """Pairs of cells.

    Attributes:
        item: (M,) int64, index within the batch.
        first: (M,) int64, row-major index of the cell in the first image.
        second: (M,) int64, as ``first`` in the second image.
    """

    item: Tensor
    first: Tensor
    second: Tensor


def true_cells(first_to_second: Tensor, second_to_first: Tensor) -> CellPairs:
    """Return the pairs of cells that are each other's nearest after warping.

    Args:
        first_to_second: (B, h, w, 2) places of the first image's cells in the second.
        second_to_first: The same, the other way.
    """
    there = nearest_cells(first_to_second, second_to_first.shape[1:3])
    back = nearest_cells(second_to_first, first_to_second.shape[1:3])
    own = torch.arange(there.shape[1], device=there.device)
    is_true = (there >= 0) & (back.gather(1, there.clamp(min=0)) == own)
    item, first = torch.where(is_true)
    return CellPairs(item, first, there[item, first])


def nearest_cells(places: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return cell (B, L) int64 whose point is nearest to each place; -1 where there is none."""
    is_known = torch.isfinite(places).all(dim=-1)
    cells = torch.round(torch.where(is_known[..., None], places, -CELL_PX) / CELL_PX).long()
    column, row = cells.unbind(-1)
    is_inside = (column >= 0) & (column < grid[1]) & (row >= 0) & (row < grid[0])
    return torch.where(is_inside, row * grid[1] + column, -1).flatten(1)


def wrong_pairs(first_to_second: Tensor, second_to_first: Tensor) -> Tensor:
    """Mark pairs (B, L, S) of cells that are known not to match.

    A pair is wrong if the true place of one of its cells is known to be ``NEAR_PX`` or more away
    from the other, or not to be visible.
    """
    forward = _far(first_to_second, second_to_first.shape[1:3])
    backward = _far(second_to_first, first_to_second.shape[1:3])
    return forward | backward.transpose(1, 2)


def _far(places: Tensor, grid: tuple[int, int]) -> Tensor:
    """Compare places (B, h, w, 2) with all points of the other grid; NaN is far from nothing."""
    points = grid_points(grid, places)
    x, y = places.flatten(1, 2).unbind(-1)
    far = (x[:, :, None] - points[:, 0]).abs() >= NEAR_PX
    return far | ((y[:, :, None] - points[:, 1]).abs() >= NEAR_PX)


def grid_points(grid: tuple[int, int], like: Tensor) -> Tensor:
    """Return the points (S, 2), (x, y) px, of the cells of a grid."""
    index = torch.arange(grid[0] * grid[1], device=like.device)
    return torch.stack((index % grid[1], index // grid[1]), dim=1).to(like.dtype) * CELL_PX


def fine_targets(pairs: CellPairs, first_to_second: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return where the true places lie in the windows of the second cells.

    Args:
        pairs: M pairs of cells.
        first_to_second: (B, h, w, 2).
        grid: Rows and columns of the second image's cells.

    Returns:
        (M, 2): x and y, within -1..1 in the window, NaN or infinite where there is no place.
    """
    place = first_to_second.flatten(1, 2)[pairs.item, pairs.first]
    return (place - grid_points(grid, place)[pairs.second]) / REACH_PX


def fine_pairs(
    found: CellMatches,
    truth: CellPairs,
    first_to_second: Tensor,
    grid: tuple[int, int],
    *,
    limit: int,
    min_true: int,
) -> tuple[CellPairs, Tensor]:
    """Choose what the fine stage learns from: found matches, padded with true ones.

    Found matches whose true place lies outside their window teach nothing and are left out. At
    least ``min_true`` of ``limit`` are true pairs, so that it learns before the coarse stage has.

    Returns:
        At most ``limit`` pairs, drawn from torch's generator, and their targets (M, 2).
    """
    candidates = CellPairs(found.item, found.first, found.second)
    target = fine_targets(candidates, first_to_second, grid)
    good = torch.where((target.abs() <= 1.0).all(dim=1))[0]
    good = _drawn(good, limit - min_true)
    padding = torch.arange(truth.item.shape[0], device=target.device)
    padding = _drawn(padding, limit - good.shape[0])
    pairs = CellPairs(
        torch.cat((candidates.item[good], truth.item[padding])),
        torch.cat((candidates.first[good], truth.first[padding])),
        torch.cat((candidates.second[good], truth.second[padding])),
    )
    return pairs, fine_targets(pairs, first_to_second, grid)


def _drawn(values: Tensor, count: int) -> Tensor:
    """Draw at most ``count`` of the values; the generator is the CPU's, whatever the device."""
    order = torch.randperm(values.shape[0])[: max(0, count)]
    return values[order.to(values.device)]
