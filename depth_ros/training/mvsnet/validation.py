"""How good a network is on fixed samples."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from depth_ros.models.mvsnet.network import MvsNet
from depth_ros.training.mvsnet.batch import MvsBatch
from depth_ros.training.mvsnet.forward import MvsnetForward, predict
from depth_ros.training.task import Mixed

METRICS = ('val_intervals', 'val_abs_rel', 'val_within_1', 'val_within_3')


def validate(
    network: MvsNet, batches: Iterable[MvsBatch], *, device: str, mixed: Mixed
) -> dict[str, float]:
    """Measure the network.

    Returns:
        Over all valid pixels: ``val_intervals``, mean error in intervals between hypotheses;
        ``val_abs_rel``, mean of |depth - truth| / truth; ``val_within_1`` and ``val_within_3``,
        percent of pixels that are wrong by less than one and three intervals.
    """
    network.eval()
    with torch.no_grad():
        errors = [
            _errors(predict(network, batch, device=device, mixed=mixed)) for batch in batches
        ]
    intervals = torch.cat([error for error, _ in errors])
    relative = torch.cat([error for _, error in errors])
    values = (
        float(intervals.mean()),
        float(relative.mean()),
        100.0 * float((intervals < 1.0).float().mean()),
        100.0 * float((intervals < 3.0).float().mean()),
    )
    return dict(zip(METRICS, values, strict=True))


def _errors(found: MvsnetForward) -> tuple[Tensor, Tensor]:
    """Return the errors of the valid pixels in intervals, and relative to the depth."""
    valid = found.valid
    intervals = (found.best[valid] - found.truth[valid]).abs()
    truth = found.truth_depth[valid]
    return intervals.cpu(), ((found.depth[valid] - truth).abs() / truth).cpu()
