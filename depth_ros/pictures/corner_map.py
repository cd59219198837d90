"""Where in the image a board's corners were: what was never covered is extrapolated."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

PAPER, FRAME = (250, 250, 250), (140, 140, 140)
WIDTH_PX = 640


def corner_map(sides: Sequence[Sequence[np.ndarray]], size: tuple[int, int]) -> np.ndarray:
    """Draw the corners of every view, one colour a view, the cameras side by side.

    Args:
        sides: For each camera the ``(N, 2)`` pixels of each view.
        size: ``(height, width)`` of the images.

    Returns:
        ``(h, w, 3)`` uint8 RGB.
    """
    return np.hstack([_side(views, size) for views in sides])


def _side(views: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    scale = WIDTH_PX / size[1]
    canvas = np.full((round(size[0] * scale), WIDTH_PX, 3), PAPER, np.uint8)
    for number, pixels in enumerate(views):
        hue = np.array([[[180 * number // max(1, len(views)), 200, 200]]], np.uint8)
        color = tuple(int(part) for part in cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0])
        for x, y in pixels * scale:
            cv2.circle(canvas, (round(float(x)), round(float(y))), 3, color, -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (0, 0), (WIDTH_PX - 1, canvas.shape[0] - 1), FRAME, 1)
    return canvas
