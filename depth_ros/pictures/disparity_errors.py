"""A picture of what a disparity map gets wrong: image, truth, estimate and errors beside it."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.geometry.postprocess import colorize_disparity

LARGEST_ERROR_PX = 4.0
"""Errors from here on are red; half of it is green, none is blue. Unknown is black."""
TILE_WIDTH = 480


def error_picture(left: np.ndarray, truth: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Draw left image, truth, estimate and errors in a row, ``(h, w, 3)`` uint8 RGB.

    Args:
        left: ``(H, W, 3)`` uint8 RGB.
        truth: ``(H, W)`` px, NaN unknown.
        estimate: The same.
    """
    finite = truth[np.isfinite(truth)]
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
    high = max(float(high), float(low) + 1.0)
    error = np.abs(estimate - truth).astype(np.float32)
    tiles = [
        left,
        colorize_disparity(truth.astype(np.float32), min=float(low), max=high),
        colorize_disparity(estimate, min=float(low), max=high),
        colorize_disparity(error, min=0.0, max=LARGEST_ERROR_PX),
    ]
    return np.hstack([_tile(tile) for tile in tiles])


def _tile(image: np.ndarray) -> np.ndarray:
    height = max(1, round(image.shape[0] * TILE_WIDTH / image.shape[1]))
    how = cv2.INTER_AREA if image.shape[1] > TILE_WIDTH else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, (TILE_WIDTH, height), interpolation=how))
