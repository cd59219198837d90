"""Scale and shift from relative depth to metres, in inverse depth, robust against outliers.

Networks that see one image give inverse depth up to a factor and, most of them, an offset (Ranftl
et al. 2020, "Towards robust monocular depth estimation"): ``1 / Z = scale * d + shift`` with ``d``
the relative inverse depth and ``Z`` the metric depth. What errs is fitted to what errs less, by
relative errors. The other way round errors would be taken for differences of depth: the slope is
then too small (regression dilution; Fuller 1987, "Measurement Error Models", section 1.1), and
what is nearer than most comes out a fifth too far.
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
        has_shift: Whether they told a shift: not where all are about equally far.
    """

    scale: float
    shift: float
    spread: float
    num_points: int
    has_shift: bool = True

    def metres(self, relative: np.ndarray) -> np.ndarray:
        """Return metric depth, float32, NaN where relative depth is unknown or falls behind."""
        with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
            inverse = self.scale / relative.astype(np.float64) + self.shift
            is_depth = np.isfinite(relative) & (relative > 0) & (inverse > 0)
            return np.where(is_depth, 1.0 / inverse, np.nan).astype(np.float32)


def fit_inverse(
    relative: np.ndarray, metres: np.ndarray, *, is_map_worse: bool = False
) -> InverseFit | None:
    """Fit scale and shift to pixels or points whose depth is known both ways.

    Candidates from pairs of points are judged by their median error (least median of squares,
    Rousseeuw 1984); the best one is refined by reweighted least squares. The draw is seeded, so
    equal points give equal fits.

    Args:
        relative: ``(N,)`` relative depth, above 0.
        metres: ``(N,)`` metric depth of the same, above 0.
        is_map_worse: Whether the relative depth errs more than the metres, as it does beside
            keyframes. Followed points are too few and too rough for that.

    Returns:
        None where there are too few points, or no positive scale fits.
    """
    if len(relative) < MIN_POINTS:
        return None
    r, z = np.asarray(relative, np.float64), np.asarray(metres, np.float64)
    line = _line(1.0 / z, r) if is_map_worse else _line(1.0 / r, z)
    slope, offset = line.slope, line.offset
    if not (np.isfinite([slope, offset]).all() and slope > 0.0):
        return None
    scale, shift = (1.0 / slope, -offset / slope) if is_map_worse else (slope, offset)
    return InverseFit(
        scale=scale,
        shift=shift,
        spread=_sigma((scale / r + shift) * z - 1.0),
        num_points=len(z),
        has_shift=line.has_offset,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """``1 / y = slope * q + offset``."""

    slope: float
    offset: float
    has_offset: bool


def _line(q: np.ndarray, y: np.ndarray) -> _Line:
    """Fit a line to inverse depth ``q`` and depth ``y`` by the relative errors of ``y``."""
    has_offset = _relative_spread(q) > FLAT
    best = _best_guess(q, y, has_offset=has_offset)
    for _ in range(_NUM_ROUNDS):
        best = _reweighted(q, y, best, has_offset=has_offset)
    return _Line(slope=float(best[0]), offset=float(best[1]), has_offset=has_offset)


def _relative_spread(values: np.ndarray) -> float:
    return _sigma(values / np.median(values) - 1.0)


def _sigma(errors: np.ndarray) -> float:
    return max(_SMALLEST_SIGMA, MAD_TO_SIGMA * float(np.median(np.abs(errors))))


def _best_guess(q: np.ndarray, y: np.ndarray, *, has_offset: bool) -> np.ndarray:
    """Return slope and offset of the candidate with the least median error."""
    guesses = [np.array([1.0 / np.median(q * y), 0.0])]
    random = np.random.default_rng(0)
    if has_offset:
        pairs = random.integers(0, len(q), (_NUM_GUESSES, 2))
        q0, q1 = q[pairs].T
        p0, p1 = 1.0 / y[pairs].T
        with np.errstate(divide='ignore', invalid='ignore'):
            slope = (p1 - p0) / (q1 - q0)
        offset = p0 - slope * q0
        is_good = np.isfinite(slope) & (slope > 0.0)
        guesses += list(np.stack([slope, offset], axis=1)[is_good])
    judged = random.permutation(len(q))[:_NUM_JUDGED]
    q, y = q[judged], y[judged]
    errors = [np.median(np.abs((slope * q + offset) * y - 1.0)) for slope, offset in guesses]
    return guesses[int(np.argmin(errors))]


def _reweighted(q: np.ndarray, y: np.ndarray, best: np.ndarray, *, has_offset: bool) -> np.ndarray:
    """Return the weighted least-squares fit around a candidate (Tukey's biweight)."""
    errors = (best[0] * q + best[1]) * y - 1.0
    limit = _TUKEY * _sigma(errors)
    weight = np.clip(1.0 - (errors / limit) ** 2, 0.0, None) ** 2
    x = q * y
    xx, xy, yy = (weight * x * x).sum(), (weight * x * y).sum(), (weight * y * y).sum()
    x1, y1 = (weight * x).sum(), (weight * y).sum()
    determinant = xx * yy - xy * xy
    if not has_offset or determinant <= 1e-9 * xx * yy:
        return np.array([x1 / xx if xx > 0.0 else np.nan, 0.0])
    return np.array([yy * x1 - xy * y1, xx * y1 - xy * x1]) / determinant
