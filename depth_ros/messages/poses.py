"""Rigid motions into poses and transforms of messages."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from depth_ros.errors import InputError, ParameterError
from depth_ros.geometry.rigid import (
    quaternion_from_rotation,
    rigid,
    rotation_from_quaternion,
)
from depth_ros.messages.headers import HeaderMessage, fill_header


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


def motion_of(place: PlaceMessage, quaternion: QuaternionMessage) -> np.ndarray:
    """Return place and quaternion of a pose or transform as ``(4, 4)``.

    Raises:
        InputError: Reason ``'pose_values'`` if the quaternion has no length or a number is not
            finite.
    """
    q = quaternion
    try:
        rotation = rotation_from_quaternion([q.x, q.y, q.z, q.w])
    except ParameterError as error:
        raise InputError('pose_values', f'a pose cannot be used: {error}') from error
    return rigid(rotation, np.array([place.x, place.y, place.z]))


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


class PoseMessage(Protocol):
    """``geometry_msgs/Pose``."""

    position: PlaceMessage
    orientation: QuaternionMessage


class CovariantPoseMessage(Protocol):
    """``geometry_msgs/PoseWithCovariance``."""

    pose: PoseMessage
    covariance: np.ndarray


class OdometryMessage(Protocol):
    """``nav_msgs/Odometry``."""

    header: HeaderMessage
    child_frame_id: str
    pose: CovariantPoseMessage
    twist: CovariantTwistMessage


class MovingBody(Protocol):
    """What an odometry message says of a body."""

    @property
    def odom_from_base(self) -> np.ndarray:
        """``(4, 4)``."""

    @property
    def covariance(self) -> np.ndarray:
        """``(6, 6)`` in odom's axes."""

    @property
    def velocity(self) -> np.ndarray | None:
        """``(6,)`` m/s along and rad/s about the base's axes, or None."""

    @property
    def velocity_covariance(self) -> np.ndarray | None:
        """``(6, 6)``, or None with it."""


def fill_odometry(
    message: OdometryMessage,
    body: MovingBody,
    *,
    stamp_ns: int,
    odom_frame: str,
    child_frame: str,
) -> None:
    """Set pose and velocity; a velocity that is not known is zero with a huge covariance."""
    message.child_frame_id = child_frame
    fill_header(message.header, stamp_ns=stamp_ns, frame_id=odom_frame)
    pose = message.pose.pose
    fill_motion(pose.position, pose.orientation, body.odom_from_base)
    message.pose.covariance = body.covariance.ravel()
    fill_velocity(message.twist, body.velocity, body.velocity_covariance)


class DirectionOfTravel(Protocol):
    """What is known of a motion without metres."""

    @property
    def reference_from_camera(self) -> np.ndarray:
        """``(3, 3)`` rotation since the reference frame."""

    @property
    def translation(self) -> np.ndarray:
        """``(3,)`` direction in the reference camera's axes."""


class VectorStampedMessage(Protocol):
    """``geometry_msgs/Vector3Stamped``."""

    header: HeaderMessage
    vector: PlaceMessage


class QuaternionStampedMessage(Protocol):
    """``geometry_msgs/QuaternionStamped``."""

    header: HeaderMessage
    quaternion: QuaternionMessage


def fill_direction(
    message: VectorStampedMessage, direction: DirectionOfTravel, *, stamp_ns: int, frame_id: str
) -> None:
    """Set the direction of travel in the camera's own axes; its length is no distance."""
    fill_header(message.header, stamp_ns=stamp_ns, frame_id=frame_id)
    vector = direction.reference_from_camera.T @ direction.translation
    message.vector.x, message.vector.y, message.vector.z = vector.tolist()


def fill_turn(
    message: QuaternionStampedMessage,
    direction: DirectionOfTravel,
    *,
    stamp_ns: int,
    frame_id: str,
) -> None:
    """Set the rotation since the reference frame."""
    fill_header(message.header, stamp_ns=stamp_ns, frame_id=frame_id)
    fill_quaternion(message.quaternion, direction.reference_from_camera)
