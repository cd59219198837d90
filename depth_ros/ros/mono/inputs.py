"""One camera in, and metric depth beside it where the scale comes from that."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError, InputError
from depth_ros.results import DepthResult
from depth_ros.ros.mono.job import MonoJob, ReferenceShelf
from depth_ros.ros.mono.parameters import MonoParameters
from depth_ros.ros.node.camera_input import SILENT_S, CameraInfoCache, ImageMessage
from depth_ros.ros.node.image_inputs import ImageInputs
from depth_ros.ros.node.qos import camera_info_profile, input_profile, subscription_events
from depth_ros.ros.node.roles import InputCounts
from depth_ros.ros.node.task_node import Inbox

REFERENCE = 'reference/depth/image'
REFERENCE_INFO = 'reference/depth/camera_info'


class MonoInputs(ImageInputs[MonoParameters]):
    """Subscribes to a camera and, where the scale needs it, to metric depth."""

    def __init__(self, node: Node, parameters: MonoParameters, inbox: Inbox[MonoJob]) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        super().__init__(node, parameters, inbox)
        self._reference: ReferenceInput | None = None

    def start(self) -> bool:
        """Subscribe, if it is known to which topics; else say so and give False."""
        if not super().start():
            return False
        self._follow_reference()
        return True

    def set_parameters(self, parameters: MonoParameters) -> None:
        """Take over what can change while running."""
        self._parameters = parameters
        if self.input:
            self._follow_reference()

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic on which nothing comes."""
        reference = self._reference.missing() if self._reference else []
        return [*super().missing(), *reference]

    def counts(self) -> InputCounts:
        """Return the statistics: every image received is a job or was refused."""
        num_references = self._reference.num_received if self._reference else 0
        return InputCounts(
            totals={**super().counts().totals, 'received_reference': num_references}
        )

    def _follow_reference(self) -> None:
        """Subscribe to metric depth once a mode needs it."""
        if self._parameters.scale_mode == 'reference_depth' and self._reference is None:
            self._reference = ReferenceInput(self._node, self._parameters, self._inbox.warn)

    def _find_reference(self, stamp: int, camera: PinholeCamera) -> DepthResult | None:
        """Return metric depth, or None after a warning; relative depth goes on. Any thread."""
        reference = self._reference
        if reference is None or self._parameters.scale_mode != 'reference_depth':
            return None
        try:
            return reference.shelf.find(stamp, camera)
        except InputError as error:
            self._inbox.warn(error.reason, str(error))
            return None

    def _on_image(self, message: ImageMessage) -> None:
        image = self._job(message)
        if image is not None:
            self._inbox.put(MonoJob(image=image, find_reference=self._find_reference))


class ReferenceInput:
    """Metric depth images and, where somebody publishes it, their calibration.

    Attributes:
        shelf: The last of them.
        num_received: Depth images received.
    """

    def __init__(
        self, node: Node, parameters: MonoParameters, warn: Callable[[str, str], None]
    ) -> None:
        """Subscribe."""
        self._warn = warn
        self._topic = node.resolve_topic_name(REFERENCE)
        self._info = CameraInfoCache(node.resolve_topic_name(REFERENCE_INFO))
        self.shelf = ReferenceShelf(self._info)
        self.num_received = 0
        self._last_s = time.monotonic()
        events = subscription_events(self._topic, warn)
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
            self._warn(error.reason, str(error))
