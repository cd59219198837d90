"""What tells a good recording from a spoiled one: each measure as one line of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from depth_ros.recordings.results import Results


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingMeasure:
    """One line of the table.

    Attributes:
        label: What people call it.
        unit: Its unit, or empty.
        column: Column of the figures that is drawn over time; empty where there is none.
        value: Its value of a recording; NaN unknown.
        is_high_bad: Whether a larger value is worse.
        limit: From where it is marked.
        scale: Factor for showing.
    """

    label: str
    unit: str
    column: str
    value: Callable[[Results], float]
    is_high_bad: bool
    limit: float
    scale: float = 1.0

    def is_bad(self, value: float) -> bool:
        """Whether a value is beyond the limit; an unknown one is not."""
        return value > self.limit if self.is_high_bad else value < self.limit

    def text(self, value: float) -> str:
        """Return a value as shown."""
        if np.isnan(value):
            return 'unknown'
        shown = self.scale * value
        number = f'{shown:.0f}' if abs(shown) >= 100 else f'{shown:.3g}'
        return f'{number} {self.unit}'.strip()


def worst_stretch(result: Results, column: str, *, is_high_bad: bool, share: float = 0.1) -> float:
    """Return the worst median of a column over a tenth of a recording, NaN where it is unknown.

    A camera that is knocked half-way shows here and hardly in a mean.
    """
    values = result.column(column)
    values = values[np.isfinite(values)]
    if not values.size:
        return float('nan')
    width = max(1, round(share * values.size))
    pieces = [
        float(np.median(values[start : start + width]))
        for start in range(0, max(1, values.size - width + 1), width)
    ]
    return max(pieces) if is_high_bad else min(pieces)


def _of(column: str, label: str, *, is_high_bad: bool, limit: float) -> RecordingMeasure:
    """Return the measure of a column without a unit: the worst median of a tenth."""
    return RecordingMeasure(
        label=label,
        unit='',
        column=column,
        value=lambda result: worst_stretch(result, column, is_high_bad=is_high_bad),
        is_high_bad=is_high_bad,
        limit=limit,
    )


def _share(column: str, label: str, *, is_high_bad: bool, limit: float) -> RecordingMeasure:
    """Return the measure of a column of shares, which are shown in percent."""
    measure = _of(column, label, is_high_bad=is_high_bad, limit=limit)
    return replace(measure, unit='%', scale=100.0)


MEASURES: dict[str, RecordingMeasure] = {
    'coverage': RecordingMeasure(
        label='outputs of images that could become one',
        unit='%',
        column='',
        value=lambda result: result.coverage,
        is_high_bad=False,
        limit=0.98,
        scale=100.0,
    ),
    'calibration': RecordingMeasure(
        label='changes of the calibration',
        unit='',
        column='',
        value=lambda result: max(map(len, result.calibration_changes.values()), default=0),
        is_high_bad=True,
        limit=0.0,
    ),
    'row_error': replace(_of('row_error_px', 'row error', is_high_bad=True, limit=1.0), unit='px'),
    'wrong_sign': _share('wrong_sign', 'matches behind infinity', is_high_bad=True, limit=0.3),
    'known': _share('known', 'pixels with depth', is_high_bad=False, limit=0.3),
    'consistency': _share('consistency', 'left-right consistency', is_high_bad=False, limit=0.3),
    'flicker': _share(
        'flicker', 'flicker beside the motion of the camera', is_high_bad=True, limit=0.05
    ),
    'brightness': replace(
        _of('brightness', 'brightness', is_high_bad=False, limit=20.0), unit='of 255'
    ),
    'saturated': _share('saturated', 'saturated pixels', is_high_bad=True, limit=0.2),
    'sharpness': _of(
        'sharpness', 'sharpness (variance of the Laplacian)', is_high_bad=False, limit=20.0
    ),
}
"""Every measure, by the word of ``--worst``: of the worst tenth of a recording."""


def ranked(results: list[Results], name: str) -> list[tuple[Results, float]]:
    """Return the recordings by a measure, the worst first, those without it last."""
    measure = MEASURES[name]
    sign = -1.0 if measure.is_high_bad else 1.0
    valued = [(result, measure.value(result)) for result in results]
    return sorted(valued, key=lambda entry: (np.isnan(entry[1]), sign * entry[1], entry[0].name))
