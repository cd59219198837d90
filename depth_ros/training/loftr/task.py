"""Training LoFTR: rendered rooms and planes, or public data with depth and poses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.models.loftr.network import VARIANTS, Loftr
from depth_ros.models.loftr.network_matching import MASKED, mutual_matches, similarity
from depth_ros.models.loftr.network_tiny import TinyLoftrConfig, tiny_loftr
from depth_ros.models.loftr.network_views import TokenView, insides
from depth_ros.training.loftr.losses import LossSettings, coarse_loss, fine_loss, wrong_loss
from depth_ros.training.loftr.pairs import PairBatch, TensorBatch, pair_tiles, to_tensors
from depth_ros.training.loftr.posed_source import PosedPairs, PosedSettings, posed_pairs
from depth_ros.training.loftr.samples import PairSettings, SyntheticPairs
from depth_ros.training.loftr.supervision import (
    REACH_PX,
    CellPairs,
    fine_pairs,
    true_cells,
    wrong_pairs,
)
from depth_ros.training.loftr.validation import validate
from depth_ros.training.task import DataFolders, Mixed, StepLoss

_TABLE = 'pos_encoding.pe'


@dataclass(frozen=True, kw_only=True, slots=True)
class LoftrTask:
    """LoFTR with a dual softmax.

    Attributes:
        network: Sizes of the small network, or the name of an official variant.
        pairs: Synthetic pairs: those trained on without ``posed``, and those of the validation.
        posed: Public data to train on instead.
        losses: What is minimised.
        known_grid: Rows and columns of cells whose positions are to be known though the training
            images are smaller; (0, 0) leaves positions as they are.
    """

    train_metrics: ClassVar[tuple[str, ...]] = ('train_recall', 'train_coarse', 'train_fine_px')
    validation_metrics: ClassVar[tuple[str, ...]] = (
        'val_precision', 'val_recall', 'val_within_3px', 'val_within_1px',
    )  # fmt: skip

    network: TinyLoftrConfig | str = field(default_factory=TinyLoftrConfig)
    pairs: PairSettings = field(default_factory=PairSettings)
    posed: PosedSettings | None = None
    losses: LossSettings = field(default_factory=LossSettings)
    known_grid: tuple[int, int] = (0, 0)

    def build(self) -> Loftr:
        """Make the network with random weights; projections of attention are Xavier's."""
        if isinstance(self.network, str):
            network = Loftr(VARIANTS[self.network])
        else:
            network = tiny_loftr(self.network)
        for transformer in (network.loftr_coarse, network.loftr_fine):
            for value in transformer.parameters():
                if value.ndim > 1:
                    nn.init.xavier_uniform_(value)
        return network

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load weights of an earlier run or published ones.

        Raises:
            WeightsError: If they do not fit.
        """
        state = load_checkpoint(weights)
        load_strict(network, {key: value for key, value in state.items() if key != _TABLE})

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return the whole network; every part is needed."""
        return network.state_dict()

    def source(self, folders: DataFolders) -> SyntheticPairs | PosedPairs:
        """Return the synthetic pairs, or those of the data set.

        Raises:
            RecipeError: If the data set is absent or laid out otherwise.
        """
        if self.posed is not None:
            return posed_pairs(self.posed, folders.data)
        return SyntheticPairs(settings=self.pairs, photos=folders.photos)

    def loss(self, network: Loftr, batch: PairBatch, *, device: str, mixed: Mixed) -> StepLoss:
        """Return coarse and fine loss; only convolutions run in low precision."""
        data = to_tensors(batch, device)
        with mixed():
            maps = network.maps(data.images, data.masks)
        first, second = (tuple(part.float() for part in view) for view in maps)
        origin = self._origin(data.masks[0].shape[1:])
        views = network.views_of((first, second), data.masks, origin=origin)
        log_confidence = coarse_confidence(network, views)
        truth = true_cells(*data.places)
        coarse = coarse_loss(log_confidence, truth, focus=self.losses.focus)
        fine, error_px = self._fine(network, views, log_confidence, truth, data)
        loss = coarse + self.losses.fine * fine + self._wrong(log_confidence, data)
        metrics = {
            'train_recall': _recall(log_confidence.detach(), truth),
            'train_coarse': float(coarse.detach()),
            'train_fine_px': error_px,
        }
        return StepLoss(loss=loss, metrics=metrics)

    def _origin(self, grid: tuple[int, ...]) -> tuple[int, int]:
        """Draw where in the position table the images begin."""
        room = [max(0, known - size) for known, size in zip(self.known_grid, grid, strict=True)]
        row, column = (int(torch.randint(most + 1, ())) for most in room)
        return row, column

    def _wrong(self, log_confidence: Tensor, data: TensorBatch) -> Tensor | float:
        if not self.losses.wrong:
            return 0.0
        is_wrong = wrong_pairs(*data.places)
        return self.losses.wrong * wrong_loss(log_confidence, is_wrong, focus=self.losses.focus)

    def _fine(
        self,
        network: Loftr,
        views: tuple[TokenView, TokenView],
        log_confidence: Tensor,
        truth: CellPairs,
        data: TensorBatch,
    ) -> tuple[Tensor, float]:
        """Return the fine loss and the mean distance from the truth, px."""
        confidence = log_confidence.detach().exp()
        inside = insides(views, network.border)
        found = mutual_matches(confidence, network.variant.threshold, *inside)
        count = confidence.shape[0]
        pairs, target = fine_pairs(
            found,
            truth,
            data.places[0],
            views[1].grid,
            limit=count * self.losses.fine_matches,
            min_true=count * self.losses.min_true,
        )
        offset = network.locate(views, pairs.item, (pairs.first, pairs.second))
        distance = (offset[:, :2].detach() - target).norm(dim=1)
        return fine_loss(offset, target), REACH_PX * float(distance.sum()) / max(1, len(distance))

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure on the fixed synthetic set."""
        return validate(network, self.pairs, folders.photos, samples=samples, device=device)

    def tiles(self, batch: PairBatch) -> list[list[np.ndarray]]:
        """Return both images, plain and with true matches in colours."""
        return pair_tiles(batch)


def coarse_confidence(network: Loftr, views: tuple[TokenView, TokenView]) -> Tensor:
    """Return the logarithm (B, L, S) of the confidences; padded cells match nothing."""
    pairs = similarity(views[0].coarse, views[1].coarse)
    return network.coarse_matching.log_confidence(pairs, (_penalty(views[0]), _penalty(views[1])))


def _penalty(view: TokenView) -> Tensor:
    """Return (B, L), 0 for cells of the image and ``MASKED`` for padded ones."""
    valid = view.flat_mask
    return torch.zeros(view.coarse.shape[:2]) if valid is None else (1.0 - valid) * MASKED


def _recall(log_confidence: Tensor, truth: CellPairs) -> float:
    """Return the share of true pairs that are best in their row, in percent."""
    best = log_confidence.argmax(dim=2)[truth.item, truth.first]
    return 100.0 * float((best == truth.second).float().sum()) / max(1, len(best))
