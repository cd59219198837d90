"""How unlike both images of a pair are at a disparity, in small windows: a soft census.

The census transform (Zabih and Woodfill 1994, ECCV, section 3) says of each neighbour whether it
is brighter than the middle. Its soft form here tells by how much as well, up to a limit, so that
noise on flat ground flips nothing. Gain and offset of a camera do not matter much, and no single
pixel counts for much.
"""

from __future__ import annotations

import numpy as np

RADIUS_PX = 2
"""Windows are 5x5."""
SOFTNESS_LEVELS = 4.0
"""Difference of grey that counts half of the largest."""
SIDE_PX = 2 * RADIUS_PX + 1
NUM_NEIGHBOURS = SIDE_PX * SIDE_PX - 1


class CensusPair:
    """Both grey images of a rectified pair, made ready to be compared at single pixels.

    Args:
        left: ``(H, W)`` float32 grey, 0..255.
        right: The same.
    """

    def __init__(self, left: np.ndarray, right: np.ndarray) -> None:
        self.width = left.shape[1]
        # A column more than the window on each side, for matches beyond the border.
        self._stride = self.width + 2 * (RADIUS_PX + 1)
        self._left, self._right = (
            np.pad(image, RADIUS_PX + 1, mode='edge').ravel() for image in (left, right)
        )

    def unlikeness(
        self, rows: np.ndarray, columns: np.ndarray, disparity: np.ndarray
    ) -> np.ndarray:
        """Return how unlike the windows are, ``(N,)`` float32: 0 is alike, 2 the most there is.

        Args:
            rows: ``(N,)`` int, of pixels of the left image.
            columns: ``(N,)`` int.
            disparity: ``(N,)`` px; the match is sampled linearly, beyond the border the last
                column goes on.
        """
        middle = (rows + RADIUS_PX + 1) * self._stride + RADIUS_PX + 1
        matched = np.clip(columns - disparity, 0.0, self.width - 1.0)
        base = np.floor(matched).astype(np.intp)
        share = (matched - base).astype(np.float32)[:, None, None]
        own = self._windows(self._left, middle + columns, SIDE_PX)
        other = self._windows(self._right, middle + base, SIDE_PX + 1)
        other = other[..., :-1] + share * (other[..., 1:] - other[..., :-1])
        return np.asarray(np.abs(_census(own) - _census(other)).sum((1, 2)) / NUM_NEIGHBOURS)

    def _windows(self, flat: np.ndarray, middle: np.ndarray, width: int) -> np.ndarray:
        """Return the pixels around each place, ``(N, 5, width)`` float32."""
        rows = np.arange(-RADIUS_PX, RADIUS_PX + 1) * self._stride
        offsets = rows[:, None] + np.arange(-RADIUS_PX, width - RADIUS_PX)
        return flat[middle[:, None, None] + offsets]


def _census(windows: np.ndarray) -> np.ndarray:
    """Compare every pixel with the one in the middle, -1..1."""
    difference = windows - windows[:, RADIUS_PX, RADIUS_PX][:, None, None]
    return np.asarray(difference / (SOFTNESS_LEVELS + np.abs(difference)))
