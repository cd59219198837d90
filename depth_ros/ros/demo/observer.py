"""Observer: a node that keeps the newest outputs of a depth_ros node, for the demo.

It subscribes like RViz and a navigation stack would, so the node computes everything.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry, Path
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from depth_ros.messages.clouds import decode_cloud
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.images import decode_image
from depth_ros.messages.poses import motion_of
from depth_ros.ros.node.diagnostics import DIAGNOSTICS, own_states

RATE_WINDOW_S = 5.0
RELIABLE = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One topic to look at.

    Attributes:
        topic: Relative name.
        kind: Message type.
        field: Where ``Seen`` keeps it.
        decode: Turns a message into an array.
        is_output: Whether the node under observation publishes it.
    """

    topic: str
    kind: type
    field: str
    decode: Callable[[Any], np.ndarray]
    is_output: bool = True


@dataclass(slots=True, eq=False)
class Seen:
    """The newest message of every topic, as plain values.

    Attributes:
        left: ``(H, W, 3)`` uint8 RGB, the camera's left image.
        disparity: ``(H, W)`` float32 px, NaN where unknown.
        depth: ``(H, W)`` float32 metres, as published (NaN, +Inf, -Inf kept).
        relative: ``(H, W)`` float32 depth up to a factor, NaN where unknown.
        reference: ``(H, W, 3)`` uint8 RGB, the image that ``depth`` belongs to.
        source: ``(H, W)`` uint8, whose depth each pixel of ``depth`` has.
        matches: ``(H, W, 3)`` uint8 RGB, the picture of matches.
        pose: ``(4, 4)`` float64, the base's newest pose.
        path: ``(N, 4, 4)`` float64 poses of the base as the node found them.
        true_path: The same as the sample rig drove.
        cloud: ``(h, w, 4)`` float32 x, y, z in metres, NaN where unknown, and packed rgb.
        diagnostics: Status name to its key-value pairs.
        arrivals: Topic to arrival times in seconds of the last few seconds.
        counts: Topic to messages received.
    """

    left: np.ndarray | None = None
    disparity: np.ndarray | None = None
    depth: np.ndarray | None = None
    relative: np.ndarray | None = None
    cloud: np.ndarray | None = None
    reference: np.ndarray | None = None
    source: np.ndarray | None = None
    matches: np.ndarray | None = None
    pose: np.ndarray | None = None
    path: np.ndarray | None = None
    true_path: np.ndarray | None = None
    diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)
    arrivals: dict[str, deque[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def rate_hz(self, topic: str) -> float:
        """Messages a second over the last few seconds."""
        times = self.arrivals.get(topic, deque())
        recent = [moment for moment in times if moment > time.monotonic() - RATE_WINDOW_S]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(1e-9, recent[-1] - recent[0])


class Observer(Node):
    """Keep the newest of every output topic; decode lazily, only when ``seen`` is read.

    Messages are kept as they came over the wire: to make Python objects of every cloud would take
    the computer from the node that is looked at.
    """

    def __init__(self, watched: Sequence[Watched] | None = None) -> None:
        """Subscribe to topics in this node's namespace; None takes the stereo node's."""
        super().__init__('depth_ros_observer')
        self._seen = Seen()
        self._raw: dict[str, bytes] = {}
        self._preparing: dict[str, str] = {}
        self._watched = STEREO_WATCHED if watched is None else tuple(watched)
        for entry in self._watched:
            qos = RELIABLE if entry.is_output else qos_profile_sensor_data
            keep = self._keep(entry.topic)
            self.create_subscription(entry.kind, entry.topic, keep, qos, raw=True)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._on_diagnostics, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def rate_hz(self, topic: str) -> float:
        """Messages a second on a topic over the last few seconds."""
        return self._seen.rate_hz(topic)

    @property
    def diagnostics(self) -> Mapping[str, Mapping[str, str]]:
        """Latest key-value pairs by status name."""
        return self._seen.diagnostics

    @property
    def preparing(self) -> str:
        """What nodes say while nothing runs in them yet, as an engine is built; else empty."""
        return '; '.join(filter(None, self._preparing.values()))

    @property
    def is_matched(self) -> bool:
        """Whether every output has a publisher that this node has found."""
        outputs = [entry.topic for entry in self._watched if entry.is_output]
        return all(self.count_publishers(topic) for topic in outputs)

    def spin(self, duration_s: float) -> None:
        """Handle messages for a while."""
        end = time.monotonic() + duration_s
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def destroy_node(self) -> None:
        """Remove the node from its executor and destroy it."""
        self._executor.shutdown()
        super().destroy_node()

    def seen(self) -> Seen:
        """Decode the newest messages and return them."""
        for entry in self._watched:
            if entry.topic in self._raw:
                message = deserialize_message(self._raw[entry.topic], entry.kind)
                setattr(self._seen, entry.field, entry.decode(message))
        return self._seen

    def _keep(self, topic: str):  # type: ignore[no-untyped-def]
        arrivals = self._seen.arrivals.setdefault(topic, deque(maxlen=500))

        def on_message(message: bytes) -> None:
            self._raw[topic] = message
            arrivals.append(time.monotonic())
            self._seen.counts[topic] = self._seen.counts.get(topic, 0) + 1

        return on_message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in own_states(message.status, self.get_namespace()):
            values = {item.key: item.value for item in status.values}
            self._seen.diagnostics[status.name] = values
            self._preparing[status.name] = preparing(status.level, status.message, values)


def preparing(level: bytes, message: str, values: Mapping[str, str]) -> str:
    """Return a state's message while its node opens a model and has not failed; else nothing."""
    is_open = values.get('model') != ''
    return '' if is_open or level == DiagnosticStatus.ERROR else message


@contextmanager
def observing(namespace: str, watched: Sequence[Watched] | None = None) -> Iterator[Observer]:
    """Join the ROS graph in a namespace and leave it again.

    Signals stay Python's: those of rclpy would end the context while it is in use.
    """
    rclpy.init(
        args=['--ros-args', '-r', f'__ns:={namespace}'],
        signal_handler_options=SignalHandlerOptions.NO,
    )
    observer = Observer(watched)
    try:
        yield observer
    finally:
        observer.destroy_node()
        rclpy.try_shutdown()


def decode_path(message: Path) -> np.ndarray:
    """Return ``(N, 4, 4)`` float64 poses."""
    poses = [motion_of(entry.pose.position, entry.pose.orientation) for entry in message.poses]
    return np.array(poses, np.float64).reshape(-1, 4, 4)


def decode_odometry(message: Odometry) -> np.ndarray:
    """Return the ``(4, 4)`` float64 pose."""
    pose = message.pose.pose
    return motion_of(pose.position, pose.orientation)


def decode_source(message: Image) -> np.ndarray:
    """Return ``(H, W)`` uint8: whose depth each pixel has."""
    return decode_image(message)[..., 0]


def decode_disparity(message: DisparityImage) -> np.ndarray:
    """Return float32 pixels, NaN where the message marks unknown."""
    values = decode_depth(message.image)
    values[values < message.min_disparity] = np.nan
    return values


_CAMERA = Watched(
    topic='left/image_raw', kind=Image, field='left', decode=decode_image, is_output=False
)
_DEPTH = Watched(topic='depth/image', kind=Image, field='depth', decode=decode_depth)
_POINTS = Watched(topic='points', kind=PointCloud2, field='cloud', decode=decode_cloud)
_RELATIVE = Watched(
    topic='relative_depth/image', kind=Image, field='relative', decode=decode_depth
)

STEREO_WATCHED = (
    _CAMERA,
    Watched(topic='disparity', kind=DisparityImage, field='disparity', decode=decode_disparity),
    _DEPTH,
    _POINTS,
)
MULTIVIEW_WATCHED = (
    _CAMERA,
    _DEPTH,
    Watched(topic='rectified/image', kind=Image, field='reference', decode=decode_image),
    Watched(topic='fused/points', kind=PointCloud2, field='cloud', decode=decode_cloud),
)
MATCH_WATCHED = (
    _CAMERA,
    Watched(topic='matches/image', kind=Image, field='matches', decode=decode_image),
)
ODOMETRY_WATCHED = (
    _CAMERA,
    Watched(topic='odometry', kind=Odometry, field='pose', decode=decode_odometry),
    Watched(topic='path', kind=Path, field='path', decode=decode_path),
    Watched(
        topic='ground_truth/path',
        kind=Path,
        field='true_path',
        decode=decode_path,
        is_output=False,
    ),
)
MONO_WATCHED = (_CAMERA, _RELATIVE)
"""Topics that exist without a metric scale."""

MONO_MOVING_WATCHED = (
    _CAMERA,
    _DEPTH,
    _POINTS,
    Watched(topic='rectified/image', kind=Image, field='reference', decode=decode_image),
    Watched(topic='depth/source', kind=Image, field='source', decode=decode_source),
)
"""Topics of a moving camera's mono node."""
