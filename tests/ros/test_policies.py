"""Security policies: in the form that sros2 reads, and exactly what live nodes open."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.kit.child_environment import python_path
from tests.kit.interfaces import require_interfaces

require_interfaces()

from rclpy.node import Node, NodeNameNonExistentError

from depth_ros.cli.main import main
from depth_ros.errors import ParameterError
from depth_ros.ros.launch_words import read_launch_words
from depth_ros.ros.node.access import TF
from depth_ros.ros.node.bond import TOPIC as BOND
from depth_ros.ros.parameter_docs import NODES
from depth_ros.ros.policy import Profile, outputs, policy_of, profile_of
from tests.kit.live_node import NodeProcess, Robot, robot, running
from tests.kit.shared_data import REPOSITORY

LISTS = {'topics': ('publish', 'subscribe'), 'services': ('reply', 'request')}
"""Children of a profile and what may be allowed in them, as sros2's policy.xsd has it."""
NAME = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')
TF_STAND_IN = {
    'tf2_msgs': 'from nav_msgs.msg import Path as TFMessage\n',
    'tf2_ros': (
        'from nav_msgs.msg import Path\n'
        'TransformException = KeyError\n'
        'class Buffer:\n'
        '    def __init__(self, node): pass\n'
        '    def clear(self): pass\n'
        'def TransformListener(buffer, node):\n'
        "    names = ('/tf', '/tf_static')\n"
        '    return [node.create_subscription(Path, name, print, 1) for name in names]\n'
    ),
}
"""What a distro has and the wheels lack: topics of the same names, with a type there is."""


@dataclass(frozen=True)
class Case:
    """A node as it is launched.

    Attributes:
        stem: Of the node.
        words: Of its launch file.
        module: What is started; a network that knows the answer where none ships.
    """

    stem: str
    words: tuple[str, ...]
    module: str = ''


CASES = {
    'stereo': Case('stereo', ('left:=/cam/left', 'names:=image_pipeline', 'model:=sgbm')),
    'hinted_stereo': Case(
        'stereo',
        (
            'model:=crestereo_tiny_hinted',
            'hints:=depth_topic previous',
            'depth_topic:=image',
            'pose_source:=odometry',
            'base_from_camera:=0 0 0 -0.5 0.5 -0.5 0.5',
        ),
        'tests.kit.nodes.echo_stereo_node',
    ),
    'mono': Case(
        'mono',
        (
            'scale.mode:=reference_depth',
            'reference:=/lidar/depth',
            'depth_transport:=compressedDepth',
            'image_transport:=compressed',
        ),
        'tests.kit.nodes.truth_mono_node',
    ),
    'multiview': Case(
        'multiview',
        ('pose_source:=pose', 'pose:=/slam/pose', 'depth.source:=cloud', 'input:=rectified'),
        'tests.kit.nodes.truth_multiview_node',
    ),
    'matcher': Case('matcher', ('camera:=/cam',)),
    'stereo_odometry': Case(
        'odometry',
        (
            'use_sim_time:=true',
            'base_frame:=base_link',
            'base_from_camera:=0 0 0 -0.5 0.5 -0.5 0.5',
        ),
    ),
    'rgbd_odometry': Case(
        'odometry',
        ('source:=rgbd', 'depth:=/cam/depth/image', 'base_frame:=base_link', 'publish_tf:=false'),
    ),
}


@pytest.mark.parametrize('path', outputs(), ids=str)
def test_policies_of_launch_files_are_fresh(path: Path) -> None:
    text = (REPOSITORY / path).read_text(encoding='utf-8')
    assert text == outputs()[path], 'type: python -m depth_ros.ros.policy'


