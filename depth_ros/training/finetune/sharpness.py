"""Sharpness of the edges of a disparity map, measured from the map alone."""

from __future__ import annotations

import cv2
import numpy as np

REACH = 3
"""Columns to either side that one edge may take."""
LEAST_STEP = 0.03
"""Share of the map's spread that makes an edge."""


def sharpness(disparity: np.ndarray) -> float:
    """Return the share of a step that happens from one pixel to the next, mean over all edges.

    Around every pixel, the largest difference of horizontal neighbours within ``REACH`` columns
    is divided by the range of values there; windows of a small range are no edges.

    Args:
        disparity: (H, W), known everywhere; any unit, since only ratios matter.

    Returns:
        1 where every edge is one step, about 1 / 6 where all are ramps; NaN without edges.
    """
    values = disparity.astype(np.float32)
    step = np.zeros_like(values)
    step[:, 1:] = np.abs(np.diff(values, axis=1))
    across = np.ones((1, 2 * REACH + 1), np.uint8)
    most, least = cv2.dilate(values, across), cv2.erode(values, across)
    reach = most - least
    # A step belongs to the pixel on its right, so that a window holds one less.
    inside = np.ones((1, 2 * REACH), np.uint8)
    largest = cv2.dilate(step, inside, anchor=(REACH - 1, 0))
    spread = float(np.percentile(values, 95.0) - np.percentile(values, 5.0))
    is_edge = reach > max(LEAST_STEP * spread, 1e-6)
    if not is_edge.any():
        return float('nan')
    return float((largest[is_edge] / reach[is_edge]).mean())
