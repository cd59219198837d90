"""The frames that odometry follows: of a rig, of images with depth, or of images alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol, cast

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ImageError, InputError
from depth_ros.files.bag_topics import BagTopic, rgbd_topics
from depth_ros.files.calibration import read_mono_calibration
from depth_ros.frames import CameraFrame, RgbdFrame
from depth_ros.geometry.resample import depth_camera
from depth_ros.messages.depth import decode_any_depth
from depth_ros.recordings.camera_frames import (
    FROM_FILE,
    CameraSource,
    stretch_of,
    taken_as,
    with_file_topic,
)
from depth_ros.recordings.camera_reader import camera_source, guessed_camera
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.ledger import AT_END, LedgerLine, line_of, refused
from depth_ros.recordings.pairing import StampedMessage, partners
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.rig_reader import RigReader, guessed_pair
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import CameraTopicNames, OdometryTopicNames
from depth_ros.recordings.wire import parsed
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.odometry.settings import Source

RecordedFrame = tuple[StampedMessage, CameraFrame]
"""A frame and the image whose stamp it carries."""


class FrameReader(Protocol):
    """Reads frames of one kind.

    Attributes:
        num_inputs: Recorded images of a frame.
        file_cameras: Calibrations of a file, None where the recording gives them.
    """

    num_inputs: int
    file_cameras: list[PinholeCamera | None]

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what is read of a segment."""

    def frames(self, stretch: Stretch) -> Iterator[RecordedFrame | LedgerLine]:
        """Return its own frames in order of recording, and its images that are none."""


class RigFrames:
    """Pairs of a rig."""

    num_inputs = 2

    def __init__(self, given: OdometryTopicNames) -> None:
        """Read the calibration, if it is in a file."""
        self._reader = RigReader(given)
        self.file_cameras = [camera.camera for camera in self._reader.cameras]

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what is read of a segment."""
        return self._reader.stretch(recording, segment, overlap_ns)

    def frames(self, stretch: Stretch) -> Iterator[RecordedFrame | LedgerLine]:
        """Return pairs, and lone images."""
        for found in self._reader.pairs(stretch):
            if isinstance(found, LedgerLine):
                yield found
                continue
            try:
                yield found.left, self._reader.frame(stretch, found)
            except InputError as error:
                yield refused(found.left, error)


class CameraFrames:
    """Images of one camera."""

    num_inputs = 1

    def __init__(self, given: OdometryTopicNames) -> None:
        """Read the calibration, if it is in a file."""
        self._camera = camera_source(_camera_names(given))
        self.file_cameras = [self._camera.camera]

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what is read of a segment."""
        return stretch_of([self._camera], recording, segment, overlap_ns=overlap_ns)

    def frames(self, stretch: Stretch) -> Iterator[RecordedFrame | LedgerLine]:
        """Return images."""
        for image in stretch.images[self._camera.topic]:
            if not image.is_own:
                continue
            try:
                yield image, self._camera.frame(stretch, image)
            except InputError as error:
                yield refused(image, error)
        yield from stretch.damaged


class DepthFrames:
    """Images with the depth of the same moment."""

    num_inputs = 2

    def __init__(self, given: OdometryTopicNames) -> None:
        """Read the calibration, if it is in a file."""
        self._given = given
        self._camera = camera_source(_camera_names(given))
        self._depth = CameraSource(
            topic=given.depth, info_topic=given.depth_info, camera=None, is_rectified=True
        )
        self.file_cameras = [self._camera.camera]

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what is read of a segment."""
        cameras = [self._camera, self._depth]
        return stretch_of(cameras, recording, segment, overlap_ns=overlap_ns)

    def frames(self, stretch: Stretch) -> Iterator[RecordedFrame | LedgerLine]:
        """Return images with depth, and images without."""
        images = stretch.images[self._camera.topic]
        found = partners(
            images,
            stretch.images[self._depth.topic],
            max_difference_ns=round(self._given.max_stamp_difference_s * 1e9),
            overlap_ns=stretch.overlap_ns,
        )
        for image in images:
            if not image.is_own:
                continue
            depth = found.get(image.position)
            if depth is None:
                is_beyond = stretch.is_beyond(image, self._depth.topic)
                reason, text = (AT_END, BEYOND_DEPTH) if is_beyond else ('no_depth', NO_DEPTH)
                yield line_of(image, reason, text)
                continue
            try:
                yield image, self._frame(stretch, image, depth)
            except InputError as error:
                yield refused(image, error)
        yield from stretch.damaged

    def _frame(self, stretch: Stretch, image: StampedMessage, depth: StampedMessage) -> RgbdFrame:
        frame = self._camera.frame(stretch, image)
        own = None
        if self._given.depth_info:
            own = stretch.calibrations.at(self._given.depth_info, depth.position)
        kind = stretch.recording.kind_of(depth.topic)
        try:
            values = decode_any_depth(
                parsed(stretch.data_of(depth), kind), unit_m=self._given.depth_unit_m
            )
        except ImageError as error:
            raise ImageError(f'depth_{error.reason}', f'{depth.topic}: {error}') from error
        height, width = values.shape
        return RgbdFrame(
            image=frame,
            depth=DepthResult(
                depth=values,
                camera=depth_camera(frame.camera, height=height, width=width, own=own),
                stamp_ns=depth.stamp_ns,
                scale=DepthScale.METRIC,
            ),
        )


BEYOND_DEPTH = 'the depth of the recording begins after it or ends before it'
NO_DEPTH = (
    'no depth of this moment was recorded near it; raise max_stamp_difference_s in '
    'tasks.odometry.input if the stamps of the two differ'
)
READERS: dict[Source, Callable[[OdometryTopicNames], FrameReader]] = {
    Source.STEREO: RigFrames,
    Source.RGBD: DepthFrames,
    Source.MONO: CameraFrames,
}
"""What reads the frames of a source."""


def guessed_frames(
    task: JobTask, topics: tuple[BagTopic, ...], source: Source
) -> tuple[JobTask, str]:
    """Return an odometry task with the topics of its source named, and that of its images."""
    if source is Source.STEREO:
        return guessed_pair(task, topics)
    if source is Source.RGBD:
        return _guessed_depth(task, topics)
    given = cast('OdometryTopicNames', task.input)
    named, topic = guessed_camera(replace(task, input=_camera_names(given)), topics)
    camera = cast('CameraTopicNames', named.input)
    known = replace(given, image=camera.image, info=camera.info, images=camera.images)
    return replace(task, input=known), topic


def _guessed_depth(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
    given = cast('OdometryTopicNames', task.input)
    camera, depth = rgbd_topics(
        with_file_topic(topics, given.calibration),
        image_topic=given.image,
        info_topic=FROM_FILE if given.calibration else given.info,
        depth_topic=given.depth,
    )
    beside = depth.info.name if depth.info else ''
    known = replace(
        given,
        image=camera.image.name,
        info=camera.info.name,
        depth=depth.image.name,
        depth_info=given.depth_info or beside,
        images=taken_as(
            given.images,
            given.calibration,
            is_rectified=camera.is_rectified,
            read=read_mono_calibration,
        ),
    )
    return replace(task, input=known), camera.image.name


def _camera_names(given: OdometryTopicNames) -> CameraTopicNames:
    return CameraTopicNames(
        image=given.image, info=given.info, calibration=given.calibration, images=given.images
    )
