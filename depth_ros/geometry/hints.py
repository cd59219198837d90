"""Disparity that somebody already has, made ready for a network that takes a hint.

A hint says at each pixel of the left image what the disparity may be and how far to trust it.
Trust is 1 where it was measured, less where it was carried over from somewhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from depth_ros.camera import StereoCamera
from depth_ros.frames import DisparityHint
from depth_ros.geometry.known_range import known_range
from depth_ros.geometry.postprocess import fill_holes
from depth_ros.geometry.preprocess import Placement

MEASURED = np.float32(1.0)
FILLED = np.float32(0.2)
"""Trust in what was filled from the background of its row."""
LONGEST_FILL = 0.25
"""Unknown runs of a row longer than this share of the width are not filled."""
SPREAD_TRUST = 0.9
"""Trust in a sparse point at its own pixel; falls to 0 at the reach."""
NEAR_PX = 5
"""Side of the window in which a map must hold a hint for it to be taken over, and in which the
hint must be smooth."""
FINE = 0.8
"""Trust from which on a hint is finer than an enlarged map: matched, or close to a point."""
MOST = 0.5
"""Share of the fine hints that must agree with a map before any is taken over."""
FIRM = 0.5
"""A source of hints that is trusted so far is not asked twice: those after it do not count."""
CONFIRMS_PX = 1.0
"""How near a measured hint must be to others to confirm them, or to be confirmed by them."""
UNKNOWN_PX = np.float32(-1.0)
"""Disparity in an engine's plane where nobody knows."""


def dense_hint(disparity: np.ndarray) -> DisparityHint:
    """Return the hint that a matcher's map gives; short holes are filled from the background.

    Args:
        disparity: (H, W) float32 px, NaN where the matcher does not know.
    """
    is_measured = np.isfinite(disparity)
    filled = fill_holes(disparity)
    filled[_in_long_runs(~is_measured)] = np.nan
    trust = np.where(is_measured, MEASURED, np.where(np.isfinite(filled), FILLED, np.float32(0)))
    return DisparityHint(disparity=filled, trust=trust)


def _in_long_runs(unknown: np.ndarray) -> np.ndarray:
    """Return the pixels of unknown runs too long to be filled, (H, W) bool."""
    width = unknown.shape[1]
    columns = np.arange(width)
    before = np.maximum.accumulate(np.where(unknown, -1, columns), axis=1)
    after = np.minimum.accumulate(np.where(unknown, width, columns)[:, ::-1], axis=1)[:, ::-1]
    return unknown & (after - before - 1 > LONGEST_FILL * width)


def sparse_hint(disparity: np.ndarray, *, reach_px: float) -> DisparityHint:
    """Return the hint of a few points: each pixel takes the nearest one, with falling trust.

    Args:
        disparity: (H, W) float32 px, NaN except at the points.
        reach_px: Distance from a point at which trust in it has fallen to 0.
    """
    is_point = np.isfinite(disparity)
    if not is_point.any():
        return nothing_known(disparity.shape)
    distance, labels = cv2.distanceTransformWithLabels(
        (~is_point).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.empty(int(labels.max()) + 1, np.float32)
    values[labels[is_point]] = disparity[is_point]
    trust = np.maximum(np.float32(SPREAD_TRUST) * (1 - distance / np.float32(reach_px)), 0)
    spread = np.where(trust > 0, values[labels], np.float32(np.nan))
    return DisparityHint(disparity=spread, trust=trust.astype(np.float32))


def depth_hint(depth_m: np.ndarray, camera: StereoCamera, *, reach_px: float) -> DisparityHint:
    """Return the hint that measured depth gives, e.g. of a laser scanner or a depth camera.

    Args:
        depth_m: (H, W) float32, Z in the optical frame of the rectified left camera; NaN, 0 or
            infinite where nothing was measured.
        camera: The rectified rig.
        reach_px: Distance from a measured pixel at which trust in it has fallen to 0.
    """
    is_measured = np.isfinite(depth_m) & (depth_m > 0)
    factor = camera.left.fx * camera.baseline_m
    disparity = np.full(depth_m.shape, np.nan, np.float32)
    disparity[is_measured] = factor / depth_m[is_measured] + camera.cx_offset_px
    return sparse_hint(disparity, reach_px=reach_px)


def combined(hints: Sequence[DisparityHint]) -> DisparityHint:
    """Return one hint of several, in the order of their precedence.

    A pixel takes the first that is trusted by ``FIRM``, else the one that is trusted most. Where
    one that was measured agrees with what was taken, that counts as measured.

    Args:
        hints: At least one, all of one size.
    """
    taken, trust = hints[0].disparity, hints[0].trust
    for hint in hints[1:]:
        is_better = (trust < FIRM) & (hint.trust > trust)
        taken = np.where(is_better, hint.disparity, taken)
        trust = np.where(is_better, hint.trust, trust)
    for hint in hints[1:]:
        agrees = (hint.trust >= MEASURED) & (np.abs(hint.disparity - taken) < CONFIRMS_PX)
        trust = np.where(agrees, MEASURED, trust)
    return DisparityHint(disparity=taken, trust=trust)


def nothing_known(shape: tuple[int, ...]) -> DisparityHint:
    """Return a hint of shape (H, W) that knows nothing."""
    return DisparityHint(
        disparity=np.full(shape, np.nan, np.float32), trust=np.zeros(shape, np.float32)
    )


def engine_hint(hint: DisparityHint | None, placement: Placement) -> np.ndarray:
    """Return the planes (2, height, width) float32 that an engine takes: disparity and trust.

    Every pixel takes the nearest one of the hint, because a mean of foreground and background is
    neither. Disparity is in the engine's pixels and ``UNKNOWN_PX`` where nobody knows.

    Args:
        hint: For the frame; None gives planes that know nothing.
        placement: Where the frame lies in the engine's image; padding is unknown.
    """
    planes = np.zeros((2, placement.engine_height, placement.engine_width), np.float32)
    planes[0] = UNKNOWN_PX
    if hint is None:
        return planes
    size = (placement.placed_width, placement.placed_height)
    disparity, trust = (
        cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST_EXACT)
        for plane in (hint.disparity, hint.trust)
    )
    known = np.isfinite(disparity) & (disparity >= 0)
    scaled = disparity / np.float32(placement.disparity_scale)
    inside = planes[:, : placement.placed_height, : placement.placed_width]
    inside[0] = np.where(known, scaled, UNKNOWN_PX)
    inside[1] = np.where(known, trust, np.float32(0))
    return planes


