"""Judge relative depth of single images after scaling each map to the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from depth_ros.errors import InputError
from depth_ros.evaluation.accuracy import DepthErrors, depth_errors, median_scale
from depth_ros.evaluation.mono_images import MeasuredImage
from depth_ros.evaluation.mono_priors import MEAN, PLANE, ROW, mean_prior, plane_of, row_prior
from depth_ros.evaluation.tables import markdown_table, number, percent
from depth_ros.frames import MonoFrame
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.values import MonoWanted

HEADER = (
    'set', 'model', 'images', 'AbsRel', 'RMSE m', '< 1.25 %', 'Spearman', 'known %',
    'metres a unit', 'spread %',
)  # fmt: skip
EXPLANATION = (
    'Depth is relative: each map was scaled to its truth by the ratio of the two medians, so the '
    'errors (means over images) are those of the shape alone. Spearman: correlation of the order '
    'of near and far. Spread: standard deviation of that scale over the images, relative to its '
    f'median. "{ROW}" and "{MEAN}" do not look at the image, "{PLANE}" was told the truth: a '
    'network below them has not understood what it sees.'
)
FLAT = 'one depth everywhere'
"""The baseline in every table: constant depth, without a network."""

Estimator = Callable[[MonoFrame], np.ndarray]
"""Returns relative depth (H, W), not finite where unknown."""
Oracle = Callable[[MeasuredImage], np.ndarray]
"""The same of an image whose truth it may look at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MonoRow:
    """One model on one set; means over the images, each map scaled to its truth.

    Attributes:
        set: Name of the set.
        model: What made the depth.
        num_images: Images of the set.
        abs_rel: Mean of |depth - truth| / truth.
        rmse_m: Root of the mean squared error, m.
        within_125: Share of the pixels wrong by less than a factor of 1.25, 0..1.
        spearman: Rank correlation of depth and truth; NaN for constant depth.
        density: Share of the pixels with truth whose depth is known, 0..1.
        scale: Median of the scales, metres for each unit of relative depth.
        scale_spread: Standard deviation of the scales over that median.
    """

    set: str
    model: str
    num_images: int
    abs_rel: float
    rmse_m: float
    within_125: float
    spearman: float
    density: float
    scale: float
    scale_spread: float


def processor_estimator(processor: MonoProcessor) -> Estimator:
    """Make an estimator of what nodes run; the caller closes the processor."""
    wanted = MonoWanted(depth=False)
    return lambda frame: processor.process(frame, wanted=wanted).relative.depth


def told(estimator: Estimator) -> Oracle:
    """Make an estimator one that could look at the truth, and does not."""
    return lambda image: estimator(image.frame)


def prior_estimators() -> dict[str, Oracle]:
    """Return what stands beside every model, by name."""
    return {
        FLAT: told(flat_estimator),
        ROW: lambda image: row_prior(_shape(image)),
        MEAN: lambda image: mean_prior(_shape(image)),
        PLANE: lambda image: plane_of(image.truth),
    }


def _shape(image: MeasuredImage) -> tuple[int, int]:
    height, width = image.truth.shape
    return height, width


def spearman(depth: np.ndarray, truth: np.ndarray) -> float:
    """Return the rank correlation (Spearman 1904) over pixels known to both; NaN without any.

    Equal values share the mean of their ranks.
    """
    with np.errstate(invalid='ignore'):
        common = np.isfinite(depth) & (depth > 0) & np.isfinite(truth) & (truth > 0)
    if not common.any():
        return float('nan')
    first, second = _ranks(depth[common]), _ranks(truth[common])
    if not (np.ptp(first) and np.ptp(second)):
        return float('nan')
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2.0)[place.ravel()])


def flat_estimator(frame: MonoFrame) -> np.ndarray:
    """Return constant depth: after scaling, the baseline that knows only the median."""
    return np.ones(frame.image.shape[:2])


def scaled_errors(depth: np.ndarray, truth: np.ndarray) -> tuple[DepthErrors, float]:
    """Return the errors of relative depth (H, W) scaled to the truth, and that scale."""
    scale = median_scale(depth, truth)
    return depth_errors(scale * depth, truth), scale


def evaluate_set(
    name: str, images: Iterable[MeasuredImage], model: str, estimator: Oracle
) -> MonoRow:
    """Judge one model on a set.

    Raises:
        InputError: Reason ``'missing'``, if the set holds no image.
    """
    judged = [(estimator(image), image.truth) for image in images]
    found = [(*scaled_errors(*pair), spearman(*pair)) for pair in judged]
    if not found:
        raise InputError('missing', f'the set {name} holds no image; restore it')
    errors = [errors for errors, _, _ in found]
    scales = np.array([scale for _, scale, _ in found])
    scale = float(np.median(scales))
    return MonoRow(
        set=name,
        model=model,
        num_images=len(errors),
        abs_rel=_mean([item.abs_rel for item in errors]),
        rmse_m=_mean([item.rmse for item in errors]),
        within_125=_mean([item.within_125 for item in errors]),
        spearman=_mean([order for _, _, order in found]),
        density=_mean([item.density for item in errors]),
        scale=scale,
        scale_spread=float(np.std(scales / scale)),
    )


def table(rows: Iterable[MonoRow]) -> str:
    """Write the rows as a Markdown table."""
    cells = [
        [
            *(row.set, row.model, str(row.num_images)),
            *(number(value, digits=3) for value in (row.abs_rel, row.rmse_m)),
            percent(row.within_125),
            number(row.spearman, digits=2),
            percent(row.density),
            number(row.scale, digits=3),
            percent(row.scale_spread),
        ]
        for row in rows
    ]
    return markdown_table(HEADER, cells)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
