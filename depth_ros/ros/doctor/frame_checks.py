"""Frames of messages, and whether TF joins them. Imports no ROS."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from depth_ros.geometry.rigid import rotation_from_quaternion
from depth_ros.ros.doctor.finding import Fault, HealthCheck, Severity
from depth_ros.ros.doctor.graph_checks import LIKELY_SIMILARITY
from depth_ros.ros.doctor.snapshot import DepthNode, HeardTransform, RobotSnapshot

BASE = 'base_link'
FIXED = ('map', 'odom')
"""Frames of REP 105 above the base."""

UNIT_TOLERANCE = 0.01
"""By how much the length of a quaternion may differ from 1."""

OLD_TRANSFORM_S = 5.0
OPTICAL = '--qx -0.5 --qy 0.5 --qz -0.5 --qw 0.5'
"""Of a camera that looks forward: x right, y down, z forward on x forward, z up (REP 103)."""

UPWARD = 0.9
"""Height of an optical axis, as a share of its length, above which it is no camera's."""


def find_frame_empty(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find images without a frame."""
    for node in seen.nodes:
        for images, info in seen.heard_cameras(node):
            if images.headers and not images.frame_id and not (info and info.frame_id):
                yield Fault(
                    about=images.topic,
                    text=f'{images.topic} and its camera_info have an empty frame_id, so nobody '
                    'can place what is seen: set the optical frame in the driver',
                    remedy=_driver_line(seen, images.topic),
                )


def find_frame_unequal(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find images in another frame than their camera_info."""
    for node in seen.nodes:
        for images, info in seen.heard_cameras(node):
            if info is None or not (images.headers and info.headers):
                continue
            if images.frame_id != info.frame_id:
                yield Fault(
                    about=images.topic,
                    text=f'{images.topic} is in frame {images.frame_id[:80]!r} and {info.topic} '
                    f'in {info.frame_id[:80]!r}; both must name the optical frame',
                    remedy=_driver_line(seen, images.topic),
                )


def _driver_line(seen: RobotSnapshot, topic: str) -> str:
    publishers = seen.publishers_of(topic)
    sender = publishers[0].node if publishers else '/DRIVER'
    return f"ros2 param list {sender} | grep -i 'frame'"


def find_tf_unread(seen: RobotSnapshot) -> Iterator[Fault]:
    """Say that TF was not looked at."""
    if not seen.is_tf_readable and any(end.topic == '/tf' for end in seen.publishers):
        yield Fault(
            about='/tf',
            text='tf2_msgs is not installed for this Python, so TF was not looked at',
            remedy='sudo apt install ros-$ROS_DISTRO-tf2-msgs',
        )


def find_tf_missing(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find cameras that TF does not join with the base."""
    for node in seen.nodes:
        base = base_frame(seen, node)
        for images, info in seen.heard_cameras(node):
            frame = images.frame_id or (info.frame_id if info else '')
            if not (base and frame) or frame == base:
                continue
            if root(seen.transforms, frame) != root(seen.transforms, base):
                text, near = _missing_text(seen, frame, base)
                yield Fault(about=frame, text=text, remedy=_mount_line(base, frame, near))


def base_frame(seen: RobotSnapshot, node: DepthNode) -> str:
    """Return the frame that a node's camera must be joined with; empty where it needs none.

    A node that is told its base needs TF, unless the mount is a parameter; else TF counts where
    somebody fills it.
    """
    named = node.text('base_frame')
    if named:
        return '' if node.text('base_from_camera') or not seen.is_tf_readable else named
    known = _frames(seen.transforms)
    return BASE if BASE in known else next((name for name in FIXED if name in known), '')


def _missing_text(seen: RobotSnapshot, frame: str, base: str) -> tuple[str, str]:
    """Return the sentence and the frame that is meant, if one is named almost so."""
    known = _frames(seen.transforms)
    what = f'TF does not join camera frame {frame[:80]!r} with {base!r}'
    if not known:
        return f'{what}: nobody publishes /tf or /tf_static', ''
    near = get_close_matches(frame, sorted(known - {base}), n=1, cutoff=LIKELY_SIMILARITY)
    if frame not in known and near:
        return f'{what}; TF knows {near[0]!r}, the nearest name', near[0]
    where = 'is not in it' if frame not in known else f'hangs on {root(seen.transforms, frame)!r}'
    return f'{what}: the frame {where}', ''


def _mount_line(base: str, frame: str, near: str) -> str:
    start = 'ros2 run tf2_ros static_transform_publisher'
    if near:
        return f'{start} --frame-id {near} --child-frame-id {frame}'
    return f'{start} --x 0.1 --z 0.2 {OPTICAL} --frame-id {base} --child-frame-id {frame}'


def find_tf_parents(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find frames that two parents claim."""
    for child, parents in _parents(seen.transforms).items():
        if len(parents) > 1:
            names = ' and '.join(repr(name) for name in sorted(parents))
            yield Fault(
                about=child,
                text=f'frame {child!r} has the parents {names}, between which TF jumps; a tree '
                'has one: stop one of the publishers (publish_tf:=false of odometry_node where a '
                'filter publishes it)',
                remedy='ros2 run tf2_tools view_frames',
            )


def find_tf_split(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find map, odom or base that hang on different roots."""
    known = _frames(seen.transforms)
    present = [name for name in (*FIXED, BASE) if name in known]
    roots = {name: root(seen.transforms, name) for name in present}
    for upper, lower in itertools.pairwise(present):
        if roots[upper] != roots[lower]:
            yield Fault(
                about=lower,
                text=f'TF does not join {upper!r} with {lower!r} (REP 105): whoever localises the '
                'robot does not publish it',
                remedy=f'ros2 run tf2_ros tf2_echo {upper} {lower}',
            )


def find_tf_loop(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find frames that are their own ancestors."""
    loops = {
        frozenset(_chain(seen.transforms, edge.child))
        for edge in seen.transforms
        if not root(seen.transforms, edge.child)
    }
    for loop in loops:
        names = ', '.join(sorted(loop))
        yield Fault(
            about=min(loop),
            text=f'TF goes round in a circle: {names}; one of these transforms is the wrong way '
            'round',
            remedy='ros2 run tf2_tools view_frames',
        )


def find_tf_values(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find transforms that are no rigid motion."""
    for edge in seen.transforms:
        length = math.sqrt(sum(value * value for value in edge.quaternion))
        is_finite = all(map(math.isfinite, (*edge.translation, length)))
        if not is_finite or abs(length - 1.0) > UNIT_TOLERANCE:
            yield Fault(
                about=edge.child,
                text=f'the transform from {edge.parent!r} to {edge.child!r} has a quaternion of '
                f'length {length:.3g} or a number that is not finite; tf2 refuses it: normalise '
                'the quaternion',
                remedy=f'ros2 run tf2_ros tf2_echo {edge.parent} {edge.child}',
            )


def find_tf_old(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find moving transforms that are old when they come."""
    if any(end.topic == '/clock' for end in seen.publishers):
        return  # their stamps are of the simulated clock
    for edge in seen.transforms:
        if not edge.is_static and edge.delay_s > OLD_TRANSFORM_S:
            yield Fault(
                about=edge.child,
                text=f'the transform from {edge.parent!r} to {edge.child!r} is '
                f'{edge.delay_s:.1f} s old when it comes, so images wait for it in vain: bring '
                'the clocks together, or look what its publisher waits for',
                remedy=f'ros2 run tf2_ros tf2_monitor {edge.parent} {edge.child}',
            )


def find_not_optical(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find camera frames whose z axis points up: a body's, not a camera's."""
    for node in seen.nodes:
        base = base_frame(seen, node)
        for images, _ in seen.heard_cameras(node):
            height = _axis_height(seen.transforms, base, images.frame_id)
            if base and height > UPWARD:
                yield Fault(
                    about=images.frame_id,
                    text=f'the z axis of camera frame {images.frame_id!r} points up on {base!r}, '
                    'as of a body; images belong to an optical frame, x right, y down, z forward '
                    '(REP 103): name that one in the driver',
                    remedy=_driver_line(seen, images.topic),
                )


def _axis_height(transforms: tuple[HeardTransform, ...], base: str, frame: str) -> float:
    """Return how much the z axis of a frame points up on the base, -1..1; NaN if not joined."""
    edges = {edge.child: edge for edge in transforms}
    axis, walked = (0.0, 0.0, 1.0), 0
    while frame != base:
        edge = edges.get(frame)
        if edge is None or not any(edge.quaternion) or walked > len(edges):
            return math.nan
        if not all(map(math.isfinite, edge.quaternion)):
            return math.nan
        x, y, z = rotation_from_quaternion(list(edge.quaternion)) @ axis
        axis, frame, walked = (float(x), float(y), float(z)), edge.parent, walked + 1
    return axis[2]


def root(transforms: tuple[HeardTransform, ...], frame: str) -> str:
    """Return the frame without a parent that a frame hangs on; empty in a circle."""
    chain = _chain(transforms, frame)
    last = chain[-1]
    return '' if last in _parents(transforms) else last


def _chain(transforms: tuple[HeardTransform, ...], frame: str) -> list[str]:
    """Return a frame and what is above it, up to the root or once round a circle."""
    parents = _parents(transforms)
    chain = [frame]
    while chain[-1] in parents:
        above = min(parents[chain[-1]])
        if above in chain:
            return chain[chain.index(above) :]
        chain.append(above)
    return chain


def _parents(transforms: tuple[HeardTransform, ...]) -> Mapping[str, set[str]]:
    parents: dict[str, set[str]] = {}
    for edge in transforms:
        parents.setdefault(edge.child, set()).add(edge.parent)
    return parents


def _frames(transforms: tuple[HeardTransform, ...]) -> set[str]:
    return {name for edge in transforms for name in (edge.parent, edge.child)}


FRAME_CHECKS = (
    HealthCheck(
        name='frame-empty',
        severity=Severity.WARNING,
        meaning='Images and camera_info name no frame.',
        remedy="ros2 param list DRIVER | grep -i 'frame'",
        find=find_frame_empty,
    ),
    HealthCheck(
        name='frame-unequal',
        severity=Severity.WARNING,
        meaning='Images are in another frame than their camera_info.',
        remedy="ros2 param list DRIVER | grep -i 'frame'",
        find=find_frame_unequal,
    ),
    HealthCheck(
        name='frame-not-optical',
        severity=Severity.WARNING,
        meaning='The z axis of the camera frame points up: it is not the optical one (REP 103).',
        remedy="ros2 param list DRIVER | grep -i 'frame'",
        find=find_not_optical,
    ),
    HealthCheck(
        name='tf-missing',
        severity=Severity.ERROR,
        meaning='TF does not join a camera with the base; the nearest frame is told.',
        remedy='ros2 run tf2_ros static_transform_publisher --frame-id BASE '
        '--child-frame-id CAMERA',
        find=find_tf_missing,
    ),
    HealthCheck(
        name='tf-parents',
        severity=Severity.ERROR,
        meaning='A frame has two parents, between which TF jumps.',
        remedy='ros2 run tf2_tools view_frames, then stop one publisher',
        find=find_tf_parents,
    ),
    HealthCheck(
        name='tf-split',
        severity=Severity.WARNING,
        meaning='map, odom and base_link are not one tree (REP 105).',
        remedy='ros2 run tf2_ros tf2_echo odom base_link',
        find=find_tf_split,
    ),
    HealthCheck(
        name='tf-loop',
        severity=Severity.ERROR,
        meaning='Transforms go round in a circle.',
        remedy='ros2 run tf2_tools view_frames',
        find=find_tf_loop,
    ),
    HealthCheck(
        name='tf-values',
        severity=Severity.ERROR,
        meaning='A transform is not finite, or its quaternion is not of length 1.',
        remedy='ros2 run tf2_ros tf2_echo PARENT CHILD',
        find=find_tf_values,
    ),
    HealthCheck(
        name='tf-old',
        severity=Severity.WARNING,
        meaning=f'A moving transform is over {OLD_TRANSFORM_S:g} s old when it comes.',
        remedy='ros2 run tf2_ros tf2_monitor PARENT CHILD',
        find=find_tf_old,
    ),
    HealthCheck(
        name='tf-unread',
        severity=Severity.NOTE,
        meaning='TF was not looked at, because tf2_msgs is not installed.',
        remedy='sudo apt install ros-$ROS_DISTRO-tf2-msgs',
        find=find_tf_unread,
    ),
)
