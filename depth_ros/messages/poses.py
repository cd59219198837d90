"""Rigid motions into poses and transforms of messages."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from depth_ros.geometry.rigid import quaternion_from_rotation


class PlaceMessage(Protocol):
    """``geometry_msgs/Point`` or ``Vector3``."""

    x: float
    y: float
    z: float


class QuaternionMessage(Protocol):
    """``geometry_msgs/Quaternion``."""

    x: float
    y: float
    z: float
    w: float


def fill_motion(place: PlaceMessage, quaternion: QuaternionMessage, matrix: np.ndarray) -> None:
    """Set place and quaternion of a pose or transform from ``(4, 4)``."""
    place.x, place.y, place.z = matrix[:3, 3].tolist()
    fill_quaternion(quaternion, matrix[:3, :3])


def fill_quaternion(quaternion: QuaternionMessage, rotation: np.ndarray) -> None:
    """Set a quaternion from ``(3, 3)``."""
    x, y, z, w = quaternion_from_rotation(rotation).tolist()
    quaternion.x, quaternion.y, quaternion.z, quaternion.w = x, y, z, w