def distance_from(hint: DisparityHint, disparity: np.ndarray) -> np.ndarray:
    """Return how far a map is from what was measured, (H, W) float32 px; NaN where nothing was.

    Args:
        hint: What was carried over from elsewhere does not count as measured.
        disparity: (H, W) float32 px, NaN unknown.
    """
    distance = np.abs(disparity - hint.disparity)
    return np.where(hint.trust >= MEASURED, distance, np.float32(np.nan)).astype(np.float32)


def mostly_agrees(disparity: np.ndarray, hint: DisparityHint, *, tolerance_px: float) -> bool:
    """Return whether most fine hints are as near to a map as that; False for none."""
    is_fine = hint.trust >= FINE
    is_near = is_fine & (np.abs(hint.disparity - disparity) < tolerance_px)
    num_compared = np.count_nonzero(is_fine & np.isfinite(disparity))
    return bool(num_compared and np.count_nonzero(is_near) >= MOST * num_compared)


def refined(disparity: np.ndarray, hint: DisparityHint, *, tolerance_px: float) -> np.ndarray:
    """Return a map that takes the hint's value where the map agrees and the hint knows better.

    A map that was made at a smaller size and enlarged is soft at edges, and the hint is not.
    A hint agrees where it lies, give or take the tolerance, between the least and the largest
    value of the map close by. It knows better at the map's edges, and where it is fine and
    smooth; elsewhere it is noise, as the streaks that matching leaves where texture is weak.
    Where most of the hint disagrees, it is of another scene or another moment, and the map stays
    as it is.

    Args:
        disparity: (H, W) float32 px, NaN unknown.
        hint: Of the same size.
        tolerance_px: Of the frame. An edge is where the map changes by more within so many pixels.
    """
    if not mostly_agrees(disparity, hint, tolerance_px=tolerance_px):
        return disparity
    is_fine = hint.trust >= FINE
    least, largest = known_range(disparity, NEAR_PX)
    agrees = (hint.disparity >= least - tolerance_px) & (hint.disparity <= largest + tolerance_px)
    is_edge = _span(disparity, 2 * round(tolerance_px) + 1) > tolerance_px
    # What is unknown beside it counts against a hint: streaks lie between unknown rows.
    whole = np.where(np.isnan(hint.disparity), np.float32(np.inf), hint.disparity)
    is_smooth = is_fine & (_span(whole, NEAR_PX) <= CONFIRMS_PX)
    taken = agrees & (hint.trust > 0) & (is_edge | is_smooth)
    return np.where(taken, hint.disparity, disparity).astype(np.float32, copy=False)


def _span(disparity: np.ndarray, side_px: int) -> np.ndarray:
    """Return by how much known values around each pixel differ; below 0 where there are none."""
    least, largest = known_range(disparity, side_px)
    with np.errstate(invalid='ignore'):
        return np.subtract(largest, least, out=largest)
