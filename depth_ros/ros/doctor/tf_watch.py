"""Keeps the newest of every transform on TF's topics, where tf2_msgs is installed."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data

from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.doctor.snapshot import HeardTransform
from depth_ros.ros.node.qos import profile

STATIC_DEPTH = 100
MAX_TRANSFORMS = 5000
LONGEST_NAME = 200


class TransformWatch:
    """Listens to TF.

    Attributes:
        is_readable: Whether tf2_msgs is installed.
    """

    def __init__(self, node: Node) -> None:
        """Subscribe."""
        self._edges: dict[tuple[str, str, bool], HeardTransform] = {}
        try:
            kind = import_module('tf2_msgs.msg').TFMessage
        except (ImportError, AttributeError):
            self.is_readable = False
            return
        self.is_readable = True
        static: QoSProfile = profile('reliable', STATIC_DEPTH)
        static.durability = DurabilityPolicy.TRANSIENT_LOCAL
        node.create_subscription(kind, '/tf', self._on_moving, qos_profile_sensor_data)
        node.create_subscription(kind, '/tf_static', self._on_static, static)

    def transforms(self) -> tuple[HeardTransform, ...]:
        """Return the newest of every edge."""
        return tuple(self._edges.values())

    def _on_moving(self, message: Any) -> None:
        self._take(message, is_static=False)

    def _on_static(self, message: Any) -> None:
        self._take(message, is_static=True)

    def _take(self, message: Any, *, is_static: bool) -> None:
        for transform in message.transforms:
            edge = _edge(transform, is_static=is_static)
            key = (edge.parent, edge.child, is_static)
            if key in self._edges or len(self._edges) < MAX_TRANSFORMS:
                self._edges[key] = edge


def _edge(transform: Any, *, is_static: bool) -> HeardTransform:
    place, turn = transform.transform.translation, transform.transform.rotation
    delay_s = (time.time_ns() - stamp_ns(transform.header.stamp)) * 1e-9
    return HeardTransform(
        parent=_frame(transform.header.frame_id),
        child=_frame(transform.child_frame_id),
        is_static=is_static,
        translation=(place.x, place.y, place.z),
        quaternion=(turn.x, turn.y, turn.z, turn.w),
        delay_s=float('nan') if is_static else delay_s,
    )


def _frame(name: str) -> str:
    """Return a frame as tf2 has it: without the slash of ROS 1."""
    return name.removeprefix('/')[:LONGEST_NAME]
