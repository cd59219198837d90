"""Messages on their way to the odometry worker, and how they become a frame."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sensor_msgs.msg import Image

from depth_ros.camera import PinholeCamera, rectified_camera
from depth_ros.errors import ImageError
from depth_ros.frames import MonoFrame
from depth_ros.messages import stamp_ns
from depth_ros.odometry.processor import RgbdFrame
from depth_ros.results import DepthResult, DepthScale
from depth_ros.ros.camera_input import ImageMessage, decode_frame
from depth_ros.viewer_inputs import decode_depth


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageJob:
    """One image, for source ``mono``.

    Attributes:
        image: Image message.
        camera: Calibration at the moment of arrival.
        is_rectified: Whether the image is rectified already.
        accepted_s: Monotonic clock at arrival.
    """

    image: ImageMessage
    camera: PinholeCamera
    is_rectified: bool
    accepted_s: float = field(default_factory=time.monotonic)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return stamp_ns(self.image.header.stamp)

    @property
    def frame_id(self) -> str:
        """The image's frame, or else its camera_info's."""
        return self.image.header.frame_id or self.camera.frame_id

    def decode(self) -> MonoFrame:
        """Decode the image.

        Raises:
            InputError: If the message cannot be used.
        """
        return decode_frame(
            self.image, self.camera, stamp_ns=self.stamp_ns, is_rectified=self.is_rectified
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RgbdJob:
    """An image and its depth.

    Attributes:
        image: The image.
        depth: Depth image message, registered to the rectified image.
    """

    image: ImageJob
    depth: Image

    @property
    def accepted_s(self) -> float:
        """Monotonic clock when the pair was complete."""
        return self.image.accepted_s

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return self.image.stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of the image."""
        return self.image.frame_id

    def decode(self) -> RgbdFrame:
        """Decode both.

        Raises:
            InputError: If a message cannot be used.
        """
        frame = self.image.decode()
        try:
            depth = decode_depth(self.depth)
        except ImageError as error:
            raise ImageError(f'depth_{error.reason}', f'depth: {error}') from error
        result = DepthResult(
            depth=depth,
            camera=rectified_camera(frame.camera),
            stamp_ns=stamp_ns(self.depth.header.stamp),
            scale=DepthScale.METRIC,
        )
        return RgbdFrame(image=frame, depth=result)
