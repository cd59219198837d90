"""Makes the inputs of the losses from batches of frames."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from depth_ros.models.monodepth2.network_depth import NUM_SCALES
from depth_ros.training.datasets.triples import NUM_FRAMES, TripleBatch
from depth_ros.training.monodepth2.losses import WarpedViews
from depth_ros.training.monodepth2.network import VideoNetwork
from depth_ros.training.monodepth2.reprojection import shift_x
from depth_ros.training.task import Mixed


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
