"""Is a hint of this scene? Asked of the pair itself, before a network is told.

A hint that comes from outside may be of another moment, another place or another calibration.
Where it is right, both images look alike at its disparity, and less alike a few pixels off.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.frames import DisparityHint
from depth_ros.geometry.hints import nothing_known

WIDTH_PX = 320
"""Wider images are compared at this width."""
OFFSETS_PX = (-6.0, -3.0, -1.5, 1.5, 3.0, 6.0)
"""Other disparities that the hint's is compared with, at that width."""
BLOCK_PX, BRIGHTNESS_PX = 5, 15
"""Windows over which images are compared, and whose mean brightness is taken away before."""
TOLD_LEVELS = 3.0
"""Where another disparity usually looks no worse than so many grey levels, nothing can be told."""
USUAL = 0.75
"""A hint wins if the difference is below this share of what it usually is elsewhere, ..."""
LOSES = 0.8
"""... unless another disparity has a difference below this share of the hint's own."""
AREA_PX = 11
"""Window in which hints stand or fall together."""
LEAST_TOLD = 0.1
"""Share of a window in which something must be told for it to count."""
LEAST_LOCAL, LEAST_OVERALL = 0.5, 0.6
"""Share of what can be told that must speak for the hint: in a window, and of the whole."""


def confirmed(hint: DisparityHint, left: np.ndarray, right: np.ndarray) -> DisparityHint:
    """Return the hint without what the pair speaks against, nothing where that is most of it.

    What has no texture is told nothing about: there a hint stays if the rest is confirmed.

    Args:
        hint: Of the left image.
        left: ``(H, W, 3)`` uint8 RGB, rectified.
        right: The same size.
    """
    shape = left.shape[:2]
    scale = min(1.0, WIDTH_PX / shape[1])
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    disparity = cv2.resize(
        np.where(hint.trust > 0, hint.disparity, np.float32(np.nan)),
        size,
        interpolation=cv2.INTER_NEAREST_EXACT,
    ) * np.float32(size[0] / shape[1])
    known = np.isfinite(disparity)
    if not known.any():
        return nothing_known(shape)
    is_told, wins = _verdicts(_detail(left, size), _detail(right, size), disparity, known)
    if wins.sum() < LEAST_OVERALL * is_told.sum():
        return nothing_known(shape)
    told, won = (
        cv2.boxFilter(values.astype(np.float32), -1, (AREA_PX, AREA_PX))
        for values in (is_told, wins)
    )
    is_refuted = (told > LEAST_TOLD) & (won < LEAST_LOCAL * told)
    kept = cv2.resize(
        (~is_refuted).astype(np.uint8),
        (shape[1], shape[0]),
        interpolation=cv2.INTER_NEAREST_EXACT,
    ).astype(bool)
    return DisparityHint(
        disparity=np.where(kept, hint.disparity, np.float32(np.nan)),
        trust=np.where(kept, hint.trust, np.float32(0)),
    )


def _detail(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return grey without its local mean, ``(h, w)`` float32, at a size (width, height)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small - cv2.blur(small, (BRIGHTNESS_PX, BRIGHTNESS_PX)))


def _verdicts(
    left: np.ndarray, right: np.ndarray, disparity: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return where something can be told, and where it speaks for the disparity."""
    own, *others = (
        _difference(left, right, disparity + np.float32(offset)) for offset in (0.0, *OFFSETS_PX)
    )
    usual, least = np.mean(others, axis=0), np.minimum.reduce(others)
    is_told = known & (np.maximum(usual, own) > TOLD_LEVELS)
    return is_told, is_told & (own < USUAL * usual) & ~(least < LOSES * own)


def _difference(left: np.ndarray, right: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """Return how unlike both images are at a disparity, mean over a block, grey levels."""
    height, width = left.shape
    columns = np.arange(width, dtype=np.float32) - np.nan_to_num(disparity)
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, axis=1)
    seen = cv2.remap(right, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.blur(cv2.absdiff(left, seen), (BLOCK_PX, BLOCK_PX)))
