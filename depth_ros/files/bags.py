"""Frames out of recorded bags: rosbag2 in sqlite3 or MCAP, read without ROS through rosbags.

Images of ``sensor_msgs`` have kept their definition through all distributions, so they are read
by that; other topics are ignored. A damaged bag yields its frames up to the damage, then raises
``InputError``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar, cast

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError, InputError
from depth_ros.files.bag_reader import BagReader, messages_of, open_bag, topics_of
from depth_ros.files.bag_topics import (
    BagTopic,
    CameraTopics,
    mono_topics,
    pairs_of,
    printable,
    stereo_topics,
)
from depth_ros.files.given_path import library_path
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.messages.camera_info import CameraInfoMessage, camera_from_info
from depth_ros.messages.headers import stamp_of
from depth_ros.messages.images import (
    AnyImageMessage,
    announced_size,
    decode_any_image,
)
from depth_ros.streams.stamp_order import StampOrder
from depth_ros.streams.synchronize import Side, StereoSynchronizer

LOGGER = logging.getLogger(__name__)
QUEUE_SIZE = 30
"""Images of one side that wait for the other; bags interleave far closer than that."""

FrameT = TypeVar('FrameT')
ItemT = TypeVar('ItemT')
Report = Callable[[str, str], None]
"""Takes a reason (short slug) and a sentence."""


def bag_topics(path: Path | str) -> tuple[BagTopic, ...]:
    """List what a bag holds.

    Raises:
        InputError: If it cannot be read.
        DepthRosError: If the library is missing.
    """
    path = library_path(path, what='a bag')
    with open_bag(path) as reader:
        return topics_of(reader)


class BagFrames(Generic[FrameT]):
    """Frames of a bag, read as they are asked for; each iteration starts from the beginning.

    Attributes:
        path: The bag.
        cameras: Topics that are read.
        count: Images in the bag (of the left camera, for a rig); frames can be fewer.
        nearest_apart_ns: Of a rig, the smallest difference of stamps that was too large for a
            pair; None if none was. Known once all frames are read.
    """

    def __init__(
        self,
        path: Path,
        cameras: Sequence[CameraTopics],
        frames: Callable[[BagFrames[FrameT]], Iterator[FrameT]],
        report: Report | None,
    ) -> None:
        """Remember what to read; ``read_mono_bag`` and ``read_stereo_bag`` make these."""
        self.path = path
        self.cameras = tuple(cameras)
        self.count = self.cameras[0].image.count
        self.nearest_apart_ns: int | None = None
        self._frames = frames
        self._report: Report = report or (lambda reason, text: None)
        self._refused: Counter[str] = Counter()

    @property
    def refused(self) -> Mapping[str, int]:
        """Images left out in the current iteration, by reason."""
        return MappingProxyType(dict(self._refused))

    def __iter__(self) -> Iterator[FrameT]:
        """Read from the beginning.

        Raises:
            InputError: Where the bag is damaged, after the frames before that.
        """
        self._refused.clear()
        return self._frames(self)

    def refuse(self, reason: str, text: str) -> None:
        """Count and report an image that is left out."""
        self._refused[reason] += 1
        self._report(reason, text)


def read_bag(
    path: Path | str,
    *,
    image_topic: str = '',
    left_topic: str = '',
    right_topic: str = '',
    report: Report | None = None,
) -> BagFrames[StereoFrame] | BagFrames[MonoFrame]:
    """Read the pairs of a bag's rig; where it has none, the images of its one camera.

    Args:
        path: Bag folder, or one storage file.
        image_topic: Images of one camera, to be read although there may be a rig.
        left_topic: Left images; empty takes the only pair named ``left`` and ``right``.
        right_topic: Right images.
        report: Called for every image that becomes no frame.

    Raises:
        InputError: As ``read_mono_bag`` and ``read_stereo_bag``.
    """
    is_rig = left_topic or right_topic or pairs_of(bag_topics(path))
    if image_topic or not is_rig:
        return read_mono_bag(path, image_topic=image_topic, report=report)
    return read_stereo_bag(path, left_topic=left_topic, right_topic=right_topic, report=report)


def read_mono_bag(
    path: Path | str, *, image_topic: str = '', info_topic: str = '', report: Report | None = None
) -> BagFrames[MonoFrame]:
    """Read the images of one camera with the calibration that was latest at each.

    Args:
        path: Bag folder, or one storage file.
        image_topic: ``Image`` or ``CompressedImage`` topic; empty takes the only one.
        info_topic: ``CameraInfo`` topic; empty takes the one beside the images.
        report: Called for every image that is left out.

    Raises:
        InputError: If the bag cannot be read or the topics are not clear; lists its topics.
        CalibrationError: If it has no calibration, or the first one is unfit.
        DepthRosError: If the library is missing.
    """
    path = library_path(path, what='a bag')
    cameras = mono_topics(bag_topics(path), image_topic=image_topic, info_topic=info_topic)
    return BagFrames(path, [cameras], _mono_frames, report)


def read_stereo_bag(
    path: Path | str,
    *,
    left_topic: str = '',
    right_topic: str = '',
    left_info_topic: str = '',
    right_info_topic: str = '',
    max_stamp_difference_s: float = 0.0,
    report: Report | None = None,
) -> BagFrames[StereoFrame]:
    """Read synchronized pairs; see ``read_mono_bag``.

    Args:
        path: Bag folder, or one storage file.
        left_topic: Left images; empty takes the only pair named ``left`` and ``right``.
        right_topic: Right images.
        left_info_topic: Left calibration; empty takes the one beside the images.
        right_info_topic: Right calibration.
        max_stamp_difference_s: Largest difference of the stamps of a pair.
        report: Called for every image that becomes no pair.
    """
    path = library_path(path, what='a bag')
    cameras = stereo_topics(
        bag_topics(path),
        left_topic=left_topic,
        right_topic=right_topic,
        left_info_topic=left_info_topic,
        right_info_topic=right_info_topic,
    )
    difference_ns = round(max_stamp_difference_s * 1e9)
    return BagFrames(
        path, cameras, lambda bag: _stereo_frames(bag, max_difference_ns=difference_ns), report
    )


def _mono_frames(bag: BagFrames[MonoFrame]) -> Iterator[MonoFrame]:
    order, seen = StampOrder('image'), set[int]()
    for _, frame in _camera_frames(bag.path, bag.cameras, bag.refuse):
        fault = order.fault(frame.stamp_ns) or seen_before(frame.stamp_ns, seen)
        if fault is not None:
            bag.refuse(*fault)
            continue
        yield frame


def _stereo_frames(
    bag: BagFrames[StereoFrame], *, max_difference_ns: int
) -> Iterator[StereoFrame]:
    """Pair the frames of two cameras; what still waits at the end of the bag is paired too."""
    pairing = StereoSynchronizer[MonoFrame](max_difference_ns, QUEUE_SIZE, report=bag.refuse)
    sides = dict(zip(bag.cameras, (Side.LEFT, Side.RIGHT), strict=True))
    seen: set[int] = set()
    pairs = (
        pair
        for camera, frame in _camera_frames(bag.path, bag.cameras, bag.refuse)
        for pair in pairing.add(sides[camera], frame.stamp_ns, frame)
    )
    for pair in then(pairs, pairing.drain):
        fault = seen_before(pair.left_stamp_ns, seen)
        if fault is not None:
            bag.refuse(*fault)
            continue
        yield StereoFrame(left=pair.left, right=pair.right)
    bag.nearest_apart_ns = pairing.nearest_apart_ns
    for side in Side:
        for _ in range(pairing.counts(side).waiting):
            bag.refuse(f'no_partner_{side.value}', f'the bag ends without its {side.other.value}')


def then(first: Iterable[ItemT], rest: Callable[[], Iterable[ItemT]]) -> Iterator[ItemT]:
    """Give the first items, then what there is once they are over."""
    yield from first
    yield from rest()


def seen_before(stamp_ns: int, seen: set[int]) -> tuple[str, str] | None:
    """Name a stamp that came before, as in a recording that loops; else remember it."""
    if stamp_ns in seen:
        return 'repeated_stamp', (
            f'stamp {stamp_ns} ns came before in this recording; results are named after stamps, '
            'so only the first image of each is used'
        )
    seen.add(stamp_ns)
    return None


def _camera_frames(
    path: Path, cameras: Sequence[CameraTopics], refuse: Report
) -> Iterator[tuple[CameraTopics, MonoFrame]]:
    """Read the frames of some cameras in order of recording."""
    by_image = {camera.image.name: camera for camera in cameras}
    with open_bag(path) as reader:
        calibrations = {
            camera.info.name: first_calibration(reader, camera, path) for camera in cameras
        }
        for topic, message in messages_of(reader, [*by_image, *calibrations], path):
            try:
                if topic in calibrations:
                    calibrations[topic] = next_calibration(message, calibrations[topic], topic)
                else:
                    camera = by_image[topic]
                    yield camera, decoded_frame(message, camera, calibrations[camera.info.name])
            except InputError as error:
                refuse(error.reason, f'{printable(topic)}: {error}')


def first_calibration(reader: BagReader, camera: CameraTopics, path: Path) -> PinholeCamera:
    """Return the first usable calibration of a camera: images may be recorded before it.

    Raises:
        CalibrationError: What is wrong with the first one, if none can be used.
    """
    name = camera.info.name
    first: CalibrationError | None = None
    for _, message in messages_of(reader, [name], path):
        try:
            return camera_from_info(cast(CameraInfoMessage, message))
        except CalibrationError as error:
            first = first or error
    raise first or CalibrationError(
        'bag_no_info', f'no camera_info can be read from topic {name!r}; record the bag again'
    )


def next_calibration(message: object, former: PinholeCamera, topic: str) -> PinholeCamera:
    """Return what a camera_info says; one without a calibration leaves the former with a note."""
    try:
        return camera_from_info(cast(CameraInfoMessage, message))
    except CalibrationError as error:
        if error.reason != 'calibration_unset':
            raise
        LOGGER.warning('%s: skipped a camera_info: %s', printable(topic), error)
        return former


def decoded_frame(message: object, camera: CameraTopics, calibration: PinholeCamera) -> MonoFrame:
    """Decode an image message.

    Raises:
        InputError: If it cannot be used with this calibration.
    """
    if hasattr(message, 'format'):  # a header may claim gigabytes
        calibration.check_image_size(*announced_size(cast(AnyImageMessage, message)))
    return MonoFrame(
        image=decode_any_image(cast(AnyImageMessage, message)),
        camera=calibration,
        stamp_ns=stamp_of(message),
        is_rectified=camera.is_rectified,
    )
