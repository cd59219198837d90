"""One camera in, and metric depth beside it where the scale comes from that."""

from __future__ import annotations

from rclpy.node import Node

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ImageError, InputError
from depth_ros.results import DepthResult
from depth_ros.ros.mono.job import MonoJob, ReferenceShelf
from depth_ros.ros.mono.parameters import MonoParameters
from depth_ros.ros.node.camera_input import ImageMessage
from depth_ros.ros.node.depth_input import DepthInput
from depth_ros.ros.node.image_inputs import ImageInputs
from depth_ros.ros.node.roles import InputCounts, InputTopic
from depth_ros.ros.node.task_node import Inbox
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.tasks.mono.settings import ScaleMode

REFERENCE = 'reference/depth/image'
REFERENCE_REMEDY = (
    ': publish it (32FC1 metres or 16UC1 of depth_unit_m), remap that name, or set scale.mode to '
    'another'
)


class MonoInputs(ImageInputs[MonoParameters]):
    """Subscribes to a camera and, where the scale needs it, to metric depth."""

    def __init__(self, node: Node, parameters: MonoParameters, inbox: Inbox[MonoJob]) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        super().__init__(node, parameters, inbox)
        self._reference: ReferenceInput | None = None

    def start(self) -> bool:
        """Subscribe once the topics are known; otherwise warn and return False."""
        if not super().start():
            return False
        self._follow_reference()
        return True

    def set_parameters(self, parameters: MonoParameters) -> None:
        """Take over what can change while running."""
        self._parameters = parameters
        if self.input:
            self._follow_reference()

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return [*super().topics(), *(self._reference.topics() if self._reference else [])]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic without messages."""
        reference = self._reference.missing() if self._reference else []
        return [*super().missing(), *reference]

    def counts(self) -> InputCounts:
        """Return the statistics: every image received is a job or was refused."""
        num_references = self._reference.input.topic.num_received if self._reference else 0
        return InputCounts(
            totals={**super().counts().totals, 'received_reference': num_references}
        )

    @property
    def _needs_reference(self) -> bool:
        return self._parameters.settings.scale.mode is ScaleMode.REFERENCE_DEPTH

    def _follow_reference(self) -> None:
        """Subscribe to metric depth once a mode needs it."""
        if self._needs_reference and self._reference is None:
            self._reference = ReferenceInput(self._node, self._parameters, self._inbox.warn)

    def _find_reference(self, stamp: int, camera: PinholeCamera) -> DepthResult | None:
        """Return metric depth, or None after a warning; relative depth goes on. Any thread."""
        reference = self._reference
        if reference is None or not self._needs_reference:
            return None
        message = reference.shelf.newest(stamp)
        if message is None:
            return None
        try:
            return reference.input.result(message, camera)
        except InputError as error:
            reason = 'reference_image' if isinstance(error, ImageError) else error.reason
            self._inbox.warn(reason, f'reference depth cannot be used: {error}')
            return None

    def _on_image(self, message: ImageMessage) -> None:
        image = self._job(message)
        if image is not None:
            self._inbox.put(MonoJob(image=image, find_reference=self._find_reference))


class ReferenceInput:
    """Metric depth images and, where it is published, their calibration.

    Attributes:
        shelf: The last of them.
        input: Topics.
    """

    def __init__(self, node: Node, parameters: MonoParameters, warn: ThrottledWarnings) -> None:
        """Subscribe."""
        self.shelf = ReferenceShelf()
        self.input = DepthInput(
            node, parameters, name=REFERENCE, on_depth=self.shelf.add, warn=warn
        )
        node.get_logger().info(f'subscribed to metric depth on {self.input.topic.name}')

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return self.input.topics()

    def missing(self) -> list[tuple[str, str]]:
        """Return a warning while no depth arrives."""
        return self.input.topic.missing('no_reference_depth', 'metric depth', REFERENCE_REMEDY)
