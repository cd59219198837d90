"""What the small CREStereo variant compares: the whole row, and a window around the match.

The row volume and its lookup follow RAFT (Teed and Deng 2020, arXiv 2003.12039), reduced to one
dimension; the group-wise window follows CREStereo (Li et al. 2022, arXiv 2203.11483).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

TAP_RADIUS = 4
"""The row lookup reads 2 * TAP_RADIUS + 1 samples at each pyramid scale."""
PEAK_RADIUS = 2
"""The soft-argmax of the row hypothesis looks this many cells around the best one."""
ROW_PADDING = 2 * TAP_RADIUS + 4
LOG_FLOOR = -24.0
"""Smaller logarithms of a match are all alike: none."""


def float32_region(tensor: Tensor) -> AbstractContextManager:
    """Switch mixed precision off: similarities and coordinates need all of float32."""
    kind = tensor.device.type
    if torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def full_precision(tensor: Tensor) -> Tensor:
    """Bring bfloat16 or float16 to float32; float64, used to check gradients, stays."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


class RowSight:
    """How well every left cell matches every cell of its right row, both ways.

    A similarity becomes a logarithm of two shares: that of the right cell among all the left one
    could match, and that of the left cell among all that could match the right one (dual softmax,
    Sun et al. 2021, arXiv 2104.00680, eq. 2). What repeats, and what only one camera sees, is
    thereby told from a good match.

    Args:
        left: Matching features (B, C, H, W), float32.
        right: The same of the right image.
        scales: Scales of the 1-D pyramid over the right row.
    """

    def __init__(self, left: Tensor, right: Tensor, scales: tuple[int, ...]) -> None:
        channels, self.width = left.shape[1], left.shape[3]
        self.columns = torch.arange(self.width, device=left.device, dtype=left.dtype)
        rows_left = left.permute(0, 2, 3, 1) * channels**-0.5
        logits = torch.matmul(rows_left, right.permute(0, 2, 1, 3))
        # Matches right of x, that is negative disparities, are excluded.
        forbidden = (self.columns[None, :] > self.columns[:, None]).to(logits.dtype)
        logits = logits - 1e4 * forbidden
        self.log_match = torch.log_softmax(logits, -1) + torch.log_softmax(logits, -2)
        self._evidence = self.log_match.clamp(min=LOG_FLOOR)
        self.scales = scales
        pad = (ROW_PADDING, ROW_PADDING)
        self.pyramid = [functional.pad(self._pool(s), pad, value=LOG_FLOOR) for s in scales]

    def _pool(self, scale: int) -> Tensor:
        if scale == 1:
            return self._evidence
        batch, height, width, _ = self._evidence.shape
        rows = functional.pad(self._evidence, (0, -width % scale), value=LOG_FLOOR)
        return rows.reshape(batch, height, width, -(-width // scale), scale).amax(-1)

    def lookup(self, disparity: Tensor) -> Tensor:
        """Read nine linear samples per scale around x - disparity.

        Args:
            disparity: (B, 1, H, W) in cells.

        Returns:
            (B, 9 * scales, H, W), within -3..0; -3 where the row has ended.
        """
        match = self.columns - disparity[:, 0]
        taps = [self._taps(volume, match, s) for volume, s in zip(self.pyramid, self.scales)]  # noqa: B905
        return torch.cat(taps, -1).permute(0, 3, 1, 2) * (-3.0 / LOG_FLOOR)

    def _taps(self, volume: Tensor, match: Tensor, scale: int) -> Tensor:
        position = ((match + 0.5) / scale - 0.5).unsqueeze(-1)
        base = torch.floor(position)
        fraction = position - base
        offsets = torch.arange(2 * TAP_RADIUS + 2, device=match.device, dtype=match.dtype)
        start = torch.clamp(
            base - TAP_RADIUS + ROW_PADDING, 0.0, volume.shape[-1] - 2.0 * TAP_RADIUS - 2.0
        )
        samples = torch.gather(volume, -1, (start + offsets).long())
        return samples[..., :-1] * (1.0 - fraction) + samples[..., 1:] * fraction

    def best_match(self) -> tuple[Tensor, Tensor]:
        """Give the disparity (B, 1, H, W) of the row's best match and its share, 0..1.

        The soft-argmax runs over the cells next to the best one.
        """
        shares = torch.exp(0.5 * self._evidence)
        peak = self._evidence.argmax(-1, keepdim=True)
        near = (self.columns - peak.float()).abs() <= PEAK_RADIUS
        shares = shares * near.float()
        score = shares.sum(-1)
        match = (shares * self.columns).sum(-1) / score
        return torch.relu(self.columns - match).unsqueeze(1), score.clamp(max=1.0).unsqueeze(1)


def warp_right(right: Tensor, disparity: Tensor) -> Tensor:
    """Sample right features (B, C, H, W) at x - disparity; zero outside."""
    _, _, height, width = right.shape
    columns = torch.arange(width, device=right.device, dtype=right.dtype)
    rows = torch.arange(height, device=right.device, dtype=right.dtype)
    x = (columns - disparity[:, 0] + 0.5) * (2.0 / width) - 1.0
    y = ((rows + 0.5) * (2.0 / height) - 1.0)[None, :, None].expand_as(x)
    grid = torch.stack((x, y), -1)
    return functional.grid_sample(right, grid, 'bilinear', 'zeros', align_corners=False)


def local_correlation(left: Tensor, warped: Tensor, groups: int) -> Tensor:
    """Correlate group-wise over a 3x3 window (CREStereo eq. 1); (B, 9 * groups, H, W)."""
    reference = left.permute(0, 2, 3, 1) * (groups / left.shape[1])
    padded = functional.pad(warped.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    if torch.is_grad_enabled() and reference.requires_grad:
        return WindowProducts.apply(reference, padded, groups).permute(0, 3, 1, 2)
    return _window_products(reference, padded, groups).permute(0, 3, 1, 2)


def _windows(padded: Tensor, height: int, width: int) -> list[Tensor]:
    """Give the nine views (B, H, W, C) of a map padded by one, row by row."""
    return [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]


def _window_products(reference: Tensor, padded: Tensor, groups: int) -> Tensor:
    batch, height, width, channels = reference.shape
    shape = (batch, height, width, groups, channels // groups)
    views = _windows(padded, height, width)
    return torch.cat([(reference * view).reshape(shape).sum(-1) for view in views], -1)


class WindowProducts(torch.autograd.Function):
    """The same with a gradient that adds in place instead of making nine padded maps."""

    @staticmethod
    def forward(ctx: FunctionCtx, reference: Tensor, padded: Tensor, groups: int) -> Tensor:
        """Give (B, H, W, 9 * groups) from (B, H, W, C) and (B, H + 2, W + 2, C)."""
        ctx.save_for_backward(reference, padded)
        ctx.groups = groups
        return _window_products(reference, padded, groups)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Give the gradients of both maps."""
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
