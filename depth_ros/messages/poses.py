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


UNKNOWN_VARIANCE = 1e6
"""Of a velocity that is not known; it is then zero, and filters must not use it."""


class TwistMessage(Protocol):
    """``geometry_msgs/Twist``."""

    linear: PlaceMessage
    angular: PlaceMessage


class CovariantTwistMessage(Protocol):
    """``geometry_msgs/TwistWithCovariance``."""

    twist: TwistMessage
    covariance: np.ndarray


def fill_velocity(
    message: CovariantTwistMessage, velocity: np.ndarray | None, covariance: np.ndarray | None
) -> None:
    """Set velocity and covariance from ``(6,)`` and ``(6, 6)``; an unknown one is zero."""
    if velocity is None or covariance is None:
        message.covariance = (UNKNOWN_VARIANCE * np.eye(6)).ravel()
        return
    linear, angular = message.twist.linear, message.twist.angular
    linear.x, linear.y, linear.z = velocity[:3].tolist()
    angular.x, angular.y, angular.z = velocity[3:].tolist()
    message.covariance = covariance.ravel()
