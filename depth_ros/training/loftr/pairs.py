"""A training pair: two grey images, where their cells lie in each other, and what is padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
