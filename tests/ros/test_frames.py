"""The table of frames in docs/topics.md: every output of every node, as the code has it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

pytest.importorskip('tests.kit.built_interfaces')

from depth_ros.ros.matcher.topics import OUTPUT_TOPICS as MATCHER
from depth_ros.ros.mono.topics import OUTPUT_TOPICS as MONO
from depth_ros.ros.multiview.node import FUSED
from depth_ros.ros.multiview.topics import OUTPUT_TOPICS as MULTIVIEW
from depth_ros.ros.node.navigation import NAVIGATION_TOPICS
from depth_ros.ros.node.publishers import same_frame
from depth_ros.ros.odometry.topics import KINDS
from depth_ros.ros.stereo.topics import OUTPUT_TOPICS as STEREO
from tests.kit.shared_data import REPOSITORY

TOPICS = (*STEREO, *MONO, *MULTIVIEW, *MATCHER, *NAVIGATION_TOPICS)
OF_THE_IMAGE = 'the optical frame'


def rows() -> list[tuple[list[str], str]]:
    text = (REPOSITORY / 'docs' / 'topics.md').read_text(encoding='utf-8')
    section = text.partition('\n## Frames\n')[2].partition('\n## ')[0]
    lines = [line.strip('| ').split(' | ') for line in section.splitlines() if line[:3] == '| `']
    return [(re.findall('`([^`]+)`', names), frame) for names, frame, *_ in lines]


def test_every_output_has_one_row() -> None:
    listed = Counter(name for names, _ in rows() for name in names)
    published = {topic.name for topic in TOPICS} | set(KINDS) | {FUSED, '/tf'}
    assert published == set(listed)
    assert max(listed.values()) == 1


@pytest.mark.parametrize('topic', TOPICS, ids=lambda topic: topic.name)
def test_a_topic_with_the_frame_of_the_image_is_listed_so(topic: object) -> None:
    (frame,) = [frame for names, frame in rows() if topic.name in names]  # type: ignore[attr-defined]
    is_image = frame.startswith((OF_THE_IMAGE, 'that of the left image'))
    assert is_image == (topic.frame is same_frame), frame  # type: ignore[attr-defined]
