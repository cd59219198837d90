"""How sure refined depth is, as it is published: calibrated on rendered drives.

The numbers below are those with which, over the rendered drives of ``benchmarks/mono_refine.py``,
as near to 68 % of the pixels as can be had with one factor lie within one sigma of the truth and
to 95 % within two; the HoloLens frames judge them and were not used.
"""

from __future__ import annotations

import numpy as np

from depth_ros.geometry.known_range import known_range

FITTED_FACTOR = 0.6
"""Of the fitted map, whose own sigma says how far regions are off: away from steps that is too
much, 84 % of the pixels being within one sigma. That of keyframes needs no factor."""
STEP_FACTOR, LEAST_STEP = 2.0, 0.06
"""A pixel beside a step of depth may be on its other side: so many times what the depth of its
neighbours differs, relative, beyond what slanted surfaces have."""


def shown_sigma(depth: np.ndarray, sigma: np.ndarray, is_fitted: np.ndarray) -> np.ndarray:
    """Return the standard deviation of depth, ``(H, W)`` float32 metres, NaN unknown.

    Args:
        depth: ``(H, W)`` metres, NaN unknown.
        sigma: As keyframes and fit have it.
        is_fitted: Where the depth is of the fitted mono map.
    """
    own = np.where(is_fitted, np.float32(FITTED_FACTOR), np.float32(1.0)) * sigma
    beyond = np.maximum(_steps(depth) - np.float32(LEAST_STEP) * depth, 0.0)
    return np.asarray(np.hypot(own, STEP_FACTOR * beyond).astype(np.float32))


def _steps(depth: np.ndarray) -> np.ndarray:
    """Return the range of the known depths in the 3x3 pixels around each, metres."""
    is_known = np.isfinite(depth)
    least, largest = known_range(np.where(is_known, depth, np.float32(np.nan)), 3)
    with np.errstate(invalid='ignore', over='ignore'):
        return np.where(is_known, largest - least, np.nan)
