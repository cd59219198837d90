"""Disparity judged as the field judges it: Middlebury's bad-N, KITTI's D1, by parts of the image.

Bad-N: share of pixels wrong by more than N px (Scharstein and Szeliski 2002). D1: wrong by more
than 3 px and by more than 5 % of the truth (Menze and Geiger 2015). Both over the pixels that
truth and estimate know; ``density`` says how many of the truth's those are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.errors import InputError
from depth_ros.evaluation.stereo_pairs import visible_mask

EVERYWHERE = 'all'
EDGE_STEP_PX = 2.0
"""Neighbours whose true disparities differ by more lie at an edge."""
NEAR_PX, FAR_PX = 4, 16
"""An edge is near within the first, far beyond the second."""
TEXTURE_PX = 9
PLAIN_LEVELS = 3.0
"""Mean change from column to column, in grey levels, below which a window is plain."""
D1_PX, D1_SHARE = 3.0, 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class DisparityFigures:
    """Figures of one map over one part of an image; NaN where nothing can be compared.

    Attributes:
        epe_px: Mean absolute difference.
        bad05: Share wrong by more than 0.5 px, 0..1.
        bad1: The same for 1 px.
        bad2: The same for 2 px.
        bad4: The same for 4 px.
        d1_all: Share wrong by more than 3 px and more than 5 %.
        density: Share of the pixels with truth for which the estimate is known.
        num_pixels: Pixels with truth in the part.
    """

    epe_px: float
    bad05: float
    bad1: float
    bad2: float
    bad4: float
    d1_all: float
    density: float
    num_pixels: int


def disparity_figures(
    estimate: np.ndarray, truth: np.ndarray, part: np.ndarray | None = None
) -> DisparityFigures:
    """Compare a map with the truth.

    Args:
        estimate: ``(H, W)`` px, not finite where unknown.
        truth: The same.
        part: ``(H, W)`` bool, where to look; None for everywhere.

    Raises:
        InputError: If the sizes differ, reason ``'size_mismatch'``.
    """
    if estimate.shape != truth.shape:
        raise InputError(
            'size_mismatch',
            f'the truth is {truth.shape[1]}x{truth.shape[0]} and the estimate '
            f'{estimate.shape[1]}x{estimate.shape[0]}; give the truth of these images',
        )
    has_truth = np.isfinite(truth) if part is None else np.isfinite(truth) & part
    compared = has_truth & np.isfinite(estimate)
    real = truth[compared].astype(np.float64)
    error = np.abs(estimate[compared] - real)
    num_pixels = int(has_truth.sum())
    return DisparityFigures(
        epe_px=_mean(error),
        bad05=_mean(error > 0.5),
        bad1=_mean(error > 1.0),
        bad2=_mean(error > 2.0),
        bad4=_mean(error > 4.0),
        d1_all=_mean((error > D1_PX) & (error > D1_SHARE * np.abs(real))),
        density=error.size / num_pixels if num_pixels else float('nan'),
        num_pixels=num_pixels,
    )


def parts_of(
    left: np.ndarray, truth: np.ndarray, visible: np.ndarray | None = None
) -> Mapping[str, np.ndarray]:
    """Return the parts that are judged by themselves, ``(H, W)`` bool by name.

    Args:
        left: ``(H, W, 3)`` uint8 RGB.
        truth: ``(H, W)`` px, NaN unknown.
        visible: ``(H, W)`` bool as the data set says; None computes it from the truth.
    """
    seen = visible_mask(truth) if visible is None else visible
    distance = edge_distance_px(truth)
    plain = texture_levels(left) < PLAIN_LEVELS
    return {
        EVERYWHERE: np.ones(truth.shape, bool),
        'visible': seen,
        'occluded': ~seen,
        'near edges': distance <= NEAR_PX,
        'off edges': (distance > NEAR_PX) & (distance <= FAR_PX),
        'far from edges': distance > FAR_PX,
        'textured': ~plain,
        'plain': plain,
    }


def edge_distance_px(truth: np.ndarray) -> np.ndarray:
    """Return the distance to the next step of the truth, ``(H, W)`` float32 px."""
    is_edge = np.zeros(truth.shape, np.uint8)
    with np.errstate(invalid='ignore'):
        across = np.abs(np.diff(truth, axis=1)) > EDGE_STEP_PX
        along = np.abs(np.diff(truth, axis=0)) > EDGE_STEP_PX
    is_edge[:, 1:] |= across
    is_edge[:, :-1] |= across
    is_edge[1:] |= along
    is_edge[:-1] |= along
    if not is_edge.any():
        return np.full(truth.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(1 - is_edge, cv2.DIST_L2, 5))


def texture_levels(image: np.ndarray) -> np.ndarray:
    """Return the mean change from column to column around each pixel, ``(H, W)`` grey levels."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    change = np.zeros_like(grey)
    change[:, 1:] = np.abs(np.diff(grey, axis=1))
    return np.asarray(cv2.blur(change, (TEXTURE_PX, TEXTURE_PX)))


def joined(figures: list[DisparityFigures]) -> DisparityFigures:
    """Return the mean over pairs, as benchmarks rank; pairs without such a part do not count."""
    names = ('epe_px', 'bad05', 'bad1', 'bad2', 'bad4', 'd1_all', 'density')
    means = {}
    for name in names:
        values = np.array([getattr(one, name) for one in figures])
        means[name] = _mean(values[np.isfinite(values)])
    return DisparityFigures(**means, num_pixels=sum(one.num_pixels for one in figures))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float('nan')
