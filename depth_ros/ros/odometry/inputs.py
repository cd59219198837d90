"""What the odometry node subscribes to: two cameras, one with depth, or one alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node

from depth_ros.frames import RgbdFrame
from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.node.camera_input import ImageMessage
from depth_ros.ros.node.depth_input import DepthInput
from depth_ros.ros.node.image_inputs import ImageInputs
from depth_ros.ros.node.image_job import JobOfImage
from depth_ros.ros.node.pair_inputs import StereoInputs, by_reason
from depth_ros.ros.node.roles import InputCounts, Inputs, InputTopic
from depth_ros.ros.node.task_node import Inbox
from depth_ros.ros.odometry.parameters import OdometryParameters
from depth_ros.streams.synchronize import Side, StereoSynchronizer
from depth_ros.tasks.odometry.settings import Source

DEPTH = 'depth/image'
DEPTH_REMEDY = (
    ': publish depth of the same view (32FC1 metres, or 16UC1 of depth_unit_m), or remap that name'
)
MakeInputs = Callable[[Node, OdometryParameters, Inbox], Inputs[OdometryParameters]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RgbdJob(JobOfImage):
    """An image and its depth.

    Attributes:
        depth: Depth message of the same view.
        input: Where it came in, which knows how to read it.
    """

    depth: ImageMessage
    input: DepthInput

    def decode(self) -> RgbdFrame:
        """Decode both.

        Raises:
            InputError: If a message cannot be used.
        """
        frame = self.image.decode()
        return RgbdFrame(image=frame, depth=self.input.result(self.depth, frame.camera))


class RgbdInputs(ImageInputs[OdometryParameters]):
    """Subscribes to a camera and to depth, and pairs them by stamp; depth is the right side."""

    def __init__(self, node: Node, parameters: OdometryParameters, inbox: Inbox) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        super().__init__(node, parameters, inbox)
        self._synchronizer: StereoSynchronizer[ImageMessage] = StereoSynchronizer(
            round(parameters.max_stamp_difference_s * 1e9),
            parameters.sync_queue_size,
            report=inbox.warn,
        )
        self._depth: DepthInput | None = None

    def start(self) -> bool:
        """Subscribe to both."""
        if not super().start():
            return False
        self._depth = DepthInput(
            self._node,
            self._parameters,
            name=DEPTH,
            on_depth=self._on_depth,
            warn=self._inbox.warn,
        )
        self._node.get_logger().info(f'subscribed to metric depth on {self._depth.topic.name}')
        return True

    def set_parameters(self, parameters: OdometryParameters) -> None:
        """Take over how images and depth are paired."""
        self._synchronizer.max_difference_ns = round(parameters.max_stamp_difference_s * 1e9)
        self._synchronizer.queue_size = parameters.sync_queue_size

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return [*super().topics(), *(self._depth.topics() if self._depth else [])]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic without messages."""
        topic = self._depth.topic if self._depth else None
        depth = topic.missing('no_depth_image', 'depth', DEPTH_REMEDY) if topic else []
        return [*super().missing(), *depth]

    def counts(self) -> InputCounts:
        """Return the counters: ``received == paired + unpaired + refused + waiting``."""
        sides = {side: self._synchronizer.counts(side) for side in Side}
        image, depth = sides[Side.LEFT], sides[Side.RIGHT]
        return InputCounts(
            totals={
                'received': self.camera.num_received,
                'lost': self.camera.num_lost,
                'received_depth': self._depth.topic.num_received if self._depth else 0,
                'paired': image.paired,
                'unpaired': image.num_unpaired,
                'unpaired_depth': depth.num_unpaired,
                'refused': image.num_refused,
                'refused_depth': depth.num_refused,
                'waiting': image.waiting,
                'waiting_depth': depth.waiting,
                'resets': self._synchronizer.num_resets,
            },
            by_reason=by_reason(sides),
        )

    def close(self) -> None:
        """Pair nothing more."""
        self._synchronizer.close()

    def _on_image(self, message: ImageMessage) -> None:
        self._add(Side.LEFT, message)

    def _on_depth(self, message: ImageMessage) -> None:
        self._add(Side.RIGHT, message)

    def _add(self, side: Side, message: ImageMessage) -> None:
        for pair in self._synchronizer.add(side, stamp_ns(message.header.stamp), message):
            job = self._job(pair.left)
            if job is not None and self._depth is not None:
                self._inbox.put(RgbdJob(image=job, depth=pair.right, input=self._depth))


INPUTS: dict[Source, MakeInputs] = {
    Source.STEREO: StereoInputs,
    Source.RGBD: RgbdInputs,
    Source.MONO: ImageInputs,
}
"""Subscriptions by ``source``."""
