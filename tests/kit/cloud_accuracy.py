"""How far a cloud is from the truth: accuracy, completeness and overall, as DTU measures them.

Accuracy is the mean distance from a found point to the nearest true one, completeness the other
way round, overall the mean of both; distances beyond a bound count as outliers and not in the
means (Jensen et al. 2014, "Large scale multi-view stereopsis evaluation", section 4). Precision,
recall and their harmonic mean at one distance are those of Knapitsch et al. 2017, "Tanks and
Temples". Nearest points are exact; they are found in a grid of cells, without a tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.tasks.multiview.voxel_map import cells_of, packed

FIRST_RADIUS = 1.0 / 16.0
"""Where the search begins, as a share of the largest distance; it doubles."""
_CHUNK = 65536
_NEIGHBOURS = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudErrors:
    """One cloud against another; NaN where a cloud has no points.

    Attributes:
        accuracy_m: Mean distance of found points to the truth, outliers left out.
        accuracy_median_m: Their median.
        completeness_m: Mean distance of true points to what was found, missing ones left out.
        completeness_median_m: Their median.
        overall_m: Mean of accuracy and completeness.
        outlier_share: Share of the found points that are farther than the bound from the truth.
        missing_share: Share of the true points that are farther than the bound from any found.
        precision: Share of the found points within the threshold of the truth.
        recall: Share of the true points within the threshold of a found one.
        f_score: Harmonic mean of precision and recall.
        num_points: Found points.
        num_truth: True points.
    """

    accuracy_m: float
    accuracy_median_m: float
    completeness_m: float
    completeness_median_m: float
    overall_m: float
    outlier_share: float
    missing_share: float
    precision: float
    recall: float
    f_score: float
    num_points: int
    num_truth: int


def cloud_errors(
    points: np.ndarray, truth: np.ndarray, *, max_distance_m: float, threshold_m: float
) -> CloudErrors:
    """Compare a cloud with the true one.

    Bring both to about one density first, see ``thin_cloud``: dense spots count more otherwise.

    Args:
        points: ``(N, 3)`` found points, metres.
        truth: ``(M, 3)`` true points, metres, of all that could be seen.
        max_distance_m: Bound beyond which a distance is an outlier.
        threshold_m: Distance of precision and recall, at most the bound.

    Raises:
        ParameterError: If a distance is out of its range.
    """
    if not 0.0 < threshold_m <= max_distance_m < np.inf:
        raise ParameterError(
            'needed is 0 < threshold_m <= max_distance_m, got '
            f'{threshold_m!r} and {max_distance_m!r}; correct them'
        )
    to_truth = nearest_distances(points, truth, max_distance_m=max_distance_m)
    to_points = nearest_distances(truth, points, max_distance_m=max_distance_m)
    accuracy, accuracy_median = _middle(to_truth)
    completeness, completeness_median = _middle(to_points)
    precision, recall = _share(to_truth <= threshold_m), _share(to_points <= threshold_m)
    both = precision + recall
    return CloudErrors(
        accuracy_m=accuracy,
        accuracy_median_m=accuracy_median,
        completeness_m=completeness,
        completeness_median_m=completeness_median,
        overall_m=(accuracy + completeness) / 2.0,
        outlier_share=_share(np.isinf(to_truth)),
        missing_share=_share(np.isinf(to_points)),
        precision=precision,
        recall=recall,
        f_score=2.0 * precision * recall / both if both > 0.0 else 0.0,
        num_points=len(points),
        num_truth=len(truth),
    )


def nearest_distances(
    points: np.ndarray, others: np.ndarray, *, max_distance_m: float
) -> np.ndarray:
    """Return the distance of each point to the nearest of the others.

    Cells as large as the radius are searched with their neighbours, so what is found within the
    radius is exact; the radius doubles for points that found nothing.

    Args:
        points: ``(N, 3)``; one that is not finite finds nothing.
        others: ``(M, 3)``; those that are not finite are left out.
        max_distance_m: How far to search.

    Returns:
        ``(N,)`` float64; +Inf where nothing is within ``max_distance_m``.
    """
    distances = np.full(len(points), np.inf)
    points, others = np.asarray(points, np.float64), np.asarray(others, np.float64)
    waiting = np.flatnonzero(np.isfinite(points).all(axis=1))
    radius = FIRST_RADIUS * max_distance_m
    while len(waiting) and len(others):
        grid = _Grid(others, radius)
        found = np.concatenate(
            [
                grid.nearest(points[waiting[start : start + _CHUNK]])
                for start in range(0, len(waiting), _CHUNK)
            ]
        )
        is_found = found <= radius
        distances[waiting[is_found]] = found[is_found]
        waiting = waiting[~is_found]
        if radius >= max_distance_m:
            break
        radius = min(2.0 * radius, max_distance_m)
    return distances


def thin_cloud(points: np.ndarray, spacing_m: float) -> np.ndarray:
    """Keep one point in each cube of that edge, the first; gives ``(n, 3)``."""
    cells, is_good = cells_of(points, spacing_m)
    _, first = np.unique(packed(cells), return_index=True)
    return np.asarray(points[is_good][np.sort(first)])


class _Grid:
    """Points sorted by cell; three cells along z follow each other in that order."""

    def __init__(self, points: np.ndarray, size: float) -> None:
        cells, is_good = cells_of(points, size)
        keys = packed(cells)
        order = np.argsort(keys, kind='stable')
        self._size = size
        self._keys = keys[order]
        self._points = points[is_good][order]

    def nearest(self, queries: np.ndarray) -> np.ndarray:
        """Return the distance to the nearest point in the 27 cells around each query, or Inf."""
        best = np.full(len(queries), np.inf)
        cells, is_good = cells_of(queries, self._size)
        rows, queries = np.flatnonzero(is_good), queries[is_good]
        for x, y in _NEIGHBOURS:
            first, last = np.array([x, y, -1]), np.array([x, y, 1])
            low = np.searchsorted(self._keys, packed(cells + first), 'left')
            high = np.searchsorted(self._keys, packed(cells + last), 'right')
            some = np.flatnonzero(high > low)
            squares = self._least_squares(queries[some], low[some], high[some])
            best[rows[some]] = np.minimum(best[rows[some]], squares)
        return np.sqrt(best)

    def _least_squares(self, queries: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return each query's least squared distance to the points ``low`` to ``high``."""
        if len(queries) == 0:
            return np.empty(0)
        counts = high - low
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        at = np.arange(counts.sum()) + np.repeat(low - starts, counts)
        ways = self._points[at] - np.repeat(queries, counts, axis=0)
        return np.asarray(np.minimum.reduceat(np.einsum('ij,ij->i', ways, ways), starts))


def _middle(distances: np.ndarray) -> tuple[float, float]:
    """Return mean and median of the finite distances."""
    near = distances[np.isfinite(distances)]
    return (float(near.mean()), float(np.median(near))) if near.size else (np.nan, np.nan)


def _share(is_so: np.ndarray) -> float:
    return float(is_so.mean()) if is_so.size else float('nan')
