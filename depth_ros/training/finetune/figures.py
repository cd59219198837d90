"""Measures of a network without ground truth, and the comparison of two networks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

MIN_GAIN = 0.02
"""Smallest gain that counts as better; equally good networks differ by less."""
MAX_LOSS = 0.02
"""Largest relative loss of one figure that is accepted for gains of the others."""
MAX_SHARPNESS_LOSS = 0.25
"""Removed wrong edges lower the sharpness a little; a larger loss means blurring."""
REACH = 3
"""Columns to either side that one edge may take."""
LEAST_STEP = 0.03
"""Share of the map's spread that makes an edge."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Measured on held-out frames.

    Attributes:
        photometric: Error of the image rebuilt from the other camera or the neighbouring frames,
            0..1, lower is better.
        consistency: Share of pixels whose left and right disparity agree to 1 px, 0..1; NaN for
            a single camera.
        sharpness: Share of a step in disparity that happens from one pixel to the next, 0..1:
            1 is a clean edge, low values are ramps; NaN without steps.
        label_error: Mean distance from what several matchers agree on in the held-out frames, px,
            larger ones cut off; NaN for a single camera. Nearer to the truth than either of the
            first two, which a blurred or a wrong map may lower as well.
        baseline: Photometric error of the frames as they are, which a network must be better
            than; NaN where that says nothing.
    """

    photometric: float
    consistency: float
    sharpness: float
    label_error: float = math.nan
    baseline: float = math.nan


@dataclass(frozen=True, kw_only=True, slots=True)
class TuningVerdict:
    """Whether new weights are kept.

    Attributes:
        gain: Mean relative fall of the errors; 0.1 is 10 % better.
        objection: Why they are not kept, one clause; empty if they are.
    """

    gain: float
    objection: str

    @property
    def is_better(self) -> bool:
        """Whether the new weights are kept."""
        return not self.objection


def gain(before: Figures, after: Figures) -> float:
    """Return the mean relative fall of photometric error, inconsistency and label error."""
    parts = _gains(before, after)
    return sum(parts.values()) / len(parts)


def judge(before: Figures, after: Figures) -> TuningVerdict:
    """Compare two networks on the same frames."""
    found = gain(before, after)
    return TuningVerdict(gain=found, objection=_objection(before, after, found))


def _gains(before: Figures, after: Figures) -> dict[str, float]:
    """Return the relative fall of every error that both networks have."""
    pairs = {
        'photometric error': (before.photometric, after.photometric),
        'inconsistency': (1.0 - before.consistency, 1.0 - after.consistency),
        'label error': (before.label_error, after.label_error),
    }
    return {
        name: (old - new) / max(old, 1e-6)
        for name, (old, new) in pairs.items()
        if math.isfinite(old) and math.isfinite(new)
    }


def _objection(before: Figures, after: Figures, found: float) -> str:
    if not math.isfinite(after.photometric):
        return 'it gives no numbers'
    for name, part in _gains(before, after).items():
        if part < -MAX_LOSS:
            return f'its {name} rose by {-100.0 * part:.1f} %'
    if after.photometric >= after.baseline:
        return (
            f'it explains the frames no better ({after.photometric:.4f}) than standing still '
            f'({after.baseline:.4f})'
        )
    if after.sharpness < (1.0 - MAX_SHARPNESS_LOSS) * before.sharpness:
        return f'its edges got softer ({before.sharpness:.2f} to {after.sharpness:.2f})'
    if found < MIN_GAIN:
        return f'its gain is {100.0 * found:+.1f} %, less than {100.0 * MIN_GAIN:.0f} %'
    return ''


def sharpness(disparity: np.ndarray) -> float:
    """Return the share of a step that happens from one pixel to the next, mean over all edges.

    Around every pixel, the largest difference of horizontal neighbours within ``REACH`` columns
    is divided by the range of values there; windows of a small range are no edges.

    Args:
        disparity: (H, W), known everywhere; any unit, since only ratios matter.

    Returns:
        1 where every edge is one step, about 1 / 6 where all are ramps; NaN without edges.
    """
    values = disparity.astype(np.float32)
    step = np.zeros_like(values)
    step[:, 1:] = np.abs(np.diff(values, axis=1))
    across = np.ones((1, 2 * REACH + 1), np.uint8)
    most, least = cv2.dilate(values, across), cv2.erode(values, across)
    reach = most - least
    # A step belongs to the pixel on its right, so that a window holds one less.
    inside = np.ones((1, 2 * REACH), np.uint8)
    largest = cv2.dilate(step, inside, anchor=(REACH - 1, 0))
    spread = float(np.percentile(values, 95.0) - np.percentile(values, 5.0))
    is_edge = reach > max(LEAST_STEP * spread, 1e-6)
    if not is_edge.any():
        return float('nan')
    return float((largest[is_edge] / reach[is_edge]).mean())
