"""Which clock who follows: the wall's, or the simulated one on ``/clock``. Imports no ROS."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from depth_ros.ros.doctor.finding import Fault, HealthCheck, Severity
from depth_ros.ros.doctor.snapshot import DepthNode, HeardTopic, RobotSnapshot
from depth_ros.ros.doctor.stream_checks import OTHER_CLOCK_S, delay
from depth_ros.ros.doctor.typed import set_line

CLOCK = '/clock'
NEAR_S = 60.0


def find_clock_missing(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find nodes that wait for a simulated clock that nobody publishes."""
    if seen.publishers_of(CLOCK):
        return
    for node in seen.nodes:
        if node.is_simulated:
            yield Fault(
                about=node.name,
                text=f'{node.name} has use_sim_time and nobody publishes {CLOCK}, so its time '
                'stands at 0; start the simulator or play the bag with --clock, or take the '
                'wall clock',
                remedy=set_line(node.name, 'use_sim_time', False),
            )


def find_clock_stopped(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find a simulated clock that somebody follows and that does not go on."""
    publishers = seen.publishers_of(CLOCK)
    followers = [node.name for node in seen.nodes if node.is_simulated]
    if publishers and followers and not seen.clock.advance_s > 0.0:
        what = 'stands still' if seen.clock.num_messages else 'brings nothing'
        yield Fault(
            about=CLOCK,
            text=f'{CLOCK} of {publishers[0].node} {what}, and {", ".join(followers)} follow it; '
            'let the simulator or the bag go on',
            remedy='ros2 service call /rosbag2_player/resume rosbag2_interfaces/srv/Resume',
        )


def find_clock_unused(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find nodes on the wall clock whose images are stamped by ``/clock``."""
    for node, topic in _strange(seen):
        if not node.is_simulated and _is_near_clock(topic):
            yield Fault(
                about=node.name,
                text=f'{topic.topic} is stamped by {CLOCK} and {node.name} takes the wall clock',
                remedy=set_line(node.name, 'use_sim_time', True),
            )


def find_clock_mixed(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find images that are stamped by another clock than their node follows."""
    for node, topic in _strange(seen):
        if not node.is_simulated and _is_near_clock(topic):
            continue
        publishers = seen.publishers_of(topic.topic)
        sender = publishers[0].node if publishers else 'the driver'
        kind = f'simulated time ({CLOCK})' if node.is_simulated else 'the wall clock'
        remedy = f'ros2 topic echo --once --field header {topic.topic}'
        if node.is_simulated and sender not in seen.simulated:
            remedy = set_line(sender, 'use_sim_time', True)
        yield Fault(
            about=topic.topic,
            text=f'{node.name} follows {kind}, and the stamps of {topic.topic} from {sender} are '
            f'{_span(delay(node, topic))} off: another clock, as time since boot; let the driver '
            'stamp with ROS time',
            remedy=remedy,
        )


def find_two_clocks(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find several publishers of the simulated clock."""
    publishers = seen.publishers_of(CLOCK)
    if len(publishers) > 1:
        names = ', '.join(sorted(end.node for end in publishers))
        yield Fault(
            about=CLOCK,
            text=f'{len(publishers)} nodes publish {CLOCK} ({names}), so time jumps; stop all '
            'but one',
            remedy=f'ros2 topic info -v {CLOCK}',
        )


def _strange(seen: RobotSnapshot) -> Iterator[tuple[DepthNode, HeardTopic]]:
    """Give nodes with the first of their inputs whose stamps are off by more than any delay."""
    for node in seen.nodes:
        far = (topic for topic in seen.heard(node) if abs(delay(node, topic)) > OTHER_CLOCK_S)
        first = next(far, None)
        if first is not None:
            yield node, first


def _is_near_clock(topic: HeardTopic) -> bool:
    delays = [
        abs(header.delay_s(is_simulated=True)) for header in topic.headers if header.clock_ns
    ]
    return bool(delays) and median(delays) < NEAR_S


def _span(seconds: float) -> str:
    days = abs(seconds) / 86400.0
    if math.isnan(seconds) or days < 2.0:
        return f'{abs(seconds) / 3600.0:.1f} hours'
    return f'{days:.0f} days'


CLOCK_CHECKS = (
    HealthCheck(
        name='clock-missing',
        severity=Severity.ERROR,
        meaning='A node has use_sim_time, and nobody publishes /clock.',
        remedy='ros2 param set NODE use_sim_time false, or ros2 bag play --clock',
        find=find_clock_missing,
    ),
    HealthCheck(
        name='clock-stopped',
        severity=Severity.ERROR,
        meaning='/clock does not go on, and nodes follow it.',
        remedy='ros2 service call /rosbag2_player/resume rosbag2_interfaces/srv/Resume',
        find=find_clock_stopped,
    ),
    HealthCheck(
        name='clock-unused',
        severity=Severity.WARNING,
        meaning='Images are stamped by /clock, and the node takes the wall clock.',
        remedy='ros2 param set NODE use_sim_time true',
        find=find_clock_unused,
    ),
    HealthCheck(
        name='clock-mixed',
        severity=Severity.ERROR,
        meaning='Images are stamped by another clock than the node follows: over an hour apart.',
        remedy='ros2 param set DRIVER use_sim_time true, or ROS time in the driver',
        find=find_clock_mixed,
    ),
    HealthCheck(
        name='two-clocks',
        severity=Severity.ERROR,
        meaning='Several nodes publish /clock, and time jumps.',
        remedy='ros2 topic info -v /clock, then stop one',
        find=find_two_clocks,
    ),
)
