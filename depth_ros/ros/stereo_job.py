"""A synchronized pair of messages on its way to the worker, and how it becomes a frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError, ImageError, InputError
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.messages import camera_from_info, decode_compressed_image, decode_image
from depth_ros.synchronize import Pair

ImageMessage: TypeAlias = Image | CompressedImage
DECODERS: dict[type, Callable[[ImageMessage], np.ndarray]] = {
    Image: decode_image,
    CompressedImage: decode_compressed_image,
}


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
        try:
            return MonoFrame(
                image=DECODERS[type(message)](message),
                camera=camera,
                stamp_ns=stamp_ns,
                is_rectified=self.is_rectified,
            )
        except ImageError as error:
            raise ImageError(error.reason, f'{side}: {error}') from error
        except CalibrationError as error:
            raise CalibrationError(error.reason, f'{side}: {error}') from error


class CameraInfoCache:
    """The last calibration of one camera; converted only when it changes.

    A broken camera_info replaces a good one: depth by a stale calibration would be wrong.
    """

    def __init__(self, topic: str) -> None:
        """Start without a calibration; ``topic`` is for messages."""
        self.topic = topic
        self.num_received = 0
        self._camera: PinholeCamera | None = None
        self._problem: CalibrationError | None = None
        self._fingerprint: tuple[object, ...] = ()

    @property
    def problem(self) -> CalibrationError | None:
        """What is wrong with the last camera_info, or None."""
        return self._problem

    def update(self, message: CameraInfo) -> None:
        """Take a camera_info.

        Raises:
            CalibrationError: The first time that a broken one comes.
        """
        self.num_received += 1
        fingerprint = _fingerprint(message)
        if fingerprint == self._fingerprint:
            return
        self._fingerprint = fingerprint
        self._camera, self._problem = None, None
        try:
            self._camera = camera_from_info(message)
        except CalibrationError as error:
            self._problem = CalibrationError(error.reason, f'{self.topic}: {error}')
            raise self._problem from error

    def camera(self) -> PinholeCamera:
        """Give the calibration.

        Raises:
            InputError: If there is none or it is broken.
        """
        if self._problem is not None:
            raise self._problem
        if self._camera is None:
            raise InputError('no_camera_info', self.missing_text())
        return self._camera

    def missing_text(self) -> str:
        """Say that no camera_info came, and what to do."""
        return (
            f'no camera_info on {self.topic}: publish the calibration there, or remap that name '
            'to where your driver publishes it'
        )


def _fingerprint(message: CameraInfo) -> tuple[object, ...]:
    roi = message.roi
    numbers = (message.d, message.k, message.r, message.p)
    return (
        message.header.frame_id,
        message.distortion_model,
        (message.height, message.width, message.binning_x, message.binning_y),
        (roi.x_offset, roi.y_offset, roi.height, roi.width),
        *(np.asarray(array, np.float64).tobytes() for array in numbers),
    )
