"""The launch files, run with recorded doubles of ``launch`` and ``launch_ros``.

Neither is on PyPI; the doubles have the constructors and methods of the real ones (Humble to
Kilted) that the file uses, and refuse everything else.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from depth_ros.errors import ParameterError
from depth_ros.models.registry import DEFAULT_STEREO_MODEL
from depth_ros.ros import fastdds
from depth_ros.ros.launch_words import read_launch_words
from tests.kit.shared_data import REPOSITORY

LAUNCH = REPOSITORY / 'launch'


class PackageNotFoundError(KeyError):
    pass


INSTALLED = {'rviz2', 'nav2_costmap_2d', 'nav2_lifecycle_manager', 'tf2_ros'}


def get_package_prefix(name: str) -> str:
    if name not in INSTALLED:
        raise PackageNotFoundError(name)
    return '/opt/ros/some'


@dataclass
class LaunchDescription:
    entities: list[Any]


@dataclass
class DeclareLaunchArgument:
    name: str
    default_value: str = field(kw_only=True)
    description: str = field(kw_only=True)


@dataclass(kw_only=True)
class LogInfo:
    msg: str


@dataclass(kw_only=True)
class OpaqueFunction:
    function: Any


@dataclass(kw_only=True)
class TimerAction:
    period: float
    actions: list[Any]


class Context:
    """Launch's context: configurations, and globals that outlive an included file."""

    def __init__(self, configurations: dict[str, Any]) -> None:
        self.launch_configurations = configurations
        self._globals: dict[str, Any] = {}

    def extend_globals(self, extensions: dict[str, Any]) -> None:
        self._globals |= extensions

    def get_locals_as_dict(self) -> dict[str, Any]:
        return dict(self._globals)


@dataclass
class LaunchConfiguration:
    variable_name: str

    def perform(self, context: Any) -> str:
        return str(context.launch_configurations[self.variable_name])


@dataclass
class IfCondition:
    predicate_expression: LaunchConfiguration

    def evaluate(self, context: Any) -> bool:
        return self.predicate_expression.perform(context).lower() in ('true', '1')


@dataclass(kw_only=True)
class ParameterValue:
    value: LaunchConfiguration
    value_type: type

    def __init__(self, value: LaunchConfiguration, *, value_type: type) -> None:
        self.value, self.value_type = value, value_type

    def evaluate(self, context: Any) -> Any:
        return yaml.safe_load(self.value.perform(context))


@dataclass(kw_only=True)
class Node:
    package: str
    executable: str
    name: str = ''
    namespace: str = ''
    parameters: list[Any] = field(default_factory=list)
    remappings: list[tuple[str, str]] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    output: str = 'log'
    emulate_tty: bool = False
    ros_arguments: list[str] = field(default_factory=list)
    respawn: bool = False
    respawn_delay: float = 0.0
    additional_env: dict[str, str] = field(default_factory=dict)


@dataclass
class Launched:
    """What one run of the launch file did; ``environment`` is that of its own processes."""

    arguments: dict[str, DeclareLaunchArgument]
    environment: dict[str, str]
    words: str
    nodes: dict[str, Node]
    context: Any


