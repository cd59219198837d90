"""Where a network and its hint differ, the images are asked which of both is right.

A network that sees an image at a smaller size loses thin things that matching at full size has
found; matching errs beside edges and where texture repeats. Neither knows better everywhere, but
where they differ the one that is right mostly matches better by the census.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.frames import DisparityHint
from depth_ros.geometry.census import CensusPair
from depth_ros.geometry.hints import FINE, mostly_agrees

DIFFERS_PX = 1.0
"""Below this a hint and a network say the same."""
BETTER = 3.0
"""A hint is taken where the windows at it are so many times less unlike than at the network's."""
LEAST_UNLIKENESS = 0.02
"""Of windows as like as two cameras show one; it is added on both sides."""
DOUBT = 0.5
"""Least standard deviation of what was taken, in ways to what was left: on real and on drawn pairs
about three quarters of what is taken are right, and an error of one way in a quarter of the cases
has a standard deviation of half a way."""


def better_matched(
    disparity: np.ndarray, hint: DisparityHint, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Return where a hint should be taken, for it matches far better, ``(H, W)`` bool.

    Only measured hints, and points close by, count. Where most of the hint disagrees, it is of
    another scene or another moment, and nothing is taken.

    Args:
        disparity: ``(H, W)`` float32 px, what the network says; NaN unknown.
        hint: Of the same size.
        left: ``(H, W, 3)`` uint8 RGB, rectified.
        right: The same size.
    """
    taken = np.zeros(disparity.shape, bool)
    if not mostly_agrees(disparity, hint, tolerance_px=DIFFERS_PX):
        return taken
    with np.errstate(invalid='ignore'):
        is_other = np.abs(hint.disparity - disparity) > DIFFERS_PX
    rows, columns = np.nonzero((hint.trust >= FINE) & is_other)
    greys = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (left, right))
    pair = CensusPair(*(grey.astype(np.float32) for grey in greys))
    own, told = (
        pair.unlikeness(rows, columns, values[rows, columns]) + LEAST_UNLIKENESS
        for values in (disparity, hint.disparity)
    )
    taken[rows, columns] = own > BETTER * told
    return taken


def doubted_choice(
    sigma_px: np.ndarray, disparity: np.ndarray, hint: DisparityHint, taken: np.ndarray
) -> np.ndarray:
    """Return a told standard deviation that says of what was taken that it was in question.

    Args:
        sigma_px: ``(H, W)`` float32, of the network's disparity.
        disparity: ``(H, W)`` float32 px, what the network said.
        hint: Of the same size.
        taken: Where the hint replaced it.

    Returns:
        ``(H, W)`` float32.
    """
    doubt = DOUBT * np.abs(hint.disparity - disparity)
    return np.where(taken, np.maximum(sigma_px, doubt), sigma_px).astype(np.float32, copy=False)
