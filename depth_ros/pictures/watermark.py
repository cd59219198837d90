"""A watermark across a picture, e.g. that its weights are untrained."""

from __future__ import annotations

import cv2
import numpy as np

UNTRAINED = 'untrained'
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_RED, _WHITE = (210, 30, 30), (255, 255, 255)
_OPACITY = 0.7


def watermarked(rgb: np.ndarray) -> np.ndarray:
    """Write the word in rows all over a copy of a picture, which shines through.

    Args:
        rgb: ``(H, W, 3)`` uint8.

    Returns:
        ``(H, W, 3)`` uint8, contiguous.
    """
    marked = np.ascontiguousarray(rgb).copy()
    height, width = marked.shape[:2]
    size = max(0.4, min(height, width) / 260.0)
    thickness = max(1, round(2 * size))
    text_width, text_height = cv2.getTextSize(UNTRAINED, _FONT, size, thickness)[0]
    step_x, step_y = 2 * text_width, 4 * text_height
    for row, y in enumerate(range(step_y // 2, height + step_y, step_y)):
        for x in range(-(row % 2) * text_width, width, step_x):
            # OpenCV 5 draws thicker letters wider, so the rim is the same letters moved.
            for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                place = (x + dx * thickness, y + dy * thickness)
                cv2.putText(marked, UNTRAINED, place, _FONT, size, _WHITE, thickness, cv2.LINE_AA)
            cv2.putText(marked, UNTRAINED, (x, y), _FONT, size, _RED, thickness, cv2.LINE_AA)
    return np.asarray(cv2.addWeighted(marked, _OPACITY, rgb, 1.0 - _OPACITY, 0.0))
