"""Rigid motions as ``(4, 4)`` float64: quaternions, rotation vectors, covariances.

Quaternions are (x, y, z, w) as ``geometry_msgs/Quaternion`` has them. A covariance is
``(6, 6)`` in the order of ``geometry_msgs/PoseWithCovariance``: x y z, then rotations about the
fixed axes of the parent frame. Formulas: Solà, Deray, Atchuthan, "A micro Lie theory" (2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from depth_ros.errors import ParameterError

BODY_FROM_OPTICAL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
"""From optical axes to a body's: x forward, y left, z up (REP 103)."""

_SMALL_RAD = 1e-8
_LARGEST_QUATERNION = 1e100
"""The squares of larger numbers have no sum."""


def rigid(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Join a ``(3, 3)`` rotation and a translation of three numbers."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = np.asarray(translation, np.float64).ravel()
    return matrix


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Invert a rigid motion by transposing its rotation."""
    rotation = matrix[:3, :3].T
    return rigid(rotation, -rotation @ matrix[:3, 3])


def skew(vector: np.ndarray) -> np.ndarray:
    """Return the ``(3, 3)`` matrix whose product with ``b`` is ``vector x b``."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def rotation_from_vector(vector: np.ndarray) -> np.ndarray:
    """Turn axis times angle (rad) into a ``(3, 3)`` rotation (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < _SMALL_RAD:
        return np.eye(3) + skew(vector)
    across = skew(np.asarray(vector) / angle)
    return np.eye(3) + math.sin(angle) * across + (1.0 - math.cos(angle)) * across @ across


def rotation_angle(rotation: np.ndarray) -> float:
    """Return the angle of a ``(3, 3)`` rotation in rad, 0..pi; exact for small angles too."""
    twice_sine = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    return math.atan2(float(np.linalg.norm(twice_sine)), float(np.trace(rotation[:3, :3])) - 1.0)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Return axis times angle (rad) of a ``(3, 3)`` rotation, by its quaternion."""
    quaternion = quaternion_from_rotation(rotation)
    sine = float(np.linalg.norm(quaternion[:3]))
    if sine < _SMALL_RAD:
        return 2.0 * quaternion[:3]
    return quaternion[:3] / sine * 2.0 * math.atan2(sine, quaternion[3])


def quaternion_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """Return ``(4,)`` x y z w with w >= 0, by the largest component (Shepperd 1978)."""
    r = np.asarray(rotation, np.float64)
    squares = np.array(
        [
            1.0 + r[0, 0] - r[1, 1] - r[2, 2],
            1.0 - r[0, 0] + r[1, 1] - r[2, 2],
            1.0 - r[0, 0] - r[1, 1] + r[2, 2],
            1.0 + r[0, 0] + r[1, 1] + r[2, 2],
        ]
    )
    products = np.array(
        [
            [0.0, r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], 0.0, r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 0.0, r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], 0.0],
        ]
    )
    largest = int(squares.argmax())
    quaternion = products[largest]
    quaternion[largest] = squares[largest]
    quaternion /= np.linalg.norm(quaternion)
    return quaternion if quaternion[3] >= 0.0 else -quaternion


def rotation_from_quaternion(quaternion: Sequence[float] | np.ndarray) -> np.ndarray:
    """Turn x y z w of any length into a ``(3, 3)`` rotation.

    Raises:
        ParameterError: If it has no length, is not finite or too large to have a length.
    """
    values = np.asarray(quaternion, np.float64)
    fault = _fault_of_quaternion(values)
    if fault:
        raise ParameterError(
            f'a quaternion must be {fault}, got {values.tolist()!r}; give 0 0 0 1 for no rotation'
        )
    length = float(np.linalg.norm(values))
    vector, w = values[:3] / length, values[3] / length
    across = skew(vector)
    return np.eye(3) + 2.0 * w * across + 2.0 * across @ across


def _fault_of_quaternion(values: np.ndarray) -> str:
    """Return what a quaternion must be and is not; nothing of one that is a rotation."""
    if values.shape != (4,):
        return 'four numbers x y z w'
    if not np.isfinite(values).all():
        return 'four finite numbers x y z w'
    if np.abs(values).max() > _LARGEST_QUATERNION:
        return f'of length 1 or near it, and no number of it above {_LARGEST_QUATERNION:g}'
    if float(np.linalg.norm(values)) < _SMALL_RAD:
        return 'four numbers x y z w, not all zero'
    return ''


def composed_covariance(
    parent: np.ndarray, child: np.ndarray, *, parent_pose: np.ndarray, child_pose: np.ndarray
) -> np.ndarray:
    """Return the ``(6, 6)`` covariance of ``parent_pose @ child_pose``, the two being independent.

    A parent's rotation by ``w`` moves the child by ``w x (R p)``; the child's own uncertainty is
    turned into the parent's axes.

    Args:
        parent: Covariance of the parent pose.
        child: Covariance of the child pose within its parent.
        parent_pose: ``(4, 4)``.
        child_pose: ``(4, 4)``.
    """
    lever = np.eye(6)
    lever[:3, 3:] = -skew(parent_pose[:3, :3] @ child_pose[:3, 3])
    total = lever @ parent @ lever.T + turned_covariance(child, parent_pose[:3, :3])
    return (total + total.T) / 2.0


def turned_covariance(covariance: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return a ``(6, 6)`` covariance in other axes; ``rotation`` takes the old ones to the new."""
    both = np.kron(np.eye(2), rotation)
    return np.asarray(both @ covariance @ both.T)
