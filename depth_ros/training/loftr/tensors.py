"""Batches of pairs as tensors on a device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from depth_ros.training.loftr.pairs import PairBatch


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorBatch:
    """A batch on a device.

    Attributes:
        images: Two of (B, 1, H, W) float32 grey, 0..1.
        places: (B, h, w, 2) of the first's cells in the second, and the other way.
        masks: Two of (B, h, w) float32, 0 for padding.
    """

    images: tuple[Tensor, Tensor]
    places: tuple[Tensor, Tensor]
    masks: tuple[Tensor, Tensor]


def to_tensors(batch: PairBatch, device: str) -> TensorBatch:
    """Put a batch on a device."""
    images = [
        torch.from_numpy(image).to(device).unsqueeze(1).float() / 255.0
        for image in (batch.first, batch.second)
    ]
    places = [
        torch.from_numpy(value).to(device)
        for value in (batch.first_to_second, batch.second_to_first)
    ]
    masks = [
        torch.from_numpy(mask).to(device).float() for mask in (batch.first_mask, batch.second_mask)
    ]
    return TensorBatch(
        images=(images[0], images[1]), places=(places[0], places[1]), masks=(masks[0], masks[1])
    )
