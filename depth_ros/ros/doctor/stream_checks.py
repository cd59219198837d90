"""How messages come: at all, how often, with which stamps. Imports no ROS."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from statistics import median

from depth_ros.ros.doctor.finding import Fault, HealthCheck, Severity
from depth_ros.ros.doctor.graph_checks import COMPARED_KINDS
from depth_ros.ros.doctor.snapshot import CAMERA_INFO, DepthNode, HeardTopic, RobotSnapshot
from depth_ros.ros.doctor.typed import set_line

LOWEST_HZ = 1.0
MIN_LISTENED_S = 2.0
"""Before this nothing is said of a topic that brings nothing: finding each other takes time."""

MIN_HEARD_S = 3.0
"""From the first message to the end of the watch, before few messages are called slow."""

LARGEST_RATIO = 1.25
"""Of the rates of two cameras of a node."""

MIN_EXPOSURES = 6
MIN_EVENTS = 10
"""Messages before a rate is believed."""

UNEVEN_SHARE = 0.2
"""Of intervals between stamps that are off by over half the usual one."""

MIN_STAMPS = 3
EQUAL_STAMPS_S = 0.001
MARGIN = 1.5
"""By how much more than the skew that was seen a tolerance is proposed."""

FUTURE_S, OLD_S = 0.5, 2.0
"""Age of a stamp at arrival that is believed: from -FUTURE_S to OLD_S."""

OTHER_CLOCK_S = 3600.0
"""Ages beyond this are no delay but another clock; ``clock_checks`` tell them."""


def find_topic_silent(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find inputs that have a publisher and bring nothing."""
    for node in seen.nodes:
        for topic in seen.heard(node):
            publishers = seen.publishers_of(topic.topic)
            is_same = any(end.kind == topic.kind for end in publishers)
            status = node.inputs.get(topic.topic)
            came = status is not None and status.number('Events in window') > 0
            is_dead = status is not None and status.level >= 2
            is_watched = topic.listened_s > MIN_LISTENED_S
            if is_same and is_watched and not topic.headers and (is_dead or not came):
                yield Fault(
                    about=topic.topic,
                    text=f'{publishers[0].node} publishes {topic.topic}, but no message came in '
                    f'{topic.listened_s:.0f} s: start its stream, or activate it',
                    remedy=f'ros2 topic hz {topic.topic}',
                )


def rate_hz(node: DepthNode, topic: HeardTopic) -> float:
    """Return messages a second as the node counts them, else as they were heard; NaN if unknown.

    The node gets what the doctor may lose: it was there before.
    """
    status = node.inputs.get(topic.topic)
    if status is not None and status.number('Events in window') >= MIN_EVENTS:
        return status.number('frame_rate_node')
    if len(topic.headers) < MIN_EVENTS:
        return math.nan
    return _rate([header.arrival_s for header in topic.headers])


def _rate(moments_s: Sequence[float]) -> float:
    duration_s = moments_s[-1] - moments_s[0]
    return (len(moments_s) - 1) / duration_s if duration_s > 0.0 else math.nan


