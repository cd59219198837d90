"""Every shipped configuration: defaults as in the code, topics as published, sizes as claimed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from depth_ros.ros import fastdds
from depth_ros.ros.parameter_docs import COMMAND, NODES, outputs, parameters_of
from tests.kit.interfaces import require_interfaces
from tests.kit.shared_data import REPOSITORY

CONFIG = REPOSITORY / 'config'
CLOUD_1080P_BYTES = 1920 * 1080 * 16
DEEPEST_QUEUE = 5


def load_yaml(name: str) -> Any:
    return yaml.safe_load((CONFIG / name).read_text(encoding='utf-8'))


@pytest.mark.parametrize('path', outputs(), ids=str)
def test_generated_files_are_fresh(path: Path) -> None:
    text = (REPOSITORY / path).read_text(encoding='utf-8')
    assert text == outputs()[path], f'{path} is stale; type: {COMMAND}'


@pytest.mark.parametrize('stem', NODES)
def test_yaml_has_every_parameter_with_its_default(stem: str) -> None:
    kind = parameters_of(stem)
    values = load_yaml(f'{stem}.yaml')['/**']['ros__parameters']
    assert kind.from_values(values) == kind()
    assert list(values) == [spec.name for spec in kind.specs()]
    types = {spec.name: spec.kind for spec in kind.specs()}
    assert all(type(value) is types[name] for name, value in values.items())


@pytest.mark.parametrize('stem', NODES)
def test_docs_say_every_parameter_with_its_description(stem: str) -> None:
    page = (REPOSITORY / 'docs' / 'parameters.md').read_text(encoding='utf-8')
    text = page.partition(f'## {stem}_node')[2].partition('\n## ')[0]
    for spec in parameters_of(stem).specs():
        assert f'| `{spec.name}` |' in text
        assert spec.description in text


@dataclass(frozen=True)
class Layout:
    """What an RViz file shows, and where the node's topics are described."""

    topics: str
    page: str
    camera: str
    outputs: set[str]
    others: dict[str, str] = field(default_factory=dict)
    fixed_frame: str = ''


LAYOUTS = {
    'stereo': Layout(
        topics='depth_ros.ros.stereo.topics',
        page='topics.md',
        camera='/left/image_raw',
        outputs={'/disparity/color', '/depth/image', '/points'},
    ),
    'mono': Layout(
        topics='depth_ros.ros.mono.topics',
        page='mono.md',
        camera='/image_raw',
        outputs={'/relative_depth/color', '/depth/image', '/points'},
    ),
    'matcher': Layout(
        topics='depth_ros.ros.matcher.topics',
        page='matching.md',
        camera='/image_raw',
        outputs={'/matches/image'},
    ),
    'multiview': Layout(
        topics='depth_ros.ros.multiview.topics',
        page='multiview.md',
        camera='/image_raw',
        outputs={'/depth/image', '/confidence', '/points', '/fused/points'},
        others={'/fused/points': 'PointCloud2'},
        fixed_frame='odom',
    ),
}


def output_topics(stem: str) -> Any:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    if stem == 'matcher':
        require_interfaces()
    return import_module(LAYOUTS[stem].topics).OUTPUT_TOPICS


@pytest.mark.parametrize('stem', LAYOUTS)
def test_rviz_shows_what_is_published(stem: str) -> None:
    layout = LAYOUTS[stem]
    types = {f'/{topic.name}': topic.message_type.__name__ for topic in output_topics(stem)}
    types.update(layout.others, **{layout.camera: 'Image'})
    manager = load_yaml(f'{stem}.rviz')['Visualization Manager']
    shown = {}
    for display in manager['Displays']:
        if 'Topic' in display:
            kind = display['Class'].split('/')[1]
            shown[display['Topic']['Value']] = kind
            assert types[display['Topic']['Value']] == kind
            assert display['Topic']['Durability Policy'] == 'Volatile'
    assert set(shown) == {layout.camera, *layout.outputs}
    names = [display['Name'] for display in manager['Displays']]
    assert len(names) == len(set(names))
    assert all(display['Enabled'] for display in manager['Displays'])


@pytest.mark.parametrize('stem', LAYOUTS)
def test_rviz_asks_only_for_qos_that_is_offered(stem: str) -> None:
    """Reliable is asked of our outputs only; cameras may be best effort."""
    for display in load_yaml(f'{stem}.rviz')['Visualization Manager']['Displays']:
        topic = display.get('Topic', {})
        if topic.get('Reliability Policy') == 'Reliable':
            assert topic['Value'] != LAYOUTS[stem].camera


@pytest.mark.parametrize('stem', LAYOUTS)
def test_rviz_starts_in_the_frame_that_the_sample_camera_has(stem: str) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.demo.sample_camera import SPECS

    frames = {spec.name: spec.default for spec in SPECS}
    options = load_yaml(f'{stem}.rviz')['Visualization Manager']['Global Options']
    assert options['Fixed Frame'] == (LAYOUTS[stem].fixed_frame or frames['left_frame_id'])


