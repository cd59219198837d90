"""Chooses the image and calibration topics of a bag; needs no bag library."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from depth_ros.errors import CalibrationError, InputError

LOGGER = logging.getLogger(__name__)
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)
SIDES = (('left', 'right'), ('infra1', 'infra2'))
"""What tells the sides of a rig apart in names of topics; the second is RealSense's."""
_COMPRESSED, _COMPRESSED_DEPTH = '/compressed', '/compressedDepth'
_REGISTERED = ('aligned_depth', 'depth_registered', 'registered_depth')


@dataclass(frozen=True, kw_only=True, slots=True)
class BagTopic:
    """One topic of a bag.

    Attributes:
        name: Full name.
        type: Message type, e.g. ``'sensor_msgs/msg/Image'``.
        count: Messages of it.
    """

    name: str
    type: str
    count: int

    def describe(self) -> str:
        """Return name, type and count."""
        return f'{self.name} ({self.type}, {self.count})'


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraTopics:
    """Topics of one camera.

    Attributes:
        image: Raw or compressed images.
        info: Its calibration.
    """

    image: BagTopic
    info: BagTopic

    @property
    def is_rectified(self) -> bool:
        """Whether the images are rectified, by image_pipeline's names: ``image_rect...``."""
        return _base(self.image.name).rpartition('/')[2].startswith('image_rect')


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthTopics:
    """Topics of metric depth beside a camera.

    Attributes:
        image: Raw images or those of compressedDepth.
        info: Its own calibration, None where the depth is registered to the camera.
    """

    image: BagTopic
    info: BagTopic | None


def rgbd_topics(
    topics: Sequence[BagTopic],
    *,
    image_topic: str = '',
    info_topic: str = '',
    depth_topic: str = '',
) -> tuple[CameraTopics, DepthTopics]:
    """Choose a camera and the depth beside it; a topic is of depth if its name says so.

    Of several depth topics the one registered to the camera is taken: ``aligned_depth...`` or
    ``depth_registered``.

    Raises:
        InputError: As ``mono_topics``.
        CalibrationError: As ``mono_topics``.
    """
    camera = mono_topics(topics, image_topic=image_topic, info_topic=info_topic)
    if depth_topic:
        image = _named(topics, depth_topic, IMAGE_TYPES)
    else:
        candidates = depth_candidates(topics)
        registered = [t for t in candidates if any(word in t.name for word in _REGISTERED)]
        image = _only(registered or candidates, topics, what='depth topic', option='depth_topic')
    beside = f'{_base(image.name).rpartition("/")[0]}/camera_info'
    infos = [t for t in topics if t.type == CAMERA_INFO and t.count and t.name == beside]
    return camera, DepthTopics(image=image, info=infos[0] if infos else None)


def depth_candidates(topics: Sequence[BagTopic]) -> list[BagTopic]:
    """Return depth topics that are not empty; of raw and compressed ones of a camera, the raw."""
    images = [t for t in topics if t.type in IMAGE_TYPES and t.count and is_depth_name(t.name)]
    raw = {topic.name for topic in images if topic.type == IMAGE}
    return [
        t
        for t in images
        if t.type == IMAGE or (t.name.endswith(_COMPRESSED_DEPTH) and _base(t.name) not in raw)
    ]


def is_depth_name(name: str) -> bool:
    """Whether a topic's name says that it holds depth."""
    return 'depth' in name.lower()


def mono_topics(
    topics: Sequence[BagTopic], *, image_topic: str = '', info_topic: str = ''
) -> CameraTopics:
    """Choose the topics of one camera: those named, else the only ones there are.

    Raises:
        InputError: If a topic is missing, empty, of another type, or the choice is not clear.
        CalibrationError: If no topic holds the camera's calibration.
    """
    if image_topic:
        image = _named(topics, image_topic, IMAGE_TYPES)
    else:
        candidates = image_candidates(topics)
        chosen = _preferred([(topic,) for topic in candidates], option='image_topic')
        image = _only(list(chosen) or candidates, topics, what='image topic', option='image_topic')
    return CameraTopics(image=image, info=_info_for(topics, image, info_topic))


def stereo_topics(
    topics: Sequence[BagTopic],
    *,
    left_topic: str = '',
    right_topic: str = '',
    left_info_topic: str = '',
    right_info_topic: str = '',
) -> tuple[CameraTopics, CameraTopics]:
    """Choose the topics of a rig, left then right.

    Two image topics make a rig if their names differ in ``SIDES``. Of several of one device, as
    ZED cameras publish, the rectified ones in colour are taken, and a warning says so.

    Raises:
        InputError: As ``mono_topics``.
        CalibrationError: As ``mono_topics``.
    """
    if bool(left_topic) != bool(right_topic):
        raise InputError('bag_topic', 'name both left_topic and right_topic of the bag, or none')
    if left_topic:
        left = _named(topics, left_topic, IMAGE_TYPES)
        right = _named(topics, right_topic, IMAGE_TYPES)
        _expect_two_cameras(left, right)
    else:
        left, right = _only_pair(topics)
    return (
        CameraTopics(image=left, info=_info_for(topics, left, left_info_topic)),
        CameraTopics(image=right, info=_info_for(topics, right, right_info_topic)),
    )


def board_topics(topics: Sequence[BagTopic]) -> tuple[BagTopic, ...]:
    """Choose the images of a bag recorded for a calibration: the only pair, or the only topic.

    Raises:
        InputError: If the choice is not clear.
    """
    pairs = pairs_of(topics)
    if len(pairs) == 1:
        return pairs[0]
    return (_only(image_candidates(topics), topics, what='image topic', option='image_topic'),)


