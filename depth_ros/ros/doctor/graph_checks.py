"""Who is there, who publishes what, and who does not match whom. Imports no ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches

from depth_ros.ros.doctor.finding import Fault, HealthCheck, Severity
from depth_ros.ros.doctor.snapshot import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    IMAGES,
    DepthNode,
    Endpoint,
    EndpointQos,
    RobotSnapshot,
    RosProcess,
)
from depth_ros.ros.doctor.typed import PROGRAMS, override_line, remap_line, restart_line

OWN_BUSINESS = ('/rosout', '/parameter_events')
SHARED = ('/tf', '/tf_static', '/clock')
SIMILARITY = 0.6
"""Of two names, 0..1, above which one is offered for the other (difflib)."""

LIKELY_SIMILARITY = 0.85
"""The same for topics of nodes that are not ours, which may wait for what never comes."""

NEEDED_KINDS = (*IMAGES, CAMERA_INFO)
COMPARED_KINDS = (
    *NEEDED_KINDS,
    'sensor_msgs/msg/PointCloud2',
    'sensor_msgs/msg/LaserScan',
    'stereo_msgs/msg/DisparityImage',
    'nav_msgs/msg/Odometry',
    'geometry_msgs/msg/PoseStamped',
)


def find_no_node(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find that no node of this package is to be seen."""
    if seen.nodes:
        return
    here, middleware = seen.machine.domain, seen.machine.middleware
    where = f'domain {here}, {middleware or "the default middleware"}'
    text, remedy = _whereabouts(seen)
    yield Fault(
        about=f'domain {here}',
        text=f'expected a node of depth_ros in {where}, found none {text}',
        remedy=remedy,
    )


def _whereabouts(seen: RobotSnapshot) -> tuple[str, str]:
    """Return where our nodes may be, by the processes of this machine, and the line to type."""
    here, processes = seen.machine.domain, seen.machine.processes
    ours = [process for process in processes if is_ours(process)]
    hidden = next((process for process in ours if process.domain == here), None)
    if hidden is not None:
        text = (
            f'although {hidden.name} (process {hidden.pid}) runs in this domain: it may have '
            f'another middleware ({hidden.middleware} there) or discovery range '
            '(ROS_AUTOMATIC_DISCOVERY_RANGE), still start, or get no time; look longer, with the '
            'environment of that process'
        )
        return text, 'ros2 run depth_ros doctor --seconds 20'
    domains = sorted({process.domain for process in processes}, key=_domain_order)
    beyond = [domain for domain in domains if domain != here]
    if not beyond:
        return f'among {len(seen.node_names)} nodes', _launch_line(seen)
    with_ours = [domain for domain in beyond if any(one.domain == domain for one in ours)]
    marked = [f'{name} (depth_ros)' if name in with_ours else name for name in domains]
    return (
        f'here; ROS processes of this machine are in domain {", ".join(marked)}',
        f'export ROS_DOMAIN_ID={(with_ours or beyond)[0]}',
    )


def is_ours(process: RosProcess) -> bool:
    """Whether a process was started as a program of this package, by its name."""
    return not set(PROGRAMS).isdisjoint(process.name.split())


def _domain_order(domain: str) -> tuple[int, str]:
    return (int(domain) if domain.isdecimal() else -1, domain)


def _launch_line(seen: RobotSnapshot) -> str:
    """Return how to start the stereo node, with cameras that are there."""
    images = sorted({end.topic.rpartition('/')[0] for end in seen.publishers if end.kind == IMAGE})
    left = next((name for name in images if 'left' in name), '/my_camera/left')
    right = next((name for name in images if 'right' in name), '/my_camera/right')
    return f'ros2 launch depth_ros stereo.launch.py left:={left} right:={right}'