@pytest.fixture
def launch_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {
        'ament_index_python.packages': [PackageNotFoundError, get_package_prefix],
        'launch': [LaunchDescription],
        'launch.actions': [
            DeclareLaunchArgument,
            LogInfo,
            OpaqueFunction,
            TimerAction,
        ],
        'launch.conditions': [IfCondition],
        'launch.substitutions': [LaunchConfiguration],
        'launch_ros': [],
        'launch_ros.actions': [Node],
        'launch_ros.parameter_descriptions': [ParameterValue],
    }
    for name, classes in contents.items():
        module = ModuleType(name)
        for entry in classes:
            setattr(module, entry.__name__, entry)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def start(launch_modules: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in (fastdds.VARIABLE, fastdds.OLD_VARIABLE, 'ROS_DISTRO'):
        monkeypatch.delenv(name, raising=False)
    usage = SimpleNamespace(free=8 * 2**30)
    monkeypatch.setattr(fastdds.shutil, 'disk_usage', lambda path: usage)

    return lambda _stem='stereo', **given: execute(described(_stem), given)


def described(stem: str) -> list[Any]:
    """Return what a launch file describes."""
    path = LAUNCH / f'{stem}.launch.py'
    spec = importlib.util.spec_from_file_location(f'{stem}_launch', path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.generate_launch_description().entities)


def execute(entities: list[Any], given: dict[str, str]) -> Launched:
    """Do what ``launch`` does with a description, conditions included."""
    context = Context(dict(given))
    launched = Launched({}, {}, '', {}, context)
    for entity in entities:
        if isinstance(entity, DeclareLaunchArgument):
            launched.arguments[entity.name] = entity
            context.launch_configurations.setdefault(entity.name, entity.default_value)
        elif isinstance(entity, LogInfo):
            launched.words += entity.msg
        else:
            for action in entity.function(context):
                if isinstance(action, LogInfo):
                    launched.words += action.msg
                else:
                    launched.nodes[action.name] = action
                    launched.environment |= action.additional_env
    assert set(given) <= set(launched.arguments), 'an argument is not declared'
    return launched


def overrides(launched: Launched, node: str = 'stereo_node') -> dict[str, Any]:
    (values,) = [p for p in launched.nodes[node].parameters if isinstance(p, dict)] or [{}]
    return {
        name: value.evaluate(launched.context) if isinstance(value, ParameterValue) else value
        for name, value in values.items()
    }


def test_defaults_start_one_node_with_the_shipped_parameters(start: Any) -> None:
    launched = start()
    assert list(launched.nodes) == ['stereo_node']
    node = launched.nodes['stereo_node']
    assert (node.package, node.executable, node.namespace) == ('depth_ros', 'stereo_node', '')
    assert Path(node.parameters[0]).samefile(REPOSITORY / 'config' / 'stereo.yaml')
    assert overrides(launched) == {}, 'use_sim_time is not overridden either'
    shipped = yaml.safe_load(Path(node.parameters[0]).read_text(encoding='utf-8'))
    assert shipped['/**']['ros__parameters']['model'] == DEFAULT_STEREO_MODEL


def test_arguments_the_issue_names_are_declared_and_described(start: Any) -> None:
    arguments = start().arguments
    names = {'model', 'engine', 'left', 'right', 'namespace', 'params_file', 'rviz'}
    assert names | {'use_sim_time'} <= set(arguments)
    assert all(argument.description.endswith('.') for argument in arguments.values())


def test_given_arguments_override_the_parameter_file(start: Any) -> None:
    launched = start(
        model='crestereo',
        engine='openvino',
        precision='auto',
        use_sim_time='true',
        input='rectified',
    )
    assert overrides(launched) == {
        'model': 'crestereo',
        'engine': 'openvino',
        'precision': 'auto',
        'input': 'rectified',
        'use_sim_time': True,
    }


def test_camera_namespaces_are_remapped(start: Any) -> None:
    remaps = dict(start(left='/cam/l/', right='r').nodes['stereo_node'].remappings)
    assert remaps['left/image_raw'] == '/cam/l/image_raw'
    assert remaps['left/image_raw/compressed'] == '/cam/l/image_raw/compressed'
    assert remaps['left/image_rect'] == '/cam/l/image_rect'
    assert remaps['left/camera_info'] == '/cam/l/camera_info'
    assert remaps['right/image_raw'] == 'r/image_raw'
    assert remaps['right/camera_info'] == 'r/camera_info'


@pytest.fixture
def image_names() -> list[str]:
    """Names the node subscribes to; imported before the doubles are in place."""
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.node.camera_input import IMAGE_NAMES

    return list(IMAGE_NAMES.values())


def test_remapped_names_are_those_the_node_subscribes_to(
    image_names: list[str], start: Any
) -> None:
    remaps = dict(start().nodes['stereo_node'].remappings)
    for side in ('left', 'right'):
        for name in image_names:
            assert f'{side}/{name}' in remaps
            assert f'{side}/{name}/compressed' in remaps


LAUNCHED: dict[str, dict[str, str]] = {
    'stereo': {'left': '/cam/l/', 'names': 'image_pipeline'},
    'mono': {'camera': '/cam', 'reference': '/lidar/depth', 'odometry': '/odom'},
    'multiview': {'camera': 'cam', 'pose_source': 'pose', 'range_points': '/lidar/points'},
    'matcher': {'camera': '/cam', 'input': 'rectified'},
    'odometry': {'source': 'rgbd', 'camera': '/cam', 'depth': '/cam/depth'},
}


@pytest.mark.parametrize('stem', LAUNCHED)
def test_policies_read_arguments_as_the_launch_file_does(start: Any, stem: str) -> None:
    given = {**LAUNCHED[stem], 'namespace': 'robot', 'enclave': '/eyes', 'respawn': 'true'}
    launched = start(stem, **given)
    node = launched.nodes[f'{stem}_node']
    read = read_launch_words(stem, [f'{name}:={value}' for name, value in given.items()])
    # A rule from a name to itself says nothing; the first rule for a name counts.
    rules = [dict(reversed(found)) for found in (read.remappings, node.remappings)]
    assert rules[0] == {ours: theirs for ours, theirs in rules[1].items() if ours in rules[0]}
    left_out = set(rules[1]) - set(rules[0])
    assert all(rules[1][name] == name for name in left_out)
    assert (read.namespace, read.enclave) == ('/robot', '/eyes')
    assert read.values == {
        name: value
        for name, value in overrides(launched, f'{stem}_node').items()
        if name in LAUNCHED[stem]
    }


@pytest.mark.parametrize('stem', LAUNCHED)
def test_policies_know_every_argument(start: Any, stem: str) -> None:
    """Defaults of the launch file: each is read, or known to open no topic."""
    arguments = start(stem).arguments
    read_launch_words(
        stem, [f'{name}:={entry.default_value}' for name, entry in arguments.items()]
    )


def test_rviz_is_started_in_the_namespace_with_its_file(start: Any) -> None:
    launched = start(rviz='true', namespace='front', left='/cam/l', fixed_frame='eye')
    node = launched.nodes['rviz2']
    assert (node.package, node.namespace) == ('rviz2', 'front')
    assert Path(node.arguments[1]).samefile(REPOSITORY / 'config' / 'stereo.rviz')
    assert node.arguments[2:] == ['-f', 'eye']
    remaps = dict(node.remappings)
    config = yaml.safe_load(Path(node.arguments[1]).read_text(encoding='utf-8'))
    for display in config['Visualization Manager']['Displays']:
        if 'Topic' in display:
            assert display['Topic']['Value'] in remaps, 'RViz would leave the namespace'
    assert remaps['/points'] == 'points'
    assert remaps['/left/image_raw'] == '/cam/l/image_raw'


def test_rviz_is_not_missed_badly_where_it_is_not_installed(start: Any) -> None:
    INSTALLED.remove('rviz2')
    try:
        launched = start(rviz='true')
    finally:
        INSTALLED.add('rviz2')
    assert list(launched.nodes) == ['stereo_node']
    assert 'apt install' in launched.words


def test_fast_dds_profile_is_set_for_the_distro(start: Any, monkeypatch: Any) -> None:
    environment = start().environment
    assert list(environment) == ['FASTDDS_DEFAULT_PROFILES_FILE']
    assert Path(environment['FASTDDS_DEFAULT_PROFILES_FILE']).is_file()
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    assert list(start().environment) == ['FASTRTPS_DEFAULT_PROFILES_FILE']


@pytest.mark.parametrize('name', [fastdds.VARIABLE, fastdds.OLD_VARIABLE])
def test_a_profile_of_the_user_is_left_alone(start: Any, monkeypatch: Any, name: str) -> None:
    monkeypatch.setenv(name, '/home/me/mine.xml')
    launched = start()
    assert launched.environment == {}
    assert '/home/me/mine.xml' in launched.words


def test_small_shared_memory_is_named_and_left_alone(start: Any, monkeypatch: Any) -> None:
    usage = SimpleNamespace(free=64 * 2**20)
    monkeypatch.setattr(fastdds.shutil, 'disk_usage', lambda path: usage)
    launched = start()
    assert launched.environment == {}
    assert '64 MB' in launched.words and '--shm-size' in launched.words


def test_shared_memory_is_sized_by_the_images(
    start: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path))
    usage = SimpleNamespace(free=100 * 2**20)
    monkeypatch.setattr(fastdds.shutil, 'disk_usage', lambda path: usage)
    launched = start(image_size='640x480')
    profile = Path(launched.environment['FASTDDS_DEFAULT_PROFILES_FILE'])
    assert profile.is_relative_to(tmp_path) and '29 MiB' in launched.words
    assert fastdds.profile_segment_bytes(launched.environment) == 29 * 2**20
    assert start().environment == {}, '3 processes of 192 MiB do not fit'
    for wrong in ('640', '0x480', '640 x 480', 'big'):
        with pytest.raises(ParameterError, match='image_size needs WIDTHxHEIGHT, got'):
            start(image_size=wrong)


