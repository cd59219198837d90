"""What the training loop needs to know of a network: one task per kind of network and loss.

The loop (``trainer.py``) knows steps, rates, averages, checkpoints and metrics. A task knows the
network, where batches come from, what is minimised and how the result is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

Mixed = Callable[[], AbstractContextManager]
"""Returns the context in which convolutions may run in low precision."""
Note = int | float | str | bool


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFolders:
    """Where a run may read from.

    Attributes:
        photos: Folders with photographs for textures and homographies; may be empty.
        data: Folders of public or own data sets; empty for purely synthetic tasks.
    """

    photos: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StepLoss:
    """What one batch gave.

    Attributes:
        loss: A scalar to go backward from.
        metrics: Detached figures, one for each of the task's ``train_metrics``.
    """

    loss: Tensor
    metrics: Mapping[str, float]


class BatchSource(Protocol):
    """An endless, reproducible stream of batches that pickles, since a worker draws it."""

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[Any]:
        """Return batch after batch of a stream, beginning with number ``first``.

        Batch n of a stream depends on the source and n only, so that a resumed run sees what it
        would have seen. A batch is a frozen value of NumPy arrays with a leading batch axis.
        """
        ...


class TrainTask(Protocol):
    """One kind of training, as a frozen dataclass: its fields are part of the recipe.

    Attributes:
        train_metrics: Columns that ``loss`` fills; the first is shown beside the progress bar.
        validation_metrics: Columns that ``validate`` fills.
    """

    train_metrics: ClassVar[tuple[str, ...]]
    validation_metrics: ClassVar[tuple[str, ...]]

    def build(self) -> nn.Module:
        """Make the network with its first weights, drawn from torch's generator."""
        ...

    def begin_with(self, network: nn.Module, weights: Path) -> None:
        """Load weights made by ``weights`` below, by an earlier stage, or published ones.

        Raises:
            WeightsError: If they do not fit.
        """
        ...

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return what inference loads and what is shipped."""
        ...

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the stream of training batches.

        Raises:
            RecipeError: If a folder that is needed is absent or holds nothing usable.
        """
        ...

    def loss(self, network: nn.Module, batch: Any, *, device: str, mixed: Mixed) -> StepLoss:
        """Run the network on a batch and return the loss; geometry and loss are float32."""
        ...

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure the network on a fixed set that no training batch shares a sample with."""
        ...

    def tiles(self, batch: Any) -> list[list[np.ndarray]]:
        """Return pictures of a batch for people: per sample a row of (H, W, 3) uint8 RGB tiles."""
        ...


@runtime_checkable
class Noted(Protocol):
    """A task whose weights need words beside their tensors, e.g. the size they are for."""

    def notes(self) -> Mapping[str, Note]:
        """Return plain values by name, kept in the weights' file."""
        ...
