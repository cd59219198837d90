"""Both cameras of the stereo node in, with what others know about each pair."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rclpy.node import Node

from depth_ros.frames import StereoFrame
from depth_ros.ros.node.pair_inputs import StereoInputs, StereoJob
from depth_ros.ros.node.roles import InputTopic
from depth_ros.ros.node.task_node import Inbox
from depth_ros.ros.stereo.hint_inputs import HintInputs, PendingBeside
from depth_ros.ros.stereo.parameters import StereoParameters


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HintedJob(StereoJob):
    """A pair and what is known beside it.

    Attributes:
        beside: What is known.
    """

    beside: PendingBeside

    def decode(self) -> StereoFrame:
        """Decode both images and what is beside them.

        Raises:
            InputError: Naming the side.
        """
        return replace(StereoJob.decode(self), beside=self.beside.decode())


class HintedInputs(StereoInputs[StereoParameters]):
    """Subscribes to both cameras and, where hints need it, to other sensors and to poses."""

    def __init__(self, node: Node, parameters: StereoParameters, inbox: Inbox[StereoJob]) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        super().__init__(node, parameters, inbox)
        self._hints = HintInputs(node, parameters, inbox.warn)

    def start(self) -> bool:
        """Subscribe once the topics are known; otherwise warn and return False."""
        if not super().start():
            return False
        self._hints.follow(self._parameters)
        return True

    def set_parameters(self, parameters: StereoParameters) -> None:
        """Take over what can change while running."""
        super().set_parameters(parameters)
        self._parameters = parameters
        if self.input:
            self._hints.follow(parameters)

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return [*super().topics(), *self._hints.topics()]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic without messages."""
        return [*super().missing(), *self._hints.missing()]

    def _put(self, job: StereoJob) -> None:
        beside = self._hints.at(job.stamp_ns, job.frame_id, job.left)
        self._inbox.put(
            HintedJob(
                pair=job.pair,
                left=job.left,
                right=job.right,
                is_rectified=job.is_rectified,
                low_bits=job.low_bits,
                accepted_s=job.accepted_s,
                beside=beside,
            )
        )
