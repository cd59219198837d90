"""What a node of one camera subscribes to; further topics are added by subclasses."""

from __future__ import annotations

from typing import Generic, TypeVar

from rclpy.node import Node

from depth_ros.errors import InputError
from depth_ros.ros.node.camera_input import CameraInput, ImageMessage
from depth_ros.ros.node.cameras import Cameras
from depth_ros.ros.node.image_job import ImageJob
from depth_ros.ros.node.parameters import CameraParameters
from depth_ros.ros.node.roles import InputCounts, InputTopic
from depth_ros.ros.node.task_node import Inbox

CameraParametersT = TypeVar('CameraParametersT', bound=CameraParameters)


class ImageInputs(Generic[CameraParametersT]):
    """Subscribes to one camera and hands out its images with their calibration."""

    def __init__(self, node: Node, parameters: CameraParametersT, inbox: Inbox) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        self._node = node
        self._parameters = parameters
        self._inbox = inbox
        self.camera = CameraInput(node, parameters, on_image=self._on_image, warn=inbox.warn)
        self._cameras = Cameras([self.camera], inbox.warn)

    @property
    def input(self) -> str:
        """Which images are taken; empty before ``start`` has succeeded."""
        return self._cameras.kind

    def start(self) -> bool:
        """Subscribe once the topic is known; otherwise warn and return False."""
        kind = self._cameras.choose(self._parameters.input)
        if not kind:
            return False
        beside = self._start_beside()
        self._cameras.subscribe(kind)
        self._node.get_logger().info(f'{self._cameras.describe()}{beside}')
        return True

    def _start_beside(self) -> str:
        """Subscribe to what a subclass needs besides; return what the log says of it."""
        return ''

    def set_parameters(self, parameters: CameraParametersT) -> None:
        """Take over what can change while running: nothing."""

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return self._cameras.topics()

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic without messages."""
        return self._cameras.missing()

    def counts(self) -> InputCounts:
        """Return the statistics: every image received is a job or was refused."""
        camera = self.camera
        return InputCounts(totals={'received': camera.num_received, 'lost': camera.num_lost})

    def close(self) -> None:
        """Nothing waits here."""

    def _on_image(self, message: ImageMessage) -> None:
        job = self._job(message)
        if job is not None:
            self._inbox.put(job)

    def _job(self, message: ImageMessage) -> ImageJob | None:
        """Return an image with its calibration; None where there is none, which is counted."""
        try:
            return ImageJob(
                image=message,
                camera=self.camera.info.camera(),
                is_rectified=self._cameras.is_rectified,
                low_bits=self._parameters.low_bits,
            )
        except InputError as error:
            self._inbox.refuse(error)
            return None