def fastdds_numbers() -> dict[str, int]:
    root = ElementTree.parse(CONFIG / 'fastdds.xml').getroot()
    elements = {element.tag.rpartition('}')[2]: element for element in root.iter()}
    names = (
        'segment_size',
        'maxMessageSize',
        'port_queue_capacity',
        'healthy_check_timeout_ms',
    )
    return {name: int(elements[name].text or '0') for name in names}


def test_fast_dds_profile_holds_five_1080p_clouds() -> None:
    numbers = fastdds_numbers()
    assert numbers['segment_size'] == fastdds.SEGMENT_BYTES
    assert numbers['segment_size'] > DEEPEST_QUEUE * CLOUD_1080P_BYTES
    assert numbers['maxMessageSize'] > CLOUD_1080P_BYTES
    num_fragments = math.ceil(CLOUD_1080P_BYTES / 64_000)
    assert numbers['port_queue_capacity'] > DEEPEST_QUEUE * num_fragments
    assert numbers['healthy_check_timeout_ms'] >= 10_000, 'see tests/ros/test_transport.py'


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


@pytest.mark.parametrize('stem', LAYOUTS)
def test_topics_page_names_every_topic_with_its_meaning(stem: str) -> None:
    topics = output_topics(stem)
    text = (REPOSITORY / 'docs' / LAYOUTS[stem].page).read_text(encoding='utf-8')
    for topic in topics:
        package = topic.message_type.__module__.split('.')[0]
        kind = f'{package}/{topic.message_type.__name__}'
        assert f'| `{topic.name}` | {kind} | {topic.meaning} |' in text


@pytest.mark.parametrize('page', ['topics.md', 'mono.md'])
def test_pages_name_what_costmaps_get(page: str) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.node.navigation import NAVIGATION_TOPICS

    text = (REPOSITORY / 'docs' / page).read_text(encoding='utf-8')
    for topic in NAVIGATION_TOPICS:
        kind = f'sensor_msgs/{topic.message_type.__name__}'
        assert f'| `{topic.name}` | {kind} | {topic.meaning} |' in text


def published() -> set[str]:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.node.navigation import NAVIGATION_TOPICS

    tables = [output_topics('stereo'), output_topics('mono'), NAVIGATION_TOPICS]
    return {topic.name for table in tables for topic in table}


def nav2_costmap() -> dict[str, Any]:
    return load_yaml('nav2_stereo.yaml')['local_costmap']['local_costmap']['ros__parameters']


def test_costmap_layers_take_topics_of_ours_and_keep_their_points() -> None:
    """A source drops what is outside of its band, also ends of rays; the default is 0, 0."""
    costmap, names = nav2_costmap(), published()
    layers = {name: layer for name, layer in costmap.items() if name.startswith('stereo_')}
    assert len(layers) == 4 and set(costmap['plugins']) - {'inflation_layer'} <= set(layers)
    navigation = parameters_of('stereo')().navigation
    for layer in layers.values():
        for name in layer['observation_sources'].split():
            source = layer[name]
            assert source['topic'].removeprefix('/') in names
            if 'max_obstacle_height' in source:
                assert source['min_obstacle_height'] <= navigation.min_height_m
                assert source['max_obstacle_height'] >= navigation.max_height_m
            assert 'sensor_frame' not in source, 'rays begin at the camera'
    assert navigation.max_range_m < layers['stereo_voxels']['clearing']['raytrace_max_range']


def test_parameter_files_of_others_have_no_aliases() -> None:
    """The parser of rcl refuses them."""
    for name in ('nav2_stereo', 'nvblox', 'octomap', 'rtabmap'):
        text = (CONFIG / f'{name}.yaml').read_text(encoding='utf-8')
        tokens = yaml.scan(text)
        assert not [
            token for token in tokens if isinstance(token, (yaml.AliasToken, yaml.AnchorToken))
        ]


@pytest.mark.parametrize(
    ('name', 'topics'),
    [
        (
            'nvblox',
            {
                'depth/image',
                'depth/camera_info',
                'rectified/left/image',
                'rectified/left/camera_info',
            },
        ),
        ('octomap', {'points/obstacles'}),
        (
            'rtabmap',
            {
                'depth/image',
                'rectified/left/image',
                'rectified/right/image',
                'rectified/left/camera_info',
                'rectified/right/camera_info',
            },
        ),
    ],
)
def test_notes_for_others_name_topics_of_ours(name: str, topics: set[str]) -> None:
    text = (CONFIG / f'{name}.yaml').read_text(encoding='utf-8')
    assert topics <= published()
    assert [topic for topic in topics if f'| {topic}' not in text] == []
    assert 'ros__parameters' in next(iter(load_yaml(f'{name}.yaml').values()))
