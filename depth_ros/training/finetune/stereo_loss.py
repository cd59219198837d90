"""Loss of fine-tuning a stereo network: labels, matches, photometric error, smoothness."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_ros.models.crestereo_tiny.network import TinyPredictions
from depth_ros.training.crestereo.losses import (
    CLIP_PX,
    GAMMA,
    MATCHING_WEIGHT,
    at_cells,
    matching_loss,
)
from depth_ros.training.finetune.radiometry import comparable
from depth_ros.training.photometric_loss import (
    edge_aware_smoothness,
    photometric_error,
    warp_by_disparity,
)

PHOTOMETRIC_WEIGHT = 5.0
SMOOTHNESS_WEIGHT = 0.05


def tuning_loss(
    predictions: TinyPredictions, left: Tensor, right: Tensor, disparity: Tensor, believed: Tensor
) -> Tensor:
    """Return the sum of all terms.

    Labels anchor the network: photometric error alone has many wrong minima, and where cameras
    differ in brightness its minimum is not at the truth. It only refines disparities near the
    truth, so it counts where there are labels, which both cameras see.

    Args:
        predictions: In px of the images.
        left: (B, 3, H, W), 0..255.
        right: The same.
        disparity: Labels (B, 1, H, W), px.
        believed: Where they count, the same shape, bool.
    """
    counts = believed.float()
    total = labelled_loss(predictions, disparity, counts)
    for cell, log_match in predictions.log_matches:
        total = total + MATCHING_WEIGHT * matching_loss(log_match, disparity, ~believed, cell)
    image = comparable(left)
    error = photometric_error(image, warp_by_disparity(comparable(right), predictions.full))
    smooth = edge_aware_smoothness(predictions.full.clamp(min=0.1), image)
    return total + PHOTOMETRIC_WEIGHT * _mean(error, counts) + SMOOTHNESS_WEIGHT * smooth


def labelled_loss(predictions: TinyPredictions, disparity: Tensor, counts: Tensor) -> Tensor:
    """Return the sequence loss (Li et al. 2022, eq. 6) of the pixels that count.

    Args:
        predictions: In px of the images.
        disparity: (B, 1, H, W), px.
        counts: Weights of the pixels, the same shape.
    """
    last = len(predictions.coarse)
    total = _clipped(predictions.full, disparity, counts)
    for index, (cell, coarse) in enumerate(predictions.coarse):
        error = _clipped(coarse, at_cells(disparity, cell), at_cells(counts, cell))
        total = total + GAMMA ** (last - index) * error
    return total


def _clipped(found: Tensor, wanted: Tensor, counts: Tensor) -> Tensor:
    return _mean((found - wanted).abs().clamp(max=CLIP_PX), counts)


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    return (values * counts).sum() / counts.sum().clamp(min=1.0)


def photometric_figure(left: Tensor, right: Tensor, disparity: Tensor) -> float:
    """Return mean photometric error of a pair (1, 3, H, W), 0..255; comparable between runs."""
    with torch.no_grad():
        rebuilt = warp_by_disparity(comparable(right), disparity)
        return float(photometric_error(comparable(left), rebuilt).mean())
