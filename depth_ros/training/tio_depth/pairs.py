"""Batches of rectified pairs: mirrored and colours shaken at random, files cut to crops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from depth_ros.errors import RecipeError
from depth_ros.files.image import read_rgb
from depth_ros.geometry.preprocess import resize_image
from depth_ros.scenes.stacked import stack
from depth_ros.training.colour_jitter import draw_jitter, shake_colours
from depth_ros.training.datasets.crestereo_set import TruePair
from depth_ros.training.datasets.frame_files import held_out
from depth_ros.training.datasets.kitti_raw import find_clips

HELD_OUT_SHARE = 0.05
"""Of the end of each drive: kept for validation."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoPairBatch:
    """Pairs stacked.

    Attributes:
        left: (B, H, W, 3) uint8 RGB: what losses compare.
        right: The same.
        left_seen: (B, H, W, 3) uint8 RGB, colours shaken: what the network sees.
        right_seen: The same.
        disparity: (B, H, W) float32 px of the left view, NaN unknown; for people and figures,
            no loss reads it.
    """

    left: np.ndarray
    right: np.ndarray
    left_seen: np.ndarray
    right_seen: np.ndarray
    disparity: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What is changed at random.

    Attributes:
        mirror: Share of pairs seen in a mirror, which swaps the cameras.
        jitter: Share of pairs whose colours are shaken, alike in both views.
    """

    mirror: float = 0.5
    jitter: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class CropSettings:
    """How pairs of files become samples; published values.

    Attributes:
        seed: Of order, crops and changes.
        full_height: Rows a pair is brought to before ``scales``.
        full_width: Columns.
        height: Of a crop, px.
        width: px.
        scales: Least and greatest factor; a crop needs 1 / greatest of the full size at least.
        changes: What else is changed.
    """

    seed: int = 1
    full_height: int = 384
    full_width: int = 1280
    height: int = 256
    width: int = 832
    scales: tuple[float, float] = (0.75, 1.5)
    changes: Changes = Changes()


class StereoPairReader(Protocol):
    """Where a pair comes from, e.g. files; it pickles."""

    def read(self) -> TruePair:
        """Read it.

        Raises:
            InputError: If it cannot be read.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoPairFiles:
    """A rectified pair of image files without truth."""

    left: Path
    right: Path

    def read(self) -> TruePair:
        """Read both; their sizes must agree.

        Raises:
            ImageError: If a file is absent or damaged.
            RecipeError: If the sizes differ.
        """
        left, right = read_rgb(self.left), read_rgb(self.right)
        if left.shape != right.shape:
            raise RecipeError(
                f'expected {self.left} and {self.right} to have one size, got '
                f'{left.shape[:2]} and {right.shape[:2]}; rectify them together'
            )
        unknown = np.full(left.shape[:2], np.nan, np.float32)
        return TruePair(left=left, right=right, disparity=unknown, right_disparity=unknown)


def find_kitti(folders: Sequence[Path], *, is_held_out: bool) -> tuple[StereoPairFiles, ...]:
    """Find the pairs of KITTI's raw data to train on, or those held out: each drive's end.

    Raises:
        RecipeError: If there are none.
        CalibrationError: If a date's calibration cannot be read.
    """
    clips = [clip for folder in folders for clip in find_clips(folder, with_partner=True)]
    found = [
        StereoPairFiles(left=sample.target, right=sample.partner)
        for clip in clips
        for sample in held_out(clip, share=HELD_OUT_SHARE)[is_held_out]
        if sample.partner is not None and sample.partner_x_m < 0.0
    ]
    if not found:
        raise RecipeError(
            f'found no pairs to {"measure" if is_held_out else "train"} with in '
            f'{[str(folder) for folder in folders]}, expected KITTI raw drives of some seconds '
            'with image_02 and image_03; unpack longer drives, both colour cameras'
        )
    return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class TioCropSource:
    """Endless crops: sample n of a stream depends on the seed, the stream and n only.

    Attributes:
        readers: The pairs, taken in another order each time through them.
        crops: What is made of them.
    """

    readers: tuple[StereoPairReader, ...]
    crops: CropSettings

    def batches(
        self, *, batch_size: int, first: int = 0, stream: int = 0
    ) -> Iterator[StereoPairBatch]:
        """Return batch after batch, beginning with number ``first``."""
        number = first * batch_size
        while True:
            yield stack([self._sample(stream, number + index) for index in range(batch_size)])
            number += batch_size

    def _sample(self, stream: int, number: int) -> StereoPairBatch:
        epoch, place = divmod(number, len(self.readers))
        order = np.random.default_rng((self.crops.seed, stream, epoch, 1))
        pair = self.readers[order.permutation(len(self.readers))[place]].read()
        rng = np.random.default_rng((self.crops.seed, stream, number, 2))
        return changed(rng, cut(rng, pair, self.crops), self.crops.changes)


def cut(rng: np.random.Generator, pair: TruePair, crops: CropSettings) -> TruePair:
    """Resize a pair by a random factor and cut one window out of both views."""
    scale = float(rng.uniform(*crops.scales))
    rows = max(crops.height, round(scale * crops.full_height))
    columns = max(crops.width, round(scale * crops.full_width))
    y = int(rng.integers(rows - crops.height + 1))
    x = int(rng.integers(columns - crops.width + 1))
    window = (slice(y, y + crops.height), slice(x, x + crops.width))
    resized = resized_pair(pair, (rows, columns))
    other = resized.right_disparity
    return TruePair(
        left=resized.left[window],
        right=resized.right[window],
        disparity=resized.disparity[window],
        right_disparity=None if other is None else other[window],
    )


def resized_pair(pair: TruePair, size: tuple[int, int]) -> TruePair:
    """Bring a pair to (rows, columns); disparities are scaled along."""
    other = pair.right_disparity
    return TruePair(
        left=resize_image(np.ascontiguousarray(pair.left), size),
        right=resize_image(np.ascontiguousarray(pair.right), size),
        disparity=_resized_disparity(pair.disparity, size),
        right_disparity=None if other is None else _resized_disparity(other, size),
    )


def _resized_disparity(disparity: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Take the nearest pixel's value: a mean over an edge belongs to neither side."""
    factor = np.float32(size[1] / disparity.shape[1])
    nearest = cv2.resize(disparity, size[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(factor * nearest, np.float32)


def changed(rng: np.random.Generator, pair: TruePair, changes: Changes) -> StereoPairBatch:
    """Mirror a pair and shake its colours at random; return it without batch axis."""
    mirrored = pair.mirrored() if rng.random() < changes.mirror else None
    chosen = pair if mirrored is None else mirrored
    jitter = draw_jitter(rng) if rng.random() < changes.jitter else None
    views = [np.ascontiguousarray(view) for view in (chosen.left, chosen.right)]
    seen = views if jitter is None else [shake_colours(view, jitter) for view in views]
    return StereoPairBatch(
        left=views[0],
        right=views[1],
        left_seen=seen[0],
        right_seen=seen[1],
        disparity=np.ascontiguousarray(chosen.disparity),
    )
