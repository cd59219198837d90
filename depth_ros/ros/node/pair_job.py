"""A synchronized pair of messages on its way to the worker, and how it becomes a frame."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from depth_ros.camera import PinholeCamera
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.ros.node.camera_input import ImageMessage, decode_frame
from depth_ros.streams.synchronize import Pair


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoJob:
    """What the worker gets.

    Attributes:
        pair: Image messages and their stamps.
        left: Left calibration at the moment of pairing.
        right: Right calibration.
        is_rectified: Whether the images are rectified already.
        accepted_s: Monotonic clock at pairing.
    """

    pair: Pair[ImageMessage]
    left: PinholeCamera
    right: PinholeCamera
    is_rectified: bool
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
            message, camera, stamp_ns=stamp_ns, is_rectified=self.is_rectified, label=side
        )
