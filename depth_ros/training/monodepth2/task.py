"""Training Monodepth2: depth of one image learnt from video, with or without a stereo partner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from depth_ros.geometry.postprocess import colorize_depth
from depth_ros.training.datasets.triples import TripleBatch
from depth_ros.training.monodepth2.losses import SMOOTHNESS, to_views, total_loss
from depth_ros.training.monodepth2.network import NetworkSize, VideoNetwork, begin_with, weights_of
from depth_ros.training.monodepth2.validation import validate
from depth_ros.training.monodepth2.video import KittiVideo, Video
from depth_ros.training.task import BatchSource, DataFolders, Mixed, Note, StepLoss


@dataclass(frozen=True, kw_only=True, slots=True)
class Monodepth2Task:
    """Depth and pose network on triples of frames.

    Attributes:
        video: Where they come from.
        size: Of the networks.
        height: Rows the networks see, a multiple of 32.
        width: Columns, likewise.
        seed: Of the order and changes of the samples.
        smoothness: lambda of the loss.
        metres_per_unit: Depth of 1 where a stereo partner gives the scale: KITTI's 0.54 m count
            as 0.1 units with the official weights.
    """

    train_metrics: ClassVar[tuple[str, ...]] = ('train_photometric', 'train_kept')
    validation_metrics: ClassVar[tuple[str, ...]] = (
        'val_photometric', 'val_unmoved', 'val_abs_rel', 'val_bad_25',
    )  # fmt: skip

    video: Video = field(default_factory=KittiVideo)
    size: NetworkSize = field(default_factory=NetworkSize)
    height: int = 192
    width: int = 640
    seed: int = 1
    smoothness: float = SMOOTHNESS
    metres_per_unit: float = 5.4

    def build(self) -> VideoNetwork:
        """Make both networks with random weights."""
        return VideoNetwork(self.size)

    def begin_with(self, network: VideoNetwork, weights: Path) -> None:
        """Load weights of an earlier run, official ones, or a classifier's for the encoders.

        Raises:
            WeightsError: If they do not fit.
        """
        begin_with(network, weights)

    def weights(self, network: VideoNetwork) -> Mapping[str, Tensor]:
        """Return both networks under the names of the official files."""
        return weights_of(network)

    def notes(self) -> Mapping[str, Note]:
        """Return what official weights say: the size they are for and whether they know metres."""
        size = {'height': self.height, 'width': self.width}
        return {**size, 'use_stereo': self.video.gives_scale}

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the training batches.

        Raises:
            RecipeError: If there is no usable video.
        """
        return self.video.source(folders, (self.height, self.width), self.seed)

    def loss(
        self, network: VideoNetwork, batch: TripleBatch, *, device: str, mixed: Mixed
    ) -> StepLoss:
        """Return the loss over all scales, the photometric error and the share not masked."""
        disparities, views = to_views(
            network, batch, metres_per_unit=self.metres_per_unit, device=device, mixed=mixed
        )
        parts = total_loss(disparities, views, smoothness=self.smoothness)
        metrics = {
            'train_photometric': float(parts.photometric),
            'train_kept': float(parts.kept),
        }
        return StepLoss(loss=parts.loss, metrics=metrics)

    def validate(
        self,
        network: VideoNetwork,
        folders: DataFolders,
        *,
        samples: int,
        device: str,
        mixed: Mixed,
    ) -> dict[str, float]:
        """Measure on video that is never trained on."""
        return validate(
            network,
            self.video.held_out(folders, (self.height, self.width), samples),
            metres_per_unit=self.metres_per_unit,
            device=device,
            mixed=mixed,
        )

    def tiles(self, batch: TripleBatch) -> list[list[np.ndarray]]:
        """Return the frame before, target as seen, the frame after, partner and depth if any."""
        return [_tiles(batch, index) for index in range(len(batch.views))]


def _tiles(batch: TripleBatch, index: int) -> list[np.ndarray]:
    views = batch.views[index]
    tiles = [views[1], batch.seen[index, 0], views[2], *views[3:]]
    if batch.depth is not None:
        depth = batch.depth[index]
        low, high = np.percentile(depth, (1.0, 99.0))
        tiles.append(colorize_depth(depth, min=float(low), max=float(high)))
    return tiles
