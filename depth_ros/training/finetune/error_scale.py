"""The error that a network tells, brought in line after fine-tuning.

Fine-tuning changes the disparity and not the head that tells its error. There is no truth on a
rig, only labels of what teachers agree on, which are easy pixels: so the network is compared
with itself. The ratio of error to told scale, whose mean is the most likely factor of a Laplace
scale, was calibrated before; the head is scaled by as much as that mean has changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from depth_ros.training.finetune.labels import LabelledPair
from depth_ros.training.finetune.students import Student

MAX_ERROR_PX = 5.0
"""Larger errors against a label count as so much: the label may be wrong."""


def recalibrate(
    student: Student, before: nn.Module, after: nn.Module, held_out: Sequence[LabelledPair]
) -> float | None:
    """Scale the told error of ``after`` in place, as measured on pairs it has not learnt from.

    Args:
        student: Kind of both networks.
        before: The network before fine-tuning.
        after: The network after.
        held_out: Labelled pairs.

    Returns:
        By how much; None where the network tells no error or nothing can be measured.
    """
    head = None if student.error_head is None else student.error_head(after)
    if head is None:
        return None
    was, now = (_mean_ratio(student, network, held_out) for network in (before, after))
    factor = now / was if was > 0.0 else math.nan
    if not 0.0 < factor < math.inf:
        return None
    head.rescale(factor)
    return factor


def _mean_ratio(student: Student, network: nn.Module, held_out: Sequence[LabelledPair]) -> float:
    """Return the mean of error over told scale on believed labels; NaN where there are none."""
    ratios = []
    for item in held_out:
        found = student.predictions(network, item.pair.left, item.pair.right)
        scale = torch.exp(found.log_scale)[0, 0].numpy()
        error = np.minimum(np.abs(found.full[0, 0].numpy() - item.disparity), MAX_ERROR_PX)
        ratios.append((error / scale)[item.is_believed])
    every = np.concatenate(ratios)
    return float(every.mean()) if every.size else math.nan
