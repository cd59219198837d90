"""What the small CREStereo variant compares: the whole row, and a window around the match.

The row volume and its lookup follow RAFT (Teed and Deng 2020, arXiv 2003.12039), reduced to one
dimension; the group-wise window follows CREStereo (Li et al. 2022, arXiv 2203.11483).
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from depth_ros.models.layers.network_lookup import group_means

TAP_RADIUS = 4
NUM_TAPS = 2 * TAP_RADIUS + 1
"""What the row lookup gives at each pyramid scale."""
NUM_SAMPLES = 2 * TAP_RADIUS + 2
"""It reads one cell more, to interpolate."""
PEAK_RADIUS = 2
"""The soft-argmax of the row hypothesis looks this many cells around the best one."""
ROW_PADDING = 2 * TAP_RADIUS + 4
LOG_FLOOR = -24.0
"""Smaller logarithms of a match are all alike: none."""


class RowSight:
    """How well every left cell matches every cell of its right row, both ways.

    A similarity becomes a logarithm of two shares: that of the right cell among all the left one
    could match, and that of the left cell among all that could match the right one (dual softmax,
    Sun et al. 2021, arXiv 2104.00680, eq. 2). What repeats, and what only one camera sees, is
    distinguished from a good match.

    Args:
        left: Matching features (B, C, H, W), float32.
        right: The same of the right image.
        scales: Scales of the 1-D pyramid over the right row.

    Attributes:
        rows_right: ``right`` as (B, H, W, C), for ``warp_rows``.
        log_match: (B, H, W, W) logarithm of the match of left x with right x.
    """

    def __init__(self, left: Tensor, right: Tensor, scales: tuple[int, ...]) -> None:
        channels, self.width = left.shape[1], left.shape[3]
        columns = torch.arange(self.width, device=left.device, dtype=left.dtype)
        self.columns = columns
        # Used twice: alone, an exporter would merge two free transpositions into a costly one.
        self.rows_right = right.permute(0, 2, 3, 1)
        rows_left = left.permute(0, 2, 3, 1) * channels**-0.5
        logits = torch.matmul(rows_left, self.rows_right.transpose(2, 3))
        # Matches right of x, that is negative disparities, are excluded.
        forbidden = (columns[None, :] > columns[:, None]).to(logits.dtype)
        logits = logits - 1e4 * forbidden
        self.log_match = torch.log_softmax(logits, -1) + torch.log_softmax(logits, -2)
        self._evidence = self.log_match.clamp(min=LOG_FLOOR)
        self._volume, starts = _side_by_side(_pyramid(self._evidence, scales))
        kind, device = left.dtype, left.device
        self._scales = torch.tensor(scales, dtype=kind, device=device)
        self._starts = torch.tensor(starts[:-1], dtype=kind, device=device)
        self._ends = torch.tensor(starts[1:], dtype=kind, device=device) - NUM_SAMPLES

    def lookup(self, disparity: Tensor) -> Tensor:
        """Read nine linear samples per scale around x - disparity.

        All scales are read at once: their rows lie side by side in one volume.

        Args:
            disparity: (B, 1, H, W) in cells.

        Returns:
            (B, 9 * scales, H, W), within -3..0; -3 where the row has ended.
        """
        match = (self.columns - disparity[:, 0]).unsqueeze(-1)
        position = (match + 0.5) / self._scales - 0.5
        base = torch.floor(position)
        fraction = (position - base).unsqueeze(-1)
        start = self._starts + base + (ROW_PADDING - TAP_RADIUS)
        start = torch.minimum(torch.maximum(start, self._starts), self._ends).unsqueeze(-1)
        samples = self._read(start + torch.arange(NUM_SAMPLES, device=start.device))
        taps = samples[..., :-1] * (1.0 - fraction) + samples[..., 1:] * fraction
        return taps.flatten(3).permute(0, 3, 1, 2) * (-3.0 / LOG_FLOOR)

    def _read(self, positions: Tensor) -> Tensor:
        """Read the volume at (B, H, W, scales, samples) whole positions."""
        return torch.gather(self._volume, -1, positions.flatten(3).long()).reshape(positions.shape)

    def best_match(self) -> tuple[Tensor, Tensor]:
        """Return the disparity (B, 1, H, W) of the row's best match and its share, 0..1.

        The soft-argmax runs over the cells next to the best one.
        """
        shares = torch.exp(0.5 * self._evidence)
        near = (self.columns - self._peak()).abs() <= PEAK_RADIUS
        shares = shares * near.to(shares.dtype)
        score = shares.sum(-1)
        match = (shares * self.columns).sum(-1) / score
        return torch.relu(self.columns - match).unsqueeze(1), score.clamp(max=1.0).unsqueeze(1)

    def _peak(self) -> Tensor:
        """Return the first best column (B, H, W, 1): argmax, which is slow on a CPU (TopK)."""
        is_best = self._evidence >= self._evidence.amax(-1, keepdim=True)
        return torch.where(is_best, self.columns, float(self.width)).amin(-1, keepdim=True)


def _pyramid(rows: Tensor, scales: tuple[int, ...]) -> list[Tensor]:
    """Return the maxima (B, H, W, ceil(W / scale)) of neighbouring right cells for every scale."""
    levels: list[Tensor] = []
    scale_below = 1
    for scale in scales:
        if levels and scale % scale_below == 0:
            rows, step = levels[-1], scale // scale_below
        else:
            step = scale
        levels.append(_pooled(rows, step))
        scale_below = scale
    return levels


def _pooled(rows: Tensor, step: int) -> Tensor:
    if step == 1:
        return rows
    width = rows.shape[-1]
    rows = functional.pad(rows, (0, -width % step), value=LOG_FLOOR)
    return rows.unflatten(-1, (-(-width // step), step)).amax(-1)


def _side_by_side(levels: list[Tensor]) -> tuple[Tensor, list[int]]:
    """Join the levels with room on both sides of each; return where each starts, and the end."""
    padding = (ROW_PADDING, ROW_PADDING)
    padded = [functional.pad(level, padding, value=LOG_FLOOR) for level in levels]
    starts = [0, *accumulate(level.shape[-1] for level in padded)]
    return torch.cat(padded, -1), starts


def warp_rows(rows: Tensor, disparity: Tensor) -> Tensor:
    """Sample right features (B, H, W, C) at x - disparity, linearly; zero outside.

    Rows are mixed by a product with the shares (B, H, W, W) that every right cell has: as fast
    as a bilinear sampler on a CPU, and without its change of memory layout.

    Returns:
        (B, C, H, W).
    """
    columns = torch.arange(rows.shape[2], device=rows.device, dtype=rows.dtype)
    match = (columns - disparity[:, 0]).unsqueeze(-1)
    shares = torch.relu(1.0 - (match - columns).abs())
    return torch.matmul(shares, rows).permute(0, 3, 1, 2)


def local_correlation(left: Tensor, warped: Tensor, groups: int) -> Tensor:
    """Correlate group-wise over a 3x3 window (CREStereo eq. 1); (B, 9 * groups, H, W)."""
    return _window_correlation(left, warped, groups, (1, 1))


def row_correlation(left: Tensor, warped: Tensor, groups: int, radius: int) -> Tensor:
    """The same over ``radius`` cells to both sides; (B, (2 * radius + 1) * groups, H, W)."""
    return _window_correlation(left, warped, groups, (0, radius))


def _window_correlation(
    left: Tensor, warped: Tensor, groups: int, radii: tuple[int, int]
) -> Tensor:
    """Correlate over a window that reaches ``radii`` rows and columns from its centre."""
    rows, columns = radii
    padded = functional.pad(warped.permute(0, 2, 3, 1), (0, 0, columns, columns, rows, rows))
    if torch.is_grad_enabled() and left.requires_grad:
        reference = left.permute(0, 2, 3, 1) * (groups / left.shape[1])
        return WindowProducts.apply(reference, padded, groups).permute(0, 3, 1, 2)
    return _window_means(left, padded, groups)


def _window_means(left: Tensor, padded: Tensor, groups: int) -> Tensor:
    """Do the same for inference, in one memory layout."""
    views = [view.permute(0, 3, 1, 2) for view in _windows(padded, *left.shape[2:])]
    return torch.cat([group_means(left * view, groups) for view in views], 1)


def _windows(padded: Tensor, height: int, width: int) -> list[Tensor]:
    """Return the views (B, H, W, C) of a padded map, row by row."""
    tops, lefts = padded.shape[1] - height + 1, padded.shape[2] - width + 1
    return [padded[:, y : y + height, x : x + width] for y in range(tops) for x in range(lefts)]


def _window_products(reference: Tensor, padded: Tensor, groups: int) -> Tensor:
    batch, height, width, channels = reference.shape
    shape = (batch, height, width, groups, channels // groups)
    views = _windows(padded, height, width)
    return torch.cat([(reference * view).reshape(shape).sum(-1) for view in views], -1)


class WindowProducts(torch.autograd.Function):
    """The same with a gradient that adds in place instead of making a padded map per view."""

    @staticmethod
    def forward(ctx: FunctionCtx, reference: Tensor, padded: Tensor, groups: int) -> Tensor:
        """Return (B, H, W, views * groups) from (B, H, W, C) and the padded map."""
        ctx.save_for_backward(reference, padded)
        ctx.groups = groups
        return _window_products(reference, padded, groups)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of both maps."""
        reference, padded = ctx.saved_tensors
        _, height, width, channels = reference.shape
        of_reference, of_padded = torch.zeros_like(reference), torch.zeros_like(padded)
        outputs = _windows(of_padded, height, width)
        for index, view in enumerate(_windows(padded, height, width)):
            part = gradient[..., index * ctx.groups : (index + 1) * ctx.groups]
            part = part.repeat_interleave(channels // ctx.groups, -1)
            of_reference.addcmul_(part, view)
            outputs[index].addcmul_(part, reference)
        return of_reference, of_padded, None
