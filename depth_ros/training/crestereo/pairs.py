"""Training pairs of the full-size network: rendered scenes, or the CREStereo data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from depth_ros.errors import RecipeError
from depth_ros.scenes.layered.photometric import shoot
from depth_ros.scenes.layered.samples import Batch, SampleSettings, batches
from depth_ros.scenes.stacked import stack
from depth_ros.training.crestereo.validation import validation_set
from depth_ros.training.datasets.crestereo_set import TruePair, find_pairs, read_pair
from depth_ros.training.photos import load_photos
from depth_ros.training.task import BatchSource, DataFolders

HELD_OUT = 97
"""Every 97th pair of a data set, in order of names, is kept for validation."""
NEVER_PX = np.float32(np.nan)


class Pairs(Protocol):
    """Pairs to train and to validate with; a part of a task, and so of a recipe."""

    @property
    def max_disparity(self) -> float:
        """Largest disparity there may be, px."""
        ...

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the training batches.

        Raises:
            RecipeError: If a folder that is needed is absent or holds nothing usable.
        """
        ...

    def validation(self, folders: DataFolders, count: int) -> Sequence[Batch]:
        """Return about ``count`` fixed samples that no training batch shares."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class LayeredSource:
    """Rendered pairs of layered scenes.

    Attributes:
        samples: What they are like.
        photos: Folders with photographs for the textures.
    """

    samples: SampleSettings
    photos: tuple[Path, ...]

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[Batch]:
        """Return batch after batch, beginning with number ``first``."""
        photos = load_photos(self.photos)
        return batches(self.samples, photos, batch_size=batch_size, first=first, stream=stream)


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnPairs:
    """Layered scenes; ``samples`` says what they are like."""

    samples: SampleSettings = field(default_factory=SampleSettings)

    @property
    def max_disparity(self) -> float:
        """Largest disparity drawn, px."""
        return self.samples.max_disparity

    def source(self, folders: DataFolders) -> LayeredSource:
        """Return the rendered pairs."""
        return LayeredSource(samples=self.samples, photos=folders.photos)

    def validation(self, folders: DataFolders, count: int) -> Sequence[Batch]:
        """Return the fixed scenes."""
        return validation_set(self.samples, folders.photos, count)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetPairs:
    """Crops of the CREStereo data set.

    Attributes:
        seed: Of the order, the crops and the cameras.
        height: Size of a crop, px.
        width: px.
        max_disparity: Larger ones are unknown, px of the crop.
        scales: Smallest and largest factor the pairs are resized by.
        burnt: Share of pairs exposed too long.
    """

    seed: int = 1
    height: int = 384
    width: int = 512
    max_disparity: float = 256.0
    scales: tuple[float, float] = (0.6, 1.0)
    burnt: float = 0.1

    def source(self, folders: DataFolders) -> CropSource:
        """Return crops of all pairs but those held out."""
        return CropSource(pairs=self, stems=tuple(_split(folders, is_held_out=False)))

    def validation(self, folders: DataFolders, count: int) -> Sequence[Batch]:
        """Return one crop of each of the first held-out pairs."""
        stems = _split(folders, is_held_out=True)[:count]
        numbers = np.random.default_rng((self.seed, 4)).integers(2**31, size=len(stems))
        return [
            stack([take_crop(np.random.default_rng(int(number)), self, read_pair(stem))])
            for number, stem in zip(numbers, stems, strict=True)
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class CropSource:
    """Endless crops: sample n of a stream depends on the seed, the stream and n only.

    Attributes:
        pairs: What the crops are like.
        stems: The pairs, as ``find_pairs`` gives them.
    """

    pairs: SetPairs
    stems: tuple[Path, ...]

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[Batch]:
        """Return batch after batch, beginning with number ``first``."""
        number = first
        while True:
            keys = [(self.pairs.seed, stream, number, index) for index in range(batch_size)]
            yield stack([self._sample(np.random.default_rng(key)) for key in keys])
            number += 1

    def _sample(self, rng: np.random.Generator) -> Batch:
        stem = self.stems[int(rng.integers(len(self.stems)))]
        return take_crop(rng, self.pairs, read_pair(stem))


def _split(folders: DataFolders, *, is_held_out: bool) -> list[Path]:
    if not folders.data:
        raise RecipeError(
            'this recipe reads the CREStereo data set; pass its folder with --data FOLDER'
        )
    stems = find_pairs(folders.data)
    held_out = stems[::HELD_OUT]
    chosen = held_out if is_held_out else [stem for stem in stems if stem not in set(held_out)]
    if not chosen:
        raise RecipeError(
            f'found {len(stems)} pairs, expected at least 2: one of every {HELD_OUT} is held out '
            'for validation; unpack more of the data set'
        )
    return chosen


def take_crop(rng: np.random.Generator, pairs: SetPairs, pair: TruePair) -> Batch:
    """Cut a sample out of a pair: mirrored or not, resized, and shot by two real cameras."""
    mirrored = pair.mirrored() if rng.random() < 0.5 else None
    pair = _resized(
        pair if mirrored is None else mirrored, pairs, float(rng.uniform(*pairs.scales))
    )
    rows, columns = pair.disparity.shape
    y = int(rng.integers(rows - pairs.height + 1))
    x = int(rng.integers(columns - pairs.width + 1))
    window = (slice(y, y + pairs.height), slice(x, x + pairs.width))
    images = [image[window].astype(np.float32) for image in (pair.left, pair.right)]
    disparity = pair.disparity[window].copy()
    with np.errstate(invalid='ignore'):
        disparity[~(disparity < pairs.max_disparity)] = NEVER_PX
        hidden = ~(np.arange(pairs.width, dtype=np.float32) - disparity >= 0.0)
    shots = shoot(rng, images[0], images[1], burnt=pairs.burnt)
    return Batch(left=shots[0], right=shots[1], disparity=disparity, is_occluded=hidden)


def _resized(pair: TruePair, pairs: SetPairs, scale: float) -> TruePair:
    """Resize a pair by a factor, or by the least that holds a crop."""
    rows, columns = pair.disparity.shape
    scale = max(scale, pairs.height / rows, pairs.width / columns)
    size = (max(pairs.width, round(columns * scale)), max(pairs.height, round(rows * scale)))
    images = [
        cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
        for image in (pair.left, pair.right)
    ]
    disparity = np.ascontiguousarray(pair.disparity)
    # The nearest pixel's value: a mean over an edge belongs to neither side.
    disparity = cv2.resize(disparity, size, interpolation=cv2.INTER_NEAREST)
    disparity = np.asarray(disparity * np.float32(size[0] / columns), np.float32)
    return TruePair(left=images[0], right=images[1], disparity=disparity)
