"""Whether a stereo method knows what it does not know: measures of its own estimate of error."""

from __future__ import annotations

import math

import numpy as np

NUM_CUTS = 20
MAX_TRIES = 300
"""Planes through three pixels that are tried."""


def sparsification(error: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """Return the mean error of what is left as the most doubtful pixels are taken away.

    Ilg et al. 2018, "Uncertainty estimates and multi-hypotheses networks for optical flow".

    Args:
        error: (N,) at least 0.
        doubt: (N,), larger where less sure; infinite where nothing is known. Of equally doubtful
            pixels those that come first are kept.

    Returns:
        (20,): with 0, 5 .. 95 % taken away.
    """
    sorted_error = error[np.argsort(doubt, kind='stable')].astype(np.float64)
    kept = [max(1, round(len(error) * (1.0 - cut / NUM_CUTS))) for cut in range(NUM_CUTS)]
    means = np.cumsum(sorted_error) / np.arange(1, len(error) + 1)
    return means[np.asarray(kept) - 1]


def sparsification_error(error: np.ndarray, doubt: np.ndarray) -> float:
    """Return the area between the sparsification curve and that of a perfect order (AUSE).

    In units of the mean error over all pixels; 0 is perfect.
    """
    distance = sparsification(error, doubt) - sparsification(error, error)
    return float(distance.mean() / error.mean())


def coverage(error: np.ndarray, sigma: np.ndarray, share: float) -> float:
    """Return how many errors lie in the interval that should hold ``share`` of them, 0..1.

    Args:
        error: (N,) at least 0.
        sigma: (N,) standard deviations of Laplace distributions.
        share: Within 0..1, e.g. 0.68.
    """
    half_width = sigma * (-math.log(1.0 - share) / math.sqrt(2.0))
    return float((error <= half_width).mean())


def fitted_plane(disparity: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the disparity (H, W) of the plane that most known pixels of a region lie on.

    A plane in space is linear in disparity. Planes through three pixels compete for the least
    median distance (Rousseeuw 1984); what is within 1 px of the best is fitted by least squares.

    Args:
        disparity: (H, W) px, NaN unknown.
        region: (H, W) bool.
    """
    rows, columns = np.nonzero(region & np.isfinite(disparity))
    points = np.stack((columns, rows, np.ones_like(rows)), 1).astype(np.float64)
    values = disparity[rows, columns].astype(np.float64)
    rng = np.random.default_rng(0)
    best: np.ndarray = np.zeros(3)
    least = math.inf
    for _ in range(MAX_TRIES):
        picked = rng.choice(len(values), 3, replace=False)
        if abs(np.linalg.det(points[picked])) < 1.0:
            continue
        plane = np.linalg.solve(points[picked], values[picked])
        distance = float(np.median(np.abs(points @ plane - values)))
        if distance < least:
            best, least = plane, distance
    near = np.abs(points @ best - values) < 1.0
    plane = np.linalg.lstsq(points[near], values[near], rcond=None)[0]
    y, x = np.mgrid[: disparity.shape[0], : disparity.shape[1]]
    return np.asarray(plane[0] * x + plane[1] * y + plane[2])


def uneven_share(disparity: np.ndarray, plane: np.ndarray, region: np.ndarray) -> float:
    """Return the share of a region's known pixels whose depth is off the plane's by above 5 %.

    NaN where nothing is known.
    """
    found, wanted = disparity[region], plane[region]
    known = np.isfinite(found)
    if not known.any():
        return math.nan
    with np.errstate(divide='ignore'):
        change = np.abs(wanted[known] / np.maximum(found[known], 1e-3) - 1.0)
    return float((change > 0.05).mean())
