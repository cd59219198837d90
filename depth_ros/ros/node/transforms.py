"""Poses and mounts: message poses as matrices, TF where it is installed, a mount typed by hand."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from depth_ros.errors import InputError, ParameterError
from depth_ros.geometry.rigid import rigid, rotation_from_quaternion


class TransformLookup(Protocol):
    """Returns a transform at a stamp."""

    def __call__(self, target: str, source: str, stamp: int) -> np.ndarray | None:
        """Return ``(4, 4)`` target from source; None where it is not known."""


def pose_matrix(pose: Pose) -> np.ndarray:
    """Turn a geometry_msgs/Pose into ``(4, 4)``.

    Raises:
        InputError: Reason ``'pose_values'`` if the quaternion has no length or a number is not
            finite.
    """
    return motion(pose.position, pose.orientation)


def motion(position: Point | Vector3, orientation: Quaternion) -> np.ndarray:
    """Join a place and a quaternion into ``(4, 4)``.

    Raises:
        InputError: As ``pose_matrix``.
    """
    p, q = position, orientation
    try:
        rotation = rotation_from_quaternion([q.x, q.y, q.z, q.w])
    except ParameterError as error:
        raise InputError('pose_values', f'a pose cannot be used: {error}') from error
    return rigid(rotation, np.array([p.x, p.y, p.z]))


def transform_lookup(node: Node) -> TransformLookup | None:
    """Listen to TF where tf2_ros is installed; None where it is not."""
    try:
        tf2_ros: Any = import_module('tf2_ros')
    except ImportError:
        return None
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, node)

    def look_up(target: str, source: str, stamp: int) -> np.ndarray | None:
        assert listener is not None
        try:
            found = buffer.lookup_transform(
                target, source, Time(nanoseconds=stamp), timeout=Duration(seconds=0)
            )
        except tf2_ros.TransformException:
            return None
        return motion(found.transform.translation, found.transform.rotation)

    return look_up
