"""What there is, beside what is wrong: nodes of ours and what they take in. Imports no ROS."""

from __future__ import annotations

import math
from collections.abc import Iterator

from depth_ros.ros.doctor.node_checks import GROUPS, TOTALS
from depth_ros.ros.doctor.snapshot import DepthNode, HeardTopic, RobotSnapshot
from depth_ros.ros.doctor.stream_checks import delay, rate_hz


def node_records(seen: RobotSnapshot) -> list[dict[str, object]]:
    """Return every node of ours with its state and counters, as JSON has it."""
    return [
        {
            'name': node.name,
            'lifecycle': node.lifecycle,
            'use_sim_time': node.is_simulated,
            'engine': _value(node, 'engine_description'),
            'outputs': _value(node, 'outputs'),
            'dropped': dict(_dropped(node)),
            'inputs': [topic_record(seen, node, topic) for topic in seen.heard(node)],
        }
        for node in seen.nodes
    ]


def topic_record(seen: RobotSnapshot, node: DepthNode, topic: HeardTopic) -> dict[str, object]:
    """Return what was heard on one input, as JSON has it; None where it is not known."""
    image = topic.image
    return {
        'topic': topic.topic,
        'type': topic.kind,
        'rate_hz': _known(rate_hz(node, topic), 2),
        'age_s': _known(delay(node, topic), 4),
        'frame_id': topic.frame_id,
        'encoding': image.encoding if image else None,
        'width': image.width if image else None,
        'height': image.height if image else None,
        'publishers': [
            {
                'node': end.node,
                'reliability': end.qos.reliability,
                'durability': end.qos.durability,
            }
            for end in seen.publishers_of(topic.topic)
        ],
    }


def node_lines(seen: RobotSnapshot) -> Iterator[tuple[str, str]]:
    """Give (name, sentence) of every node of ours and of everything that it takes in."""
    for node in seen.nodes:
        drops = ', '.join(f'{reason} {count}' for reason, count in _dropped(node)) or 'nothing'
        engine = _value(node, 'engine_description') or 'no engine'
        outputs = _value(node, 'outputs') or '0'
        lifecycle = node.lifecycle or 'says nothing'
        yield node.name, f'{lifecycle}; {engine}; {outputs} outputs; dropped: {drops}'
        for topic in seen.heard(node):
            yield topic.topic, ', '.join(_words(seen, node, topic))


def _words(seen: RobotSnapshot, node: DepthNode, topic: HeardTopic) -> Iterator[str]:
    rate, age_s, image = rate_hz(node, topic), delay(node, topic), topic.image
    yield 'unknown rate' if math.isnan(rate) else f'{rate:.1f} Hz'
    if image is not None:
        yield f'{image.width}x{image.height} {image.encoding}'
    yield f'frame {topic.frame_id!r}'
    if not math.isnan(age_s):
        yield f'{1e3 * age_s:.0f} ms old'
    for end in seen.publishers_of(topic.topic):
        yield f'{end.qos.reliability} and {end.qos.durability} from {end.node}'


def _dropped(node: DepthNode) -> Iterator[tuple[str, int]]:
    """Give (reason, count) since the node's start, of what is not zero."""
    for key, text in (node.state.last if node.state else {}).items():
        if key.startswith(GROUPS) and key not in TOTALS and text.isdigit() and int(text):
            yield key.partition('_')[2], int(text)


def _value(node: DepthNode, key: str) -> str:
    return node.state.last.get(key, '') if node.state else ''


def _known(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
