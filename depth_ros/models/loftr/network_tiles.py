"""The best matches of a dual softmax, tile by tile: a third of the memory traffic.

The matrix of all scores is 92 MB at 480x640, and every sum, maximum and exponential over it reads
or writes it once more. Here a tile of rows stays in the processor's cache through all of them,
only scores are kept for all pairs, and the penalty of padding is part of the product that makes
them. The values are those of ``DualSoftmax`` and ``best_matches``, but for rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from depth_ros.models.loftr.network_matching import TEMPERATURE, log_sum_exp

TILE_ROWS = 240
"""Rows at a time: 4.6 MB at 480x640. From 120 to 960 the time is the same."""
PADDING = -1e4
"""Score of padding: beyond every exponential of float32, and still a number of float16."""


def tiled_matches(
    tokens: tuple[Tensor, Tensor],
    penalty: tuple[Tensor, Tensor],
    inside: tuple[Tensor, Tensor],
    num_matches: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the best mutual pairs of cells with shapes that do not depend on the images.

    Args:
        tokens: Coarse features (1, L, C) and (1, S, C).
        penalty: (1, L) and (1, S), 0 for valid cells and ``MASKED`` for padding.
        inside: (L,) and (S,) bool, cells that may match.
        num_matches: How many to choose.

    Returns:
        Cells of both images (K,) int64, and confidences (K,): 0 where there was no match.
    """
    rows, columns = _factors(tokens, penalty)
    tiles = [tile @ columns for tile in rows.split(TILE_ROWS)]
    row_sums = [log_sum_exp(tile, dim=1) for tile in tiles]
    column_sum = _log_column_sum(tiles)
    tiles = [
        (tile - row_sum) + (tile - column_sum)
        for tile, row_sum in zip(tiles, row_sums)  # noqa: B905
    ]
    partner, best = _best_of_columns(tiles)
    best_of_rows = torch.cat([tile.amax(dim=1) for tile in tiles])
    is_match = (best == best_of_rows[partner]) & inside[0][partner] & inside[1]
    confidence = torch.where(is_match, torch.exp(best), torch.zeros_like(best))
    confidence, second = confidence.topk(min(num_matches, confidence.shape[0]))
    return partner[second], second, confidence


def _factors(
    tokens: tuple[Tensor, Tensor], penalty: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return (L, C + 2) and (C + 2, S), whose product is the scores with their penalties."""
    first, second = tokens[0][0], tokens[1][0]
    scaled = first / (first.shape[1] * TEMPERATURE)
    ones = [torch.ones_like(features[:, :1]) for features in (first, second)]
    far = [padding.T.clamp(min=PADDING) for padding in penalty]
    rows = torch.cat([scaled, far[0], ones[0]], dim=1)
    return rows, torch.cat([second, ones[1], far[1]], dim=1).T


def _log_column_sum(tiles: list[Tensor]) -> Tensor:
    """Return (1, S) logarithms of the sums of exponentials down the columns of all tiles."""
    largest = torch.cat([tile.amax(dim=0, keepdim=True) for tile in tiles])
    largest = largest.amax(dim=0, keepdim=True)
    sums = torch.cat([torch.exp(tile - largest).sum(dim=0, keepdim=True) for tile in tiles])
    return largest + torch.log(sums.sum(dim=0, keepdim=True))


def _best_of_columns(tiles: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the row of each column's largest value (S,) int64, and that value (S,)."""
    places = [tile.argmax(dim=0, keepdim=True) for tile in tiles]
    values = torch.cat(
        [
            tile.gather(0, place)
            for tile, place in zip(tiles, places)  # noqa: B905
        ]
    )
    rows = torch.cat([place + TILE_ROWS * index for index, place in enumerate(places)])
    tile = values.argmax(dim=0, keepdim=True)
    return rows.gather(0, tile)[0], values.gather(0, tile)[0]
