"""Every shipped configuration: defaults as in the code, topics as published, sizes as claimed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from shared_data import REPOSITORY

from depth_ros.ros import fastdds
from depth_ros.ros.parameter_docs import COMMAND, outputs
from depth_ros.ros.parameters import StereoParameters, parameters_from, specs

CONFIG = REPOSITORY / 'config'
CLOUD_1080P_BYTES = 1920 * 1080 * 16
DEEPEST_QUEUE = 5


def load_yaml(name: str) -> Any:
    return yaml.safe_load((CONFIG / name).read_text(encoding='utf-8'))


@pytest.mark.parametrize('path', outputs(), ids=str)
def test_generated_files_are_fresh(path: Path) -> None:
    text = (REPOSITORY / path).read_text(encoding='utf-8')
    assert text == outputs()[path], f'{path} is stale; type: {COMMAND}'


def test_stereo_yaml_has_every_parameter_with_its_default() -> None:
    values = load_yaml('stereo.yaml')['/**']['ros__parameters']
    assert parameters_from(values) == StereoParameters()
    assert list(values) == [spec.name for spec in specs()]
    types = {spec.name: spec.kind for spec in specs()}
    assert all(type(value) is types[name] for name, value in values.items())


def test_docs_say_every_parameter_with_its_description() -> None:
    text = (REPOSITORY / 'docs' / 'parameters.md').read_text(encoding='utf-8')
    for spec in specs():
        assert f'| `{spec.name}` |' in text
        assert spec.description in text


def test_rviz_shows_what_is_published() -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.publishers import OUTPUT_TOPICS

    types = {f'/{topic.name}': topic.message_type.__name__ for topic in OUTPUT_TOPICS}
    types['/left/image_raw'] = 'Image'
    manager = load_yaml('stereo.rviz')['Visualization Manager']
    shown = {}
    for display in manager['Displays']:
        if 'Topic' in display:
            kind = display['Class'].split('/')[1]
            shown[display['Topic']['Value']] = kind
            assert types[display['Topic']['Value']] == kind
            assert display['Topic']['Durability Policy'] == 'Volatile'
    assert set(shown) == {'/left/image_raw', '/disparity/color', '/depth/image', '/points'}
    names = [display['Name'] for display in manager['Displays']]
    assert len(names) == len(set(names))
    assert all(display['Enabled'] for display in manager['Displays'])


def test_rviz_asks_only_for_qos_that_is_offered() -> None:
    """Reliable is asked of our outputs only; cameras may be best effort."""
    for display in load_yaml('stereo.rviz')['Visualization Manager']['Displays']:
        topic = display.get('Topic', {})
        if topic.get('Reliability Policy') == 'Reliable':
            assert topic['Value'] != '/left/image_raw'


def test_rviz_starts_in_the_frame_that_the_sample_camera_has() -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.sample_camera import SPECS

    frames = {spec.name: spec.default for spec in SPECS}
    options = load_yaml('stereo.rviz')['Visualization Manager']['Global Options']
    assert options['Fixed Frame'] == frames['left_frame_id']


def fastdds_numbers() -> dict[str, int]:
    root = ElementTree.parse(CONFIG / 'fastdds.xml').getroot()
    elements = {element.tag.rpartition('}')[2]: element for element in root.iter()}
    names = ('segment_size', 'maxMessageSize', 'port_queue_capacity')
    return {name: int(elements[name].text or '0') for name in names}


def test_fast_dds_profile_holds_five_1080p_clouds() -> None:
    numbers = fastdds_numbers()
    assert numbers['segment_size'] == fastdds.SEGMENT_BYTES
    assert numbers['segment_size'] > DEEPEST_QUEUE * CLOUD_1080P_BYTES
    assert numbers['maxMessageSize'] > CLOUD_1080P_BYTES
    num_fragments = math.ceil(CLOUD_1080P_BYTES / 64_000)
    assert numbers['port_queue_capacity'] > DEEPEST_QUEUE * num_fragments


def test_fast_dds_profile_is_the_default_and_keeps_udp() -> None:
    """Robots speak to other machines too."""
    root = ElementTree.parse(CONFIG / 'fastdds.xml').getroot()
    space = {'d': 'http://www.eprosima.com'}
    types = [element.text for element in root.iterfind('.//d:type', space)]
    assert types == ['SHM', 'UDPv4']
    defined = {e.text for e in root.iterfind('.//d:transport_descriptor/d:transport_id', space)}
    used = {e.text for e in root.iterfind('.//d:userTransports/d:transport_id', space)}
    assert defined == used
    participant = root.find('.//d:participant', space)
    assert participant is not None and participant.get('is_default_profile') == 'true'


def test_topics_page_names_every_topic_with_its_meaning() -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.publishers import OUTPUT_TOPICS

    text = (REPOSITORY / 'docs' / 'topics.md').read_text(encoding='utf-8')
    for topic in OUTPUT_TOPICS:
        package = topic.message_type.__module__.split('.')[0]
        kind = f'{package}/{topic.message_type.__name__}'
        assert f'| `{topic.name}` | {kind} | {topic.meaning} |' in text
