"""Whether matches may agree on a geometry of two views by chance.

The a-contrario test of Moisan and Stival 2004 ("A Probabilistic Criterion to Detect Rigid Point
Matches Between Two Images and Estimate the Fundamental Matrix", eq. 8): the expected number of
epipolar geometries that as many matches would fit if they were spread at random. Networks err in
clusters, so each neighbourhood counts as one match.
"""

from __future__ import annotations

import math

import numpy as np

NEIGHBOURHOODS = 16
"""Of them stand side by side along the longer extent of the points."""
SAMPLE = 7
"""Matches that determine a fundamental matrix."""
LARGEST_LOG10 = -6.0
"""Unrelated photographs reach -5.3 at best, pairs with half a view in common -45."""


def is_coincidence(
    first: np.ndarray, second: np.ndarray, is_inlier: np.ndarray, *, threshold_px: float
) -> bool:
    """Return whether random matches could have as many inliers.

    Args:
        first: ``(N, 2)`` float pixels of the first image.
        second: The same of the second.
        is_inlier: ``(N,)`` bool, the matches that fit the geometry.
        threshold_px: Distance from an epipolar line up to which one fits.
    """
    return log10_false_alarms(first, second, is_inlier, threshold_px) > LARGEST_LOG10


def log10_false_alarms(
    first: np.ndarray, second: np.ndarray, is_inlier: np.ndarray, threshold_px: float
) -> float:
    """Return ``log10((n - 7) C(n, k) C(k, 7) p^(k - 7))``; n, k count neighbourhoods, all or held.

    ``p`` is the chance of a random point to lie within the threshold of the longest line.
    """
    cell = max(float(np.ptp(first, axis=0).max()), 1.0) / NEIGHBOURHOODS
    _, place = np.unique(np.floor(first / cell), axis=0, return_inverse=True)
    share = np.bincount(place.ravel(), is_inlier) / np.bincount(place.ravel())
    n, k = len(share), int((share > 0.5).sum())
    if k <= SAMPLE:
        return math.inf
    width, height = np.maximum(np.ptp(second, axis=0), 1.0)
    p = min(1.0, 2.0 * threshold_px * math.hypot(width, height) / (width * height))
    tries = math.log10(n - SAMPLE) + _log10_choose(n, k) + _log10_choose(k, SAMPLE)
    return tries + (k - SAMPLE) * math.log10(p)


def _log10_choose(n: int, k: int) -> float:
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(10.0)
