"""Training MVSNet: network, views, loss and validation for the training loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.geometry.postprocess import colorize_depth
from depth_ros.models.mvsnet.network import MvsNet
from depth_ros.models.mvsnet.projection import STRIDE
from depth_ros.training.mvsnet.batch import MvsBatch, SourceViews
from depth_ros.training.mvsnet.forward import MvsnetForward, depth_loss, predict
from depth_ros.training.mvsnet.rooms import RoomViews
from depth_ros.training.task import BatchSource, DataFolders, Mixed, StepLoss

REFINEMENT = 'refine_network.'
SHOWN_SOURCES = 3
METRICS = ('val_intervals', 'val_abs_rel', 'val_within_1', 'val_within_3')


@dataclass(frozen=True, kw_only=True, slots=True)
class MvsNetTask:
    """MVSNet on posed views with depth.

    Attributes:
        views: What it sees.
        refinement: Whether the refinement is trained too; engines leave it out.
    """

    train_metrics: ClassVar[tuple[str, ...]] = ('train_intervals', 'train_within_1')
    validation_metrics: ClassVar[tuple[str, ...]] = METRICS

    views: SourceViews = field(default_factory=RoomViews)
    refinement: bool = False

    def build(self) -> MvsNet:
        """Make the network with random weights."""
        return MvsNet(with_refinement=self.refinement)

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load published weights or those of an earlier run, with or without refinement.

        Raises:
            WeightsError: If they do not fit.
        """
        state = dict(load_checkpoint(weights))
        own = {key: value for key, value in network.state_dict().items() if _refines(key)}
        has_refinement = any(_refines(key) for key in state)
        if not self.refinement:
            state = {key: value for key, value in state.items() if not _refines(key)}
        elif not has_refinement:
            state |= own
        load_strict(network, state)

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return the whole network, under the published names."""
        return network.state_dict()

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the training batches."""
        return self.views.source(folders)

    def loss(self, network: nn.Module, batch: MvsBatch, *, device: str, mixed: Mixed) -> StepLoss:
        """Return the masked L1, mean error in intervals, and percent within one interval."""
        found = predict(network, batch, device=device, mixed=mixed)
        error = (found.best.detach() - found.truth)[found.valid].abs()
        metrics = {
            'train_intervals': float(error.mean()),
            'train_within_1': 100.0 * float((error < 1.0).float().mean()),
        }
        loss = depth_loss(found.initial, found.refined, found.truth, found.valid)
        return StepLoss(loss=loss, metrics=metrics)

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure on the fixed set."""
        batches = self.views.validation(folders, samples)
        return validate(network, batches, device=device, mixed=mixed)

    def tiles(self, batch: MvsBatch) -> list[list[np.ndarray]]:
        """Return the reference, up to three sources, and the truth over the range searched."""
        return [_tiles(batch, index) for index in range(len(batch.images))]


def _refines(key: str) -> bool:
    return key.startswith(REFINEMENT)


def _tiles(batch: MvsBatch, index: int) -> list[np.ndarray]:
    images = list(batch.images[index, : 1 + SHOWN_SOURCES])
    images += [np.zeros_like(images[0])] * (1 + SHOWN_SOURCES - len(images))
    near, far = batch.depths[index, [0, -1]]
    truth = batch.truth[index].repeat(STRIDE, 0).repeat(STRIDE, 1)
    return [*images, colorize_depth(truth, min=float(near), max=float(far))]


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
