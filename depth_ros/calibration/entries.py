"""The form of K, D, R and P: every entry where ``sensor_msgs/CameraInfo`` says it belongs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.errors import CalibrationError

LARGEST_SIDE_PX = 32_766
"""Rows and columns that fixed-point rectification maps (16 bits and sign) can address."""

LARGEST_FOCAL_LENGTH_PX = 1e6
LARGEST_ENTRY = 1e10
"""For the other entries of K and P; a baseline in micrometres is still below it."""
LARGEST_COEFFICIENT = 1e6
"""Of D; the higher terms of a telephoto lens reach some thousands."""

ROTATION_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedEntry:
    """An entry that is the same in every calibration.

    Attributes:
        at: Row and column.
        value: What it must be.
        remedy: What to do where it is something else.
        tolerance: Rounding that is let pass.
    """

    at: tuple[int, int]
    value: float
    remedy: str
    tolerance: float = 1e-6


_ROW_REMEDY = 'the matrix is not in row-major order or not a camera matrix: write it again'
_SCALE_REMEDY = 'divide the whole matrix by it'

FIXED_ENTRIES: dict[str, tuple[FixedEntry, ...]] = {
    'K': (
        FixedEntry(at=(1, 0), value=0.0, remedy=_ROW_REMEDY),
        FixedEntry(at=(2, 0), value=0.0, remedy=_ROW_REMEDY),
        FixedEntry(at=(2, 1), value=0.0, remedy=_ROW_REMEDY),
        FixedEntry(at=(2, 2), value=1.0, remedy=_SCALE_REMEDY),
    ),
    'P': (
        FixedEntry(
            at=(0, 1),
            value=0.0,
            remedy='a rectified image has no skew: set P[0,1] to 0 (skew belongs into K[0,1]) '
            'and let raw images be rectified here',
            tolerance=1e-3,
        ),
        FixedEntry(at=(1, 0), value=0.0, remedy=_ROW_REMEDY),
        FixedEntry(at=(2, 0), value=0.0, remedy=_ROW_REMEDY),
        FixedEntry(at=(2, 1), value=0.0, remedy=_ROW_REMEDY),
        FixedEntry(at=(2, 2), value=1.0, remedy=_SCALE_REMEDY),
        FixedEntry(
            at=(2, 3),
            value=0.0,
            remedy='a rectified rig has both cameras at one depth: set P[2,3] to 0, or calibrate '
            'the two cameras as a stereo rig',
            tolerance=1e-2,
        ),
    ),
}
"""K[0,1] is free: skew is honoured when rectifying. KITTI's P[2,3] of 3 mm passes."""


def finite_matrix(values: np.ndarray, shape: tuple[int, int], name: str) -> np.ndarray:
    """Return a copy as ``shape``, float64.

    Raises:
        CalibrationError: Reason ``'calibration_values'``, naming the first entry that is NaN,
            infinite or beyond anything that a camera has.
    """
    array = np.array(values, np.float64)
    if array.size != shape[0] * shape[1]:
        raise CalibrationError(
            'calibration_values',
            f'{name} of the calibration must be {shape[0] * shape[1]} finite numbers, '
            f'got {array.ravel().tolist()!r}; calibrate the camera',
        )
    array = array.reshape(shape)
    is_sane = np.abs(array) <= LARGEST_ENTRY
    if not is_sane.all():
        row, column = (int(index) for index in np.argwhere(~is_sane)[0])
        _refuse_entry(name, (row, column), array, 'a finite number of plausible size')
    return array


def check_coefficients(d: np.ndarray) -> None:
    """Require finite coefficients of plausible size.

    Raises:
        CalibrationError: Reason ``'calibration_values'``, naming the entry.
    """
    is_sane = np.abs(d) <= LARGEST_COEFFICIENT
    if is_sane.all():
        return
    index = int(np.argmin(is_sane))
    raise CalibrationError(
        'calibration_values',
        f'D[{index}] of the calibration must be a finite number of plausible size, got '
        f'{d[index]:g} in {d.tolist()!r}; calibrate the camera',
    )


def check_matrix(matrix: np.ndarray, name: str) -> None:
    """Require ones and zeros where ``K`` (3, 3) or ``P`` (3, 4) has them, and focal lengths.

    Raises:
        CalibrationError: Reason ``'calibration_values'``, naming the entry, what it must be,
            what it is, and the remedy.
    """
    for index in (0, 1):
        if not 0.0 < matrix[index, index] <= LARGEST_FOCAL_LENGTH_PX:
            _refuse_entry(
                name, (index, index), matrix, 'a focal length in pixels, above 0 and plausible'
            )
    for entry in FIXED_ENTRIES[name]:
        if abs(matrix[entry.at] - entry.value) > entry.tolerance:
            row, column = entry.at
            raise CalibrationError(
                'calibration_values',
                f'{name}[{row},{column}] of the calibration must be {entry.value:g}, got '
                f'{matrix[entry.at]:g}; {entry.remedy}',
            )


def check_rotation(r: np.ndarray) -> None:
    """Require a ``(3, 3)`` rotation: orthonormal, determinant +1.

    Raises:
        CalibrationError: Reason ``'calibration_values'``.
    """
    # "not <=", so that NaN is none either.
    if not np.abs(r @ r.T - np.eye(3)).max() <= ROTATION_TOLERANCE:
        problem = 'its rows are not perpendicular and of length 1'
    elif np.linalg.det(r) < 0.0:
        problem = 'its determinant is -1, a mirror: one axis has the wrong sign'
    else:
        return
    raise CalibrationError(
        'calibration_values',
        f'R of the calibration must be a rotation matrix, but {problem}: {r.ravel().tolist()!r}; '
        'calibrate the cameras, or give the identity for a single camera',
    )


def check_sides(height: int, width: int) -> None:
    """Require sides between 1 and ``LARGEST_SIDE_PX``.

    Raises:
        CalibrationError: Reason ``'calibration_size'``.
    """
    if min(height, width) <= 0:
        raise CalibrationError(
            'calibration_size', f'the calibration is for {width}x{height}; give the image size'
        )
    if max(height, width) > LARGEST_SIDE_PX:
        raise CalibrationError(
            'calibration_size',
            f'the calibration is for {width}x{height}, and no side may exceed {LARGEST_SIDE_PX} '
            'pixels; give the image size, or reduced images',
        )


def _refuse_entry(name: str, at: tuple[int, int], matrix: np.ndarray, expected: str) -> None:
    raise CalibrationError(
        'calibration_values',
        f'{name}[{at[0]},{at[1]}] of the calibration must be {expected}, got {matrix[at]:g}; '
        'calibrate the camera',
    )
