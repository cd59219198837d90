"""Interface between the loop and a kind of network with its frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor, nn

from depth_ros.training.finetune.figures import Figures
from depth_ros.training.task import Note


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tile:
    """One picture of the report.

    Attributes:
        title: What it shows, in a few words.
        image: (H, W, 3) uint8 RGB.
    """

    title: str
    image: np.ndarray


class TuningJob(Protocol):
    """A network, the frames it learns from and those it is judged by."""

    @property
    def facts(self) -> Mapping[str, str]:
        """Facts about frames and labels for the report, by name."""
        ...

    @property
    def notes(self) -> Mapping[str, Note]:
        """Metadata for the weights' file."""
        ...

    def loss(self, network: nn.Module, rng: np.random.Generator) -> Tensor:
        """Run the network on a batch drawn with ``rng``; return the loss, a scalar."""
        ...

    def judge(self, network: nn.Module) -> Figures:
        """Measure a network on the held-out frames."""
        ...

    def tiles(self, before: nn.Module, after: nn.Module) -> list[list[Tile]]:
        """Draw some held-out frames: a row of pictures each."""
        ...

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return what inference loads."""
        ...
