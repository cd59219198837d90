"""Observer: a node that keeps the newest of what the stereo node publishes, for the demo.

It subscribes like RViz and a navigation stack would, so the node computes everything.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from depth_ros.messages import decode_image
from depth_ros.viewer_inputs import decode_cloud, decode_depth

RATE_WINDOW_S = 5.0
STEREO_TOPICS = ('disparity', 'depth/image', 'points')
RELIABLE = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(slots=True, eq=False)
class Seen:
    """The newest of everything, in plain values.

    Attributes:
        left: ``(H, W, 3)`` uint8 RGB, the camera's left image.
        disparity: ``(H, W)`` float32 px, NaN where unknown.
        depth: ``(H, W)`` float32 metres, as published (NaN, +Inf, -Inf kept).
        cloud: ``(h, w, 4)`` float32 x, y, z in metres, NaN where unknown, and packed rgb.
        diagnostics: Status name to its key-value pairs.
        arrivals: Topic to arrival times in seconds of the last few seconds.
        counts: Topic to messages received.
    """

    left: np.ndarray | None = None
    disparity: np.ndarray | None = None
    depth: np.ndarray | None = None
    cloud: np.ndarray | None = None
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
    """Keep the newest of every output topic; decode lazily, only when ``seen`` is read."""

    def __init__(self) -> None:
        """Subscribe to the stereo node's topics in this node's namespace."""
        super().__init__('depth_ros_observer')
        self._seen = Seen()
        self._raw: dict[str, object] = {}
        subscriptions: tuple[tuple[type, str, QoSProfile], ...] = (
            (Image, 'left/image_raw', qos_profile_sensor_data),
            (DisparityImage, 'disparity', RELIABLE),
            (Image, 'depth/image', RELIABLE),
            (PointCloud2, 'points', RELIABLE),
        )
        for kind, topic, qos in subscriptions:
            self.create_subscription(kind, topic, self._keep(topic), qos)
        self.create_subscription(DiagnosticArray, 'diagnostics', self._on_diagnostics, 10)

    def rate_hz(self, topic: str) -> float:
        """Messages a second on a topic over the last few seconds."""
        return self._seen.rate_hz(topic)

    @property
    def diagnostics(self) -> Mapping[str, Mapping[str, str]]:
        """Latest key-value pairs by status name."""
        return self._seen.diagnostics

    @property
    def is_matched(self) -> bool:
        """Whether every topic of the stereo node has a publisher that this node has found."""
        return all(self.count_publishers(topic) for topic in STEREO_TOPICS)

    def spin(self, duration_s: float) -> None:
        """Handle messages for a while."""
        end = time.monotonic() + duration_s
        while (left := end - time.monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=left)

    def seen(self) -> Seen:
        """Decode the newest messages and give them."""
        for topic, decode in DECODERS.items():
            if topic in self._raw:
                setattr(self._seen, FIELDS[topic], decode(self._raw[topic]))
        return self._seen

    def _keep(self, topic: str):  # type: ignore[no-untyped-def]
        arrivals = self._seen.arrivals.setdefault(topic, deque(maxlen=500))

        def on_message(message: object) -> None:
            self._raw[topic] = message
            arrivals.append(time.monotonic())
            self._seen.counts[topic] = self._seen.counts.get(topic, 0) + 1

        return on_message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            self._seen.diagnostics[status.name] = values


@contextmanager
def observing(namespace: str) -> Iterator[Observer]:
    """Join the ROS graph in a namespace and leave it again."""
    rclpy.init(args=['--ros-args', '-r', f'__ns:={namespace}'])
    observer = Observer()
    try:
        yield observer
    finally:
        observer.destroy_node()
        rclpy.try_shutdown()


def decode_disparity(message: DisparityImage) -> np.ndarray:
    """Give float32 pixels, NaN where the message marks unknown."""
    values = decode_depth(message.image)
    values[values < message.min_disparity] = np.nan
    return values


FIELDS = {
    'left/image_raw': 'left',
    'disparity': 'disparity',
    'depth/image': 'depth',
    'points': 'cloud',
}
DECODERS = {
    'left/image_raw': decode_image,
    'disparity': decode_disparity,
    'depth/image': decode_depth,
    'points': decode_cloud,
}
