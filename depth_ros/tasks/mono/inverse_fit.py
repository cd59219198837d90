"""Scale and shift from relative depth to metres, in inverse depth, robust against outliers.

Networks that see one image give inverse depth up to a factor and, most of them, an offset (Ranftl
et al. 2020, "Towards robust monocular depth estimation"). Errors count relative to the depth:
``(scale * d + shift) * Z - 1`` with ``d`` the relative inverse depth and ``Z`` the metric depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.geometry.ground_plane import MAD_TO_SIGMA

MIN_POINTS = 12
"""Fewer points than this say nothing about a whole map."""
FLAT = 0.08
"""Robust relative spread of inverse depths below which points tell a scale but no shift."""
_NUM_GUESSES, _NUM_JUDGED, _NUM_ROUNDS = 64, 500, 5
_TUKEY = 4.685
"""Tuning constant of the biweight (Beaton and Tukey 1974): 95 % efficient for normal errors."""
_SMALLEST_SIGMA = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class InverseFit:
    """``1 / Z = scale * d + shift``.

    Attributes:
        scale: Above 0; 1/metres for each unit of relative inverse depth.
        shift: 1/metres.
        spread: Robust standard deviation of the relative errors of depth.
        num_points: Points that were fitted.
    """

    scale: float
    shift: float
    spread: float
    num_points: int

    def metres(self, relative: np.ndarray) -> np.ndarray:
        """Return metric depth, float32, NaN where relative depth is unknown or falls behind."""
        with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
            inverse = self.scale / relative.astype(np.float64) + self.shift
            is_depth = np.isfinite(relative) & (relative > 0) & (inverse > 0)
            return np.where(is_depth, 1.0 / inverse, np.nan).astype(np.float32)


def fit_inverse(relative: np.ndarray, metres: np.ndarray) -> InverseFit | None:
    """Fit scale and shift to pixels or points whose depth is known both ways.

    Candidates from pairs of points are judged by their median error (least median of squares,
    Rousseeuw 1984); the best one is refined by reweighted least squares. The draw is seeded, so
    equal points give equal fits.

    Args:
        relative: ``(N,)`` relative depth, above 0.
        metres: ``(N,)`` metric depth of the same, above 0.

    Returns:
        None where there are too few points, or no positive scale fits.
    """
    if len(relative) < MIN_POINTS:
        return None
    d = 1.0 / np.asarray(relative, np.float64)
    z = np.asarray(metres, np.float64)
    has_shift = _relative_spread(d) > FLAT
    best = _best_guess(d, z, has_shift=has_shift)
    for _ in range(_NUM_ROUNDS):
        best = _reweighted(d, z, best, has_shift=has_shift)
    scale, shift = best
    if not (np.isfinite(best).all() and scale > 0.0):
        return None
    spread = _sigma((scale * d + shift) * z - 1.0)
    return InverseFit(
        scale=float(scale), shift=float(shift), spread=float(spread), num_points=len(d)
    )


def _relative_spread(values: np.ndarray) -> float:
    return _sigma(values / np.median(values) - 1.0)


def _sigma(errors: np.ndarray) -> float:
    return max(_SMALLEST_SIGMA, MAD_TO_SIGMA * float(np.median(np.abs(errors))))


def _best_guess(d: np.ndarray, z: np.ndarray, *, has_shift: bool) -> np.ndarray:
    """Return scale and shift of the candidate with the least median error."""
    guesses = [np.array([1.0 / np.median(d * z), 0.0])]
    random = np.random.default_rng(0)
    if has_shift:
        pairs = random.integers(0, len(d), (_NUM_GUESSES, 2))
        d0, d1 = d[pairs].T
        q0, q1 = 1.0 / z[pairs].T
        with np.errstate(divide='ignore', invalid='ignore'):
            scale = (q1 - q0) / (d1 - d0)
        shift = q0 - scale * d0
        is_good = np.isfinite(scale) & (scale > 0.0)
        guesses += list(np.stack([scale, shift], axis=1)[is_good])
    judged = random.permutation(len(d))[:_NUM_JUDGED]
    d, z = d[judged], z[judged]
    errors = [np.median(np.abs((scale * d + shift) * z - 1.0)) for scale, shift in guesses]
    return guesses[int(np.argmin(errors))]


def _reweighted(d: np.ndarray, z: np.ndarray, best: np.ndarray, *, has_shift: bool) -> np.ndarray:
    """Return the weighted least-squares fit around a candidate (Tukey's biweight)."""
    errors = (best[0] * d + best[1]) * z - 1.0
    limit = _TUKEY * _sigma(errors)
    weight = np.clip(1.0 - (errors / limit) ** 2, 0.0, None) ** 2
    x, y = d * z, z
    xx, xy, yy = (weight * x * x).sum(), (weight * x * y).sum(), (weight * y * y).sum()
    x1, y1 = (weight * x).sum(), (weight * y).sum()
    determinant = xx * yy - xy * xy
    if not has_shift or determinant <= 1e-9 * xx * yy:
        return np.array([x1 / xx if xx > 0.0 else np.nan, 0.0])
    return np.array([yy * x1 - xy * y1, xx * y1 - xy * x1]) / determinant
