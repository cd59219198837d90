"""One camera's image message with its calibration, on its way to the worker."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from depth_ros.camera import PinholeCamera
from depth_ros.frames import MonoFrame
from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.node.camera_input import ImageMessage, decode_frame


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageJob:
    """One image and nothing else.

    Attributes:
        image: Image message.
        camera: Calibration at the moment of arrival.
        is_rectified: Whether the image is rectified already.
        low_bits: Bits that a 16-bit camera fills.
        accepted_s: Monotonic clock at arrival.
    """

    image: ImageMessage
    camera: PinholeCamera
    is_rectified: bool
    low_bits: int = 16
    accepted_s: float = field(default_factory=time.monotonic)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return stamp_ns(self.image.header.stamp)

    @property
    def frame_id(self) -> str:
        """Frame of the results: the image's, or else its camera_info's."""
        return self.image.header.frame_id or self.camera.frame_id

    def decode(self) -> MonoFrame:
        """Decode the image.

        Raises:
            InputError: If the message cannot be used.
        """
        return decode_frame(
            self.image,
            self.camera,
            stamp_ns=self.stamp_ns,
            is_rectified=self.is_rectified,
            low_bits=self.low_bits,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class JobOfImage:
    """Base of jobs that bring something beside an image, which says when and where.

    Attributes:
        image: The image.
    """

    image: ImageJob

    @property
    def accepted_s(self) -> float:
        """Monotonic clock when the image was handed over."""
        return self.image.accepted_s

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return self.image.stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of the image."""
        return self.image.frame_id
