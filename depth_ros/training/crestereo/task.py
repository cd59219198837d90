"""Training the small CREStereo variant on rendered pairs with exact disparity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.geometry.postprocess import colorize_disparity
from depth_ros.models.crestereo.network_tiny import (
    NUM_POSITIONS,
    CreStereoTiny,
    TinyConfig,
    tiny_network,
)
from depth_ros.models.crestereo.network_tiny_correlation import NUM_TAPS
from depth_ros.models.crestereo.network_tiny_upsampling import halve_mask
from depth_ros.scenes.layered.samples import Batch, SampleSettings
from depth_ros.training.crestereo.losses import total_loss
from depth_ros.training.crestereo.pairs import LayeredSource
from depth_ros.training.crestereo.validation import validate
from depth_ros.training.task import DataFolders, Mixed, StepLoss

SQUEEZE = 'update.squeeze.weight'
"""Reads the evidence: local correlation, taps of the row scale by scale, positions."""
COMPARISON = 'update.squeeze_there.'
LATER_PARTS = (COMPARISON, 'fine.')
"""How the names of tensors begin that older weights lack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TinyStereoTask:
    """The small network on layered scenes.

    Attributes:
        network: Its sizes.
        samples: What it sees.
        small_errors: Weight of the loss on small errors of the final disparity.
    """

    train_metrics: ClassVar[tuple[str, ...]] = ('train_epe', 'train_epe_visible')
    validation_metrics: ClassVar[tuple[str, ...]] = (
        'val_epe', 'val_epe_visible', 'val_bad_2', 'val_bad_2_near',
    )  # fmt: skip

    network: TinyConfig = field(default_factory=TinyConfig)
    samples: SampleSettings = field(default_factory=SampleSettings)
    small_errors: float = 0.0

    def build(self) -> CreStereoTiny:
        """Make the network with random weights."""
        return CreStereoTiny(self.network)

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load the shipped weights or those of an earlier run.

        Older weights may lack the comparison of the two hypotheses and the fine level. Both begin
        so that they change nothing, or next to nothing, at first. An ablation that sees less of
        the row leaves out what reads the rest.

        Raises:
            WeightsError: If they do not fit.
        """
        state = load_checkpoint(weights)
        iterations = self.network.iterations[-1]
        given = tiny_network(state, iterations=iterations)
        known, own = given.state_dict(), network.state_dict()
        if self.network.fine and not given.config.fine:
            for key in ('mask.weights.weight', 'mask.weights.bias'):
                known[key] = halve_mask(known[key])
        later = {key: value for key, value in own.items() if key.startswith(LATER_PARTS)}
        if own[SQUEEZE].shape != known[SQUEEZE].shape:
            known = without_sight(known, self.network)
        load_strict(network, {**later, **known})

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return the whole network; every part is needed."""
        return network.state_dict()

    def source(self, folders: DataFolders) -> LayeredSource:
        """Return the rendered pairs."""
        return LayeredSource(samples=self.samples, photos=folders.photos)

    def loss(self, network: nn.Module, batch: Batch, *, device: str, mixed: Mixed) -> StepLoss:
        """Return sequence and matching loss, and the errors of the final disparity."""
        left, right, disparity, hidden = to_tensors(batch, device)
        with mixed():
            predictions = network.predict(left, right)
        error = (predictions.full.detach() - disparity).abs()
        metrics = {
            'train_epe': float(error.mean()),
            'train_epe_visible': float(error[~hidden].mean()),
        }
        loss = total_loss(predictions, disparity, hidden, small_errors=self.small_errors)
        return StepLoss(loss=loss, metrics=metrics)

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure on the fixed synthetic set."""
        return validate(
            network, self.samples, folders.photos, samples=samples, device=device, mixed=mixed
        )

    def tiles(self, batch: Batch) -> list[list[np.ndarray]]:
        """Return left, right, disparity, and disparity with what is occluded darkened."""
        return pair_tiles(batch, top=0.7 * self.samples.max_disparity)


def without_sight(known: Mapping[str, Tensor], config: TinyConfig) -> dict[str, Tensor]:
    """Leave out of weights what reads scales of the row and a comparison that are not there."""
    squeeze = known[SQUEEZE]
    first = 9 * config.groups + NUM_TAPS * len(config.row_scales)
    kept = torch.cat((squeeze[:, :first], squeeze[:, -NUM_POSITIONS:]), 1)
    rest = {key: value for key, value in known.items() if not key.startswith(COMPARISON)}
    return {**rest, SQUEEZE: kept}


def pair_tiles(batch: Batch, *, top: float) -> list[list[np.ndarray]]:
    """Return left, right, disparity up to ``top`` px, and that with what is occluded darkened."""
    rows = []
    for index in range(len(batch.left)):
        colours = colorize_disparity(batch.disparity[index], min=0.0, max=top)
        hidden = np.where(batch.is_occluded[index][..., None], np.uint8(40), colours)
        rows.append([batch.left[index], batch.right[index], colours, hidden])
    return rows


def to_tensors(batch: Batch, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return images (B, 3, H, W) float32, disparity (B, 1, H, W) and the occlusion mask."""
    images = [
        torch.from_numpy(image).to(device).permute(0, 3, 1, 2).float()
        for image in (batch.left, batch.right)
    ]
    disparity = torch.from_numpy(batch.disparity).to(device).unsqueeze(1)
    hidden = torch.from_numpy(batch.is_occluded).to(device).unsqueeze(1)
    return images[0], images[1], disparity, hidden
