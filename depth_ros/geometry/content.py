"""Where an image shows something: the black borders of rectified and letterboxed images do not."""

from __future__ import annotations

import cv2
import numpy as np

BLACK = 4
"""Grey level up to which a border is black; JPEG does not keep 0."""
MIN_SHARE = 0.005
"""Smaller dark areas along the edge are taken for content."""
LEAST_SIDE, LEAST_CORNERS = 0.6, 3
"""Share of a side, or number of corners, that a border takes."""
MARGIN_PX = 5
"""The edge of a border looks like a corner this far into the image."""


def content_mask(image: np.ndarray) -> np.ndarray | None:
    """Return where an image shows something; None where that is everywhere.

    Args:
        image: ``(H, W, 3)`` uint8.

    Returns:
        ``(H, W)`` bool, False in black areas that touch the edge, and close to them.
    """
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    if not (edge.max(axis=1) <= BLACK).any():
        return None
    black = (image.max(axis=2) <= BLACK).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(black)
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    least_px = MIN_SHARE * black.size
    areas = [at for at in touching if at and stats[at, cv2.CC_STAT_AREA] >= least_px]
    if not areas:
        return None
    border = np.isin(labels, areas).astype(np.uint8)
    size = 2 * MARGIN_PX + 1
    return np.asarray(cv2.dilate(border, np.ones((size, size), np.uint8)) == 0)


def border_mask(image: np.ndarray) -> np.ndarray | None:
    """Return where a rectified image shows something, ``(H, W)`` bool; None where that is all.

    Black things at the edge are no border: that runs along most of a side, or fills at least three
    of the corners, as what rectification leaves.

    Args:
        image: ``(H, W, 3)`` uint8.
    """
    if content_mask(image) is None:
        return None
    black = (image.max(axis=2) <= BLACK).astype(np.uint8)
    _, labels = cv2.connectedComponents(black)
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    along = {
        int(at)
        for side in sides
        for at, count in zip(*np.unique(side, return_counts=True), strict=True)
        if at and count >= LEAST_SIDE * len(side)
    }
    corners = [int(labels[row, column]) for row in (0, -1) for column in (0, -1)]
    if sum(at > 0 for at in corners) >= LEAST_CORNERS:
        along |= {at for at in corners if at}
    if not along:
        return None
    border = np.isin(labels, list(along)).astype(np.uint8)
    size = 2 * MARGIN_PX + 1
    return np.asarray(cv2.dilate(border, np.ones((size, size), np.uint8)) == 0)


def within_content(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray | None:
    """Return a mask of an image without its black borders; None where all is wanted.

    Args:
        image: ``(H, W, 3)`` uint8.
        mask: ``(H, W)`` bool, what is wanted of it; None for everything.
    """
    content = content_mask(image)
    if content is None or (mask is not None and mask.shape != content.shape):
        return mask  # a mask of another size is refused where it is used
    return content if mask is None else content & mask
