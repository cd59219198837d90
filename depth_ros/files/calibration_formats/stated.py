"""Whether the place of the right camera makes a rig, in words of the file that states it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from depth_ros.calibration.rig import BASELINE_RANGE_M, LIKELY_RANGE_M
from depth_ros.errors import CalibrationError

LENGTHS = {'metres': 1.0, 'centimetres': 1e-2, 'millimetres': 1e-3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """How a file states where the right camera is.

    Attributes:
        key: Its name in the file.
        unit: Of its numbers.
        unit_m: The unit in metres.
    """

    key: str
    unit: str = 'm'
    unit_m: float = 1.0


def check_stated(stated: Stated, baseline_m: float, *, rise_m: float) -> None:
    """Require a rig side by side, left one left, in the unit of the file.

    Nothing is said of cameras in one place, which a baseline from elsewhere may part.

    Args:
        stated: How the file states it.
        baseline_m: How far right of the left camera the right one is.
        rise_m: How far below the left camera the right one is.

    Raises:
        CalibrationError: Reason ``'baseline_units'``, ``'vertical_rig'`` or ``'baseline_sign'``.
    """
    distance_m = math.hypot(baseline_m, rise_m)
    if distance_m == 0.0:
        return
    if not BASELINE_RANGE_M[0] <= distance_m <= BASELINE_RANGE_M[1]:
        _refuse_unit(stated, distance_m / stated.unit_m)
    if abs(rise_m) > abs(baseline_m):
        raise CalibrationError(
            'vertical_rig',
            f'{stated.key} puts the cameras {abs(rise_m):g} m one above the other; a vertical rig '
            'is not supported: turn both images by 90 degrees and calibrate them so',
        )
    if baseline_m < 0.0:
        raise CalibrationError(
            'baseline_sign',
            f'{stated.key} puts the right camera {-baseline_m:.4f} m to the left of the left one: '
            f'left and right are swapped, or {stated.key} is inverted; exchange the two, or '
            f'correct {stated.key}',
        )


def _refuse_unit(stated: Stated, distance: float) -> None:
    low, high = LIKELY_RANGE_M
    found = {
        name: distance * unit_m
        for name, unit_m in LENGTHS.items()
        if unit_m != stated.unit_m and low <= distance * unit_m <= high
    }
    remedy = f'write it in {stated.unit}'
    if len(found) == 1:
        name, value_m = next(iter(found.items()))
        right = f'{value_m / stated.unit_m:.6g} ({stated.unit})'
        remedy = f'it looks like {name}: the file must say {right}'
    raise CalibrationError(
        'baseline_units',
        f'{stated.key} puts the cameras {distance:.6g} {stated.unit} apart, which is '
        f'{distance * stated.unit_m:.4g} m, expected {BASELINE_RANGE_M[0]:g} to '
        f'{BASELINE_RANGE_M[1]:g} m; {remedy}',
    )
