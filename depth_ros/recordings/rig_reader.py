"""The pairs of a rig in a stretch of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from depth_ros.files.bag_topics import BagTopic, stereo_topics
from depth_ros.files.calibration import read_rig
from depth_ros.frames import StereoFrame
from depth_ros.recordings.camera_frames import (
    FROM_FILE,
    CameraSource,
    stretch_of,
    taken_as,
    with_file_topic,
)
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.ledger import LedgerLine
from depth_ros.recordings.lone_images import lone_image
from depth_ros.recordings.pairing import StampedMessage, is_near, partners
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import PairTopicNames


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordedPair:
    """Two images of one moment.

    Attributes:
        left: The reference.
        right: Its partner.
        number: Its place among the left images of the recording.
        before: The pair of the left image before, recorded near it; None where there is none.
    """

    left: StampedMessage
    right: StampedMessage
    number: int
    before: RecordedPair | None = None


class RigReader:
    """Reads what a job says of a rig.

    Attributes:
        cameras: Left, right.
    """

    def __init__(self, given: PairTopicNames) -> None:
        """Read the calibration, if it is in a file; the topics must be named."""
        self.cameras = _cameras(given)
        self._max_difference_ns = round(given.max_stamp_difference_s * 1e9)

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what is read of a segment."""
        return stretch_of(self.cameras, recording, segment, overlap_ns=overlap_ns)

    def pairs(self, stretch: Stretch) -> Iterator[RecordedPair | LedgerLine]:
        """Return the pairs whose left image is the segment's own, and its lone images."""
        left, right = (stretch.images[camera.topic] for camera in self.cameras)
        found = partners(
            left,
            right,
            max_difference_ns=self._max_difference_ns,
            overlap_ns=stretch.overlap_ns,
        )
        number = stretch.segment.first_frame
        last: RecordedPair | None = None
        for image in sorted([*left, *right], key=lambda image: image.position):
            partner = found.get(image.position)
            is_left = image.topic == self.cameras[0].topic
            if partner is not None and not is_left:
                continue
            pair = None
            if partner is not None:
                near = last if last and is_near(last.left, image, stretch.overlap_ns) else None
                pair = RecordedPair(left=image, right=partner, number=number, before=near)
            if image.is_own:
                yield pair or self._alone(stretch, image)
                number += is_left
            if is_left:
                last = replace(pair, before=None) if pair else None
        yield from stretch.damaged

    def _alone(self, stretch: Stretch, image: StampedMessage) -> LedgerLine:
        left, right = self.cameras
        sides = (('left', 'right', right), ('right', 'left', left))
        side, other, camera = sides[image.topic != left.topic]
        return lone_image(
            stretch,
            image,
            side=side,
            other=other,
            other_topic=camera.topic,
            limit_ns=self._max_difference_ns,
        )

    def frame(self, stretch: Stretch, pair: RecordedPair) -> StereoFrame:
        """Return a pair as a frame.

        Raises:
            InputError: If an image or a calibration cannot be used.
        """
        left, right = self.cameras
        return StereoFrame(
            left=left.frame(stretch, pair.left), right=right.frame(stretch, pair.right)
        )


def guessed_pair(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
    """Return the task with every topic named, and the topic of the left images."""
    given = cast('PairTopicNames', task.input)
    info = FROM_FILE if given.calibration else ''
    left, right = stereo_topics(
        with_file_topic(topics, given.calibration),
        left_topic=given.left,
        right_topic=given.right,
        left_info_topic=info or given.left_info,
        right_info_topic=info or given.right_info,
    )
    known = replace(
        given,
        left=left.image.name,
        right=right.image.name,
        left_info=left.info.name,
        right_info=right.info.name,
        images=taken_as(
            given.images, given.calibration, is_rectified=left.is_rectified, read=read_rig
        ),
    )
    return replace(task, input=known), left.image.name


def _cameras(given: PairTopicNames) -> tuple[CameraSource, CameraSource]:
    rig = read_rig(given.calibration) if given.calibration else None
    is_rectified = given.images == 'rectified'
    return (
        CameraSource(
            topic=given.left,
            info_topic=given.left_info,
            camera=rig.left if rig else None,
            is_rectified=is_rectified,
        ),
        CameraSource(
            topic=given.right,
            info_topic=given.right_info,
            camera=rig.right if rig else None,
            is_rectified=is_rectified,
        ),
    )
