"""How good a network is on video: photometric error, and where truth is known, depth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from depth_ros.evaluation.mono import scaled_errors
from depth_ros.models.monodepth2.model import depth_from_disparity
from depth_ros.training.datasets.triples import TripleBatch
from depth_ros.training.monodepth2.losses import reprojection_error, to_views, unmoved_error
from depth_ros.training.monodepth2.network import VideoNetwork
from depth_ros.training.task import Mixed


def validate(
    network: VideoNetwork,
    batches: Iterable[TripleBatch],
    *,
    metres_per_unit: float,
    device: str,
    mixed: Mixed,
) -> dict[str, float]:
    """Measure a network.

    Returns:
        ``val_photometric``, the mean least error of the rebuilt images, 0..1, and
        ``val_unmoved``, that of the neighbours as they are: a network that has learnt nothing
        is no better. Where depth is known, ``val_abs_rel``, the mean relative error after each
        map was scaled by the ratio of medians, and ``val_bad_25``, the percentage wrong by more
        than 25 % (Eigen et al. 2014).
    """
    network.eval()
    rows = []
    for batch in batches:
        with torch.no_grad():
            rows.append(_measured(network, batch, metres_per_unit, device, mixed))
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} if rows else {}


def _measured(
    network: VideoNetwork, batch: TripleBatch, metres_per_unit: float, device: str, mixed: Mixed
) -> dict[str, float]:
    disparities, views = to_views(
        network, batch, metres_per_unit=metres_per_unit, device=device, mixed=mixed, num_scales=1
    )
    row = {
        'val_photometric': float(reprojection_error(disparities[0], views).mean()),
        'val_unmoved': float(unmoved_error(views).mean()),
    }
    if batch.depth is not None:
        found = depth_from_disparity(disparities[0][:, 0].cpu().numpy())
        errors = [scaled_errors(a, b)[0] for a, b in zip(found, batch.depth, strict=True)]
        row['val_abs_rel'] = float(np.mean([item.abs_rel for item in errors]))
        row['val_bad_25'] = 100.0 * float(np.mean([1.0 - item.within_125 for item in errors]))
    return row
