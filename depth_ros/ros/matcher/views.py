"""Undecoded images of a match request: recent frames of the topic, or sent with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from std_msgs.msg import Header

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError, DepthRosError, ImageError, InputError
from depth_ros.messages.images import announced_size, decode_any_image
from depth_ros.ros.matcher.messages import check_pixels
from depth_ros.ros.node.camera_input import ImageMessage


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchView:
    """One image that is not decoded yet.

    Attributes:
        message: Image or CompressedImage.
        stamp_ns: Its stamp.
        camera: Its calibration, None where there is none or it is broken.
        no_camera: Why there is none.
        is_recent: Whether it is a frame of the topic, which the ring holds anyway.
        low_bits: Bits that a 16-bit camera fills.
    """

    message: ImageMessage
    stamp_ns: int
    camera: PinholeCamera | None
    no_camera: DepthRosError | None = field(default=None)
    is_recent: bool = False
    low_bits: int = 16

    @property
    def header(self) -> Header:
        """Stamp and frame."""
        return self.message.header

    @property
    def num_bytes(self) -> int:
        """Memory that it holds on to."""
        return len(self.message.data)

    def check_size(self, *, what: str) -> None:
        """Refuse an image above 4K before it is decoded.

        Raises:
            ImageError: With reason ``'too_large'``, or ``'compressed'``.
        """
        try:
            height, width = announced_size(self.message)
        except ImageError as error:
            raise ImageError(error.reason, f'{what}: {error}') from error
        check_pixels(height, width, what=what)

    def decode(self, *, what: str) -> np.ndarray:
        """Return ``(H, W, 3)`` uint8 RGB.

        Raises:
            ImageError: Naming which image.
        """
        self.check_size(what=what)
        try:
            return decode_any_image(self.message, low_bits=self.low_bits)
        except ImageError as error:
            raise ImageError(error.reason, f'{what}: {error}') from error

    def checked_camera(
        self, image: np.ndarray, *, is_needed: bool, what: str
    ) -> PinholeCamera | None:
        """Return the calibration if it fits the image.

        A broken one of the topic is no fault of a request that does not need it.

        Raises:
            InputError: If it is needed and missing or broken, or does not fit.
        """
        if self.camera is None:
            if is_needed:
                raise InputError('no_camera_info', f'{what}: {self.no_camera or NO_CAMERA}')
            return None
        height, width = image.shape[:2]
        fits = (self.camera.height, self.camera.width) == (height, width)
        if self.is_recent and not is_needed and not fits:
            return None
        try:
            self.camera.check_image_size(height, width)
        except CalibrationError as error:
            raise CalibrationError(error.reason, f'{what}: {error}') from error
        return self.camera


NO_CAMERA = (
    'essential matrix and pose need its calibration; send the CameraInfo with the request, or '
    'name a frame by its stamp while camera_info is published'
)
