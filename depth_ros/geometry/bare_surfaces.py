"""Where a bare surface shows both cameras nothing but their own noise, no match can be believed.

On a white wall a matcher finds something everywhere: noise and compression always look alike
somewhere. At a true match faint texture correlates between both images; noise does not, however
faint both are. Textured places are left to the matcher: there a low correlation mostly means that
the other camera does not see them, or sees them at another angle.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

CELL_PX, WINDOW_CELLS = 2, 5
"""Images are compared in windows of so many cells, every cell; 10 px wide."""
BARE_LEVELS = 3.0
"""A window is bare where grey changes by less than this a column (root mean square)."""
NOISE, LIKENESS = 0.4, 0.7
"""Normalised correlations of a bare window at which nothing is believed, and all that is told."""
LARGEST_FACTOR = 100.0
LEAST_VARIANCE = 1e-3


def doubted_sigma(
    sigma_px: np.ndarray, disparity: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Return a told standard deviation, enlarged where a bare surface shows only noise.

    Args:
        sigma_px: ``(H, W)`` float32 standard deviation of the disparity's error, px.
        disparity: ``(H, W)`` float32 px of the left image, NaN unknown.
        left: ``(H, W, 3)`` uint8 RGB, rectified.
        right: The same size.

    Returns:
        ``(H, W)`` float32; up to ``LARGEST_FACTOR`` times as large in bare windows whose grey
        correlates by less than ``LIKENESS`` with that of the right image at the disparity.
    """
    grey, other = (
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (left, right)
    )
    share = (_correlation(grey, _moved(other, disparity)) - NOISE) / (LIKENESS - NOISE)
    share = np.clip(share, 1.0 / LARGEST_FACTOR, 1.0)
    factor = np.where(_changes(grey) < BARE_LEVELS, 1.0 / share, np.float32(1.0))
    size = (sigma_px.shape[1], sigma_px.shape[0])
    return sigma_px * cv2.resize(factor, size, interpolation=cv2.INTER_NEAREST)


def _moved(right: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """Sample the right image where the left one's pixels are matched; its border goes on."""
    columns, rows = _grid(*disparity.shape)
    matched = columns - np.nan_to_num(disparity)
    return np.asarray(
        cv2.remap(right, matched, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


@lru_cache(maxsize=2)
def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of all pixels, ``(H, W)`` float32 each; they are not written to."""
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    return columns, rows


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the normalised correlation of two grey images in windows, by cell, -1..1."""
    means = _mean(first), _mean(second)
    variances = [
        _mean(image * image) - mean * mean
        for image, mean in zip((first, second), means, strict=True)
    ]
    common = _mean(first * second) - means[0] * means[1]
    return np.asarray(common / np.sqrt(np.maximum(variances[0] * variances[1], LEAST_VARIANCE)))


def _changes(grey: np.ndarray) -> np.ndarray:
    """Return the root mean square of half the step from the column before to that after."""
    steps = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    return np.asarray(np.sqrt(_mean(steps * steps)))


def _mean(image: np.ndarray) -> np.ndarray:
    """Return the means of windows, one for each cell."""
    height, width = (max(1, round(side / CELL_PX)) for side in image.shape)
    cells = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(cells, (WINDOW_CELLS, WINDOW_CELLS)))
