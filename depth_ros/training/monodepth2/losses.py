"""Losses and their inputs: minimum reprojection, auto-masking and smoothness at every scale.

Godard et al. 2019 (arXiv 1806.01260), eqs. 2 to 5. Images are (B, 3, H, W) within 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.models.monodepth2.network_depth import NUM_SCALES
from depth_ros.training.datasets.triples import NUM_FRAMES, TripleBatch
from depth_ros.training.monodepth2.network import VideoNetwork
from depth_ros.training.monodepth2.reprojection import (
    CameraMotion,
    depth_of,
    shift_x,
    source_pixels,
)
from depth_ros.training.photometric_loss import (
    edge_aware_smoothness,
    photometric_error,
    sample_pixels,
)
from depth_ros.training.task import Mixed

SMOOTHNESS = 1e-3
"""Weight of the smoothness at full size; halved from scale to scale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WarpedViews:
    """A target image and what it is rebuilt from.

    Attributes:
        target: (B, 3, H, W), 0..1.
        sources: The same, one for each source.
        source_from_target: The motion into each source's axes.
        intrinsics: (B, 3, 3) px, of all of them.
    """

    target: Tensor
    sources: Sequence[Tensor]
    source_from_target: Sequence[CameraMotion]
    intrinsics: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class LossParts:
    """The loss and what it was made of.

    Attributes:
        loss: A scalar.
        photometric: Mean of the minimum errors at the finest scale, detached.
        kept: Share of the pixels that auto-masking kept there, detached.
    """

    loss: Tensor
    photometric: Tensor
    kept: Tensor


def total_loss(
    disparities: Sequence[Tensor], views: WarpedViews, *, smoothness: float = SMOOTHNESS
) -> LossParts:
    """Return the mean over the scales of mu L_p + lambda L_s (section 3.3, "Final training loss").

    Args:
        disparities: Sigmoid values (B, 1, H / 2^s, W / 2^s) for s from 0.
        views: At full size; every scale is brought to it first (section 3.3, multi-scale).
        smoothness: lambda at full size.
    """
    unmoved = unmoved_error(views)
    losses, parts = [], []
    for scale, disparity in enumerate(disparities):
        error = reprojection_error(disparity, views)
        keeps = is_explained_by_motion(error, unmoved)
        small = functional.avg_pool2d(views.target, 2**scale)
        smooth = edge_aware_smoothness(disparity, small)
        losses.append((keeps * error).mean() + smoothness / 2**scale * smooth)
        parts.append((error.detach().mean(), keeps.mean()))
    return LossParts(loss=torch.stack(losses).mean(), photometric=parts[0][0], kept=parts[0][1])


def reprojection_error(disparity: Tensor, views: WarpedViews) -> Tensor:
    """Return, at each pixel, the least error of all rebuilt images (eq. 4): (B, 1, H, W).

    The least, not the mean: what one source does not see, because it is hidden or outside, the
    other mostly does.

    Args:
        disparity: Sigmoid values (B, 1, h, w) of any scale.
        views: Target and sources.
    """
    size = views.target.shape[-2:]
    full = functional.interpolate(disparity, size, mode='bilinear', align_corners=False)
    depth = depth_of(full)
    rebuilt = [
        sample_pixels(source, source_pixels(depth, views.intrinsics, motion))
        for source, motion in zip(views.sources, views.source_from_target, strict=True)
    ]
    return _least_error(rebuilt, views.target)


def unmoved_error(views: WarpedViews) -> Tensor:
    """Return the least error of the sources as they are (right side of eq. 5): (B, 1, H, W)."""
    return _least_error(views.sources, views.target)


def is_explained_by_motion(error: Tensor, unmoved: Tensor) -> Tensor:
    """Return mu, 1 where the rebuilt image is better than the unmoved one (eq. 5), else 0.

    So nothing is learnt from frames of a standing camera, from what moves along with it, and from
    surfaces without texture. Equal errors count as not explained. No gradient passes.
    """
    return (error.detach() < unmoved).to(error.dtype)


def _least_error(images: Sequence[Tensor], target: Tensor) -> Tensor:
    errors = [photometric_error(image, target) for image in images]
    return torch.cat(errors, 1).amin(1, keepdim=True)


def to_views(
    network: VideoNetwork,
    batch: TripleBatch,
    *,
    metres_per_unit: float,
    device: str,
    mixed: Mixed,
    num_scales: int = NUM_SCALES,
) -> tuple[list[Tensor], WarpedViews]:
    """Run both networks on a batch.

    Args:
        network: The networks; they see the shaken images.
        batch: The samples.
        metres_per_unit: Of the network's depth; matters only with a stereo partner, whose
            distance is known in metres.
        device: Where to run.
        mixed: Context for the networks; everything after them is float32.
        num_scales: How many disparities.

    Returns:
        Disparities as ``VideoNetwork.disparities`` gives them, and the views to compare.
    """
    target, before, after = to_planes(batch.seen, device)
    with mixed():
        disparities = network.disparities(target, num_scales=num_scales)
        motions = list(network.motions(target, before, after))
    clean = to_planes(batch.views, device)
    if len(clean) > NUM_FRAMES:
        shift = torch.from_numpy(batch.partner_x_m).to(device) / metres_per_unit
        motions.append(shift_x(shift))
    views = WarpedViews(
        target=clean[0],
        sources=clean[1:],
        source_from_target=motions,
        intrinsics=torch.from_numpy(batch.intrinsics).to(device),
    )
    return disparities, views


def to_planes(views: np.ndarray, device: str) -> list[Tensor]:
    """Return each of N views of (B, N, H, W, 3) uint8 as (B, 3, H, W) float32 in 0..1."""
    planes = torch.from_numpy(views).to(device).permute(1, 0, 4, 2, 3).float() / 255.0
    return list(planes.contiguous())
