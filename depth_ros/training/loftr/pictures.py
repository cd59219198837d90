"""Pictures of training pairs: true matches as dots of one colour in both images."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.training.loftr.pairs import CELL_PX, PairBatch


def pair_tiles(batch: PairBatch) -> list[list[np.ndarray]]:
    """Return for each pair both images and, beside them, both with their true matches."""
    return [_tiles(batch, index) for index in range(len(batch.first))]


def _tiles(batch: PairBatch, index: int) -> list[np.ndarray]:
    places = batch.first_to_second[index]
    first, second = (_rgb(images[index]) for images in (batch.first, batch.second))
    marked = (first // 2, second // 2)
    rows, columns = np.nonzero(np.isfinite(places).all(axis=-1))
    for row, column in zip(rows, columns, strict=True):
        colour = _colour(row / places.shape[0], column / places.shape[1])
        _dot(marked[0], np.array((column * CELL_PX, row * CELL_PX)), colour)
        _dot(marked[1], places[row, column], colour)
    return [first, second, *marked]


def _rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


def _colour(down: float, across: float) -> tuple[int, int, int]:
    """Return a colour that encodes a point's place in the first image."""
    return int(255 * across), int(255 * down), int(255 * (1.0 - across))


def _dot(image: np.ndarray, place: np.ndarray, colour: tuple[int, int, int]) -> None:
    cv2.circle(image, (round(float(place[0])), round(float(place[1]))), 2, colour, cv2.FILLED)
