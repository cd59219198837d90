"""LoFTR's coarse matching: confidences of cell pairs, and which of them are matches.

Sun et al. 2021 (LoFTR), section 3.3: dual softmax (Rocco et al. 2018) or entropy-regularised
optimal transport (Cuturi 2013) with a bin for what has no partner (Sarlin et al. 2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 0.1
MASKED = -1e9
"""Similarity of a pair with a padded cell."""


@dataclass(frozen=True, slots=True, eq=False)
class CellMatches:
    """Matches in order of item, then cell of the first image.

    Attributes:
        item: (M,) int64, index within the batch.
        first: (M,) int64, row-major index of the cell in the first image.
        second: (M,) int64, as ``first`` in the second image.
        confidence: (M,) float32.
    """

    item: Tensor
    first: Tensor
    second: Tensor
    confidence: Tensor


class DualSoftmax(nn.Module):
    """Confidence = softmax over the rows times softmax over the columns; no parameters."""

    def forward(self, similarity: Tensor, valid: Tensor | None) -> Tensor:
        """Map similarities (N, L, S) to confidences in 0..1; ``valid`` is 0 for padding."""
        scores = similarity / TEMPERATURE
        if valid is not None:
            scores = scores.masked_fill(valid == 0, MASKED)
        return F.softmax(scores, dim=1) * F.softmax(scores, dim=2)

    def log_confidence(self, similarity: Tensor, penalty: tuple[Tensor, Tensor]) -> Tensor:
        """Return logarithms of the confidences without ever making a softmax's matrix.

        Args:
            similarity: (N, L, S).
            penalty: (N, L) and (N, S), 0 for valid cells and ``MASKED`` for padding.
        """
        scores = _penalised(similarity / TEMPERATURE, penalty)
        return 2 * scores - log_sum_exp(scores, dim=2) - log_sum_exp(scores, dim=1)


class OptimalTransport(nn.Module):
    """Confidence = mass that a transport plan moves between two cells."""

    def __init__(self, num_iterations: int = 3) -> None:
        super().__init__()
        self.bin_score = nn.Parameter(torch.tensor(1.0))
        self.num_iterations = num_iterations

    def forward(self, similarity: Tensor, valid: Tensor | None) -> Tensor:
        """As ``DualSoftmax``."""
        if valid is not None:
            similarity = similarity.masked_fill(valid == 0, MASKED)
        return log_transport(similarity, self.bin_score, self.num_iterations)[:, :-1, :-1].exp()

    def log_confidence(self, similarity: Tensor, penalty: tuple[Tensor, Tensor]) -> Tensor:
        """As ``DualSoftmax``."""
        scores = _penalised(similarity, penalty)
        return log_transport(scores, self.bin_score, self.num_iterations)[:, :-1, :-1]


def log_transport(scores: Tensor, bin_score: Tensor, num_iterations: int) -> Tensor:
    """Solve the transport problem with bins by Sinkhorn's iterations on logarithms.

    Each of the L rows and S columns has mass 1; an extra row can take all columns and an extra
    column all rows (masses S and L). The plan is ``exp(scores)`` with rows and columns scaled
    until their sums are these masses; the last step is for columns, whose sums are then exact.

    Args:
        scores: (N, L, S), what moving mass between two cells is worth.
        bin_score: What leaving a cell without partner is worth, a scalar.
        num_iterations: Row and column steps.

    Returns:
        (N, L + 1, S + 1), the logarithm of the plan.
    """
    batch, num_rows, num_columns = scores.shape
    bin_column = bin_score.expand(batch, num_rows, 1)
    bin_row = bin_score.expand(batch, 1, num_columns + 1)
    scores = torch.cat([torch.cat([scores, bin_column], dim=2), bin_row], dim=1)
    row_mass = _log_masses(num_rows, num_columns, like=scores)[:, :, None]
    column_mass = _log_masses(num_columns, num_rows, like=scores)[:, None, :]
    column = torch.zeros_like(scores[:, :1])
    row = torch.zeros_like(scores[:, :, :1])
    for _ in range(num_iterations):
        row = row_mass - log_sum_exp(scores + column, dim=2)
        column = column_mass - log_sum_exp(scores + row, dim=1)
    return scores + row + column


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """Return scalar products of coarse features (N, L, C) and (N, S, C), scaled by 1 / C."""
    scale = first.shape[2] ** 0.5
    return (first / scale) @ (second / scale).transpose(1, 2)


def cells_inside(
    height: int, width: int, border: int, mask: Tensor | None, *, like: Tensor
) -> Tensor:
    """Mark cells (N or 1, H*W) that are not within ``border`` cells of an edge.

    With a mask (N, H, W), the right and bottom edges are where its valid part ends.
    """
    row = torch.arange(height, device=like.device)[None, :, None]
    column = torch.arange(width, device=like.device)[None, None, :]
    inside = (row >= border) & (column >= border)
    if border > 0:
        last_row, last_column = torch.tensor(height), torch.tensor(width)
        if mask is not None:
            filled = (mask != 0).long()
            last_row = ((row + 1) * filled).amax(dim=(1, 2), keepdim=True)
            last_column = ((column + 1) * filled).amax(dim=(1, 2), keepdim=True)
        inside = inside & (row < last_row - border) & (column < last_column - border)
    return inside.flatten(1)


def mutual_matches(
    confidence: Tensor, threshold: float, first_inside: Tensor, second_inside: Tensor
) -> CellMatches:
    """Choose pairs above the threshold, inside both borders and best in row and column."""
    chosen = confidence > threshold
    chosen &= first_inside[:, :, None] & second_inside[:, None, :]
    chosen &= confidence == confidence.amax(dim=2, keepdim=True)
    chosen &= confidence == confidence.amax(dim=1, keepdim=True)
    has_match, partner = chosen.max(dim=2)
    item, first = torch.where(has_match)
    second = partner[item, first]
    return CellMatches(item, first, second, confidence[item, first, second])


def best_matches(
    log_confidence: Tensor, inside: tuple[Tensor, Tensor], num_matches: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the best mutual pairs with shapes that do not depend on the images.

    Confidences are computed for column maxima only: no second (L, S) matrix is made. A column's
    best is its row's best, too, if it equals the row's maximum. An argmax over columns and a
    maximum over rows is what a CPU does fastest (docs/performance.md).

    Args:
        log_confidence: (L, S).
        inside: (L,) and (S,) bool, cells that may match.
        num_matches: How many to choose.

    Returns:
        Cells of both images (K,) int64, and confidences (K,): 0 where there was no match.
    """
    partner = log_confidence.argmax(dim=0)
    best = log_confidence.gather(0, partner[None])[0]
    is_match = (best == log_confidence.amax(dim=1)[partner]) & inside[0][partner] & inside[1]
    confidence = torch.where(is_match, torch.exp(best), torch.zeros_like(best))
    confidence, second = confidence.topk(min(num_matches, confidence.shape[0]))
    return partner[second], second, confidence


def log_sum_exp(scores: Tensor, *, dim: int) -> Tensor:
    """Written out: OpenVINO 2026.4 misreads ReduceLogSumExp below opset 18."""
    largest = scores.amax(dim=dim, keepdim=True)
    return largest + torch.log(torch.exp(scores - largest).sum(dim=dim, keepdim=True))


def _penalised(scores: Tensor, penalty: tuple[Tensor, Tensor]) -> Tensor:
    return scores + penalty[0][:, :, None] + penalty[1][:, None, :]


def _log_masses(num_cells: int, bin_mass: int, *, like: Tensor) -> Tensor:
    """Logarithms (1, num_cells + 1) of 1 for each cell and ``bin_mass`` for the bin."""
    return like.new_tensor([0.0] * num_cells + [math.log(bin_mass)])[None]