def test_manners_of_a_bringup(start: Any) -> None:
    node = start().nodes['stereo_node']
    assert (node.respawn, node.ros_arguments) == (False, [])
    words = {'respawn': 'True', 'log_level': 'debug', 'enclave': '/depth/stereo_node'}
    node = start(rviz='true', use_sim_time='false', **words).nodes['stereo_node']
    assert node.respawn and node.respawn_delay > 0.0
    expected = ['--log-level', 'debug', '--enclave', '/depth/stereo_node']
    assert node.ros_arguments == expected
    assert overrides(start(use_sim_time='false')) == {'use_sim_time': False}


def test_a_parameter_file_that_is_missing_ends_the_launch(start: Any) -> None:
    with pytest.raises(ParameterError, match=r"no params_file '/nowhere/stereo\.yaml'"):
        start(params_file='/nowhere/stereo.yaml')


def test_outputs_are_called_as_in_image_pipeline(start: Any) -> None:
    launched = start(names='image_pipeline', rviz='true')
    remaps = dict(launched.nodes['stereo_node'].remappings)
    assert remaps['points'] == 'points2'
    assert remaps['rectified/left/image'] == 'left/image_rect'
    assert dict(launched.nodes['rviz2'].remappings)['/points'] == 'points2'
    assert 'points' not in dict(start().nodes['stereo_node'].remappings)
    with pytest.raises(ParameterError, match='use image_pipeline'):
        start(names='isaac')


