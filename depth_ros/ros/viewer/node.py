"""Viewer node: what the stereo node publishes, live in a browser on this machine.

It subscribes only while a browser is connected, so an idle viewer causes no computation.
Callbacks keep the newest message and return; the viewer's own thread decodes and draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_ros.ros.node.company import Company, CompanyNode
from depth_ros.ros.node.declare import AUTOSTART, declare_once, start_parameter
from depth_ros.ros.node.diagnostics import DIAGNOSTICS, own_states
from depth_ros.ros.node.endpoints import close_subscription, open_subscription
from depth_ros.ros.node.help import NodeHelp
from depth_ros.ros.node.lifecycle import Lifecycle, NothingToManage
from depth_ros.ros.node.local_topics import AnySubscription
from depth_ros.ros.node.parameters import RELIABILITIES
from depth_ros.ros.node.qos import diagnostics_profile, profile, subscription_events
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.settings import SettingValue
from depth_ros.viewer.inputs import Role, ViewerInputs
from depth_ros.viewer.page import ViewerFrame
from depth_ros.viewer.server import open_viewer

POLL_S = 0.25

SPECS = (
    AUTOSTART,
    start_parameter('port', 8080, 'port on 127.0.0.1; 0: a free one', minimum=0, maximum=65535),
    start_parameter('viewer_stride', 2, 'show every n-th point and row', minimum=1, maximum=64),
    start_parameter(
        'max_rate_hz', 5.0, 'frames drawn per second at most', minimum=0.1, maximum=60.0
    ),
    start_parameter(
        'picture',
        'depth',
        'second picture: depth of depth/image, or disparity of disparity/color',
        choices=('depth', 'disparity'),
    ),
    start_parameter(
        'input',
        'raw',
        'first picture: left/image_raw (raw) or left/image_rect (rectified)',
        choices=('raw', 'rectified'),
    ),
    start_parameter(
        'image_transport',
        'raw',
        'type of the first picture; compressed has /compressed behind its name',
        choices=('raw', 'compressed'),
    ),
    start_parameter(
        'input_reliability',
        'reliable',
        'reliability asked of everything but the first picture, which is taken as best effort',
        choices=RELIABILITIES,
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewerTopic:
    """One topic to subscribe to."""

    role: Role
    kind: type
    topic: str
    qos: QoSProfile


class ViewerNode:
    """Owns the node and the view; see ``run_node``."""

    def __init__(self, *, company: Company | None = None) -> None:
        """Open the view.

        Args:
            company: Shared with other nodes of the process; None if it is alone there.

        Raises:
            ParameterError: If a parameter is refused.
            ViewerError: If viser is missing or the port is taken.
        """
        self.node = CompanyNode('viewer_node', company)
        values = declare_once(self.node, SPECS)
        log = self.node.get_logger()
        self.warn = ThrottledWarnings(log.warning)
        self._sources = sources(values)
        stride = int(values['viewer_stride'])
        rated = [source.role for source in self._sources if source.kind in RATED_TYPES]
        self._inputs = ViewerInputs(stride=stride, expected=rated)
        self._subscriptions: list[AnySubscription] = []
        self.viewer = open_viewer(
            int(values['port']), stride=stride, max_rate_hz=float(values['max_rate_hz'])
        )
        log.info(f'open {self.viewer.address} in a browser on this machine')
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(POLL_S, self._poll, clock=steady)
        self.lifecycle = Lifecycle(self.node, NothingToManage())
        if values['autostart']:
            self.lifecycle.bring_up()

    @property
    def is_finished(self) -> bool:
        """Never: the viewer runs until it is stopped."""
        return False

    @property
    def is_subscribed(self) -> bool:
        """Whether a browser is connected, so that topics are subscribed to."""
        return bool(self._subscriptions)

    def close(self) -> int:
        """Stop serving and return the exit code."""
        self.viewer.close()
        return 0

    def _poll(self) -> None:
        """Subscribe when the first browser connects; unsubscribe after the last has left."""
        has_clients = self.viewer.num_clients > 0 and self.lifecycle.is_active
        if has_clients and not self._subscriptions:
            self._inputs.forget()
            self._subscriptions = [self._subscribe(source) for source in self._sources]
        elif self._subscriptions and not has_clients:
            for subscription in self._subscriptions:
                close_subscription(self.node, subscription)
            self._subscriptions = []

    def _subscribe(self, source: ViewerTopic) -> AnySubscription:
        topic = self.node.resolve_topic_name(source.topic)
        return open_subscription(
            self.node,
            source.kind,
            source.topic,
            self._on_message(source.role),
            source.qos,
            events=subscription_events(topic, self.warn),
        )

    def _on_message(self, role: Role) -> Callable[[object], None]:
        def on_message(message: object) -> None:
            if isinstance(message, DiagnosticArray):
                message.status = own_states(message.status, self.node.get_namespace())
            self._inputs.keep(role, message)
            self.viewer.show(self._make_frame)

        return on_message

    def _make_frame(self) -> ViewerFrame:
        return self._inputs.make_frame(keeps_colors=self.viewer.keeps_colors)


RATED_TYPES = (Image, CompressedImage, PointCloud2)
"""Types of the topics whose rate is plotted and whose silence is named."""


def sources(values: Mapping[str, SettingValue]) -> tuple[ViewerTopic, ...]:
    """List what to subscribe to."""
    qos = profile(str(values['input_reliability']), 1)
    picture = Role.DEPTH if values['picture'] == 'depth' else Role.DISPARITY
    camera_images = profile('best_effort', 1)
    return (
        left_source(values, camera_images),
        ViewerTopic(role=picture, kind=Image, topic=picture.value, qos=qos),
        ViewerTopic(role=Role.CAMERA, kind=CameraInfo, topic=Role.CAMERA.value, qos=qos),
        ViewerTopic(role=Role.POINTS, kind=PointCloud2, topic=Role.POINTS.value, qos=qos),
        ViewerTopic(
            role=Role.DIAGNOSTICS,
            kind=DiagnosticArray,
            topic=DIAGNOSTICS,
            qos=diagnostics_profile(),
        ),
    )


def left_source(values: Mapping[str, SettingValue], qos: QoSProfile) -> ViewerTopic:
    """Return the left image topic for the values of ``input`` and ``image_transport``."""
    topic = 'left/image_rect' if values['input'] == 'rectified' else Role.LEFT.value
    if values['image_transport'] == 'compressed':
        return ViewerTopic(
            role=Role.LEFT, kind=CompressedImage, topic=f'{topic}/compressed', qos=qos
        )
    return ViewerTopic(role=Role.LEFT, kind=Image, topic=topic, qos=qos)


HELP = NodeHelp(
    summary='live depth in a browser, on this machine only',
    inputs={
        'left/image_raw': 'sensor_msgs/Image',
        'depth/image': 'sensor_msgs/Image',
        'depth/camera_info': 'sensor_msgs/CameraInfo',
        'points': 'sensor_msgs/PointCloud2',
        '/diagnostics': 'diagnostic_msgs/DiagnosticArray',
    },
    outputs={'http://127.0.0.1:8080': 'the page'},
    settings=lambda: SPECS,
    example='-p port:=8080',
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node('viewer_node', ViewerNode, args, help=HELP)
