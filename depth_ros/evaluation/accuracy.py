"""Accuracy measures, as benchmarks use them.

Of disparity those of Scharstein and Szeliski 2002, section 5.1; of depth those of Eigen, Puhrsch
and Fergus 2014 ("Depth map prediction from a single image using a multi-scale deep network").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depth_ros.errors import InputError

WITHIN = 1.25
"""Factor by which depth may be wrong to count as within (Eigen et al. 2014)."""


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
    _check_sizes(estimate, truth, mask)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthErrors:
    """Errors of one depth map against truth, over pixels known to both; NaN if there are none.

    Attributes:
        abs_rel: Mean of |depth - truth| / truth.
        rmse: Root of the mean squared difference, in the unit of the truth.
        within_125: Share of those pixels where the larger of both is less than 1.25 times the
            smaller, 0..1.
        density: Share of the pixels with truth for which the estimate is known, 0..1.
        num_pixels: Pixels with truth (and inside the mask).
    """

    abs_rel: float
    rmse: float
    within_125: float
    density: float
    num_pixels: int

    @property
    def num_compared(self) -> int:
        """Pixels known to both."""
        return round(self.density * self.num_pixels) if self.num_pixels else 0


def depth_errors(
    estimate: np.ndarray, truth: np.ndarray, *, mask: np.ndarray | None = None
) -> DepthErrors:
    """Compare a depth map with another one of the same scale (Eigen et al. 2014).

    Args:
        estimate: ``(H, W)``; not finite or not positive where unknown.
        truth: ``(H, W)`` in the same unit; not finite or not positive where unknown.
        mask: ``(H, W)`` bool, where to look; None for everywhere.

    Raises:
        InputError: If the sizes differ, reason ``'size_mismatch'``.
    """
    _check_sizes(estimate, truth, mask)
    has_truth = _is_depth(truth) if mask is None else _is_depth(truth) & mask.astype(bool)
    compared = has_truth & _is_depth(estimate)
    found, real = (values[compared].astype(np.float64) for values in (estimate, truth))
    num_pixels = int(has_truth.sum())
    return DepthErrors(
        abs_rel=_mean(np.abs(found - real) / real),
        rmse=math.sqrt(_mean((found - real) ** 2)),
        within_125=_mean(np.maximum(found / real, real / found) < WITHIN),
        density=found.size / num_pixels if num_pixels else float('nan'),
        num_pixels=num_pixels,
    )


def median_scale(relative: np.ndarray, truth: np.ndarray) -> float:
    """Return the factor that takes relative depth to the truth: the ratio of their medians.

    As Zhou et al. 2017 and Godard et al. 2019 scale every image before they judge it. Both
    medians are over the pixels that both know.

    Args:
        relative: ``(H, W)``, any unit; not finite or not positive where unknown.
        truth: ``(H, W)``; likewise.

    Returns:
        The factor; NaN where no pixel is known to both.

    Raises:
        InputError: If the sizes differ, reason ``'size_mismatch'``.
    """
    _check_sizes(relative, truth, None)
    common = _is_depth(relative) & _is_depth(truth)
    if not common.any():
        return float('nan')
    return float(np.median(truth[common])) / float(np.median(relative[common]))


def _is_depth(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid='ignore'):
        return np.isfinite(values) & (values > 0.0)


def _check_sizes(estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray | None) -> None:
    shapes = {estimate.shape, truth.shape} | ({mask.shape} if mask is not None else set())
    if len(shapes) != 1 or estimate.ndim != 2:
        raise InputError(
            'size_mismatch',
            f'estimate, truth and mask must be maps of one size, got {sorted(shapes)}; '
            'compare maps of the same image',
        )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float('nan')