def test_every_renamed_output_is_one_of_a_node(start: Any) -> None:
    published = (REPOSITORY / 'docs' / 'topics.md').read_text(encoding='utf-8')
    published += (REPOSITORY / 'docs' / 'mono.md').read_text(encoding='utf-8')
    for name in dict(start(names='image_pipeline').nodes['stereo_node'].remappings):
        if not name.startswith(('left/', 'right/')):
            assert f'`{name}`' in published


def test_mono_takes_the_camera_beside_it_or_another_one(start: Any) -> None:
    launched = start('mono')
    node = launched.nodes['mono_node']
    assert (node.executable, list(launched.nodes)) == ('mono_node', ['mono_node'])
    assert Path(node.parameters[0]).samefile(REPOSITORY / 'config' / 'mono.yaml')
    assert dict(node.remappings)['image_raw'] == 'image_raw'
    assert 'reference/depth/image' not in dict(node.remappings)
    launched = start('mono', camera='/cam/', model='tio_depth', reference='/stereo/depth/image')
    remaps = dict(launched.nodes['mono_node'].remappings)
    assert remaps['image_rect/compressed'] == '/cam/image_rect/compressed'
    assert remaps['camera_info'] == '/cam/camera_info'
    assert remaps['reference/depth/image'] == '/stereo/depth/image'
    assert overrides(launched, 'mono_node') == {'model': 'tio_depth'}


def test_matcher_takes_frames_of_a_camera_or_none(start: Any) -> None:
    launched = start('matcher', camera='/cam/', model='loftr', variant='indoor_ds')
    node = launched.nodes['matcher_node']
    assert Path(node.parameters[0]).samefile(REPOSITORY / 'config' / 'matcher.yaml')
    remaps = dict(node.remappings)
    assert remaps['image_raw'] == '/cam/image_raw'
    assert remaps['camera_info'] == '/cam/camera_info'
    expected = {'model': 'loftr', 'variant': 'indoor_ds'}
    assert overrides(launched, 'matcher_node') == expected
    assert overrides(start('matcher', input='none'), 'matcher_node')['input'] == 'none'


def test_odometry_takes_a_rig_or_a_camera_with_depth(start: Any) -> None:
    remaps = dict(start('odometry', left='/rig/l').nodes['odometry_node'].remappings)
    assert remaps['left/image_raw'] == '/rig/l/image_raw'
    assert 'depth/image' not in remaps
    given = {'source': 'rgbd', 'model': 'orb', 'base_frame': 'base_link'}
    launched = start('odometry', camera='/cam', depth='/cam/aligned_depth', **given)
    remaps = dict(launched.nodes['odometry_node'].remappings)
    assert remaps['image_raw'] == '/cam/image_raw'
    assert remaps['depth/image'] == '/cam/aligned_depth'
    assert overrides(launched, 'odometry_node') == given


