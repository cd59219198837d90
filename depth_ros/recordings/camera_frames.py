"""Frames of the images of a stretch, with the calibration of their moment or of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from depth_ros.camera import PinholeCamera
from depth_ros.files.bag_topics import CAMERA_INFO, BagTopic
from depth_ros.frames import MonoFrame
from depth_ros.messages.images import decode_any_image
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.wire import parsed

FROM_FILE = '(calibration file)'
"""Stands for the topic of a calibration that comes from a file."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CameraSource:
    """One camera of a job.

    Attributes:
        topic: Its images.
        info_topic: Its calibration; ``FROM_FILE`` for that of a file.
        camera: Calibration of the file, else None.
        is_rectified: Whether its images are rectified.
    """

    topic: str
    info_topic: str
    camera: PinholeCamera | None
    is_rectified: bool

    def frame(self, stretch: Stretch, message: StampedMessage) -> MonoFrame:
        """Return the frame of a message.

        Raises:
            InputError: If image or calibration cannot be used.
        """
        kind = stretch.recording.kind_of(self.topic)
        return MonoFrame(
            image=decode_any_image(parsed(stretch.data_of(message), kind)),
            camera=self.calibration(stretch, message),
            stamp_ns=message.stamp_ns,
            is_rectified=self.is_rectified,
        )

    def calibration(self, stretch: Stretch, message: StampedMessage) -> PinholeCamera:
        """Return the calibration of a message's moment, or that of the file.

        Raises:
            CalibrationError: If there is none or it is unfit.
        """
        return self.camera or stretch.camera_at(self.info_topic, message.position)


def info_topics_of(cameras: Sequence[CameraSource]) -> list[str]:
    """Return the topics of calibrations that are read from the recording."""
    return [camera.info_topic for camera in cameras if camera.camera is None]


def taken_as(images: str, *, is_rectified: bool) -> str:
    """Return the setting ``images`` without ``auto``, which stands for what is known otherwise."""
    known = 'rectified' if is_rectified else 'raw'
    return known if images == 'auto' else images


def with_file_topic(topics: Sequence[BagTopic], calibration: str) -> tuple[BagTopic, ...]:
    """Return topics with one that stands for a calibration file, where there is a file."""
    extra = BagTopic(name=FROM_FILE, type=CAMERA_INFO, count=1)
    return (*topics, extra) if calibration else tuple(topics)
