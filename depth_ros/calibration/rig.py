"""Whether two projections make a rig: beside each other, in metres, rows and columns together."""

from __future__ import annotations

import numpy as np

from depth_ros.errors import CalibrationError

BASELINE_RANGE_M = (0.005, 5.0)
"""Shortest and longest baseline that is believed to be in metres."""

LIKELY_RANGE_M = (0.02, 1.0)
"""Baselines of usual rigs, to guess the unit of a value that is none of them."""

UNITS = {'millimetres': 1e-3, 'centimetres': 1e-2, 'micrometres': 1e-6, 'kilometres': 1e3}

LARGEST_SHIFT_PX = 0.5
"""Of rows or columns anywhere in already rectified images, by unequal projections."""

LARGEST_RISE = 0.02
"""Of the right camera above or below the left one, as a share of the baseline; KITTI has 1 %."""


def offsets_m(left: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Return how far right of and below the left camera the right one is, by two ``(3, 4)`` P.

    ``P[0,3] = -fx * x`` and ``P[1,3] = -fy * y`` of ``sensor_msgs/CameraInfo``; each by its own
    focal length.
    """
    x = left[0, 3] / left[0, 0] - right[0, 3] / right[0, 0]
    y = left[1, 3] / left[1, 1] - right[1, 3] / right[1, 1]
    return float(x), float(y)


def check_beside(left: np.ndarray, right: np.ndarray, *, baseline_m: float) -> None:
    """Require cameras beside each other, by two ``(3, 4)`` P.

    Args:
        left: Left P.
        right: Right P.
        baseline_m: Distance along x.

    Raises:
        CalibrationError: Reason ``'vertical_rig'``.
    """
    rise = offsets_m(left, right)[1]
    if abs(rise) <= LARGEST_RISE * abs(baseline_m):
        return
    remedy = (
        'set P[1,3] to 0 on both sides, or calibrate the two cameras as a stereo rig'
        if abs(rise) < abs(baseline_m)
        else 'a vertical rig is not supported: turn both images by 90 degrees and calibrate them '
        'so'
    )
    raise CalibrationError(
        'vertical_rig',
        f'P[1,3] is {left[1, 3]:g} left and {right[1, 3]:g} right and must be 0: the cameras are '
        f'{abs(rise):g} m one above the other and {abs(baseline_m):g} m side by side; '
        f'{remedy}',
    )


def check_some_baseline(left: np.ndarray, right: np.ndarray) -> None:
    """Refuse two ``(3, 4)`` P that say nothing of the baseline, in words that are true of them.

    Raises:
        CalibrationError: Reason ``'baseline_missing'``.
    """
    if right[0, 3] == 0.0 and left[0, 3] == 0.0:
        raise CalibrationError(
            'baseline_missing',
            'the calibration gives no baseline: P[0, 3] of the right camera is 0 and must be '
            '-fx * baseline; correct it, or set baseline_m',
        )
    if offsets_m(left, right)[0] == 0.0:
        raise CalibrationError(
            'baseline_missing',
            f'P[0, 3] is {right[0, 3]:g} on both sides, so the cameras would be in one place: it '
            'must be 0 left and -fx * baseline right; give P[0, 3] = 0 on the left side',
        )


def check_baseline(baseline_m: float, left: np.ndarray, right: np.ndarray) -> None:
    """Require a baseline of a rig, in metres.

    Args:
        baseline_m: Distance from left to right.
        left: The left P, ``(3, 4)``.
        right: The right P.

    Raises:
        CalibrationError: Reason ``'baseline_sign'`` or ``'baseline_units'``, with what would
            follow in which unit.
    """
    if not baseline_m > 0.0:
        raise CalibrationError(
            'baseline_sign',
            f'the baseline is {baseline_m:.4f} m but must be above 0: left and right are swapped, '
            f'or P[0, 3], which is {left[0, 3]:g} left and {right[0, 3]:g} right, has the wrong '
            'sign or side (0 left, -fx * baseline right); exchange the two, or correct P[0, 3]',
        )
    if BASELINE_RANGE_M[0] <= baseline_m <= BASELINE_RANGE_M[1]:
        return
    guesses = _guesses(baseline_m, float(right[0, 0]))
    looks = ' or '.join(f'{unit} ({value:.4g} m)' for unit, value in guesses.items())
    typed = [
        f'P[0,3] = {-right[0, 0] * value:.6g} on the right side if they are {value:.4g} m apart'
        for value in guesses.values()
    ]
    remedy = (
        f'measure the cameras and type {" or ".join(typed)}'
        if typed
        else 'measure the distance between the cameras in metres and multiply it by fx'
    )
    raise CalibrationError(
        'baseline_units',
        f'the baseline is {baseline_m:g} m (right P[0,3] {right[0, 3]:g}, fx {right[0, 0]:g}), '
        f'expected {BASELINE_RANGE_M[0]:g} to {BASELINE_RANGE_M[1]:g} m; it looks like '
        f'{looks or "no unit of length"}; P[0,3] must be -fx * baseline in metres: {remedy}',
    )


def check_given_baseline(baseline_m: float) -> None:
    """Require metres of a baseline that a person gave beside the calibration.

    Raises:
        CalibrationError: Reason ``'baseline_units'``.
    """
    low, high = BASELINE_RANGE_M
    if low <= baseline_m <= high:
        return
    guesses = _guesses(baseline_m, 0.0)
    looks = ' or '.join(f'{unit} ({value:.4g} m)' for unit, value in guesses.items())
    raise CalibrationError(
        'baseline_units',
        f'baseline_m (--baseline-m) is {baseline_m:g} m, expected {low:g} to {high:g} m; it looks '
        f'like {looks or "no unit of length"}: give metres',
    )


def _guesses(baseline_m: float, fx: float) -> dict[str, float]:
    """Return likely baselines in metres by the unit that the number would be in."""
    found = {'metres that were not multiplied by fx': baseline_m * fx}
    found |= {unit: baseline_m * size for unit, size in UNITS.items()}
    low, high = LIKELY_RANGE_M
    return {unit: value for unit, value in found.items() if low <= value <= high}


def check_alignment(left: np.ndarray, right: np.ndarray, *, height: int, width: int) -> None:
    """Require that two ``(3, 4)`` P of rectified images differ by a fraction of a pixel only.

    Different ``cx`` are no fault: they are the disparity of a point at infinity.

    Raises:
        CalibrationError: Reason ``'row_alignment'`` or ``'focal_length'``.
    """
    if abs(left[1, 2] - right[1, 2]) > LARGEST_SHIFT_PX:
        raise CalibrationError(
            'row_alignment',
            f'rectified rows do not meet: cy (P[1,2]) is {left[1, 2]:.2f} left and '
            f'{right[1, 2]:.2f} right; take raw images (input: raw, --raw), which are brought '
            'to common rows here, or calibrate the two cameras as a stereo rig',
        )
    rows = _shift_px(left, right, axis=1, side=height) + abs(left[1, 2] - right[1, 2])
    columns = _shift_px(left, right, axis=0, side=width)
    if max(rows, columns) > LARGEST_SHIFT_PX:
        raise CalibrationError(
            'focal_length',
            f'rectified focal lengths differ: left ({left[0, 0]:.2f}, {left[1, 1]:.2f}), right '
            f'({right[0, 0]:.2f}, {right[1, 1]:.2f}), which shifts columns by up to '
            f'{columns:.1f} px and rows by up to {rows:.1f} px; take raw images (input: raw, or '
            '--raw), which are brought to one focal length here, or calibrate the two cameras as '
            'a stereo rig',
        )


def _shift_px(left: np.ndarray, right: np.ndarray, *, axis: int, side: int) -> float:
    """Return how far unequal focal lengths move a pixel of the image at most."""
    reach = max(abs(left[axis, 2]), abs(side - 1 - left[axis, 2]))
    return float(abs(right[axis, axis] / left[axis, axis] - 1.0) * reach)


def aligned_projection(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the right ``(3, 4)`` P with focal lengths and rows of the left one.

    Rectification may choose P freely, so this is exact for raw images; place and ``cx`` stay.
    """
    x, y = (right[axis, 3] / right[axis, axis] for axis in (0, 1))
    aligned = np.array(right, np.float64)
    aligned[0, 0], aligned[1, 1], aligned[1, 2] = left[0, 0], left[1, 1], left[1, 2]
    aligned[0, 3], aligned[1, 3] = left[0, 0] * x, left[1, 1] * y
    return aligned