def test_multiview_takes_a_camera_and_poses(start: Any) -> None:
    launched = start('multiview')
    node = launched.nodes['multiview_node']
    assert (node.executable, list(launched.nodes)) == ('multiview_node', ['multiview_node'])
    assert Path(node.parameters[0]).samefile(REPOSITORY / 'config' / 'multiview.yaml')
    remaps = dict(node.remappings)
    assert [remaps[name] for name in ('image_raw', 'odometry', 'pose')] == [
        'image_raw',
        'odometry',
        'pose',
    ]
    given = {'camera': '/cam/', 'odometry': '/odom', 'range_points': '/lidar/points'}
    launched = start('multiview', pose_source='pose', pose='/tracker/pose', **given)
    remaps = dict(launched.nodes['multiview_node'].remappings)
    assert remaps['image_rect/compressed'] == '/cam/image_rect/compressed'
    assert remaps['camera_info'] == '/cam/camera_info'
    assert (remaps['odometry'], remaps['pose']) == ('/odom', '/tracker/pose')
    assert remaps['range/points'] == '/lidar/points'
    expected = {'pose_source': 'pose'}
    assert overrides(launched, 'multiview_node') == expected


NODE_OF = {'nav2_demo': 'stereo_node'}
"""Nodes of launch files that do not have their name."""


@pytest.mark.parametrize('stem', [path.name.split('.')[0] for path in LAUNCH.glob('*.launch.py')])
def test_every_launch_file_describes_its_arguments_and_starts_its_node(
    start: Any, stem: str
) -> None:
    launched = start(stem)
    node = NODE_OF.get(stem, f'{stem}_node')
    assert node in launched.nodes
    names = {'namespace', 'params_file', 'use_sim_time', 'build_only', 'respawn', 'names'}
    assert names <= set(launched.arguments)
    assert 'build_only' not in overrides(launched, node)
    assert overrides(start(stem, build_only='true'), node)['build_only'] is True
    assert all(argument.description.endswith('.') for argument in launched.arguments.values())


def test_nav2_demo_starts_a_costmap_with_the_layer_that_is_asked_for(start: Any) -> None:
    launched = start('nav2_demo', layer='scan', use_sim_time='true', namespace='/robot')
    names = {'stereo_node', 'sample_camera', 'odom_from_base', 'local_costmap'}
    assert names | {'lifecycle_manager'} == set(launched.nodes)
    costmap = launched.nodes['local_costmap']
    assert (costmap.name, costmap.namespace) == ('local_costmap', '/robot/local_costmap')
    assert Path(costmap.parameters[0]).samefile(REPOSITORY / 'config' / 'nav2_stereo.yaml')
    assert costmap.parameters[1] == {'plugins': ['stereo_scan', 'inflation_layer']}
    managed = launched.nodes['lifecycle_manager'].parameters[0]['node_names']
    assert managed == ['local_costmap/local_costmap']
    camera = launched.nodes['sample_camera'].parameters[0]
    assert (camera['source'], camera['camera_height_m']) == ('scene', 1.1)
    assert all(len(node.parameters) > 0 for node in launched.nodes.values())
    own = start('nav2_demo', sample_camera='false')
    assert set(own.nodes) == {'stereo_node', 'local_costmap', 'lifecycle_manager'}
    with pytest.raises(ParameterError, match='obstacles, voxels, stvl, scan'):
        start('nav2_demo', layer='voxel')


def test_nav2_demo_says_what_is_missing_for_its_costmap(start: Any) -> None:
    INSTALLED.remove('nav2_costmap_2d')
    try:
        launched = start('nav2_demo')
    finally:
        INSTALLED.add('nav2_costmap_2d')
    assert 'apt install ros-$ROS_DISTRO-nav2-costmap-2d' in launched.words
    assert 'local_costmap' not in launched.nodes and 'stereo_node' in launched.nodes


