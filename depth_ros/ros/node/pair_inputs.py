"""Both cameras of a rig in: subscriptions, pairing, what is missing, and pairs for the worker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rclpy.node import Node

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.node.camera_input import CameraInput, ImageMessage, decode_frame
from depth_ros.ros.node.cameras import Cameras
from depth_ros.ros.node.parameters import PairParameters
from depth_ros.ros.node.roles import InputCounts, InputTopic
from depth_ros.ros.node.task_node import Inbox
from depth_ros.streams.synchronize import Pair, Side, SideCounts, StereoSynchronizer


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoJob:
    """What the worker gets.

    Attributes:
        pair: Image messages and their stamps.
        left: Left calibration at the moment of pairing.
        right: Right calibration.
        is_rectified: Whether the images are rectified already.
        low_bits: Bits that 16-bit cameras fill.
        accepted_s: Monotonic clock at pairing.
    """

    pair: Pair[ImageMessage]
    left: PinholeCamera
    right: PinholeCamera
    is_rectified: bool
    low_bits: int = 16
    accepted_s: float = field(default_factory=time.monotonic)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the left image."""
        return self.pair.left_stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of the results: the left image's, or else its camera_info's."""
        return self.pair.left.header.frame_id or self.left.frame_id

    def decode(self) -> StereoFrame:
        """Decode both images.

        Raises:
            InputError: Naming the side.
        """
        return StereoFrame(
            left=self._frame('left', self.pair.left, self.left, self.pair.left_stamp_ns),
            right=self._frame('right', self.pair.right, self.right, self.pair.right_stamp_ns),
        )

    def _frame(
        self, side: str, message: ImageMessage, camera: PinholeCamera, stamp_ns: int
    ) -> MonoFrame:
        return decode_frame(
            message,
            camera,
            stamp_ns=stamp_ns,
            is_rectified=self.is_rectified,
            label=side,
            low_bits=self.low_bits,
        )


PairParametersT = TypeVar('PairParametersT', bound=PairParameters)


class StereoInputs(Generic[PairParametersT]):
    """Subscribes to both cameras and hands out pairs with their calibration."""

    def __init__(self, node: Node, parameters: PairParametersT, inbox: Inbox[StereoJob]) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        self._node = node
        self._parameters = parameters
        self._inbox = inbox
        self.synchronizer: StereoSynchronizer[ImageMessage] = StereoSynchronizer(
            round(parameters.max_stamp_difference_s * 1e9),
            parameters.sync_queue_size,
            report=inbox.warn,
        )
        self.cameras = {side: self._camera(side) for side in Side}
        self._both = Cameras(tuple(self.cameras.values()), inbox.warn, images='left images')

    @property
    def input(self) -> str:
        """Which images are taken; empty before ``start`` has succeeded."""
        return self._both.kind

    def start(self) -> bool:
        """Subscribe once the topics are known; otherwise warn and return False."""
        kind = self._both.choose(self._parameters.input)
        if not kind:
            return False
        self._both.subscribe(kind)
        self._node.get_logger().info(self._both.describe())
        return True

    def set_parameters(self, parameters: PairParametersT) -> None:
        """Take over what can change while running."""
        self.synchronizer.max_difference_ns = round(parameters.max_stamp_difference_s * 1e9)
        self.synchronizer.queue_size = parameters.sync_queue_size

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return self._both.topics()

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic without messages."""
        return self._both.missing()

    def counts(self) -> InputCounts:
        """Return the pairing counters; ``received == paired + unpaired + refused + waiting``."""
        sides = {side: self.synchronizer.counts(side) for side in Side}
        totals = {'paired': sides[Side.LEFT].paired, 'resets': self.synchronizer.num_resets}
        for side, counts in sides.items():
            totals[f'received_{side.value}'] = counts.received
            totals[f'unpaired_{side.value}'] = counts.num_unpaired
            totals[f'refused_{side.value}'] = counts.num_refused
            totals[f'waiting_{side.value}'] = counts.waiting
            totals[f'lost_{side.value}'] = self.cameras[side].num_lost
        return InputCounts(totals=totals, by_reason=by_reason(sides))

    def close(self) -> None:
        """Pair nothing more."""
        self.synchronizer.close()

    def _camera(self, side: Side) -> CameraInput:
        return CameraInput(
            self._node,
            self._parameters,
            on_image=self._taker(side),
            warn=self._inbox.warn,
            name=side.value,
        )

    def _taker(self, side: Side) -> Callable[[ImageMessage], None]:
        def take(message: ImageMessage) -> None:
            for pair in self.synchronizer.add(side, stamp_ns(message.header.stamp), message):
                self._hand_out(pair)

        return take

    def _hand_out(self, pair: Pair[ImageMessage]) -> None:
        try:
            job = StereoJob(
                pair=pair,
                left=self.cameras[Side.LEFT].info.camera(),
                right=self.cameras[Side.RIGHT].info.camera(),
                is_rectified=self._both.is_rectified,
                low_bits=self._parameters.low_bits,
            )
        except InputError as error:
            self._inbox.refuse(error)
            return
        self._put(job)

    def _put(self, job: StereoJob) -> None:
        """Hand a pair over; subclasses add what belongs to it."""
        self._inbox.put(job)


def by_reason(sides: Mapping[Side, SideCounts]) -> dict[str, dict[str, int]]:
    """Return unpaired and refused images of both sides by reason."""
    unpaired: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for counts in sides.values():
        unpaired.update(counts.unpaired)
        refused.update(counts.refused)
    return {'unpaired': dict(unpaired), 'refused': dict(refused)}