@pytest.mark.parametrize('stem', NODES)
def test_policies_have_the_form_of_the_schema(stem: str) -> None:
    policy = ElementTree.fromstring(policy_of(stem, ['enclave:=/robot/eyes', 'namespace:=a/b']))
    assert (policy.tag, policy.attrib) == ('policy', {'version': '0.2.0'})
    (enclaves,) = policy
    (enclave,) = enclaves
    (profiles,) = enclave
    (profile,) = profiles
    assert [item.tag for item in (enclaves, enclave, profiles, profile)] == [
        *('enclaves', 'enclave', 'profiles', 'profile')
    ]
    assert enclave.attrib == {'path': '/robot/eyes'}
    assert profile.attrib == {'ns': '/a/b', 'node': f'{stem}_node'}
    for listed in profile:
        ((verb, word),) = listed.attrib.items()
        assert verb in LISTS[listed.tag] and word == 'ALLOW'
        names = [item.text or '' for item in listed]
        assert names and names == sorted(set(names))
        assert {item.tag for item in listed} == {listed.tag.removesuffix('s')}
        assert all(NAME.fullmatch(name) for name in names), names


def test_without_inputs_there_is_no_empty_list() -> None:
    root = ElementTree.fromstring(policy_of('matcher', ['input:=none']))
    assert all(len(listed) for listed in root.iter('topics'))
    assert not list(root.iterfind('.//topics[@subscribe]'))


def test_a_parameter_file_counts_and_words_count_more(tmp_path: Path) -> None:
    path = tmp_path / 'robot.yaml'
    path.write_text(
        '/**:\n  ros__parameters:\n    image_transport: compressed\n    input: rectified\n'
        'other_node:\n  ros__parameters:\n    input: raw\n'
        'mono_node:\n  ros__parameters:\n    scale:\n      mode: reference_depth\n'
    )
    read = read_launch_words('mono', [f'params_file:={path}', 'input:=raw'])
    assert dict(read.values) == {
        'image_transport': 'compressed',
        'input': 'raw',
        'scale.mode': 'reference_depth',
    }
    policy = policy_of('mono', [f'params_file:={path}', 'input:=raw'])
    assert '<topic>/image_raw/compressed</topic>' in policy
    assert '/image_rect' not in policy
    assert '<topic>/reference/depth/camera_info</topic>' in policy


@pytest.mark.parametrize(
    ('stem', 'word', 'said'),
    [
        ('stereo', 'modle:=sgbm', "did you mean 'model'"),
        ('stereo', 'left', "expected NAME:=VALUE as behind ros2 launch, got 'left'"),
        ('stereo', 'names:=mine', "there are no names 'mine'; use image_pipeline"),
        ('stereo', 'camera:=/cam', 'camera'),
        ('perception', 'left:=/l', "there is no node 'perception'; use one of: stereo"),
    ],
)
def test_words_that_mean_nothing_are_refused(stem: str, word: str, said: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        policy_of(stem, [word])
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ('namespace:=front//x', 'namespace needs a name of ROS'),
        ('namespace:=2nd', 'no digit first'),
        ('left:=/front//left', 'left needs a name of ROS'),
        ('enclave:=front', 'type enclave:=/front'),
        ('left:=', "left needs the namespace of a camera, got ''"),
        ('left:=/', "left needs the namespace of a camera, got '/'"),
        ('left:=/a left:=/b', 'left:= is given 2 times'),
        ('left:=/cam right:=/cam/', "two cameras, got '/cam' for both"),
        ('right:=left', "two cameras, got 'left' for both"),
        ('node_name:=x', 'its node is stereo_node'),
    ],
)
def test_names_that_ros_or_a_rig_would_not_bear_are_refused(words: str, said: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        policy_of('stereo', words.split())
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    'words',
    ['namespace:=/front/', 'left:=~/left', 'namespace:=', 'camera:= enclave:=', 'left:=l/'],
)
def test_names_that_launch_takes_are_taken(words: str) -> None:
    assert policy_of('odometry', words.split()).startswith('<?xml')


