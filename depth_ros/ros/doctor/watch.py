"""Watches a robot for some seconds, disturbs nothing, and gives a ``RobotSnapshot``.

It subscribes only to what a node of ours already subscribes to, so that no camera that publishes
for listeners alone starts because of it, takes ``MAX_IMAGES`` of each image topic, and never our
nodes' outputs: they are computed for subscribers only.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.doctor.cameras import cameras_of
from depth_ros.ros.doctor.graph import UNKNOWN_NODE, endpoints, node_names, publishers_of
from depth_ros.ros.doctor.heard import Listening
from depth_ros.ros.doctor.inquiry import SOURCES, Inquiry
from depth_ros.ros.doctor.machine import MachineWatch
from depth_ros.ros.doctor.snapshot import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    DepthNode,
    HeardClock,
    RobotSnapshot,
)
from depth_ros.ros.doctor.statuses import StatusBook
from depth_ros.ros.doctor.tf_watch import TransformWatch
from depth_ros.ros.node.diagnostics import DIAGNOSTICS
from depth_ros.ros.node.guarded_executor import GuardedExecutor

KINDS: Mapping[str, type] = {
    IMAGE: Image,
    COMPRESSED: CompressedImage,
    CAMERA_INFO: CameraInfo,
    'nav_msgs/msg/Odometry': Odometry,
    'geometry_msgs/msg/PoseStamped': PoseStamped,
}
"""What is listened to, by type."""

MAX_TOPICS = 64
SPIN_S = 0.05
PATIENCE = 3.0
QUIET_S = 2.0
"""Without a new node of interest before the watch may end at its time."""

LOOK_S = 0.5
"""Time between two looks at the graph."""

DIAGNOSTICS_DEPTH = 50
SIGNS = ('autostart', 'build_if_missing', 'input_reliability')
"""Parameters by which a node of ours is known."""

COSTMAP = 'costmap'
CLOCK = '/clock'

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Clock:
    """The newest ``/clock``."""

    first_ns: int = 0
    last_ns: int = 0
    num_messages: int = 0

    def take(self, message: Clock) -> None:
        self.last_ns = stamp_ns(message.clock)
        self.first_ns = self.first_ns or self.last_ns
        self.num_messages += 1

    def heard(self) -> HeardClock:
        advance_s = (self.last_ns - self.first_ns) * 1e-9
        return HeardClock(num_messages=self.num_messages, advance_s=advance_s)


class RobotWatch:
    """Owns a node that only listens and asks."""

    def __init__(self, node: Node, *, root: Path = Path('/')) -> None:
        """Subscribe to what every robot has.

        Args:
            node: The doctor's node.
            root: Where ``/proc`` and ``/dev/shm`` of the robot are.
        """
        self._node = node
        self._machine = MachineWatch(root)
        self._statuses = StatusBook()
        self._clock = _Clock()
        self._transforms = TransformWatch(node)
        self._inquiries: dict[str, Inquiry] = {}
        self._listening: dict[str, Listening] = {}
        self._open: dict[str, Subscription] = {}
        self._changed_s = time.monotonic()
        self._executor = GuardedExecutor()
        self._executor.add_node(node)
        node.create_subscription(
            DiagnosticArray, DIAGNOSTICS, self._statuses.take, DIAGNOSTICS_DEPTH
        )
        node.create_subscription(Clock, CLOCK, self._clock.take, qos_profile_sensor_data)

    def run(self, seconds: float, *, is_stopped: Callable[[], bool]) -> float:
        """Watch until the time is up or somebody stops it; return for how many seconds.

        While something that is there still says nothing, it watches for up to ``PATIENCE`` times
        as long: on a busy machine processes take their time to find each other.
        """
        begun = time.monotonic()
        look_at = begun
        while not is_stopped():
            elapsed = time.monotonic() - begun
            if elapsed >= seconds and (elapsed >= PATIENCE * seconds or self._is_settled()):
                return elapsed
            if not self._executor.spin_guarded(SPIN_S, _tell):
                break
            if time.monotonic() >= look_at:
                self._look()
                look_at = time.monotonic() + LOOK_S
            self._poll()
        return time.monotonic() - begun

    def close(self) -> None:
        """Leave the executor; the node is its owner's."""
        self._executor.remove_node(self._node)
        self._executor.shutdown()

    def snapshot(self, seconds: float) -> RobotSnapshot:
        """Return what was seen."""
        publishers, subscriptions = endpoints(self._node)
        topics = {name: entry.result() for name, entry in self._listening.items()}
        answers = {name: inquiry.parameters for name, inquiry in self._inquiries.items()}
        seen = RobotSnapshot(
            seconds=seconds,
            node_names=node_names(self._node),
            publishers=publishers,
            subscriptions=subscriptions,
            simulated=frozenset(
                name for name, values in answers.items() if values.get('use_sim_time') is True
            ),
            states={name: inquiry.state for name, inquiry in self._inquiries.items()},
            topics=topics,
            clock=self._clock.heard(),
            transforms=self._transforms.transforms(),
            is_tf_readable=self._transforms.is_readable,
            costmaps={
                name: values
                for name, values in answers.items()
                if any(key.endswith(SOURCES) for key in values)
            },
            machine=self._machine.state(middleware=rclpy.get_rmw_implementation_identifier()),
        )
        nodes = [self._depth_node(seen, name) for name in self._ours()]
        return replace(seen, nodes=tuple(nodes))

    def _is_settled(self) -> bool:
        """Whether all nodes of ours and all that they take in said something."""
        ours = self._ours()
        is_complete = not any(name.endswith(UNKNOWN_NODE) for name in self._candidates())
        are_known = all(inquiry.is_done for inquiry in self._inquiries.values())
        has_clock = bool(publishers_of(self._node, CLOCK))
        are_heard = all(
            entry.is_heard(has_clock=has_clock) or not publishers_of(self._node, topic)
            for topic, entry in self._listening.items()
        )
        are_speaking = all(self._statuses.state_of(name) for name in ours)
        is_quiet = time.monotonic() > self._changed_s + QUIET_S
        return bool(ours) and is_complete and is_quiet and are_known and are_heard and are_speaking

    def _look(self) -> None:
        """Ask nodes that are new, and listen to what ours take in."""
        for name in self._candidates():
            if name not in self._inquiries and not name.endswith(UNKNOWN_NODE):
                self._inquiries[name] = Inquiry(self._node, name)
                self._changed_s = time.monotonic()
        for name in self._ours():
            for topic, kind in self._inputs_of(name):
                self._listen(topic, kind)

    def _candidates(self) -> set[str]:
        """Return nodes that may be ours, that publish what ours take in, and costmaps."""
        names = {end.node for end in publishers_of(self._node, DIAGNOSTICS)}
        for topic in self._listening:
            names |= {end.node for end in publishers_of(self._node, topic)}
        names |= {name for name in node_names(self._node) if name.endswith(COSTMAP)}
        return names

    def _ours(self) -> list[str]:
        return [
            name
            for name, inquiry in self._inquiries.items()
            if all(sign in inquiry.parameters for sign in SIGNS)
        ]

    def _inputs_of(self, name: str) -> Iterator[tuple[str, str]]:
        namespace, _, base = name.rpartition('/')
        try:
            found = self._node.get_subscriber_names_and_types_by_node(base, namespace or '/')
        except RuntimeError:  # rclpy's word for a node that has just gone
            return
        for topic, kinds in found:
            yield from ((topic, kind) for kind in kinds)

    def _listen(self, topic: str, kind: str) -> None:
        is_new = topic not in self._listening and len(self._listening) < MAX_TOPICS
        if kind in KINDS and is_new:
            entry = Listening(topic, kind, lambda: self._clock.last_ns)
            self._listening[topic] = entry
            self._open[topic] = self._node.create_subscription(
                KINDS[kind], topic, entry.take, qos_profile_sensor_data
            )

    def _poll(self) -> None:
        for inquiry in self._inquiries.values():
            inquiry.poll()
        for topic in [name for name in self._open if self._listening[name].is_enough]:
            self._node.destroy_subscription(self._open.pop(topic))

    def _depth_node(self, seen: RobotSnapshot, name: str) -> DepthNode:
        wanted = {end.topic: end.kind for end in seen.subscriptions_of(name)}
        statuses = self._statuses.topics_of(name)
        inputs = {topic: report for topic, report in statuses.items() if topic in wanted}
        return DepthNode(
            name=name,
            parameters=_plain(self._inquiries[name].parameters),
            state=self._statuses.state_of(name),
            inputs=inputs,
            cameras=cameras_of(_ordered(wanted, list(inputs))),
        )


def _ordered(wanted: Mapping[str, str], known: Sequence[str]) -> list[tuple[str, str]]:
    """Return (topic, type), those that the node tells of first and in its order."""
    rest = [topic for topic in sorted(wanted) if topic not in known]
    return [(topic, wanted[topic]) for topic in (*known, *rest)]


def _plain(values: Mapping[str, object]) -> dict[str, bool | int | float | str]:
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, bool | int | float | str)
    }


def _tell(reason: str, text: str) -> None:
    """Log what a callback raised: a message that cannot be taken ends nothing."""
    logger.debug('%s: %s', reason, text)


@contextmanager
def joined() -> Iterator[Node]:
    """Join the graph with a node that offers nothing, and leave it again."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = Node(
        f'depth_ros_doctor_{os.getpid()}',
        enable_rosout=False,
        start_parameter_services=False,
    )
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
