"""Judge multi-view depth against truth, beside SGBM on a rectified neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from depth_ros.evaluation.accuracy import DepthErrors, depth_errors
from depth_ros.evaluation.posed_views import MultiViewSet
from depth_ros.evaluation.rectified_neighbour import sgbm_depth
from depth_ros.evaluation.tables import markdown_table, number, percent
from depth_ros.frames import MultiViewFrame
from depth_ros.tasks.multiview.processor import MultiViewProcessor

CONFIDENT = 0.8
STRIDE = 4
"""Every fourth pixel of every fourth row is compared: the network's own pixels lie there."""

HEADER = ('set', 'method', 'AbsRel', '< 1.25 %', 'AbsRel sure', '< 1.25 % sure', 'sure %')
EXPLANATION = (
    'AbsRel: mean of |depth - truth| / truth, at a quarter of the size; sure: where the '
    f'confidence is at least {CONFIDENT:g}, for SGBM where it knows anything (it needs a '
    'neighbour to the side).'
)
Estimate = tuple[np.ndarray, np.ndarray]
"""Depth (H, W) m, not finite where unknown, and where it is sure, (H, W) bool."""
Estimator = Callable[[MultiViewFrame], Estimate]


@dataclass(frozen=True, kw_only=True, slots=True)
class MultiViewRow:
    """One method on one set.

    Attributes:
        set: Name of the views.
        method: What made the depth.
        everywhere: Over all pixels with truth.
        confident: Over those where the method is sure.
        sure: Share of the pixels with truth that were compared as sure ones, 0..1.
    """

    set: str
    method: str
    everywhere: DepthErrors
    confident: DepthErrors
    sure: float


def network_estimator(processor: MultiViewProcessor) -> Estimator:
    """Make an estimator of what nodes run; the caller closes the processor."""

    def estimate(frame: MultiViewFrame) -> Estimate:
        result = processor.process(frame).depth
        if result.confidence is None:
            return result.depth, np.isfinite(result.depth)
        return result.depth, result.confidence >= CONFIDENT

    return estimate


def sgbm_estimator(frame: MultiViewFrame) -> Estimate:
    """Match one rectified neighbour."""
    depth = sgbm_depth(frame)
    return depth, np.isfinite(depth)


def evaluate_views(views: MultiViewSet, method: str, estimator: Estimator) -> MultiViewRow:
    """Run one method on one set."""
    depth, is_sure = estimator(views.frame)
    everywhere = grid_errors(depth, views.truth)
    confident = grid_errors(depth, views.truth, is_sure)
    return MultiViewRow(
        set=views.name,
        method=method,
        everywhere=everywhere,
        confident=confident,
        sure=confident.num_compared / max(1, everywhere.num_pixels),
    )


def grid_errors(
    depth: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None
) -> DepthErrors:
    """Compare every fourth pixel; arguments as for ``accuracy.depth_errors``."""
    grid = (slice(None, None, STRIDE), slice(None, None, STRIDE))
    return depth_errors(depth[grid], truth[grid], mask=None if mask is None else mask[grid])


def table(rows: Iterable[MultiViewRow]) -> str:
    """Write the rows as a Markdown table, the methods of a set together."""
    cells = [
        [
            *(row.set, row.method),
            *_figures(row.everywhere),
            *_figures(row.confident),
            percent(row.sure),
        ]
        for row in sorted(rows, key=lambda row: row.set)
    ]
    return markdown_table(HEADER, cells)


def _figures(errors: DepthErrors) -> list[str]:
    return [number(errors.abs_rel, digits=4), percent(errors.within_125)]
