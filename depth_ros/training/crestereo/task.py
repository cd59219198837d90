"""Training CREStereo, small and full-size, on pairs whose disparity is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.geometry.postprocess import colorize_disparity
from depth_ros.scenes.layered.samples import Batch
from depth_ros.training.crestereo.networks import StereoNetwork, StereoTensors, TinyStereo
from depth_ros.training.crestereo.pairs import DrawnPairs, Pairs
from depth_ros.training.crestereo.validation import measure
from depth_ros.training.task import BatchSource, DataFolders, Mixed, StepLoss


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoTask:
    """A stereo network and the pairs it learns from.

    Attributes:
        network: Which, of what size, and its loss.
        pairs: What it sees.
    """

    train_metrics: ClassVar[tuple[str, ...]] = ('train_epe', 'train_epe_visible')
    validation_metrics: ClassVar[tuple[str, ...]] = (
        'val_epe', 'val_epe_visible', 'val_bad_2', 'val_bad_2_near',
    )  # fmt: skip

    network: StereoNetwork = field(default_factory=TinyStereo)
    pairs: Pairs = field(default_factory=DrawnPairs)

    def build(self) -> nn.Module:
        """Make the network with random weights."""
        return self.network.build()

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load published or shipped weights, or those of an earlier run.

        Raises:
            WeightsError: If they do not fit.
        """
        self.network.begin_with(network, weights)

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return the whole network; every part is needed."""
        return network.state_dict()

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the pairs."""
        return self.pairs.source(folders)

    def loss(self, network: nn.Module, batch: Batch, *, device: str, mixed: Mixed) -> StepLoss:
        """Return the network's loss, and the errors of the final disparity."""
        data = to_tensors(batch, device)
        loss, found = self.network.loss(network, data, mixed)
        error = (found - data.disparity).abs()
        is_known = torch.isfinite(data.disparity)
        metrics = {
            'train_epe': float(error[is_known].mean()),
            'train_epe_visible': float(error[is_known & ~data.is_occluded].mean()),
        }
        return StepLoss(loss=loss, metrics=metrics)

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure on fixed pairs."""
        network.eval()

        def match(left: Tensor, right: Tensor) -> Tensor:
            with torch.no_grad(), mixed():
                return self.network.disparity(network, left, right)

        return measure(match, self.pairs.validation(folders, samples), device=device)

    def tiles(self, batch: Batch) -> list[list[np.ndarray]]:
        """Return left, right, disparity, and disparity with what is occluded darkened."""
        return pair_tiles(batch, top=0.7 * self.pairs.max_disparity)


def pair_tiles(batch: Batch, *, top: float) -> list[list[np.ndarray]]:
    """Return left, right, disparity up to ``top`` px, and that with what is occluded darkened."""
    rows = []
    for index in range(len(batch.left)):
        colours = colorize_disparity(batch.disparity[index], min=0.0, max=top)
        hidden = np.where(batch.is_occluded[index][..., None], np.uint8(40), colours)
        rows.append([batch.left[index], batch.right[index], colours, hidden])
    return rows


def to_tensors(batch: Batch, device: str) -> StereoTensors:
    """Put a batch on a device."""
    left, right = (
        torch.from_numpy(image).to(device).permute(0, 3, 1, 2).float()
        for image in (batch.left, batch.right)
    )
    return StereoTensors(
        left=left,
        right=right,
        disparity=torch.from_numpy(batch.disparity).to(device).unsqueeze(1),
        is_occluded=torch.from_numpy(batch.is_occluded).to(device).unsqueeze(1),
        hint=None if batch.hint is None else torch.from_numpy(batch.hint).to(device),
    )
