"""Whether images can be read, and fit each other and their calibration. Imports no ROS."""

from __future__ import annotations

from collections.abc import Iterator

from depth_ros.camera import PinholeCamera, aligned_camera, stereo_camera
from depth_ros.errors import CalibrationError
from depth_ros.ros.doctor.finding import Fault, HealthCheck, Severity
from depth_ros.ros.doctor.snapshot import DepthNode, HeardImage, HeardTopic, RobotSnapshot
from depth_ros.ros.doctor.stream_checks import both
from depth_ros.ros.doctor.typed import restart_line, set_line

ENCODING = 'encoding'
FLOATS = ('32FC1', '64FC1')
UNITS_M = (0.001, 0.0001, 0.00025, 0.0002, 0.01, 1.0)
"""Steps of 16-bit depth that cameras are known to send, the usual first."""

BELIEVED_M = (0.05, 100.0)
"""Median depth of a scene that is believed to be in metres."""


def find_encoding(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find images of an encoding that cannot be read."""
    for topic, image in _images(seen):
        if image.problem is not None and image.problem.reason == ENCODING:
            yield Fault(
                about=topic.topic,
                text=f'{topic.topic}: {_short(image.problem)}',
                remedy=_driver_line(seen, topic, 'encoding|format'),
            )


def find_image_broken(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find images whose fields contradict each other, or that hold nothing."""
    for topic, image in _images(seen):
        if image.problem is not None and image.problem.reason != ENCODING:
            yield Fault(
                about=topic.topic,
                text=f'{topic.topic}: {_short(image.problem)}',
                remedy=f'ros2 topic echo --once --no-arr {topic.topic}',
            )


def find_encoding_unequal(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find two cameras of a pair with different encodings."""
    for _, left, right in _pairs_of_images(seen):
        first, second = left.image, right.image
        assert first is not None and second is not None
        if first.encoding != second.encoding and left.kind == right.kind:
            yield Fault(
                about=right.topic,
                text=f'{left.topic} is {first.encoding} and {right.topic} {second.encoding}; both '
                'can be read, but matching is best between equal ones',
                remedy=_driver_line(seen, right, 'encoding|format'),
            )


def find_size_unequal(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find two cameras of a pair with images of different sizes."""
    for _, left, right in _pairs_of_images(seen):
        first, second = left.image, right.image
        assert first is not None and second is not None
        if _size(first) != _size(second):
            yield Fault(
                about=right.topic,
                text=f'{left.topic} is {_size(first)} and {right.topic} {_size(second)}; a pair '
                'has one size: set both cameras to one resolution',
                remedy=_driver_line(seen, right, 'width|height|resolution|profile'),
            )


def find_size_calibration(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find images of another resolution than their calibration."""
    for node in seen.nodes:
        for images, info in seen.heard_cameras(node):
            image, camera = images.image, info.camera if info else None
            if image is None or camera is None or not image.height:
                continue
            if (image.height, image.width) != (camera.height, camera.width):
                yield Fault(
                    about=images.topic,
                    text=f'{images.topic} is {_size(image)} and its calibration is for '
                    f'{camera.width}x{camera.height}: give the calibration of this resolution, '
                    'or set the driver to that one',
                    remedy=_driver_line(seen, images, 'width|height|resolution|profile'),
                )


def find_calibration(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find calibrations that are refused."""
    for topic in seen.topics.values():
        if topic.problem is not None:
            yield Fault(
                about=topic.topic,
                text=f'{topic.topic}: {_short(topic.problem)} [{topic.problem.reason}]',
                remedy=f'ros2 topic echo --once {topic.topic} > camera.yaml; '
                'depth-ros calibration check --mono camera.yaml',
            )


def find_rig(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find two calibrations that make no rig."""
    for node, left, right in _rigs(seen):
        try:
            _check_rig(node, left.camera, right.camera)
        except CalibrationError as error:
            yield Fault(
                about=right.topic,
                text=f'{left.topic} and {right.topic}: {_short(error)} [{error.reason}]',
                remedy=_rig_remedy(node, error, left.topic, right.topic),
            )


def _check_rig(node: DepthNode, left: PinholeCamera | None, right: PinholeCamera | None) -> None:
    """Refuse what the node will refuse."""
    assert left is not None and right is not None, '_rigs gives no others'
    if node.text('input') != 'rectified':
        right = aligned_camera(right, left)
    stereo_camera(left, right, baseline_m=node.number('baseline_m', 0.0) or None)


def _rig_remedy(node: DepthNode, error: CalibrationError, left: str, right: str) -> str:
    if error.reason == 'baseline_missing':
        return set_line(node.name, 'baseline_m', 'METRES')
    if error.reason == 'baseline_conflict':
        return set_line(node.name, 'baseline_m', 0.0)
    return (
        f'ros2 topic echo --once {left} > left.yaml; ros2 topic echo --once {right} > '
        'right.yaml; depth-ros calibration check left.yaml right.yaml'
    )


def find_depth_unit(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find depth whose numbers are no metres, or no steps of the unit that is set."""
    for node in seen.nodes:
        for topic in seen.heard(node):
            image = topic.image
            if image is None or not image.depth_median > 0.0:
                continue
            is_float = image.encoding in FLOATS
            unit_m = 1.0 if is_float else node.number('depth_unit_m', UNITS_M[0])
            median_m = image.depth_median * unit_m
            if not BELIEVED_M[0] <= median_m <= BELIEVED_M[1]:
                yield Fault(
                    about=topic.topic,
                    text=_unit_text(topic.topic, image, unit_m, is_float),
                    remedy=_unit_remedy(node, image, topic.topic, is_float),
                )


def _unit_text(topic: str, image: HeardImage, unit_m: float, is_float: bool) -> str:
    median_m = image.depth_median * unit_m
    said = (
        f'{image.encoding} is metres (REP 118)'
        if is_float
        else f'a step is {unit_m:g} m by depth_unit_m'
    )
    return (
        f'half of {topic} is farther than {median_m:.4g} m, as {said}: no scene is like that, so '
        'it is another unit'
    )


def _unit_remedy(node: DepthNode, image: HeardImage, topic: str, is_float: bool) -> str:
    likely = (unit for unit in UNITS_M if 0.2 <= image.depth_median * unit <= 20.0)
    unit_m = next(likely, None)
    if is_float or unit_m is None:
        return f'ros2 topic echo --once --field encoding {topic}'
    return restart_line(node, depth_unit_m=unit_m)


def _images(seen: RobotSnapshot) -> Iterator[tuple[HeardTopic, HeardImage]]:
    for topic in seen.topics.values():
        if topic.image is not None:
            yield topic, topic.image


def _pairs_of_images(
    seen: RobotSnapshot,
) -> Iterator[tuple[DepthNode, HeardTopic, HeardTopic]]:
    """Give pairs that are both images that can be read, none of them depth."""
    for node, left, right in both(seen):
        is_read = all(
            topic.image is not None and topic.image.problem is None and not topic.is_depth
            for topic in (left, right)
        )
        if is_read:
            yield node, left, right


def _rigs(seen: RobotSnapshot) -> Iterator[tuple[DepthNode, HeardTopic, HeardTopic]]:
    """Give nodes with two good calibrations, and the topics of both."""
    for node in seen.nodes:
        infos = [info for images, info in seen.heard_cameras(node) if not images.is_depth]
        good = [info for info in infos if info is not None and info.camera is not None]
        if len(infos) == 2 and len(good) == 2:
            yield node, good[0], good[1]


def _driver_line(seen: RobotSnapshot, topic: HeardTopic, words: str) -> str:
    """Return how to find the driver's parameter of these words."""
    publishers = seen.publishers_of(topic.topic)
    sender = publishers[0].node if publishers else '/DRIVER'
    return f"ros2 param list {sender} | grep -iE '{words}'"


def _size(image: HeardImage) -> str:
    return f'{image.width}x{image.height}'


def _short(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 300 else f'{text[:300]}...'


IMAGE_CHECKS = (
    HealthCheck(
        name='encoding',
        severity=Severity.ERROR,
        meaning='Images have an encoding that cannot be read ([conventions](conventions.md)).',
        remedy="ros2 param list DRIVER | grep -iE 'encoding|format'",
        find=find_encoding,
    ),
    HealthCheck(
        name='image-broken',
        severity=Severity.ERROR,
        meaning='Size, step and bytes of images contradict each other, or a picture is truncated.',
        remedy='ros2 topic echo --once --no-arr TOPIC; correct the driver',
        find=find_image_broken,
    ),
    HealthCheck(
        name='encoding-unequal',
        severity=Severity.NOTE,
        meaning='Left and right have different encodings.',
        remedy="ros2 param list DRIVER | grep -iE 'encoding|format'",
        find=find_encoding_unequal,
    ),
    HealthCheck(
        name='size-unequal',
        severity=Severity.ERROR,
        meaning='Left and right have different sizes.',
        remedy="ros2 param list DRIVER | grep -iE 'width|height|resolution|profile'",
        find=find_size_unequal,
    ),
    HealthCheck(
        name='size-calibration',
        severity=Severity.ERROR,
        meaning='Images are of another resolution than their camera_info.',
        remedy="ros2 param list DRIVER | grep -iE 'width|height|resolution|profile'",
        find=find_size_calibration,
    ),
    HealthCheck(
        name='calibration',
        severity=Severity.ERROR,
        meaning='A camera_info is refused; the reason is told as in '
        '[conventions](conventions.md#camerainfo).',
        remedy='depth-ros calibration check --mono camera.yaml',
        find=find_calibration,
    ),
    HealthCheck(
        name='rig',
        severity=Severity.ERROR,
        meaning='Two calibrations make no rig: no baseline, one in other units, left and right '
        'swapped, rows apart.',
        remedy='depth-ros calibration check left.yaml right.yaml, or ros2 param set NODE '
        'baseline_m METRES',
        find=find_rig,
    ),
    HealthCheck(
        name='depth-unit',
        severity=Severity.ERROR,
        meaning='Depth is in another unit than its encoding or depth_unit_m says.',
        remedy='-p depth_unit_m:=0.0001, or metres in the driver',
        find=find_depth_unit,
    ),
)
