"""MVSNet's cost volume: warp the sources to depth planes, variance over the views.

Section 3.2 of the paper. The variance is kept as two running sums, so memory does not grow with
the number of views, and planes are independent, so any run of them can be computed alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST_Z = 1e-9
_OUTSIDE = 2.0
"""Sampling positions (-1..1 is the image) are cut here: further out, there is only zero too."""


def plane_grid(transform: Tensor, depths: Tensor, height: int, width: int) -> Tensor:
    """Return where the pixels of every reference plane lie in one source.

    Points behind the source are divided by their negative depth and not masked: the published
    weights were trained so.

    Args:
        transform: (N, 3, 4), source pixels from reference pixels times depth, both at 1/4.
        depths: (N, D).
        height: Rows at 1/4.
        width: Columns at 1/4.

    Returns:
        (N, D * height, width, 2) positions (x, y); -1 and 1 are the centres of the corner
        pixels. The weights were trained with ``grid_sample`` as it was up to torch 1.2, which
        aligned corners.
    """
    batch, num_depths = depths.shape
    y, x = torch.meshgrid(
        torch.arange(height, dtype=depths.dtype),
        torch.arange(width, dtype=depths.dtype),
        indexing='ij',
    )
    pixels = torch.stack([x.flatten(), y.flatten(), torch.ones(height * width)]).to(depths)
    rotated = (transform[:, :, :3] @ pixels).unsqueeze(2)
    points = rotated * depths.view(batch, 1, num_depths, 1) + transform[:, :, 3, None, None]
    x, y, z = points.unbind(dim=1)
    z = torch.where(z.abs() < _SMALLEST_Z, torch.full_like(z, _SMALLEST_Z), z)
    grid = torch.stack([x / z * (2 / (width - 1)) - 1, y / z * (2 / (height - 1)) - 1], dim=-1)
    return grid.clamp(-_OUTSIDE, _OUTSIDE).view(batch, num_depths * height, width, 2)


def warp_features(features: Tensor, transform: Tensor, depths: Tensor) -> Tensor:
    """Warp source features (N, C, h, w) to the reference's planes: (N, C, D, h, w)."""
    height, width = features.shape[2:]
    grid = plane_grid(transform, depths, height, width)
    warped = F.grid_sample(
        features, grid, mode='bilinear', padding_mode='zeros', align_corners=True
    )
    return warped.unflatten(2, (depths.shape[1], height))


def variance_volume(
    reference: Tensor,
    sources: Tensor,
    transforms: Tensor,
    depths: Tensor,
    *,
    num_views: Tensor | float | None = None,
) -> Tensor:
    """Compute E[x^2] - E[x]^2 over the views for some planes.

    Args:
        reference: (N, C, h, w).
        sources: (N, S, C, h, w); all zero for a source that is absent.
        transforms: (N, S, 3, 4); see ``plane_grid``.
        depths: (N, D).
        num_views: How many views are present, the reference among them; None for all.

    Returns:
        (N, C, D, h, w); rounding can make it slightly negative.
    """
    total = reference.unsqueeze(2)
    total_of_squares = total * total
    for index in range(sources.shape[1]):
        warped = warp_features(sources[:, index], transforms[:, index], depths)
        total = total + warped
        total_of_squares = total_of_squares + warped * warped
    count = 1.0 + sources.shape[1] if num_views is None else num_views
    mean = total / count
    return total_of_squares / count - mean * mean