def test_the_command_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['security', 'policy', 'stereo']) == 0
    printed = capsys.readouterr().out
    assert printed == (REPOSITORY / 'config/security/stereo.policy.xml').read_text()
    out = tmp_path / 'policy.xml'
    assert main(['security', 'policy', 'stereo', '-o', str(out)]) == 0
    assert out.read_text() == printed
    assert main(['security', 'policy', 'stereo', 'modle:=a']) == 2
    assert "did you mean 'model'" in capsys.readouterr().err


def arguments_of(words: list[str], namespace: str, stem: str) -> list[str]:
    """Return what a launch file makes of the words."""
    read = read_launch_words(stem, words)
    rules = [f'{ours}:={theirs}' for ours, theirs in read.remappings]
    named = [f'{name}:={json.dumps(value)}' for name, value in read.values.items()]
    return [
        *('-r', f'__ns:={namespace}'),
        *(part for rule in rules for part in ('-r', rule)),
        *(part for word in named for part in ('-p', word)),
    ]


def opened(observer: Node, profile: Profile) -> Profile:
    """Return what a node has in the graph."""
    place = (profile.node, profile.namespace)

    def names(ask) -> tuple[str, ...]:
        try:
            return tuple(sorted(name for name, _ in ask(*place)))
        except NodeNameNonExistentError:  # not discovered yet
            return ()

    return Profile(
        namespace=profile.namespace,
        node=profile.node,
        publishes=names(observer.get_publisher_names_and_types_by_node),
        subscribes=names(observer.get_subscriber_names_and_types_by_node),
        replies=names(observer.get_service_names_and_types_by_node),
    )


def without(profile: Profile, *names: str) -> Profile:
    """Return the profile of a machine where some topics have no message type."""
    return Profile(
        namespace=profile.namespace,
        node=profile.node,
        publishes=tuple(name for name in profile.publishes if name not in names),
        subscribes=tuple(name for name in profile.subscribes if name not in names),
        replies=profile.replies,
    )


@pytest.fixture(scope='module')
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    """All cases at once, each in a namespace of its own."""
    stand_ins = tmp_path_factory.mktemp('stand_ins')
    for name, text in TF_STAND_IN.items():
        if find_spec(name) is None:
            (stand_ins / name).mkdir()
            (stand_ins / name / '__init__.py').write_text(text)
            (stand_ins / name / 'msg.py').write_text(text)
    nodes: list[NodeProcess] = []
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv('PYTHONPATH', python_path(stand_ins))
        for name, case in CASES.items():
            folder = tmp_path_factory.mktemp(name)
            words = arguments_of(list(case.words), f'/{name}', case.stem)
            module = case.module or f'{case.stem}_node'
            node = running(folder, *words, module=module, is_subscribing=False)
            nodes.append(stack.enter_context(node))
        yield stack.enter_context(robot(cameras=(), outputs=()))
        for node in nodes:
            node.process.send_signal(signal.SIGINT)


@pytest.mark.ros
@pytest.mark.parametrize('name', CASES)
def test_live_nodes_open_exactly_what_their_policy_allows(live: Robot, name: str) -> None:
    case = CASES[name]
    read = read_launch_words(case.stem, [*case.words, f'namespace:={name}'])
    allowed = profile_of(
        case.stem, values=read.values, namespace=read.namespace, remappings=read.remappings
    )
    if find_spec('bond') is None:
        allowed = without(allowed, BOND)
    without_tf = without(allowed, *TF)
    live.spin_until(lambda: without(opened(live.node, allowed), *TF) == without_tf, 60.0)
    live.spin(0.5)
    seen = opened(live.node, allowed)
    assert without(seen, *TF) == without_tf
    assert set(seen.subscribes) <= set(allowed.subscribes), 'TF once it is needed'
    place = (allowed.node, allowed.namespace)
    assert live.node.get_client_names_and_types_by_node(*place) == [], 'it calls nobody'
