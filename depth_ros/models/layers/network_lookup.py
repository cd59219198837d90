"""How networks compare two feature maps: values at positions, means over groups of channels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def group_means(products: Tensor, groups: int) -> Tensor:
    """Average (N, C, H, W) over the members of every group of channels: (N, groups, H, W).

    A convolution with ones does it, because OpenVINO then keeps one memory layout: a reduction
    over some channels would change it twice. Engines keep it in float32 (``channel_sums``).
    """
    members = products.shape[1] // groups
    kernel = torch.eye(groups, device=products.device, dtype=products.dtype) / members
    return functional.conv2d(products, kernel.repeat_interleave(members, 1)[:, :, None, None])


def sample_bilinear(features: Tensor, positions: Tensor) -> Tensor:
    """Sample (N, C, H, W) at pixel positions (N, 2, h, w) as (x, y); zero outside.

    Pixel centres are at integers, so (0, 0) is exactly the first pixel (corners aligned).
    """
    height, width = features.shape[2:]
    last = torch.tensor([width - 1, height - 1], dtype=positions.dtype, device=positions.device)
    grid = positions.permute(0, 2, 3, 1) * (2 / last) - 1
    return functional.grid_sample(features, grid, padding_mode='zeros', align_corners=True)