def find_rate_low(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find cameras that send less than one image a second."""
    for node in seen.nodes:
        for images, _ in seen.heard_cameras(node):
            rate = _slowest_rate(node, images)
            if rate < LOWEST_HZ:
                yield Fault(
                    about=images.topic,
                    text=f'{images.topic} brings {rate:.2g} images a second, expected at least '
                    f'{LOWEST_HZ:g}: raise the frame rate of the driver, or look whether its '
                    'network or bus carries the images',
                    remedy=f'ros2 topic hz {images.topic}',
                )


def _slowest_rate(node: DepthNode, topic: HeardTopic) -> float:
    """Return the rate, also where too few messages came to measure intervals."""
    rate = rate_hz(node, topic)
    is_known = not math.isnan(rate) or topic.heard_s < MIN_HEARD_S
    return rate if is_known else len(topic.headers) / topic.heard_s


def find_rate_unequal(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find two cameras of one node that expose at different rates."""
    for node, left, right in both(seen):
        infos = {camera.images: seen.topics.get(camera.info) for camera in node.cameras}
        first, second = (exposures_hz(side, infos[side.topic]) for side in (left, right))
        if max(first, second) > LARGEST_RATIO * min(first, second):
            yield Fault(
                about=right.topic,
                text=f'{left.topic} is stamped {first:.1f} times a second and {right.topic} '
                f'{second:.1f} times; set one rate in the driver, or both to one trigger',
                remedy=f'ros2 topic hz {left.topic} {right.topic}',
            )


def exposures_hz(images: HeardTopic, info: HeardTopic | None) -> float:
    """Return how often a camera exposes, by the shorter intervals of its stamps; NaN if unknown.

    Messages that are lost on the way only make some intervals longer.
    """
    stamps = {*max(images.stamps_ns, info.stamps_ns if info else (), key=len)} - {0}
    if len(stamps) < MIN_EXPOSURES:
        return math.nan
    intervals_ns = sorted(after - before for before, after in itertools.pairwise(sorted(stamps)))
    usual_ns = intervals_ns[len(intervals_ns) // 4]
    return 1e9 / usual_ns


def find_rate_gaps(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find stamps at uneven intervals."""
    for node in seen.nodes:
        for images, _ in seen.heard_cameras(node):
            status = node.inputs.get(images.topic)
            count = status.number('Events in window') if status else math.nan
            off = status.number('num_jitter_outliers_msg') if status else math.nan
            if count >= MIN_EVENTS and off > UNEVEN_SHARE * count:
                yield Fault(
                    about=images.topic,
                    text=f'{off:.0f} of {count:.0f} intervals between the stamps of '
                    f'{images.topic} are off by over half: the camera leaves frames out, or '
                    'exposes longer than a frame lasts',
                    remedy=f'ros2 topic delay {images.topic}',
                )


def both(seen: RobotSnapshot) -> Iterator[tuple[DepthNode, HeardTopic, HeardTopic]]:
    """Give nodes with two image inputs that they pair by stamp, and both of them."""
    for node in seen.nodes:
        topics = [images for images, _ in seen.heard_cameras(node)]
        seeing = [images for images in topics if not images.is_depth]
        paired = seeing if len(seeing) == 2 else topics  # depth beside two cameras is a hint
        if len(paired) == 2 and 'max_stamp_difference_s' in node.parameters:
            yield node, paired[0], paired[1]


def find_stamp_skew(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find two cameras whose stamps differ by more than their node pairs."""
    for node, left, right in both(seen):
        skew_s = min(skew(left.stamps_ns, right.stamps_ns), skew(right.stamps_ns, left.stamps_ns))
        limit_s = node.number('max_stamp_difference_s', 0.01)
        if skew_s > limit_s:
            proposed = math.ceil(MARGIN * skew_s * 1e3 - 1e-6) * 1e-3
            yield Fault(
                about=right.topic,
                text=f'stamps of {left.topic} and {right.topic} differ by {skew_s * 1e3:.1f} ms '
                f'(median) and {node.name} pairs up to {limit_s * 1e3:g} ms: trigger both '
                'cameras together, or allow it, for scenes that do not move',
                remedy=set_line(node.name, 'max_stamp_difference_s', round(proposed, 3)),
            )


def find_info_skew(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find camera_info whose stamps are not those of the images."""
    for node in seen.nodes:
        for images, info in seen.heard_cameras(node):
            skew_s = skew(images.stamps_ns, info.stamps_ns) if info else math.nan
            if skew_s > EQUAL_STAMPS_S:
                assert info is not None, 'else there is no skew'
                yield Fault(
                    about=info.topic,
                    text=f'stamps of {info.topic} differ from those of {images.topic} by '
                    f'{skew_s * 1e3:.1f} ms (median); depth_ros takes the newest, but nodes that '
                    'pair the two by stamp get nothing: stamp both alike in the driver',
                    remedy=f'ros2 topic echo --once --field header {info.topic}',
                )


def skew(first_ns: Sequence[int], second_ns: Sequence[int]) -> float:
    """Return the median distance of stamps to the nearest of the other side, in seconds.

    Only stamps within the other side's time count, and none that are zero; NaN with fewer than
    three.
    """
    others = sorted(stamp for stamp in second_ns if stamp > 0)
    if len(others) < MIN_STAMPS:
        return math.nan
    period_ns = (others[-1] - others[0]) / (len(others) - 1)
    within = [
        stamp
        for stamp in first_ns
        if stamp > 0 and others[0] - period_ns <= stamp <= others[-1] + period_ns
    ]
    if len(within) < MIN_STAMPS:
        return math.nan
    return median(min(abs(stamp - other) for other in others) for stamp in within) * 1e-9


def find_stamp_zero(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find messages without a stamp."""
    for topic in _stamped(seen):
        count = sum(stamp == 0 for stamp in topic.stamps_ns)
        if count:
            yield Fault(
                about=topic.topic,
                text=f'{count} of {len(topic.headers)} messages on {topic.topic} have stamp 0, '
                'which is refused: the driver must stamp every image with its time of exposure',
                remedy=f'ros2 topic echo --once --field header {topic.topic}',
            )


def find_stamp_order(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find stamps that repeat or go back."""
    for topic in _stamped(seen):
        stamps = [stamp for stamp in topic.stamps_ns if stamp > 0]
        count = sum(after <= before for before, after in itertools.pairwise(stamps))
        if count > 1:
            yield Fault(
                about=topic.topic,
                text=f'{count} of {len(stamps)} stamps on {topic.topic} repeat the one before or '
                'go back, and their images are refused: publish each image once and in order, '
                'by one publisher',
                remedy=f'ros2 topic info -v {topic.topic}',
            )


def find_stamp_age(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find stamps that are too old or in the future when their message comes."""
    for node in seen.nodes:
        for topic in seen.heard(node):
            delay_s = delay(node, topic)
            if math.isnan(delay_s) or abs(delay_s) > OTHER_CLOCK_S:
                continue
            if not -FUTURE_S <= delay_s <= OLD_S:
                when = f'{delay_s:.1f} s old' if delay_s > 0 else f'{-delay_s:.1f} s ahead'
                yield Fault(
                    about=topic.topic,
                    text=f'stamps on {topic.topic} are {when} when they come: let the clocks '
                    'of both machines follow one server, and let the driver stamp with the time '
                    'of exposure',
                    remedy='chronyc tracking',
                )


def delay(node: DepthNode, topic: HeardTopic) -> float:
    """Return the median age of stamps at arrival by the node's clock, NaN if unknown."""
    delays = [
        header.delay_s(is_simulated=node.is_simulated)
        for header in topic.headers
        if header.stamp_ns > 0 and (header.clock_ns or not node.is_simulated)
    ]
    return median(delays) if delays else math.nan


def _stamped(seen: RobotSnapshot) -> Iterator[HeardTopic]:
    for topic in seen.topics.values():
        if topic.kind in COMPARED_KINDS or topic.kind == CAMERA_INFO:
            yield topic


STREAM_CHECKS = (
    HealthCheck(
        name='topic-silent',
        severity=Severity.ERROR,
        meaning='An input has a publisher, but no message comes.',
        remedy='ros2 topic hz TOPIC; start or activate the driver',
        find=find_topic_silent,
    ),
    HealthCheck(
        name='rate-low',
        severity=Severity.WARNING,
        meaning=f'A camera sends less than {LOWEST_HZ:g} image a second.',
        remedy='ros2 topic hz TOPIC; raise the rate of the driver',
        find=find_rate_low,
    ),
    HealthCheck(
        name='rate-unequal',
        severity=Severity.WARNING,
        meaning='Two cameras of one node send at different rates; what has no partner is lost.',
        remedy='ros2 topic hz LEFT RIGHT; set one rate',
        find=find_rate_unequal,
    ),
    HealthCheck(
        name='rate-gaps',
        severity=Severity.NOTE,
        meaning='Frames come at uneven intervals by their stamps: some are left out.',
        remedy='ros2 topic delay TOPIC; shorter exposure, less on the bus',
        find=find_rate_gaps,
    ),
    HealthCheck(
        name='stamp-skew',
        severity=Severity.ERROR,
        meaning='Stamps of left and right (or of image and depth) differ by more than the node '
        'pairs.',
        remedy='ros2 param set NODE max_stamp_difference_s SECONDS',
        find=find_stamp_skew,
    ),
    HealthCheck(
        name='info-skew',
        severity=Severity.WARNING,
        meaning='Stamps of camera_info are not those of its images.',
        remedy='ros2 topic echo --once --field header TOPIC; correct the driver',
        find=find_info_skew,
    ),
    HealthCheck(
        name='stamp-zero',
        severity=Severity.ERROR,
        meaning='Messages have no stamp.',
        remedy='ros2 topic echo --once --field header TOPIC; correct the driver',
        find=find_stamp_zero,
    ),
    HealthCheck(
        name='stamp-order',
        severity=Severity.ERROR,
        meaning='Stamps repeat or go back.',
        remedy='ros2 topic info -v TOPIC; one publisher, each image once',
        find=find_stamp_order,
    ),
    HealthCheck(
        name='stamp-age',
        severity=Severity.WARNING,
        meaning=f'Stamps are over {OLD_S:g} s old or {FUTURE_S:g} s ahead when they come, by the '
        "node's clock.",
        remedy='chronyc tracking on both machines',
        find=find_stamp_age,
    ),
)
