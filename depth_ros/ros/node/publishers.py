"""Outputs: each topic of a node is one line of a table, computed only for subscribers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from stereo_msgs.msg import DisparityImage

from depth_ros.camera import PinholeCamera, rectified_camera
from depth_ros.geometry.cloud_bounds import fitting_stride
from depth_ros.geometry.cloud_filters import without_flying_pixels, without_outliers
from depth_ros.geometry.cloud_settings import CloudSettings
from depth_ros.geometry.depth import cloud_shape, organised_cloud
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.messages.clouds import cloud_room
from depth_ros.messages.headers import HeaderMessage, fill_header
from depth_ros.messages.images import fill_image
from depth_ros.results import DepthResult
from depth_ros.ros.node.cloud_parameters import CloudParameters
from depth_ros.ros.node.endpoints import open_publisher
from depth_ros.ros.node.local_topics import AnyPublisher, LocalPublisher
from depth_ros.ros.node.parameters import ParametersT
from depth_ros.ros.node.qos import output_profile, publisher_events
from depth_ros.ros.node.rate_limit import RateLimit
from depth_ros.ros.node.roles import Job, WantedT
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate

ShownT = TypeVar('ShownT')


def always(parameters: object) -> bool:
    """Serve a topic whatever the parameters."""
    return True


def each(parameters: object) -> float:
    """Send each message of a topic."""
    return 0.0


def same_frame(parameters: object) -> str:
    """Give a message the frame of its output."""
    return ''


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputTopic(Generic[ShownT, ParametersT, WantedT]):
    """One line of a table of topics; ``WantedT`` is a frozen dataclass of bools.

    Attributes:
        name: Relative name.
        message_type: Its type, one with a header.
        fill: Fills a message, header excepted; False where the output does not have it, because
            it was not wanted when the computation began or is not to be had. The message may be
            one that was sent before: every field is set.
        needs: What has to be computed for it.
        rides_along: Whether it is published with every output but is no reason to compute one.
        alone: Fills the message of a job that is not computed, because only topics that ride along
            have subscribers; None where that is not possible.
        is_served: Whether there is such a topic with these parameters; where not, it is silent
            and nothing is computed for it.
        max_rate_hz: Most messages a second, by their stamps; 0 sends each.
        frame: Frame of the message where it is not that of the output, which empty stands for.
        meaning: One line for the docs.
    """

    name: str
    message_type: type
    fill: Callable[[Any, ShownT, ParametersT], bool]
    needs: WantedT
    rides_along: bool = False
    alone: Callable[[Any, Any, ParametersT], None] | None = None
    is_served: Callable[[ParametersT], bool] = always
    max_rate_hz: Callable[[ParametersT], float] = each
    frame: Callable[[ParametersT], str] = same_frame
    meaning: str


class TopicPublishers(Generic[ShownT, ParametersT, WantedT]):
    """Publishes one output on every topic that has subscribers.

    Attributes:
        parameters: The node's parameters, replaced when they change.
    """

    def __init__(
        self,
        node: Node,
        parameters: ParametersT,
        warn: ThrottledWarnings,
        topics: Sequence[OutputTopic[ShownT, ParametersT, WantedT]],
    ) -> None:
        """Advertise every topic."""
        self.parameters = parameters
        self._node = node
        self._publishers: list[tuple[OutputTopic[Any, Any, Any], AnyPublisher]] = []
        self._sent: dict[str, object] = {}
        self._rates: dict[str, TopicRate] = {}
        self._limits: dict[str, RateLimit] = {topic.name: RateLimit() for topic in topics}
        for topic in topics:
            resolved = node.resolve_topic_name(topic.name)
            publisher = open_publisher(
                node,
                topic.message_type,
                topic.name,
                output_profile(parameters),
                events=publisher_events(resolved, warn),
            )
            self._publishers.append((topic, publisher))
            self._rates[topic.name] = TopicRate(resolved)

    def set_parameters(self, parameters: ParametersT) -> None:
        """Use other parameters from the next output on."""
        self.parameters = parameters

    def rates(self) -> Sequence[TopicRate]:
        """Return how the messages of every topic go out."""
        return tuple(self._rates.values())

    def details(self) -> Mapping[str, str]:
        """Return further key-values for diagnostics and the report; none here."""
        return {}

    def wanted(self) -> WantedT | None:
        """Return which outputs have subscribers; None if there are none."""
        needs = [
            topic.needs
            for topic, publisher in self._publishers
            if not topic.rides_along
            and topic.is_served(self.parameters)
            and publisher.get_subscription_count()
        ]
        return joined(needs) if needs else None

    def is_due(self, stamp_ns: int) -> bool:
        """Whether ``publish`` would publish anything of this stamp."""
        return any(self._is_due(topic, stamp_ns) for topic, _ in self._listened_to())

    def publish(self, output: ShownT, *, stamp_ns: int, frame_id: str) -> None:
        """Publish on every topic that has subscribers and whose rate allows it."""
        for topic, publisher in self._listened_to():
            if not self._is_due(topic, stamp_ns):
                continue
            message = self._message(topic, publisher)
            if not topic.fill(message, output, self.parameters):
                continue
            self._limits[topic.name].take(stamp_ns, topic.max_rate_hz(self.parameters))
            frame = topic.frame(self.parameters) or frame_id
            self._send(topic.name, publisher, message, stamp_ns=stamp_ns, frame_id=frame)

    def publish_alone(self, job: Job[Any]) -> None:
        """Publish what needs no computation, for a job that nobody wants computed.

        Raises:
            InputError: If the calibration cannot be used.
        """
        for topic, publisher in self._listened_to():
            if topic.alone is not None:
                message = topic.message_type()  # another thread may be filling the kept one
                topic.alone(message, job, self.parameters)
                stamp_ns, frame_id = job.stamp_ns, job.frame_id
                self._send(topic.name, publisher, message, stamp_ns=stamp_ns, frame_id=frame_id)

    def _message(
        self, topic: OutputTopic[ShownT, ParametersT, WantedT], publisher: AnyPublisher
    ) -> object:
        """Return a message to fill: the last one, whose memory is there already.

        DDS has its own copy once it is published; readers of this process have the message itself.
        """
        if isinstance(publisher, LocalPublisher):
            return topic.message_type()
        if topic.name not in self._sent:
            self._sent[topic.name] = topic.message_type()
        return self._sent[topic.name]

    def _is_due(self, topic: OutputTopic[ShownT, ParametersT, WantedT], stamp_ns: int) -> bool:
        return self._limits[topic.name].is_due(stamp_ns, topic.max_rate_hz(self.parameters))

    def _listened_to(
        self,
    ) -> Iterator[tuple[OutputTopic[ShownT, ParametersT, WantedT], AnyPublisher]]:
        for topic, publisher in self._publishers:
            if publisher.get_subscription_count() and topic.is_served(self.parameters):
                yield topic, publisher

    def _send(
        self, name: str, publisher: AnyPublisher, message: object, *, stamp_ns: int, frame_id: str
    ) -> None:
        for header in headers_of(message):
            fill_header(header, stamp_ns=stamp_ns, frame_id=frame_id)
        publisher.publish(message)
        now_ns = self._node.get_clock().now().nanoseconds
        self._rates[name].add(stamp_ns, frame_id, now_ns)


def joined(needs: Sequence[WantedT]) -> WantedT:
    """Return the union of several sets of wanted outputs."""
    kind = type(needs[0])
    names = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: any(getattr(need, name) for need in needs) for name in names})


def headers_of(message: object) -> list[HeaderMessage]:
    """Return every header of a message."""
    if isinstance(message, DisparityImage):
        return [message.header, message.image.header]
    return [message.header]  # type: ignore[attr-defined]


def fill_map(message: Image, values: np.ndarray | None, encoding: str = '32FC1') -> bool:
    """Fill an image message as ``images.fill_image`` does; False if there are no values."""
    if values is None:
        return False
    fill_image(message, values, encoding)
    return True


def fill_info(message: CameraInfo, camera: PinholeCamera) -> bool:
    """Fill the camera_info of the rectified image but the header."""
    fill_camera_info(message, rectified_camera(camera))
    return True


def points_rate_hz(parameters: CloudParameters) -> float:
    """Return the most clouds a second on ``points``."""
    return parameters.cloud.max_rate_hz


def fill_points(
    message: PointCloud2,
    depth: DepthResult,
    rgb: np.ndarray,
    *,
    stride: int,
    filters: CloudSettings | None = None,
) -> bool:
    """Fill an organised cloud but the header; it is computed where the message keeps it.

    Args:
        message: To be filled.
        depth: Metric depth.
        rgb: ``(H, W, 3)`` uint8 colours of the same pixels.
        stride: Every n-th pixel and row becomes a point.
        filters: What is left out; None leaves out nothing.
    """
    kept = depth.depth
    if filters is not None:
        kept = without_flying_pixels(kept, max_step=filters.max_edge_step)
        kept = without_outliers(
            kept, min_neighbors=filters.outlier_neighbors, num_sigmas=filters.outlier_sigma
        )
        stride = fitting_stride(kept.shape, stride=stride, max_points=filters.max_points)
    points = cloud_room(message, cloud_shape(kept, stride=stride), PointField)
    organised_cloud(kept, rgb, depth.camera, stride=stride, out=points)
    return True
