"""Frames of the images of a stretch, with the calibration of their moment or of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from depth_ros.camera import PinholeCamera
from depth_ros.files.bag_topics import CAMERA_INFO, BagTopic
from depth_ros.frames import MonoFrame
from depth_ros.messages.images import decode_any_image
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.wire import parsed

FROM_FILE = '(calibration file)'
"""Stands for the topic of a calibration that comes from a file."""


class SaysRectified(Protocol):
    """A calibration that says of which images it is."""

    @property
    def is_rectified(self) -> bool:
        """Whether of rectified ones."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CameraSource:
    """One camera of a job.

    Attributes:
        topic: Its images.
        info_topic: Its calibration; ``FROM_FILE`` for that of a file, empty for none.
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
        return self.camera or stretch.calibrations.at(self.info_topic, message.position)


def stretch_of(
    cameras: Sequence[CameraSource],
    recording: Recording,
    segment: Segment,
    *,
    overlap_ns: int,
    reach_ns: int = 0,
    pose_topics: Sequence[str] = (),
) -> Stretch:
    """Return what is read of a segment: images, and calibrations that no file gives.

    Args:
        cameras: Whose images.
        recording: Where from.
        segment: Which stretch.
        overlap_ns: As of ``Stretch``, and the others too.
        reach_ns: Time beside the segment that is read.
        pose_topics: Topics of poses.
    """
    infos = [camera.info_topic for camera in cameras if camera.camera is None]
    return Stretch(
        recording,
        segment,
        topics=[camera.topic for camera in cameras],
        info_topics=[topic for topic in infos if topic],
        overlap_ns=overlap_ns,
        reach_ns=reach_ns,
        pose_topics=pose_topics,
    )


def taken_as(
    images: str, calibration: str, *, is_rectified: bool, read: Callable[[str], SaysRectified]
) -> str:
    """Return the setting ``images`` without ``auto``, which stands for what is known otherwise.

    Args:
        images: The setting.
        calibration: File of the calibration, which decides; empty for none.
        is_rectified: What the names of the topics say.
        read: Reads the file.

    Raises:
        CalibrationError: If the file cannot be used.
    """
    if calibration:
        is_rectified = read(calibration).is_rectified
    known = 'rectified' if is_rectified else 'raw'
    return known if images == 'auto' else images


def with_file_topic(topics: Sequence[BagTopic], calibration: str) -> tuple[BagTopic, ...]:
    """Return topics with one that stands for a calibration file, where there is a file."""
    extra = BagTopic(name=FROM_FILE, type=CAMERA_INFO, count=1)
    return (*topics, extra) if calibration else tuple(topics)
