"""Camera topics in: which ones, their subscriptions, pairing, and what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.errors import CalibrationError, InputError
from depth_ros.messages import stamp_ns
from depth_ros.ros.complaints import Complaints
from depth_ros.ros.parameters import StereoParameters
from depth_ros.ros.qos import camera_info_profile, input_profile, subscription_events
from depth_ros.ros.stereo_job import CameraInfoCache, ImageMessage, StereoJob
from depth_ros.synchronize import Pair, Side, StereoSynchronizer

IMAGE_NAMES = {'raw': 'image_raw', 'rectified': 'image_rect'}
MESSAGE_TYPES: dict[str, type] = {'raw': Image, 'compressed': CompressedImage}
SILENT_S = 5.0
INFO_GRACE_S = 2.0


@dataclass(slots=True, eq=False)
class SideInput:
    """One camera's topics and what came on them.

    Attributes:
        image_topic: Resolved name; empty while ``input`` is ``auto`` and undecided.
        info: Cache of its camera_info.
        subscribed_s: Monotonic time of the subscription.
        last_image_s: Monotonic time of the last image, or of the subscription.
        num_lost: Images that DDS reports as lost.
    """

    image_topic: str
    info: CameraInfoCache
    subscribed_s: float = 0.0
    last_image_s: float = 0.0
    num_lost: int = 0


class StereoSubscriptions:
    """Subscribes to both cameras and hands out pairs with their calibration."""

    def __init__(
        self,
        node: Node,
        parameters: StereoParameters,
        *,
        on_job: Callable[[StereoJob], None],
        on_unusable: Callable[[InputError], None],
        complain: Complaints,
    ) -> None:
        """Prepare; nothing is subscribed to before ``start``.

        Args:
            node: Owner of the subscriptions.
            parameters: Start values.
            on_job: Called with every pair that has both calibrations.
            on_unusable: Called for every pair that lacks one.
            complain: Throttled warnings.
        """
        self._node = node
        self._parameters = parameters
        self._on_job = on_job
        self._on_unusable = on_unusable
        self._complain = complain
        self.synchronizer: StereoSynchronizer[ImageMessage] = StereoSynchronizer(
            round(parameters.max_stamp_difference_s * 1e9),
            parameters.sync_queue_size,
            report=complain,
        )
        self.sides = {side: self._side(side) for side in Side}
        self.input = ''

    @property
    def is_started(self) -> bool:
        """Whether the image topics are subscribed to."""
        return bool(self.input)

    def start(self) -> bool:
        """Subscribe, if it is known to which topics; else say so and give False."""
        chosen = self._choose()
        if not chosen:
            names = ' or '.join(self._image_topic(Side.LEFT, name) for name in IMAGE_NAMES)
            self._complain('no_publisher', f'input is auto and nobody publishes {names} yet')
            return False
        for side in Side:
            self._subscribe(side, chosen)
        self.input = chosen
        left, right = (self.sides[side].image_topic for side in Side)
        self._node.get_logger().info(f'subscribed to {chosen} images on {left} and {right}')
        return True

    def set_parameters(self, parameters: StereoParameters) -> None:
        """Take over what can change while running."""
        self.synchronizer.max_difference_ns = round(parameters.max_stamp_difference_s * 1e9)
        self.synchronizer.queue_size = parameters.sync_queue_size

    def missing(self) -> list[tuple[str, str]]:
        """Give (reason, sentence) for every topic on which nothing comes."""
        if not self.is_started:
            return [('no_publisher', 'waiting for a publisher of left images')]
        return [entry for side in Side for entry in self._missing_of(side)]

    def _missing_of(self, side: Side) -> list[tuple[str, str]]:
        state, name, now = self.sides[side], side.value, time.monotonic()
        silent_s = now - state.last_image_s
        if silent_s > SILENT_S:
            publishers = self._node.count_publishers(state.image_topic)
            text = (
                f'no image on {state.image_topic} for {silent_s:.0f} s ({publishers} publishers): '
                f'check the camera and the name (ros2 topic list), or set {name}:= of the launch '
                'file'
            )
            return [(f'no_{name}_image', text)]
        if state.info.num_received or now - state.subscribed_s < INFO_GRACE_S:
            return []
        return [(f'no_{name}_camera_info', state.info.missing_text())]

    def _side(self, side: Side) -> SideInput:
        topic = self._node.resolve_topic_name(f'{side.value}/camera_info')
        return SideInput(image_topic='', info=CameraInfoCache(topic))

    def _choose(self) -> str:
        """Give ``raw`` or ``rectified``, or nothing while ``auto`` sees no publisher."""
        if self._parameters.input != 'auto':
            return self._parameters.input
        for name in ('rectified', 'raw'):
            if all(self._node.count_publishers(self._image_topic(side, name)) for side in Side):
                return name
        return ''

    def _image_topic(self, side: Side, name: str) -> str:
        topic = f'{side.value}/{IMAGE_NAMES[name]}'
        if self._parameters.image_transport == 'compressed':
            topic += '/compressed'
        return self._node.resolve_topic_name(topic)

    def _subscribe(self, side: Side, name: str) -> None:
        state = self.sides[side]
        state.image_topic = self._image_topic(side, name)
        state.subscribed_s = state.last_image_s = time.monotonic()

        def on_lost(count: int) -> None:
            state.num_lost += count
            self._complain(
                f'lost_{side.value}',
                f'{state.num_lost} images of {state.image_topic} were lost between the processes '
                "so far: start the camera with this package's config/fastdds.xml as "
                'FASTDDS_DEFAULT_PROFILES_FILE too, or raise input_depth (docs/topics.md)',
            )

        self._node.create_subscription(
            CameraInfo,
            state.info.topic,
            lambda message: self._on_info(side, message),
            camera_info_profile(self._parameters),
            event_callbacks=subscription_events(state.info.topic, self._complain),
        )
        self._node.create_subscription(
            MESSAGE_TYPES[self._parameters.image_transport],
            state.image_topic,
            lambda message: self._on_image(side, message),
            input_profile(self._parameters),
            event_callbacks=subscription_events(state.image_topic, self._complain, on_lost),
        )

    def _on_info(self, side: Side, message: CameraInfo) -> None:
        try:
            self.sides[side].info.update(message)
        except CalibrationError as error:
            self._complain(error.reason, str(error))

    def _on_image(self, side: Side, message: ImageMessage) -> None:
        self.sides[side].last_image_s = time.monotonic()
        for pair in self.synchronizer.add(side, stamp_ns(message.header.stamp), message):
            self._hand_out(pair)

    def _hand_out(self, pair: Pair[ImageMessage]) -> None:
        try:
            job = StereoJob(
                pair=pair,
                left=self.sides[Side.LEFT].info.camera(),
                right=self.sides[Side.RIGHT].info.camera(),
                is_rectified=self.input == 'rectified',
            )
        except InputError as error:
            self._on_unusable(error)
            return
        self._on_job(job)
