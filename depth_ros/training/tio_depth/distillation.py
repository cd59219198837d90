"""What both paths know, taught to the distilled branch of the monocular one.

Zhou and Dong 2023, section 3.3, step 3: stereo is right on surfaces and on one side of things,
the monocular path on the side that only one camera sees behind.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.training.tio_depth.visibility import hidden_from_left

EDGE_THRESHOLD = 0.13


def half_object_edge_map(stereo_disparity: Tensor, *, threshold: float = EDGE_THRESHOLD) -> Tensor:
    """Return how far stereo is to be followed: 1 on surfaces and on the wall right of things.

    1 - min(e, t) / t, e being the greatest |Laplacian| of depth over its mean in 3x3 pixels; then
    1 on what lies behind the right sides of things, which both cameras see (it is what a mirrored
    pair would hide), whatever the Laplacian says. What remains at 0 are edges, and behind them
    what the left camera alone sees.

    Args:
        stereo_disparity: (B, 1, H, W) px, above 0.
        threshold: t.

    Returns:
        (B, 1, H, W) within 0..1, without gradient.
    """
    disparity = stereo_disparity.detach()
    depth = 1.0 / disparity
    edges = _laplacian(depth / depth.mean((2, 3), keepdim=True)).abs()
    edges = functional.max_pool2d(edges, 3, 1, 1)
    flat = 1.0 - edges.clamp(max=threshold) / threshold
    return torch.where(hidden_from_left(disparity), torch.ones_like(flat), flat)


def _laplacian(values: Tensor) -> Tensor:
    """Return 8 times each pixel minus its eight neighbours; the border is repeated."""
    padded = functional.pad(values, (1, 1, 1, 1), mode='replicate')
    return 9.0 * (values - functional.avg_pool2d(padded, 3, 1))


def hybrid_probabilities(mono: Tensor, stereo: Tensor, stereo_disparity: Tensor) -> Tensor:
    """Join the volumes of both paths, (B, N, H, W) each, by the half-object-edge map."""
    share = half_object_edge_map(stereo_disparity)
    return (share * stereo + (1.0 - share) * mono).detach()


def distillation_loss(scores: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean over the pixels of KL(P_h || P) = sum_n P_h (log P_h - log P).

    Args:
        scores: Of the distilled branch, (B, N, H, W); P is their softmax.
        wanted: P_h, (B, N, H, W) probabilities.
    """
    log_found = functional.log_softmax(scores, 1)
    return functional.kl_div(log_found, wanted, reduction='none').sum(1).mean()
