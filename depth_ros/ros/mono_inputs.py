"""One camera in, and metric depth beside it where the scale comes from that."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError, InputError
from depth_ros.results import DepthResult
from depth_ros.ros.camera_input import (
    SILENT_S,
    CameraInfoCache,
    CameraInput,
    ImageMessage,
    choose_input,
    no_publisher_text,
)
from depth_ros.ros.mono_job import MonoJob, ReferenceShelf
from depth_ros.ros.mono_parameters import MonoParameters
from depth_ros.ros.qos import camera_info_profile, input_profile, subscription_events
from depth_ros.ros.roles import InputCounts
from depth_ros.ros.task_node import Inbox

REFERENCE = 'reference/depth/image'
REFERENCE_INFO = 'reference/depth/camera_info'


class MonoInputs:
    """Subscribes to a camera and hands out its images with their calibration."""

    def __init__(self, node: Node, parameters: MonoParameters, inbox: Inbox[MonoJob]) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        self._node = node
        self._parameters = parameters
        self._inbox = inbox
        self.camera = CameraInput(
            node, parameters, on_image=self._on_image, complain=inbox.complain
        )
        self._reference: ReferenceInput | None = None
        self.input = ''

    def start(self) -> bool:
        """Subscribe, if it is known to which topics; else say so and give False."""
        chosen = choose_input([self.camera], self._parameters.input)
        if not chosen:
            self._inbox.complain('no_publisher', no_publisher_text(self.camera))
            return False
        self._follow_reference()
        self.camera.subscribe(chosen)
        self.input = chosen
        topic = self.camera.image_topic
        self._node.get_logger().info(f'subscribed to {chosen} images on {topic}')
        return True

    def set_parameters(self, parameters: MonoParameters) -> None:
        """Take over what can change while running."""
        self._parameters = parameters
        if self.input:
            self._follow_reference()

    def missing(self) -> list[tuple[str, str]]:
        """Give (reason, sentence) for every topic on which nothing comes."""
        if not self.input:
            return [('no_publisher', 'waiting for a publisher of images')]
        reference = self._reference.missing() if self._reference else []
        return [*self.camera.missing(), *reference]

    def counts(self) -> InputCounts:
        """Give the books: every image received is a job or was refused."""
        return InputCounts(
            totals={
                'received': self.camera.num_received,
                'lost': self.camera.num_lost,
                'received_reference': self._reference.num_received if self._reference else 0,
            }
        )

    def close(self) -> None:
        """Nothing waits here."""

    def _follow_reference(self) -> None:
        """Subscribe to metric depth once a mode needs it."""
        if self._parameters.scale_mode == 'reference_depth' and self._reference is None:
            self._reference = ReferenceInput(self._node, self._parameters, self._inbox.complain)

    def _find_reference(self, stamp: int, camera: PinholeCamera) -> DepthResult | None:
        """Give metric depth, or None and a warning: relative depth goes on without; any thread."""
        reference = self._reference
        if reference is None or self._parameters.scale_mode != 'reference_depth':
            return None
        try:
            return reference.shelf.find(stamp, camera)
        except InputError as error:
            self._inbox.complain(error.reason, str(error))
            return None

    def _on_image(self, message: ImageMessage) -> None:
        try:
            job = MonoJob(
                image=message,
                camera=self.camera.info.camera(),
                is_rectified=self.input == 'rectified',
                find_reference=self._find_reference,
            )
        except InputError as error:
            self._inbox.refuse(error)
            return
        self._inbox.put(job)


class ReferenceInput:
    """Metric depth images and, where somebody publishes it, their calibration.

    Attributes:
        shelf: The last of them.
        num_received: Depth images received.
    """

    def __init__(
        self, node: Node, parameters: MonoParameters, complain: Callable[[str, str], None]
    ) -> None:
        """Subscribe."""
        self._complain = complain
        self._topic = node.resolve_topic_name(REFERENCE)
        self._info = CameraInfoCache(node.resolve_topic_name(REFERENCE_INFO))
        self.shelf = ReferenceShelf(self._info)
        self.num_received = 0
        self._last_s = time.monotonic()
        events = subscription_events(self._topic, complain)
        node.create_subscription(
            Image, REFERENCE, self._on_depth, input_profile(parameters), event_callbacks=events
        )
        node.create_subscription(
            CameraInfo, REFERENCE_INFO, self._on_info, camera_info_profile(parameters)
        )
        node.get_logger().info(f'subscribed to metric depth on {self._topic}')

    def missing(self) -> list[tuple[str, str]]:
        """Say that no depth comes."""
        silent_s = time.monotonic() - self._last_s
        if silent_s <= SILENT_S:
            return []
        text = (
            f'no metric depth on {self._topic} for {silent_s:.0f} s: publish it (32FC1 metres or '
            '16UC1 millimetres), remap that name, or set scale.mode to another'
        )
        return [('no_reference_depth', text)]

    def _on_depth(self, message: Image) -> None:
        self._last_s = time.monotonic()
        self.num_received += 1
        self.shelf.add(message)

    def _on_info(self, message: CameraInfo) -> None:
        try:
            self._info.update(message)
        except CalibrationError as error:
            self._complain(error.reason, str(error))
