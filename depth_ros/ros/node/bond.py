"""The heartbeat that Nav2's lifecycle_manager listens to, where ``bond`` messages are installed.

Both ends of a bond (bondcpp) publish ``bond/msg/Status`` on one topic with one id, which is the
node's name, and an instance id of their own; each takes the other for dead when its heartbeat
stops, and for gone in good order when it says that it is not active any more.
"""

from __future__ import annotations

import uuid
from importlib import import_module
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from depth_ros.ros.node.endpoints import open_publisher
from depth_ros.ros.node.qos import profile

TOPIC = '/bond'
PERIOD_S, TIMEOUT_S = 0.25, 4.0
"""Of the heartbeat, and after how long without one the other end gives up; bond's defaults."""
DEPTH = 10


class Bond:
    """Beats while the node is active; does nothing where there are no such messages."""

    def __init__(self, node: Node) -> None:
        """Advertise."""
        self._node = node
        self._instance = uuid.uuid4().hex
        self._is_formed = False
        self._status: Any = None
        try:
            self._status = import_module('bond.msg').Status
        except ImportError:
            return
        self._publisher = open_publisher(node, self._status, TOPIC, profile('reliable', DEPTH))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(PERIOD_S, self._beat, clock=steady)

    def form(self) -> None:
        """Begin to beat."""
        self._is_formed = True

    def end(self) -> None:
        """Say that the node is no longer active, and stop beating."""
        if self._is_formed:
            self._send(is_active=False)
        self._is_formed = False

    def _beat(self) -> None:
        if self._is_formed:
            self._send(is_active=True)

    def _send(self, *, is_active: bool) -> None:
        if self._status is None:
            return
        status = self._status(
            id=self._node.get_name(),
            instance_id=self._instance,
            active=is_active,
            heartbeat_timeout=TIMEOUT_S,
            heartbeat_period=PERIOD_S,
        )
        status.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(status)
