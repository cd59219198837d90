"""Training the small network with hints: drawn pairs, each with a hint, a wrong one or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.scenes.layered.samples import Batch, SampleSettings
from depth_ros.training.crestereo.hints import HintMaker, HintSettings, hint_planes, worsened
from depth_ros.training.crestereo.networks import HalfStereo, HintedStereo
from depth_ros.training.crestereo.pairs import LayeredSource
from depth_ros.training.crestereo.task import StereoTask
from depth_ros.training.crestereo.validation import measure, validation_set
from depth_ros.training.task import BatchSource, DataFolders, Mixed

JUDGED = ('sgbm', 'none', 'shifted', 'moved')
"""Kinds of hints that the validation set is measured with."""
HINT_STREAM = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class HintedSource:
    """Rendered pairs with hints: batch n of a stream depends on the seed, the stream and n only.

    Attributes:
        pairs: Without hints.
        hints: What they are like.
    """

    pairs: LayeredSource
    hints: HintSettings

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[Batch]:
        """Return batch after batch, beginning with number ``first``."""
        maker, number = HintMaker(self.hints), first
        seed = self.pairs.samples.seed
        for batch in self.pairs.batches(batch_size=batch_size, first=first, stream=stream):
            rng = np.random.default_rng((seed, stream, HINT_STREAM, number))
            yield with_worse_images(self.hints.worse, rng, with_hints(maker, rng, batch))
            number += 1


@dataclass(frozen=True, kw_only=True, slots=True)
class HintedPairs:
    """Layered scenes and their hints.

    Attributes:
        samples: What the scenes are like.
        hints: What the hints are like.
    """

    samples: SampleSettings = field(default_factory=SampleSettings)
    hints: HintSettings = field(default_factory=HintSettings)

    @property
    def max_disparity(self) -> float:
        """Largest disparity drawn, px."""
        return self.samples.max_disparity

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the rendered pairs with hints."""
        pairs = LayeredSource(samples=self.samples, photos=folders.photos)
        return HintedSource(pairs=pairs, hints=self.hints)

    def validation(self, folders: DataFolders, count: int, kind: str = 'sgbm') -> Sequence[Batch]:
        """Return the fixed scenes, all with hints of one kind."""
        maker = HintMaker(self.hints)
        return [
            with_hints(maker, np.random.default_rng((number, HINT_STREAM)), batch, kind)
            for number, batch in enumerate(validation_set(self.samples, folders.photos, count))
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class HintedTask(StereoTask):
    """The small network with hints, and the pairs it learns from.

    Attributes:
        network: Its size and loss.
        pairs: What it sees.
    """

    validation_metrics: ClassVar[tuple[str, ...]] = (
        'val_epe', 'val_bad_2', 'val_epe_none', 'val_bad_2_none', 'val_bad_2_shifted',
        'val_bad_2_moved', 'val_bad_2_hint',
    )  # fmt: skip

    network: HintedStereo | HalfStereo = field(default_factory=HintedStereo)
    pairs: HintedPairs = field(default_factory=HintedPairs)

    def validate(
        self, network: nn.Module, folders: DataFolders, *, samples: int, device: str, mixed: Mixed
    ) -> dict[str, float]:
        """Measure on fixed pairs with right hints, with none and with wrong ones."""
        network.eval()
        found: dict[str, float] = {}
        for kind in JUDGED:
            batches = self.pairs.validation(folders, samples, kind)
            figures = self._measured(network, batches, device, mixed)
            suffix = '' if kind == 'sgbm' else f'_{kind}'
            found |= {f'{name}{suffix}': value for name, value in figures.items()}
            if kind == 'sgbm':
                found['val_bad_2_hint'] = float(np.mean([_wrong_hints(one) for one in batches]))
        return {name: found[name] for name in self.validation_metrics}

    def _measured(
        self, network: nn.Module, batches: Sequence[Batch], device: str, mixed: Mixed
    ) -> dict[str, float]:
        hints = iter([torch.from_numpy(batch.hint).to(device) for batch in batches])

        def match(left: Tensor, right: Tensor) -> Tensor:
            with torch.no_grad(), mixed():
                return self.network.disparity(network, left, right, next(hints))

        return measure(match, batches, device=device)


def with_hints(maker: HintMaker, rng: np.random.Generator, batch: Batch, kind: str = '') -> Batch:
    """Return the batch with a hint for each sample, of drawn kinds or of the one named."""
    hints = []
    for index in range(len(batch.left)):
        sample = Batch(
            left=batch.left[index],
            right=batch.right[index],
            disparity=batch.disparity[index],
            is_occluded=batch.is_occluded[index],
        )
        hints.append(hint_planes(maker.hint(rng, sample, kind)))
    return replace(batch, hint=np.stack(hints))


def with_worse_images(share: float, rng: np.random.Generator, batch: Batch) -> Batch:
    """Return the batch with a share of its pairs as a worse camera would have shown them."""
    left, right = batch.left.copy(), batch.right.copy()
    for index in range(len(left)):
        if rng.random() < share:
            left[index], right[index] = worsened(rng, (left[index], right[index]))
    return replace(batch, left=left, right=right)


def _wrong_hints(batch: Batch) -> float:
    """Return how many of the measured hints are off by more than 2 px, percent; NaN for none."""
    assert batch.hint is not None
    measured = batch.hint[:, 1] > 0.9
    error = np.abs(batch.hint[:, 0] - batch.disparity)[measured]
    return 100.0 * float((error > 2.0).mean()) if error.size else float('nan')
