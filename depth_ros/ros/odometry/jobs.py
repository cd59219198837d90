"""An image and its depth on their way to the odometry worker, and how they become a frame."""

from __future__ import annotations

from dataclasses import dataclass

from sensor_msgs.msg import Image

from depth_ros.camera import rectified_camera
from depth_ros.errors import ImageError
from depth_ros.frames import RgbdFrame
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.headers import stamp_ns
from depth_ros.results import DepthResult, DepthScale
from depth_ros.ros.node.image_job import JobOfImage


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RgbdJob(JobOfImage):
    """An image and its depth.

    Attributes:
        depth: Depth image message, registered to the rectified image.
    """

    depth: Image

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
