"""The least and the largest known value around each pixel of a map."""

from __future__ import annotations

import cv2
import numpy as np


def known_range(values: np.ndarray, side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest value in the square window around each pixel.

    Unknown pixels hide nothing that is known beside them.

    Args:
        values: ``(H, W)`` float32, NaN unknown.
        side_px: Side of the window, odd.

    Returns:
        Both ``(H, W)`` float32; +Inf and -Inf where nothing in the window is known.
    """
    window = np.ones((side_px, side_px), np.uint8)
    unknown = np.isnan(values)
    if not unknown.any():
        return cv2.erode(values, window), cv2.dilate(values, window)
    least = cv2.erode(np.where(unknown, np.float32(np.inf), values), window)
    largest = cv2.dilate(np.where(unknown, np.float32(-np.inf), values), window)
    return least, largest