@pytest.mark.parametrize('stem', ['stereo', 'mono', 'odometry', 'multiview', 'nav2_demo'])
def test_rviz_never_leaves_the_namespace(start: Any, stem: str) -> None:
    node = start(stem, rviz='true', namespace='front').nodes['rviz2']
    config = yaml.safe_load(Path(node.arguments[1]).read_text(encoding='utf-8'))
    remaps = dict(node.remappings)
    for display in config['Visualization Manager']['Displays']:
        if 'Topic' in display:
            assert not remaps[display['Topic']['Value']].startswith('/')


def included(context: Context, stem: str, **given: str) -> list[Any]:
    """Go through an included file: what it is given ends with it, globals do not."""
    entities = described(stem)
    before = dict(context.launch_configurations)
    for entity in entities:
        if isinstance(entity, DeclareLaunchArgument):
            value = given.get(entity.name, entity.default_value)
            context.launch_configurations[entity.name] = value
    (function,) = [entity.function for entity in entities if isinstance(entity, OpaqueFunction)]
    actions = [item for item in function(context) if not isinstance(item, LogInfo)]
    context.launch_configurations = before
    return actions


def one_process(actions: list[Any], context: Context) -> Node:
    """Let the timer fire."""
    (timer,) = actions
    assert isinstance(timer, TimerAction) and timer.period == 0.0
    ((start,),) = [timer.actions]
    (node,) = start.function(context)
    return node


def test_a_container_runs_the_nodes_of_all_files_that_ask_for_it(start: Any) -> None:
    context = Context(
        {
            'ros_namespace': '/robot',
            'global_params': [('use_sim_time', True), '/etc/all.yaml'],
            'ros_remaps': [('/tf', 'tf')],
        }
    )
    stereo = {'container': 'true', 'model': 'sgbm', 'left': '/cam/l', 'log_level': 'debug'}
    actions = included(context, 'stereo', **stereo, respawn='true')
    context.launch_configurations = {}
    odometry = {'container': 'True', 'base_frame': 'base_link', 'enclave': '/depth/all'}
    actions += included(context, 'odometry', namespace='own', **odometry)
    node = one_process(actions, context)
    assert (node.package, node.executable, node.respawn) == ('depth_ros', 'perception', True)
    assert node.arguments == ['--nodes', 'stereo,odometry']
    assert list(node.additional_env) == ['FASTDDS_DEFAULT_PROFILES_FILE']
    words = node.ros_arguments
    pairs = list(zip(words[::2], words[1::2], strict=True))
    for expected in (
        ('-r', 'stereo_node:__ns:=/robot'),
        ('-p', 'stereo_node:use_sim_time:=true'),
        ('--params-file', 'stereo_node:/etc/all.yaml'),
        ('-p', 'stereo_node:model:=sgbm'),
        ('-r', 'stereo_node:/tf:=tf'),
        ('-r', 'stereo_node:left/image_raw:=/cam/l/image_raw'),
        ('--log-level', 'robot.stereo_node:=debug'),
        ('-r', 'odometry_node:__ns:=/own'),
        ('-p', 'odometry_node:base_frame:=base_link'),
        ('--enclave', '/depth/all'),
    ):
        assert expected in pairs
    assert not [word for _, word in pairs if word.startswith('odometry_node:use_sim_time')]
    later = included(context, 'mono', container='true')
    assert one_process(later, context).arguments == ['--nodes', 'mono'], 'a process of its own'


def test_a_container_takes_one_node_of_a_kind_and_one_enclave(start: Any) -> None:
    context = Context({})
    actions = included(context, 'stereo', container='true', enclave='/a')
    with pytest.raises(ParameterError, match='two launch files ask for a stereo_node'):
        included(context, 'stereo', container='true', namespace='rear')
    included(context, 'odometry', container='true', enclave='/b')
    with pytest.raises(ParameterError, match='need one enclave, got /a, /b'):
        one_process(actions, context)


def test_words_of_a_container_are_those_the_program_reads(start: Any, tmp_path: Path) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.node.words import check_words
    from depth_ros.ros.perception import parted_by_node, wanted

    context = Context({})
    actions = included(context, 'stereo', container='true', model='sgbm')
    node = one_process(actions, context)
    stems, words = wanted([*node.arguments, '--ros-args', *node.ros_arguments])
    common, own = parted_by_node(words, ['stereo_node'])
    assert (stems, common) == (['stereo'], ['--ros-args'])
    check_words(['--ros-args', *own['stereo_node']], name='stereo_node')
    assert 'model:=sgbm' in own['stereo_node']
