"""Accuracy: the numbers stereo benchmarks give (Scharstein and Szeliski 2002, section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoErrors:
    """Errors of one disparity map against truth.

    Attributes:
        epe_px: Mean absolute difference over pixels known to both, NaN if there are none.
        bad1: Share of those pixels that are wrong by more than 1 px, 0..1.
        bad2: The same for 2 px.
        bad3: The same for 3 px.
        density: Share of the pixels with truth for which the estimate is known, 0..1.
        num_pixels: Pixels with truth (and inside the mask).
    """

    epe_px: float
    bad1: float
    bad2: float
    bad3: float
    density: float
    num_pixels: int


def disparity_errors(
    estimate: np.ndarray, truth: np.ndarray, *, mask: np.ndarray | None = None
) -> StereoErrors:
    """Compare a disparity map with another one.

    Args:
        estimate: ``(H, W)`` pixels; not finite where unknown.
        truth: ``(H, W)`` pixels; not finite where unknown.
        mask: ``(H, W)`` bool, where to look; None for everywhere.

    Raises:
        InputError: If the sizes differ, reason ``'size_mismatch'``.
    """
    shapes = {estimate.shape, truth.shape} | ({mask.shape} if mask is not None else set())
    if len(shapes) != 1 or estimate.ndim != 2:
        raise InputError(
            'size_mismatch',
            f'estimate, truth and mask must be maps of one size, got {sorted(shapes)}; '
            'compare maps of the same image',
        )
    has_truth = np.isfinite(truth) if mask is None else np.isfinite(truth) & mask.astype(bool)
    compared = has_truth & np.isfinite(estimate)
    error = np.abs(estimate[compared].astype(np.float64) - truth[compared])
    num_pixels = int(has_truth.sum())
    return StereoErrors(
        epe_px=_mean(error),
        bad1=_mean(error > 1.0),
        bad2=_mean(error > 2.0),
        bad3=_mean(error > 3.0),
        density=error.size / num_pixels if num_pixels else float('nan'),
        num_pixels=num_pixels,
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float('nan')
