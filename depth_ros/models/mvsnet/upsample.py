"""From MVSNet's quarter-size depth to the frame's own pixels.

Feature pixel (x, y) lies at engine pixel (4x, 4y), so engine pixel (x, y) is looked up at
(x/4, y/4), without the half-pixel shift that an ordinary resize has. Frame and engine are related
by the placement, whose resize does have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from depth_ros.geometry.preprocess import Placement
from depth_ros.models.mvsnet.projection import STRIDE

MAX_RELATIVE_STEP = 0.05
"""Neighbours at 1/4 that differ by more than this, relatively, are taken for two surfaces."""


class Upsampling(Enum):
    """How depths between the pixels of the quarter-size map are made."""

    GUARDED = 'guarded'
    """Bilinear in inverse depth, which is exact on planes; where the four neighbours lie on two
    surfaces, the nearest one, so that nothing is put into the empty space between them."""

    BILINEAR = 'bilinear'
    """Bilinear in inverse depth everywhere: smooth, with points between surfaces."""

    NEAREST = 'nearest'
    """Nearest neighbour: only values that the network computed."""


class Upsampler:
    """Brings quarter-size maps to the size of the frames of one placement."""

    def __init__(self, placement: Placement, upsampling: Upsampling) -> None:
        """Compute where every frame pixel lies in the quarter-size map."""
        self._upsampling = upsampling
        self._rows = _Axis.of(
            placement.frame_height, placement.placed_height, placement.engine_height
        )
        self._columns = _Axis.of(
            placement.frame_width, placement.placed_width, placement.engine_width
        )

    def depth(self, depth: np.ndarray) -> np.ndarray:
        """Return (H, W) float32 depth from a positive (h, w) one.

        A pixel with an unknown neighbour gets the nearest one's depth, NaN if that is unknown.
        """
        nearest = self._nearest(depth)
        if self._upsampling is Upsampling.NEAREST:
            return nearest
        between = np.float32(1.0) / self._between(np.float32(1.0) / depth)
        return np.where(self._is_one_surface(depth), between, nearest)

    def confidence(self, confidence: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Return (H, W) float32 confidence, made the way the depth (h, w) beside it is."""
        nearest = self._nearest(confidence)
        if self._upsampling is Upsampling.NEAREST:
            return nearest
        return np.where(self._is_one_surface(depth), self._between(confidence), nearest)

    def _nearest(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values[self._rows.nearest[:, None], self._columns.nearest])

    def _between(self, values: np.ndarray) -> np.ndarray:
        """Interpolate, rows first."""
        rows, columns = self._rows, self._columns
        fraction = rows.fraction[:, None]
        values = values[rows.first] * (1 - fraction) + values[rows.first + 1] * fraction
        first, second = values[:, columns.first], values[:, columns.first + 1]
        return np.asarray(first * (1 - columns.fraction) + second * columns.fraction)

    def _is_one_surface(self, depth: np.ndarray) -> np.ndarray:
        """Return for every frame pixel whether its four neighbours may be interpolated."""
        corners = [depth[:-1, :-1], depth[:-1, 1:], depth[1:, :-1], depth[1:, 1:]]
        low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
        is_one = np.isfinite(low) & np.isfinite(high)
        if self._upsampling is Upsampling.GUARDED:
            with np.errstate(invalid='ignore'):
                is_one &= high <= low * np.float32(1.0 + MAX_RELATIVE_STEP)
        return np.asarray(is_one[self._rows.first[:, None], self._columns.first])


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """Where the pixels of a frame's rows or columns lie at 1/4, each ``(n,)``.

    Attributes:
        first: Index of the neighbour before; the one after is the next.
        fraction: float32, 0..1 from the first to the second.
        nearest: Index of the nearest.
    """

    first: np.ndarray
    fraction: np.ndarray
    nearest: np.ndarray

    @classmethod
    def of(cls, frame: int, placed: int, engine: int) -> _Axis:
        """Cut at the last feature pixel: up to three engine pixels lie beyond it."""
        last = engine // STRIDE - 1
        position = ((np.arange(frame) + 0.5) * (placed / frame) - 0.5) / STRIDE
        position = position.clip(0, last)
        first = np.minimum(position.astype(np.intp), last - 1)
        return cls(
            first=first,
            fraction=(position - first).astype(np.float32),
            nearest=np.rint(position).astype(np.intp),
        )
