"""Poses and mounts: message poses as matrices, TF where it is installed, a mount typed by hand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.time import Time

from depth_ros.geometry.mounting import base_from_camera
from depth_ros.messages.poses import motion_of
from depth_ros.ros.node.endpoints import open_publisher
from depth_ros.ros.node.local_topics import AnyPublisher
from depth_ros.ros.node.qos import profile

TF_DEPTH = 100


class TransformSender:
    """Publishes on /tf or, for late joiners, /tf_static, where tf2_msgs is installed."""

    def __init__(self, node: Node, *, is_static: bool = False) -> None:
        """Advertise as tf2's broadcasters do."""
        self._message_type: type | None = None
        self._publisher: AnyPublisher | None = None
        try:
            self._message_type = import_module('tf2_msgs.msg').TFMessage
        except ImportError:
            return
        qos = profile('reliable', 1 if is_static else TF_DEPTH)
        if is_static:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        topic = '/tf_static' if is_static else '/tf'
        self._publisher = open_publisher(node, self._message_type, topic, qos)

    @property
    def is_open(self) -> bool:
        """Whether there is a topic to publish on."""
        return self._publisher is not None

    def send(self, *transforms: TransformStamped) -> None:
        """Publish transforms together."""
        if self._publisher is not None and self._message_type is not None:
            self._publisher.publish(self._message_type(transforms=list(transforms)))


def transform_message(message: Odometry) -> TransformStamped:
    """Return the pose as a transform, for TF."""
    transform = TransformStamped(header=message.header, child_frame_id=message.child_frame_id)
    position = message.pose.pose.position
    moved = transform.transform.translation
    moved.x, moved.y, moved.z = position.x, position.y, position.z
    transform.transform.rotation = message.pose.pose.orientation
    return transform


class TransformListener:
    """Looks transforms up, with the reason where there is none.

    The buffer has the node's clock, so that simulated time is its time; when that jumps back, as
    with a bag that starts again, everything before is forgotten (tf2 does so by itself in C++
    only, ``tf2_ros::Buffer::onTimeJump``).

    Attributes:
        problem: What tf2 said at the last question; empty where it had an answer.
    """

    def __init__(self, node: Node, tf2_ros: Any) -> None:
        """Listen."""
        self.problem = ''
        self._tf2 = tf2_ros
        self._buffer = tf2_ros.Buffer(node=node)
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        threshold = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        # Kept: rclpy calls back only while somebody holds the handle.
        self._jump = node.get_clock().create_jump_callback(
            threshold, post_callback=lambda jump: self._buffer.clear()
        )

    def at(self, target: str, source: str, stamp: int) -> np.ndarray | None:
        """Return ``(4, 4)`` target from source, None while not known.

        Args:
            target: Frame to take points to.
            source: Frame they are in.
            stamp: Nanoseconds; 0 asks for the newest.
        """
        try:
            found = self._buffer.lookup_transform(
                target, source, Time(nanoseconds=stamp), timeout=Duration(seconds=0)
            )
        except self._tf2.TransformException as error:
            self.problem = f'TF has no {target!r} from {source!r} ({error})'
            return None
        self.problem = ''
        return motion_of(found.transform.translation, found.transform.rotation)


def transform_listener(node: Node) -> TransformListener | None:
    """Listen to TF where tf2_ros is installed; None where it is not."""
    try:
        tf2_ros: Any = import_module('tf2_ros')
    except ImportError:
        return None
    return TransformListener(node, tf2_ros)


class CameraMount:
    """Provides ``base_from_camera``; the parameter takes precedence over TF.

    Attributes:
        is_set: Whether it is set by hand.
        has_tf: Whether TF is listened to: it is not set, and tf2_ros is installed.
    """

    def __init__(self, node: Node, text: str, *, name: str = 'base_from_camera') -> None:
        """Read the parameter ``name``; listen to TF where it is empty."""
        self._pose = base_from_camera(text, name=name)
        self.is_set = self._pose is not None
        self._tf = None if self.is_set else transform_listener(node)
        self.has_tf = self._tf is not None

    @property
    def problem(self) -> str:
        """What tf2 said at the last question; empty where it had an answer or was not asked."""
        return self._tf.problem if self._tf else ''

    def at(self, stamp: int, base_frame: str, camera_frame: str) -> np.ndarray | None:
        """Return ``(4, 4)`` base from camera, None while unknown; stamp 0 asks for the newest."""
        if self._tf is None:
            return self._pose
        return self._tf.at(base_frame, camera_frame, stamp)
