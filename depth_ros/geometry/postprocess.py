"""Postprocessing of maps of any model: consistency, filters and colours.

Maps are ``(H, W)`` float32 with NaN where unknown; every function gives a new array.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

STEPS_PER_PIXEL = 16
"""Resolution at which the speckle filter compares disparities."""

_NOWHERE = np.float32(1e6)
_UNKNOWN_STEP = -32768


def left_right_confidence(
    left_disparity: np.ndarray, right_disparity: np.ndarray, *, threshold_px: float = 1.0
) -> np.ndarray:
    """Score how well the two views agree: ``max(0, 1 - |d_l(x) - d_r(x - d_l(x))| / threshold)``.

    The left-right check of Fua (1993) with a linear score in place of a yes or no.

    Args:
        left_disparity: ``(H, W)`` float32, ``x_left - x_right`` on the left image's pixels.
        right_disparity: ``(H, W)`` float32, the same quantity on the right image's pixels.
        threshold_px: Difference at which confidence reaches 0, above zero.

    Returns:
        ``(H, W)`` float32 in 0..1: 1 where both agree; 0 where either is unknown, the match lies
        outside the right image, or the pixel is hidden from the right camera.
    """
    height, width = left_disparity.shape
    is_known = np.isfinite(left_disparity)
    left = np.where(is_known, left_disparity, _NOWHERE)
    right = np.where(np.isfinite(right_disparity), right_disparity, -_NOWHERE)
    columns = np.arange(width, dtype=np.float32) - left
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, np.newaxis], columns.shape)
    seen = cv2.remap(
        right.astype(np.float32, copy=False),
        columns,
        np.ascontiguousarray(rows),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float(-_NOWHERE),
    )
    confidence = np.abs(left - seen)
    confidence *= np.float32(-1.0 / threshold_px)
    confidence += np.float32(1.0)
    return np.maximum(confidence, np.float32(0.0), out=confidence)


def agreement_confidence(distance_px: np.ndarray, *, threshold_px: float) -> np.ndarray:
    """Score how well two independent results agree: ``max(0, 1 - distance / threshold)``.

    Args:
        distance_px: ``(H, W)`` float32, NaN where there is only one of them.
        threshold_px: Distance at which confidence reaches 0, above zero.

    Returns:
        ``(H, W)`` float32 in 0..1; 0 where there is only one.
    """
    score = np.float32(1.0) - distance_px / np.float32(threshold_px)
    return np.where(score > 0, score, np.float32(0.0))


def deviation_confidence(sigma_px: np.ndarray, *, threshold_px: float) -> np.ndarray:
    """Return the chance that a Laplacian error is below a threshold.

    ``1 - exp(-sqrt(2) threshold / sigma)``.

    Args:
        sigma_px: ``(H, W)`` float32 standard deviation of the error, above 0; NaN unknown.
        threshold_px: Error that still counts as right, above zero.

    Returns:
        ``(H, W)`` float32 in 0..1; 0 where sigma is unknown.
    """
    factor = np.float32(-math.sqrt(2.0) * threshold_px)
    chance = np.float32(1.0) - np.exp(factor / np.maximum(sigma_px, np.float32(1e-6)))
    return np.where(np.isfinite(chance), chance, np.float32(0.0))


def remove_speckles(
    disparity: np.ndarray, *, max_size_px: int, max_difference_px: float
) -> np.ndarray:
    """Make small islands unknown.

    Neighbours belong together if they differ by at most ``max_difference_px``; disparities are
    compared in sixteenths of a pixel and must lie within +-2047 px.

    Args:
        disparity: ``(H, W)`` float32 px, NaN unknown.
        max_size_px: Areas of at most this many pixels are removed; 0 removes none.
        max_difference_px: Step that separates two areas.
    """
    steps = np.multiply(disparity, np.float32(STEPS_PER_PIXEL))
    np.rint(steps, out=steps)
    np.copyto(steps, np.float32(_UNKNOWN_STEP), where=~np.isfinite(steps))
    marked = np.clip(steps, _UNKNOWN_STEP, 32767).astype(np.int16)
    max_difference = round(max_difference_px * STEPS_PER_PIXEL)
    cv2.filterSpeckles(marked, _UNKNOWN_STEP, max_size_px, max_difference)
    return np.where(marked == _UNKNOWN_STEP, np.float32(np.nan), disparity)


def fill_holes(disparity: np.ndarray) -> np.ndarray:
    """Fill each unknown run of a row from its farther end.

    What is hidden from the right camera belongs to the background beside it (as in the KITTI
    stereo benchmark's interpolation, Geiger et al. 2012): a run takes the smaller of the known
    disparities at its two ends, or the only one at the image's edge. Rows with nothing known
    stay NaN.
    """
    width = disparity.shape[1]
    is_known = np.isfinite(disparity)
    columns = np.arange(width, dtype=np.intp)
    before = np.maximum.accumulate(np.where(is_known, columns, 0), axis=1)
    after = np.where(is_known, columns, width - 1)[:, ::-1]
    after = np.minimum.accumulate(after, axis=1)[:, ::-1]
    at_left = np.take_along_axis(disparity, before, axis=1)
    at_right = np.take_along_axis(disparity, after, axis=1)
    return np.where(is_known, disparity, np.fmin(at_left, at_right))


def colorize_disparity(disparity: np.ndarray, *, min: float, max: float) -> np.ndarray:
    """Paint disparity with the Turbo colour map: far blue, near red, unknown black.

    Args:
        disparity: ``(H, W)`` float32 px, NaN unknown.
        min: Disparity of the first colour; what is below takes it too.
        max: Disparity of the last colour, above ``min``.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    return _painted(disparity, first=min, last=max)


def colorize_depth(depth: np.ndarray, *, min: float, max: float) -> np.ndarray:
    """Paint depth with the Turbo colour map: near red, far blue, unknown black.

    Args:
        depth: ``(H, W)`` float32 m; ``+Inf`` is painted as far, ``-Inf`` as near, NaN is unknown.
        min: Depth painted red; what is nearer takes it too.
        max: Depth painted blue, above ``min``.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    return _painted(depth, first=max, last=min)


def _painted(values: np.ndarray, *, first: float, last: float) -> np.ndarray:
    """Map ``first..last`` to entries 1..255 of the table, NaN to entry 0."""
    scale = 254.0 / (last - first)
    index = np.multiply(values, np.float32(scale), dtype=np.float32)
    index += np.float32(1.5 - first * scale)
    np.clip(index, 1.0, 255.0, out=index)
    np.copyto(index, np.float32(0.0), where=np.isnan(index))
    return np.asarray(cv2.applyColorMap(index.astype(np.uint8), _TURBO_RGB))


def _turbo_rgb() -> np.ndarray:
    """Return OpenCV's Turbo table (Mikhailov 2019) as RGB with black at entry 0 for unknown."""
    ramp = np.arange(256, dtype=np.uint8)[:, np.newaxis]
    table = cv2.applyColorMap(ramp, cv2.COLORMAP_TURBO)[:, :, ::-1].copy()
    table[0] = 0
    return np.asarray(table)


_TURBO_RGB = _turbo_rgb()
