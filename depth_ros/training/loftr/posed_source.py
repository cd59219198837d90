"""Training pairs out of public data with depth and poses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from depth_ros.errors import RecipeError
from depth_ros.scenes.stacked import stack
from depth_ros.training.datasets.measured_view import MeasuredView
from depth_ros.training.datasets.megadepth import open_megadepth
from depth_ros.training.datasets.scannet import open_scannet
from depth_ros.training.loftr.correspondences import by_depth
from depth_ros.training.loftr.pairs import CELL_PX, PairBatch, padded_pair

Size = tuple[int, int]


class PairReader(Protocol):
    """What a reader of a layout offers; it pickles."""

    def draw(self, rng: np.random.Generator) -> tuple[MeasuredView, MeasuredView]:
        """Draw a scene evenly, then one of its pairs, and read it."""


LAYOUTS: dict[str, Callable[..., PairReader]] = {
    'megadepth': open_megadepth,
    'scannet': open_scannet,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PosedSettings:
    """What is read, and how it is fitted.

    Attributes:
        layout: A name in ``LAYOUTS``.
        height: Rows of the training images, a multiple of 8.
        width: Columns, likewise.
        is_padded: Whether an image keeps its shape and is padded, instead of stretched.
        min_overlap: Pairs that overlap less, 0..1, are left out.
        seed: Of what is drawn.
    """

    layout: str
    height: int
    width: int
    is_padded: bool = False
    min_overlap: float = 0.4
    seed: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class PosedPairs:
    """A stream of pairs of a data set.

    Attributes:
        settings: How images are fitted.
        reader: Gives the pairs.
    """

    settings: PosedSettings
    reader: PairReader

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[PairBatch]:
        """Return batch after batch, beginning with number ``first``."""
        number = first
        while True:
            rng = np.random.default_rng((self.settings.seed, stream, number))
            pairs = [self.reader.draw(rng) for _ in range(batch_size)]
            yield stack([fitted_pair(*pair, self.settings) for pair in pairs])
            number += 1


def posed_pairs(settings: PosedSettings, folders: tuple[Path, ...]) -> PosedPairs:
    """Open the data set of a layout.

    Raises:
        RecipeError: If no folder was named or it is laid out otherwise.
    """
    if len(folders) != 1:
        raise RecipeError(
            f'expected one folder of {settings.layout}, got {len(folders)}; '
            f'pass --data with the folder that holds its index'
        )
    reader = LAYOUTS[settings.layout](folders[0], min_overlap=settings.min_overlap)
    return PosedPairs(settings=settings, reader=reader)


def fitted_pair(first: MeasuredView, second: MeasuredView, settings: PosedSettings) -> PairBatch:
    """Fit both images to the training size and move their cells by depth."""
    sizes = [_fitted_size(view.image.shape[:2], settings) for view in (first, second)]
    images = [
        _fitted(view.image, size, settings)
        for view, size in zip((first, second), sizes, strict=True)
    ]
    grid = (settings.height // CELL_PX, settings.width // CELL_PX)
    there = by_depth(first, second, cell_px=CELL_PX, size=sizes[0], other_size=sizes[1])
    back = by_depth(second, first, cell_px=CELL_PX, size=sizes[1], other_size=sizes[0])
    places = (_filled(there, grid), _filled(back, grid))
    return padded_pair((images[0], images[1]), places, valid=(sizes[0], sizes[1]))


def _fitted_size(size: Size, settings: PosedSettings) -> Size:
    """Return the size an image is scaled to, in multiples of 8."""
    if not settings.is_padded:
        return settings.height, settings.width
    scale = min(settings.height / size[0], settings.width / size[1])
    height, width = (max(1, int(side * scale + 1e-6) // CELL_PX) * CELL_PX for side in size)
    return height, width


def _fitted(image: np.ndarray, size: Size, settings: PosedSettings) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    canvas = np.zeros((settings.height, settings.width), np.uint8)
    canvas[: size[0], : size[1]] = grey
    return canvas


def _filled(places: np.ndarray, grid: Size) -> np.ndarray:
    """Put a map of cells into the grid of the training size; NaN beyond it."""
    whole = np.full((*grid, 2), np.nan, np.float32)
    whole[: places.shape[0], : places.shape[1]] = places
    return whole
