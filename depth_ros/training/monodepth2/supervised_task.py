"""Training a small depth network of Monodepth2's structure on exact depth of rendered rooms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.evaluation.mono import scaled_errors, spearman
from depth_ros.geometry.postprocess import colorize_depth
from depth_ros.models.monodepth2.model import MAX_DEPTH, MIN_DEPTH, depth_from_disparity
from depth_ros.models.monodepth2.network_depth import DecoderLayout, DepthNetwork
from depth_ros.training.monodepth2.losses import to_planes
from depth_ros.training.monodepth2.network import NetworkSize, begin_encoders
from depth_ros.training.monodepth2.supervised_losses import SupervisedWeights, supervised_loss
from depth_ros.training.monodepth2.view_source import RenderedViews, ViewBatch
from depth_ros.training.task import BatchSource, DataFolders, Mixed, Note, StepLoss

METRICS = ('val_spearman', 'val_abs_rel', 'val_bad_25')


@dataclass(frozen=True, kw_only=True, slots=True)
class SupervisedDepthTask:
    """A depth network alone, on single images.

    Attributes:
        views: What it sees.
        size: Of the encoder.
        decoder: What the decoder is like.
        height: Rows that the network is for, chosen before it saw a photograph; it is validated at
            this size and the weights' file says it.
        width: Columns, likewise.
        weights_of_loss: What counts how much.
    """

    train_metrics: ClassVar[tuple[str, ...]] = ('train_abs_rel',)
    validation_metrics: ClassVar[tuple[str, ...]] = METRICS

    views: RenderedViews = field(default_factory=RenderedViews)
    size: NetworkSize = NetworkSize(widths=(24, 48, 96, 192))
    decoder: DecoderLayout = DecoderLayout(widths=(8, 16, 32, 64, 128), has_pooled_term=True)
    height: int = 96
    width: int = 128
    weights_of_loss: SupervisedWeights = field(default_factory=SupervisedWeights)

    def build(self) -> DepthNetwork:
        """Make the network with random weights."""
        network = DepthNetwork(self.size.layout(self.size.num_layers), self.decoder)
        begin_encoders(network)
        return network

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load weights of an earlier run.

        Raises:
            WeightsError: If they do not fit.
        """
        load_strict(network, load_checkpoint(weights))

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return the network under the names of the official files."""
        return network.state_dict()

    def notes(self) -> Mapping[str, Note]:
        """Return what official weights say: the size they are for, and that metres are unknown."""
        return {'height': self.height, 'width': self.width, 'use_stereo': False}

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the training batches."""
        return self.views.source(folders)

    def loss(self, network: nn.Module, batch: ViewBatch, *, device: str, mixed: Mixed) -> StepLoss:
        """Return the loss, and the relative error after the ratio of the means."""
        images = to_planes(batch.images[:, np.newaxis], device)[0]
        truth = torch.from_numpy(batch.inverse_depth).to(device)
        with mixed():
            disparity = network(images)[0]
        found = inverse_depth_of(disparity.float()[:, 0])
        loss = supervised_loss(found, truth, self.weights_of_loss)
        return StepLoss(loss=loss, metrics={'train_abs_rel': _abs_rel(found.detach(), truth)})

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure on rooms that are never trained on."""
        batches = self.views.held_out(folders, (self.height, self.width), samples)
        return validate(network, batches, device=device, mixed=mixed)

    def tiles(self, batch: ViewBatch) -> list[list[np.ndarray]]:
        """Return each image and its depth."""
        return [_tiles(batch, index) for index in range(len(batch.images))]


def inverse_depth_of(disparity: Tensor) -> Tensor:
    """Turn sigmoid disparities into inverse depth, as ``depth_from_disparity`` has it."""
    low, high = 1.0 / MAX_DEPTH, 1.0 / MIN_DEPTH
    return low + (high - low) * disparity


def _abs_rel(found: Tensor, truth: Tensor) -> float:
    """Return the mean of |depth - truth| / truth after the ratio of medians of each image."""
    ratio = (truth / found).flatten(1)
    return float((ratio / ratio.median(1, keepdim=True).values - 1.0).abs().mean())


def validate(
    network: nn.Module, batches: Iterable[ViewBatch], *, device: str, mixed: Mixed
) -> dict[str, float]:
    """Measure a network; means over images.

    Returns:
        ``val_spearman``, the rank correlation of depth; after scaling by the ratio of medians
        ``val_abs_rel``, the mean relative error, and ``val_bad_25``, the percentage wrong by more
        than 25 %.
    """
    network.eval()
    rows = []
    for batch in batches:
        with torch.no_grad(), mixed():
            disparity = network(to_planes(batch.images[:, np.newaxis], device)[0])[0]
        depths = depth_from_disparity(disparity.float()[:, 0].cpu().numpy())
        for depth, inverse in zip(depths, batch.inverse_depth, strict=True):
            truth = 1.0 / inverse
            errors = scaled_errors(depth, truth)[0]
            bad = 100.0 * (1.0 - errors.within_125)
            rows.append((spearman(depth, truth), errors.abs_rel, bad))
    means = np.mean(rows, axis=0)
    return dict(zip(METRICS, (float(value) for value in means), strict=True))


def _tiles(batch: ViewBatch, index: int) -> list[np.ndarray]:
    depth = 1.0 / batch.inverse_depth[index]
    low, high = np.percentile(depth, (1.0, 99.0))
    return [batch.images[index], colorize_depth(depth, min=float(low), max=float(high))]
