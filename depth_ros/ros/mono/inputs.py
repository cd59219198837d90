"""One camera in; its poses, and metric depth beside it, where they are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from rclpy.node import Node

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ImageError, InputError
from depth_ros.results import DepthResult
from depth_ros.ros.mono.job import MonoJob, ReferenceShelf
from depth_ros.ros.mono.parameters import MonoParameters
from depth_ros.ros.node.camera_input import ImageMessage
from depth_ros.ros.node.depth_input import DepthInput
from depth_ros.ros.node.image_inputs import ImageInputs
from depth_ros.ros.node.image_job import ImageJob
from depth_ros.ros.node.poses import PoseSource, open_poses
from depth_ros.ros.node.roles import InputCounts, InputTopic
from depth_ros.ros.node.task_node import Inbox
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.tasks.mono.settings import ScaleMode

MAX_WAITING = 30
POSES_STOPPED_NS = 1_000_000_000
"""After so long without a pose images no longer wait for one."""
REFERENCE = 'reference/depth/image'
REFERENCE_REMEDY = (
    ': publish it (32FC1 metres or 16UC1 of depth_unit_m), remap that name, or set scale.mode to '
    'another'
)


class MonoInputs(ImageInputs[MonoParameters]):
    """Subscribes to a camera, to its poses and, where the scale needs it, to metric depth.

    An image waits a little for its pose, but only while poses come; without one it goes on alone.

    Attributes:
        without_depth: Gives (reason, sentence) where the last image had no depth at all, for
            diagnostics: what was missing beside it.
    """

    def __init__(self, node: Node, parameters: MonoParameters, inbox: Inbox[MonoJob]) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        super().__init__(node, parameters, inbox)
        self._reference: ReferenceInput | None = None
        self._poses: PoseSource | None = None
        self._waiting: deque[ImageJob] = deque()
        self._last_posed_ns: int | None = None
        self.without_depth: Callable[[], list[tuple[str, str]]] = list

    def _start_beside(self) -> str:
        if self._parameters.pose_source == 'none':
            return ''
        self._poses = open_poses(self._node, self._parameters, self._inbox.warn)
        return f', poses: {self._parameters.pose_source}'

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
        return [
            *super().topics(),
            *(self._poses.topics() if self._poses else []),
            *(self._reference.topics() if self._reference else []),
        ]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for topics without messages, and an image without depth."""
        reference = self._reference.missing() if self._reference else []
        poses = self._poses.missing() if self._poses else []
        return [*super().missing(), *poses, *reference, *self.without_depth()]

    def counts(self) -> InputCounts:
        """Return the statistics: every image received is a job or was refused."""
        num_references = self._reference.input.topic.num_received if self._reference else 0
        return InputCounts(
            totals={
                **super().counts().totals,
                'waiting': len(self._waiting),
                'received_poses': self._poses.num_received if self._poses else 0,
                'received_reference': num_references,
            }
        )

    def poll(self) -> None:
        """Look again for poses of waiting images, which come after the images as a rule."""
        while self._waiting:
            image = self._waiting[0]
            pose = self._pose_of(image)
            if pose is None and self._may_wait(image):
                return
            self._waiting.popleft()
            self._hand_out(image, pose)

    def close(self) -> None:
        """Hand out what still waits, which is then counted as all images at the end are."""
        while self._waiting:
            self._hand_out(self._waiting.popleft(), None)

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
            self._waiting.append(image)
            self.poll()

    def _hand_out(self, image: ImageJob, pose: np.ndarray | None) -> None:
        self._inbox.put(
            MonoJob(
                image=image,
                find_reference=self._find_reference,
                world_from_camera=pose,
                pose_trouble=None if pose is not None else self._why_no_pose(image),
            )
        )

    def _why_no_pose(self, image: ImageJob) -> InputError | None:
        if self._poses is None:
            return None
        return self._poses.why_not(image.frame_id)

    def _pose_of(self, image: ImageJob) -> np.ndarray | None:
        """Return the pose of an image; None where there is none, or none yet."""
        if self._poses is None:
            return None
        try:
            pose = self._poses.at(image.stamp_ns, image.frame_id)
        except InputError as error:
            self._inbox.warn(error.reason, str(error))
            self._last_posed_ns = None
            return None
        if pose is not None:
            self._last_posed_ns = image.stamp_ns
        return pose

    def _may_wait(self, image: ImageJob) -> bool:
        """Whether poses came lately, and the image has not waited for long."""
        last = self._last_posed_ns
        if last is None or abs(image.stamp_ns - last) > POSES_STOPPED_NS:
            # The first pose comes after its image: one image at a time waits for it.
            poses = self._poses if len(self._waiting) < 2 else None
            return poses is not None and poses.expects(image.frame_id)
        waited_ns = abs(self._waiting[-1].stamp_ns - image.stamp_ns)
        return (
            waited_ns <= round(1e9 * self._parameters.max_pose_wait_s)
            and len(self._waiting) <= MAX_WAITING
        )


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