def printable(text: str) -> str:
    """Drop what would break a line: names in a damaged bag can be anything."""
    return ''.join(letter for letter in text if letter.isprintable())


def image_candidates(topics: Sequence[BagTopic]) -> list[BagTopic]:
    """Return image topics that are not empty nor of depth.

    Of raw and compressed ones of a camera it is the raw.
    """
    images = [
        topic
        for topic in topics
        if topic.type in IMAGE_TYPES and topic.count and not is_depth_name(topic.name)
    ]
    raw = {topic.name for topic in images if topic.type == IMAGE}
    return [topic for topic in images if topic.type == IMAGE or _base(topic.name) not in raw]


def pairs_of(topics: Sequence[BagTopic]) -> list[tuple[BagTopic, BagTopic]]:
    """Return the image topics that are a left and a right one by their names."""
    candidates = {topic.name: topic for topic in image_candidates(topics)}
    return [
        (topic, candidates[name.replace(left, right)])
        for name, topic in candidates.items()
        for left, right in SIDES
        if left in name and name.replace(left, right) in candidates
    ]


def _preferred(found: Sequence[tuple[BagTopic, ...]], *, option: str) -> tuple[BagTopic, ...]:
    """Return what the names of one device say is best; nothing where they do not say."""
    ranked = sorted(found, key=lambda topics: _rank(topics[0].name))
    devices = {topics[0].name.split('/')[1] for topics in found if topics[0].name.count('/') > 1}
    if len(found) < 2 or len(devices) != 1:
        return ()
    first, second = (_rank(topics[0].name) for topics in ranked[:2])
    if first == second:
        return ()
    names = ' and '.join(printable(topic.name) for topic in ranked[0])
    LOGGER.warning('%s is taken for its name; %s chooses another', names, option)
    return ranked[0]


def _rank(name: str) -> tuple[bool, ...]:
    """Return how far a name is from an image of the main camera, rectified, in colour."""
    return (
        'depth' in name,
        not ('color' in name or 'rgb' in name),
        'right' in name or 'infra2' in name,
        'rect' not in name,
        'gray' in name or 'raw_' in name,
    )


def _expect_two_cameras(left: BagTopic, right: BagTopic) -> None:
    """Refuse the images of one camera for both sides, raw or compressed."""
    if _base(left.name) == _base(right.name):
        raise InputError(
            'bag_topic',
            f'left_topic and right_topic are the same topic, {printable(_base(left.name))}; name '
            'the images of two cameras',
        )


def _only_pair(topics: Sequence[BagTopic]) -> tuple[BagTopic, BagTopic]:
    pairs = pairs_of(topics)
    chosen = _preferred(pairs, option='left_topic with right_topic')
    if chosen:
        return chosen[0], chosen[1]
    if len(pairs) != 1:
        found = (
            ', '.join(printable(f'{left.name} with {right.name}') for left, right in pairs)
            or 'none'
        )
        raise InputError(
            'bag_topic',
            f'the bag must hold exactly one pair of left and right image topics, found {found}; '
            f'name left_topic and right_topic, or read one camera as mono; {_listing(topics)}',
        )
    return pairs[0]


def _info_for(topics: Sequence[BagTopic], image: BagTopic, info_topic: str) -> BagTopic:
    """Return the calibration's topic: named, else beside the image, else the only one."""
    if info_topic:
        return _named(topics, info_topic, (CAMERA_INFO,))
    infos = [topic for topic in topics if topic.type == CAMERA_INFO and topic.count]
    beside = f'{_base(image.name).rpartition("/")[0]}/camera_info'
    exact = [topic for topic in infos if topic.name == beside]
    if not infos:
        raise CalibrationError(
            'bag_no_info',
            f'the bag has no camera_info for {printable(image.name)}; record it too, or name a '
            f'calibration file; {_listing(topics)}',
        )
    return exact[0] if exact else _only(infos, topics, what='camera_info', option='info_topic')


def _named(topics: Sequence[BagTopic], name: str, types: tuple[str, ...]) -> BagTopic:
    found = [topic for topic in topics if topic.name == name]
    fitting = [topic for topic in found if topic.type in types]
    if not fitting:
        came = printable(f'it is {found[0].type}') if found else 'there is none'
        raise InputError(
            'bag_topic',
            f'the bag must have a topic {name!r} of type {" or ".join(types)}, but {came}; '
            f'name another; {_listing(topics)}',
        )
    if not fitting[0].count:
        raise InputError(
            'bag_empty', f'topic {name!r} of the bag has no messages; {_listing(topics)}'
        )
    return fitting[0]


def _only(
    candidates: Sequence[BagTopic], topics: Sequence[BagTopic], *, what: str, option: str
) -> BagTopic:
    if len(candidates) == 1:
        return candidates[0]
    found = ', '.join(printable(topic.name) for topic in candidates) or 'none'
    remedy = f'name it with {option}' if candidates else f'record one, or name it with {option}'
    raise InputError(
        'bag_topic' if candidates else 'bag_empty',
        f'the bag must hold exactly one {what}, found {found}; {remedy}; {_listing(topics)}',
    )


def _base(name: str) -> str:
    """Return the camera's own topic of a transport's one (image_transport's naming)."""
    return name.removesuffix(_COMPRESSED_DEPTH).removesuffix(_COMPRESSED)


def _listing(topics: Sequence[BagTopic]) -> str:

    texts = [printable(topic.describe()) for topic in sorted(topics, key=attrgetter('name'))]
    return f'its topics are: {", ".join(texts) or "none"}'
