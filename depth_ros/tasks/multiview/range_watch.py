"""Warns of depth that the range of the search has cut off."""

from __future__ import annotations

import logging

import numpy as np

LOGGER = logging.getLogger(__name__)
END = 0.03
"""Part of the range, at either end, where depth is taken for cut off."""
MAX_SHARE = 0.25
"""Larger shares of a map there are no chance."""


LOW_CONFIDENCE = 0.4
"""Mean over a map: of scenes within the range 0.66 and more, of those cut off 0.21 and 0.37."""


class RangeWatch:
    """Warns once of each range, in the log of ``depth_ros``."""

    def __init__(self) -> None:
        self._told: set[tuple[float, float]] = set()

    def look(
        self,
        depth: np.ndarray,
        confidence: np.ndarray | None,
        depth_range_m: tuple[float, float],
    ) -> None:
        """Look where in the range a map lies, and how sure the network is of it.

        Args:
            depth: ``(H, W)`` float32 metres, NaN unknown.
            confidence: ``(H, W)`` float32 in 0..1; None if there is none.
            depth_range_m: Nearest and farthest depth of the search.
        """
        evidence = _evidence(depth, confidence, *depth_range_m)
        if evidence and depth_range_m not in self._told:
            self._told.add(depth_range_m)
            LOGGER.warning(
                '[depth_range] %s: the scene may lie beyond the search, %g to %g m, where nothing '
                'can come out; widen the range, or check poses and calibration',
                evidence,
                *depth_range_m,
            )


def _evidence(depth: np.ndarray, confidence: np.ndarray | None, near: float, far: float) -> str:
    known = depth[np.isfinite(depth)]
    margin = END * (far - near)
    ends = {'near': known < near + margin, 'far': known > far - margin}
    for end, is_there in ends.items():
        share = float(is_there.mean()) if known.size else 0.0
        if share > MAX_SHARE:
            return f'{share:.0%} of the depth lies at the {end} end'
    mean = 1.0 if confidence is None else float(confidence.mean())
    return f'the mean confidence is {mean:.2f}' if mean < LOW_CONFIDENCE else ''