def find_duplicate_node(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find names that more than one node has."""
    for name, count in Counter(seen.node_names).items():
        base = name.rpartition('/')[2]
        if count > 1 and not base.startswith('_'):
            yield Fault(
                about=name,
                text=f'{count} nodes are called {name}: parameters and services reach either of '
                'them; stop one of them, or start it under another name',
                remedy=f'ros2 run PACKAGE EXECUTABLE --ros-args -r __node:={base}_2',
            )


def find_qos_mismatch(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find publishers and subscriptions of one topic between which nothing flows."""
    ours = {node.name: node for node in seen.nodes}
    for publisher, subscription in pairs(seen):
        is_ours = publisher.node in ours or subscription.node in ours
        if not is_ours and publisher.topic not in SHARED:
            continue
        mismatch = incompatible(publisher.qos, subscription.qos)
        if mismatch is not None:
            policy, offered, asked = mismatch
            yield Fault(
                about=publisher.topic,
                text=f'{publisher.node} offers {policy} {offered} and {subscription.node} asks '
                f'for {asked}, so nothing flows between them',
                remedy=_qos_remedy(publisher, subscription, mismatch, ours),
            )


def pairs(seen: RobotSnapshot) -> Iterator[tuple[Endpoint, Endpoint]]:
    """Give publishers and subscriptions of one topic and type."""
    by_topic: dict[str, list[Endpoint]] = {}
    for publisher in seen.publishers:
        by_topic.setdefault(publisher.topic, []).append(publisher)
    for subscription in seen.subscriptions:
        for publisher in by_topic.get(subscription.topic, []):
            if publisher.kind == subscription.kind:
                yield publisher, subscription


def incompatible(offered: EndpointQos, asked: EndpointQos) -> tuple[str, str, str] | None:
    """Return (policy, offered, asked) of the first policy that does not match, None if all do.

    The rules are the compatibility tables of the ROS 2 documentation, "Quality of Service
    settings".
    """
    rules: list[tuple[str, object, object, bool]] = [
        (
            'reliability',
            offered.reliability,
            asked.reliability,
            (offered.reliability, asked.reliability) != ('best_effort', 'reliable'),
        ),
        (
            'durability',
            offered.durability,
            asked.durability,
            (offered.durability, asked.durability) != ('volatile', 'transient_local'),
        ),
        (
            'deadline',
            f'{offered.deadline_s:g} s',
            f'{asked.deadline_s:g} s',
            offered.deadline_s <= asked.deadline_s,
        ),
        (
            'liveliness',
            offered.liveliness,
            asked.liveliness,
            (offered.liveliness, asked.liveliness) != ('automatic', 'manual_by_topic'),
        ),
    ]
    for policy, given, wanted, is_fine in rules:
        if not is_fine:
            return policy, str(given), str(wanted)
    return None


def _qos_remedy(
    publisher: Endpoint,
    subscription: Endpoint,
    mismatch: tuple[str, str, str],
    ours: dict[str, DepthNode],
) -> str:
    policy, _, asked = mismatch
    if subscription.node in ours and policy == 'reliability':
        return restart_line(ours[subscription.node], input_reliability='best_effort')
    if publisher.node in ours and policy == 'reliability':
        return restart_line(ours[publisher.node], output_reliability='reliable')
    if publisher.node in ours and policy == 'durability':
        return override_line(ours[publisher.node], publisher.topic, 'publisher', policy, asked)
    return f'ros2 topic info -v {publisher.topic}'


def find_no_publisher(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find images and calibrations that our nodes wait for and nobody publishes."""
    published = {end.topic for end in seen.publishers}
    for node in seen.nodes:
        optional = {camera.info for camera in node.cameras if _is_depth(seen, camera.images)}
        for wanted in seen.subscriptions_of(node.name):
            is_needed = wanted.kind in NEEDED_KINDS and wanted.topic not in optional
            if wanted.topic not in published and is_needed:
                text, remedy = _nearest(seen, node, wanted)
                yield Fault(about=wanted.topic, text=text, remedy=remedy)


def find_nothing_beside(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find inputs beside the images that nobody publishes: poses, points, depth of others."""
    published = {end.topic for end in seen.publishers}
    for node in seen.nodes:
        for wanted in seen.subscriptions_of(node.name):
            is_beside = wanted.kind in COMPARED_KINDS and wanted.kind not in NEEDED_KINDS
            if wanted.topic not in published and is_beside:
                text, remedy = _nearest(seen, node, wanted)
                yield Fault(about=wanted.topic, text=text, remedy=remedy)


def _is_depth(seen: RobotSnapshot, topic: str) -> bool:
    heard = seen.topics.get(topic)
    return 'depth' in topic or (heard is not None and heard.is_depth)


def _nearest(seen: RobotSnapshot, node: DepthNode, wanted: Endpoint) -> tuple[str, str]:
    """Return the sentence and the line about an input that nobody publishes."""
    kinds = {end.topic: end.kind for end in seen.publishers if end.node != node.name}
    what = f'{node.name} waits for {wanted.topic}, which nobody publishes'
    for other, kind, parameters in _other_forms(wanted):
        if kinds.get(other) == kind:
            return f'{what}; {other} is published', restart_line(node, **parameters)
    alike = [topic for topic, kind in kinds.items() if kind == wanted.kind]
    near = get_close_matches(wanted.topic, alike, n=1, cutoff=SIMILARITY)
    if near:
        text = f'{what}; the nearest name that somebody publishes is {near[0]}'
        return text, remap_line(node, wanted.topic, near[0])
    return (
        f'{what}, nor any name like it: start what sends it, or name its topic',
        f'ros2 topic list -t | grep {wanted.kind}',
    )


def _other_forms(wanted: Endpoint) -> list[tuple[str, str, dict[str, object]]]:
    """Return (topic, type, parameters) of other forms of the same images."""
    topic = wanted.topic
    base = topic.removesuffix('/compressed')
    forms: list[tuple[str, str, dict[str, object]]] = []
    if wanted.kind == IMAGE:
        forms.append((f'{topic}/compressed', COMPRESSED, {'image_transport': 'compressed'}))
    if wanted.kind == COMPRESSED:
        forms.append((base, IMAGE, {'image_transport': 'raw'}))
    for name, other, value in (
        ('image_raw', 'image_rect', 'rectified'),
        ('image_rect', 'image_raw', 'raw'),
    ):
        if base.endswith(f'/{name}'):
            swapped = base.removesuffix(name) + other + topic[len(base) :]
            forms.append((swapped, wanted.kind, {'input': value}))
    return forms


def find_nearly_named(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find inputs of other nodes that nobody publishes, while a topic is called almost so."""
    ours = {node.name for node in seen.nodes}
    kinds = {end.topic: end.kind for end in seen.publishers}
    for wanted in seen.subscriptions:
        if wanted.node in ours or wanted.topic in kinds or wanted.kind not in COMPARED_KINDS:
            continue
        alike = [topic for topic, kind in kinds.items() if kind == wanted.kind]
        near = get_close_matches(wanted.topic, alike, n=1, cutoff=LIKELY_SIMILARITY)
        if near:
            yield Fault(
                about=wanted.topic,
                text=f'{wanted.node} waits for {wanted.topic}, which nobody publishes; '
                f'{near[0]} is published',
                remedy=f'ros2 run PACKAGE EXECUTABLE --ros-args -r {wanted.topic}:={near[0]}',
            )


def find_two_publishers(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find inputs that several nodes publish at once."""
    inputs = {end.topic for node in seen.nodes for end in seen.subscriptions_of(node.name)}
    for topic in sorted(inputs - {*SHARED, *OWN_BUSINESS}):
        publishers = [end for end in seen.publishers_of(topic) if end.kind in COMPARED_KINDS]
        if len(publishers) > 1:
            names = ', '.join(sorted({end.node for end in publishers}))
            yield Fault(
                about=topic,
                text=f'{len(publishers)} publishers send on {topic} ({names}), whose messages mix;'
                ' stop one of them, or give it a namespace',
                remedy=f'ros2 topic info -v {topic}',
            )


def find_type_mismatch(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find topics that one side takes for another type than the other."""
    for node in seen.nodes:
        for wanted in seen.subscriptions_of(node.name):
            for publisher in seen.publishers_of(wanted.topic):
                if publisher.kind != wanted.kind:
                    yield Fault(
                        about=wanted.topic,
                        text=f'{node.name} expects {wanted.kind} on {wanted.topic} and '
                        f'{publisher.node} publishes {publisher.kind}',
                        remedy=_type_remedy(node, wanted, publisher),
                    )


def _type_remedy(node: DepthNode, wanted: Endpoint, publisher: Endpoint) -> str:
    if (wanted.kind, publisher.kind) == (COMPRESSED, IMAGE):
        return restart_line(node, image_transport='raw')
    if (wanted.kind, publisher.kind) == (IMAGE, COMPRESSED):
        name = wanted.topic
        return f'{restart_line(node, image_transport="compressed")} -r {name}/compressed:={name}'
    return f'ros2 topic info -v {wanted.topic}'


GRAPH_CHECKS = (
    HealthCheck(
        name='no-node',
        severity=Severity.ERROR,
        meaning='No node of this package is to be seen: it is not started, or another domain, '
        'middleware or discovery range is used here than there, or it has no time to answer.',
        remedy='export ROS_DOMAIN_ID=N, or start it: ros2 launch depth_ros stereo.launch.py',
        find=find_no_node,
    ),
    HealthCheck(
        name='duplicate-node',
        severity=Severity.WARNING,
        meaning='Two nodes have one name; parameters and services reach either.',
        remedy='--ros-args -r __node:=NAME, or -r __ns:=/NAME',
        find=find_duplicate_node,
    ),
    HealthCheck(
        name='qos-mismatch',
        severity=Severity.ERROR,
        meaning='Quality of service of a publisher and a subscription do not match, so nothing '
        'flows.',
        remedy='-p input_reliability:=best_effort, -p output_reliability:=reliable or '
        '-p qos_overrides./TOPIC.publisher.POLICY:=VALUE',
        find=find_qos_mismatch,
    ),
    HealthCheck(
        name='no-publisher',
        severity=Severity.ERROR,
        meaning='Nobody publishes images or camera_info that a node of ours takes in; the nearest '
        'name is told.',
        remedy='-r OLD:=NEW, -p image_transport:=compressed or -p input:=rectified',
        find=find_no_publisher,
    ),
    HealthCheck(
        name='nothing-beside',
        severity=Severity.NOTE,
        meaning='Nobody publishes poses or points that a node of ours takes in beside its images.',
        remedy='-r OLD:=NEW',
        find=find_nothing_beside,
    ),
    HealthCheck(
        name='nearly-named',
        severity=Severity.NOTE,
        meaning='Another node waits for a topic that nobody publishes, while one is called almost '
        'so.',
        remedy='-r OLD:=NEW at that node',
        find=find_nearly_named,
    ),
    HealthCheck(
        name='two-publishers',
        severity=Severity.WARNING,
        meaning='Several nodes publish one input, as a driver beside a bag that is played.',
        remedy='ros2 topic info -v TOPIC, then stop one',
        find=find_two_publishers,
    ),
    HealthCheck(
        name='type-mismatch',
        severity=Severity.ERROR,
        meaning='A topic is published as another message type than the node expects.',
        remedy='-p image_transport:=raw, or -r OLD:=NEW',
        find=find_type_mismatch,
    ),
)
