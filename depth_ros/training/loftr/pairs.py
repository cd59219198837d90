"""Training pairs: grey images, where their cells lie in each other, padding; as tensors, drawn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

CELL_PX = 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PairBatch:
    """Pairs stacked; a single pair has no batch axis.

    Attributes:
        first: (B, H, W) uint8 grey.
        second: The same.
        first_to_second: (B, H/8, W/8, 2) float32, where the point of each cell of the first image
            lies in the second: (x, y) px, NaN unknown, +Inf not visible there.
        second_to_first: The same, the other way.
        first_mask: (B, H/8, W/8) bool, False for padding.
        second_mask: The same.
    """

    first: np.ndarray
    second: np.ndarray
    first_to_second: np.ndarray
    second_to_first: np.ndarray
    first_mask: np.ndarray
    second_mask: np.ndarray


def padded_pair(
    images: tuple[np.ndarray, np.ndarray],
    places: tuple[np.ndarray, np.ndarray],
    *,
    valid: tuple[tuple[int, int], tuple[int, int]],
) -> PairBatch:
    """Make a pair of which only the top left of each image counts.

    Args:
        images: (H, W) uint8 grey; what is not valid is made black.
        places: Where the cells of the first lie in the second, and the other way.
        valid: Rows and columns of each that are image, multiples of 8; the rest is padding.
    """
    grey = [
        _cut(image, rows, columns) for image, (rows, columns) in zip(images, valid, strict=True)
    ]
    masks = [
        _mask(image.shape, rows, columns)
        for image, (rows, columns) in zip(images, valid, strict=True)
    ]
    return PairBatch(
        first=grey[0],
        second=grey[1],
        first_to_second=_onto(places[0], masks[0], valid[1]),
        second_to_first=_onto(places[1], masks[1], valid[0]),
        first_mask=masks[0],
        second_mask=masks[1],
    )


def _cut(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    cut = np.zeros_like(image)
    cut[:rows, :columns] = image[:rows, :columns]
    return cut


def _mask(shape: tuple[int, ...], rows: int, columns: int) -> np.ndarray:
    mask = np.zeros((shape[0] // CELL_PX, shape[1] // CELL_PX), bool)
    mask[: rows // CELL_PX, : columns // CELL_PX] = True
    return mask


def _onto(places: np.ndarray, mask: np.ndarray, valid: tuple[int, int]) -> np.ndarray:
    """Mark points that lie in the other's padding as not visible."""
    beyond = (places[..., 0] > valid[1] - 0.5) | (places[..., 1] > valid[0] - 0.5)
    places = np.where(beyond[..., None], np.inf, places)
    return np.where(mask[..., None], places, np.nan).astype(np.float32)


def pair_tiles(batch: PairBatch) -> list[list[np.ndarray]]:
    """Return for each pair both images, and both with true matches as dots of one colour."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorBatch:
    """A batch on a device.

    Attributes:
        images: Two of (B, 1, H, W) float32 grey, 0..1.
        places: (B, h, w, 2) of the first's cells in the second, and the other way.
        masks: Two of (B, h, w) float32, 0 for padding.
    """

    images: tuple[Tensor, Tensor]
    places: tuple[Tensor, Tensor]
    masks: tuple[Tensor, Tensor]


def to_tensors(batch: PairBatch, device: str) -> TensorBatch:
    """Put a batch on a device."""
    images = [
        torch.from_numpy(image).to(device).unsqueeze(1).float() / 255.0
        for image in (batch.first, batch.second)
    ]
    places = [
        torch.from_numpy(value).to(device)
        for value in (batch.first_to_second, batch.second_to_first)
    ]
    masks = [
        torch.from_numpy(mask).to(device).float() for mask in (batch.first_mask, batch.second_mask)
    ]
    return TensorBatch(
        images=(images[0], images[1]), places=(places[0], places[1]), masks=(masks[0], masks[1])
    )
