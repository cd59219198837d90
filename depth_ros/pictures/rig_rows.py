"""A rectified pair side by side with lines along rows: what is on a line left is on it right."""

from __future__ import annotations

import cv2
import numpy as np

NUM_LINES = 16
LARGEST_WIDTH_PX = 1600
LINE, UNKNOWN = (60, 200, 60), (110, 110, 110)


def rows_picture(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Draw a pair with lines.

    Args:
        left: ``(H, W, 3)`` uint8 RGB, rectified.
        right: As ``left``.

    Returns:
        ``(h, w, 3)`` uint8 RGB, at most ``LARGEST_WIDTH_PX`` wide.
    """
    both = np.ascontiguousarray(np.hstack([left, right]))
    scale = min(1.0, LARGEST_WIDTH_PX / both.shape[1])
    if scale < 1.0:
        both = cv2.resize(both, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = both.shape[:2]
    for row in np.linspace(0, height - 1, NUM_LINES + 2)[1:-1]:
        cv2.line(both, (0, round(row)), (width - 1, round(row)), LINE, 1)
    cv2.line(both, (width // 2, 0), (width // 2, height - 1), UNKNOWN, 2)
    return np.asarray(both)


def grid_image(height: int, width: int) -> np.ndarray:
    """Return a raw image of squares, ``(height, width, 3)`` uint8: shows what rectifying does."""
    side = max(8, min(height, width) // 12)
    rows, columns = np.mgrid[:height, :width] // side
    grey = np.where((rows + columns) % 2, 210, 90).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=2)
