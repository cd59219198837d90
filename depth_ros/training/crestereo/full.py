"""Training CREStereo at its full size, as its authors do, on drawn pairs or on their data set.

Li et al. 2022, arXiv 2203.11483, section 3.4 for the loss. The authors' code predicts a vertical
part as well and pulls it to zero; so does this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.models.crestereo.network import CreStereo
from depth_ros.scenes.layered.samples import Batch
from depth_ros.training.crestereo.losses import flow_sequence_loss
from depth_ros.training.crestereo.pairs import DrawnPairs, Pairs
from depth_ros.training.crestereo.task import pair_tiles, to_tensors
from depth_ros.training.crestereo.validation import measure
from depth_ros.training.task import BatchSource, DataFolders, Mixed, StepLoss


@dataclass(frozen=True, kw_only=True, slots=True)
class CreStereoTask:
    """The full-size network.

    Attributes:
        pairs: What it sees.
        iterations: Updates at 1/4; the coarser levels take half as many each.
    """

    train_metrics: ClassVar[tuple[str, ...]] = ('train_epe', 'train_epe_visible')
    validation_metrics: ClassVar[tuple[str, ...]] = (
        'val_epe', 'val_epe_visible', 'val_bad_2', 'val_bad_2_near',
    )  # fmt: skip

    pairs: Pairs = field(default_factory=DrawnPairs)
    iterations: int = 10

    def build(self) -> CreStereo:
        """Make the network with random weights."""
        return CreStereo()

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load the published weights or those of an earlier run.

        Raises:
            WeightsError: If they do not fit.
        """
        load_strict(network, load_checkpoint(weights))

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return the whole network, under the names of the published checkpoint."""
        return network.state_dict()

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the pairs."""
        return self.pairs.source(folders)

    def loss(self, network: nn.Module, batch: Batch, *, device: str, mixed: Mixed) -> StepLoss:
        """Return the sequence loss, and the errors of the final disparity."""
        left, right, disparity, hidden = to_tensors(batch, device)
        with mixed():
            predictions = network.sequence(left.flip(1), right.flip(1), iterations=self.iterations)
        is_known = torch.isfinite(disparity)
        error = (predictions[-1][:, :1].detach() - disparity).abs()
        seen = error[is_known & ~hidden]
        metrics = {
            'train_epe': float(error[is_known].mean()),
            'train_epe_visible': float(seen.mean() if len(seen) else torch.nan),
        }
        return StepLoss(loss=flow_sequence_loss(predictions, disparity), metrics=metrics)

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure on fixed pairs."""
        matcher = RgbMatcher(network, self.iterations)
        pairs = self.pairs.validation(folders, samples)
        return measure(matcher, pairs, device=device, mixed=mixed)

    def tiles(self, batch: Batch) -> list[list[np.ndarray]]:
        """Return left, right, disparity, and disparity with what is occluded darkened."""
        return pair_tiles(batch, top=0.7 * self.pairs.max_disparity)


class RgbMatcher(nn.Module):
    """The network as the small one looks: RGB images to disparity (B, 1, H, W) px."""

    def __init__(self, network: nn.Module, iterations: int) -> None:
        super().__init__()
        self.network = network
        self.iterations = iterations

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Match RGB images (B, 3, H, W), 0..255."""
        found = self.network.sequence(left.flip(1), right.flip(1), iterations=self.iterations)
        return found[-1][:, :1]
