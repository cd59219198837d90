"""What the launch files share: arguments, a node of ours with its Fast DDS profile, RViz."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from depth_ros.errors import ParameterError
from depth_ros.files.share import cache_root, share_path
from depth_ros.ros.container import Contained, leave
from depth_ros.ros.fastdds import (
    ProfileChoice,
    choose_profile,
    segment_bytes,
    sized_profile,
)
from depth_ros.ros.topic_names import NAMES, Remappings
from depth_ros.ros.topic_names import camera_remappings as camera_remappings
from launch import LaunchDescription

Values = Mapping[str, str]
RESPAWN_DELAY_S = 2.0
SIZE = re.compile(r'([1-9]\d{0,4})x([1-9]\d{0,4})')

NO_RVIZ = 'rviz:=true, but rviz2 is not installed; type: apt install ros-$ROS_DISTRO-rviz2'


def shared_arguments(stem: str, *, fixed_frame: str) -> dict[str, tuple[str, str]]:
    """Return (default, description) of the arguments that every launch file has.

    Args:
        stem: Of node, launch, parameter and RViz file, e.g. ``'stereo'``.
        fixed_frame: RViz's fixed frame by default.
    """
    return {
        'engine': (
            '',
            'Runtime: auto, openvino, onnxruntime, ...; empty takes the parameter file.',
        ),
        'precision': ('', 'Arithmetic: f32, auto, bf16, f16; empty takes the parameter file.'),
        'build_only': ('false', 'true: build the engine if it is missing, and exit.'),
        'namespace': ('', 'Namespace of the node and so of its outputs.'),
        'params_file': (str(share_path(f'config/{stem}.yaml')), 'Parameter file.'),
        'rviz': ('false', f'Also start RViz with config/{stem}.rviz.'),
        'fixed_frame': (fixed_frame, "RViz's fixed frame, e.g. that of the camera."),
        'use_sim_time': (
            '',
            'true: take the time from /clock; empty leaves it to parameter file and bringup.',
        ),
        'names': (
            '',
            'image_pipeline: call the outputs as image_pipeline does (image_rect, points2).',
        ),
        'log_level': ('', 'debug, info, warn, error or fatal; empty takes info.'),
        'respawn': ('false', 'true: start the node again when it has ended.'),
        'image_size': (
            '',
            'WIDTHxHEIGHT of the largest images, which sizes shared memory; empty: 1920x1080.',
        ),
        'container': (
            'false',
            'true: one process for this node and those of other launch files that say so.',
        ),
        'enclave': ('', 'Security enclave of the node, e.g. /depth/stereo_node; empty: none.'),
    }


CAMERA_ARGUMENTS = {
    'input': ('', 'raw, rectified or auto; empty takes the parameter file, which has raw.'),
    'image_transport': ('', 'raw or compressed; empty takes the parameter file, which has raw.'),
}
"""Arguments of nodes that subscribe to images."""


def launch_description(
    arguments: Mapping[str, tuple[str, str]], start: Callable[[Values], Sequence[object]]
) -> LaunchDescription:
    """Declare the arguments, and start what ``start`` gives.

    Args:
        arguments: (default, description) by name.
        start: Makes the nodes once the arguments are known.
    """

    def start_nodes(context: object) -> list[object]:
        values = {name: LaunchConfiguration(name).perform(context) for name in arguments}
        told = LogInfo(msg=profile_choice(values).reason)
        actions = [action for entry in start(values) for action in _actions(entry, context)]
        return [told, *actions]

    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in arguments.items()
            ),
            OpaqueFunction(function=start_nodes),
        ]
    )


def task_node(
    stem: str, values: Values, *, overrides: Sequence[str], remappings: Remappings
) -> Node | Contained:
    """Return ``STEM_node``: a process of its own, or part of the common one.

    Args:
        stem: E.g. ``'stereo'``.
        values: Values of the arguments.
        overrides: Arguments that go over the parameter file unless they are empty.
        remappings: Names the node uses and names to use instead.
    """
    given: dict[str, object] = {name: values[name] for name in overrides if values[name]}
    if values.get('build_only', 'false') != 'false':
        given['build_only'] = _as_bool('build_only')
    given |= sim_time(values)
    options = {
        'respawn': is_true(values['respawn']),
        'respawn_delay': RESPAWN_DELAY_S,
        'additional_env': dict(profile_choice(values).environment),
        'output': 'screen',
        'emulate_tty': True,
    }
    if is_true(values.get('container', 'false')):
        return Contained(
            stem=stem,
            namespace=values['namespace'],
            params_file=existing(values['params_file']),
            parameters={name: values[name] for name in given},
            remappings=[*remappings, *usual_names(values)],
            enclave=values['enclave'],
            log_level=values['log_level'],
            options=options,
        )
    return Node(
        package='depth_ros',
        executable=f'{stem}_node',
        name=f'{stem}_node',
        namespace=values['namespace'],
        parameters=[existing(values['params_file']), *([given] if given else [])],
        remappings=[*remappings, *usual_names(values)],
        ros_arguments=ros_arguments(values),
        **options,
    )


def _actions(entry: object, context: object) -> list[object]:
    """Return what launch does for an entry; a contained node starts with the others."""
    return leave(entry, context) if isinstance(entry, Contained) else [entry]


def profile_choice(values: Values) -> ProfileChoice:
    """Return whether our processes use the Fast DDS profile; others are left alone.

    It is the shipped one, or one for the argument ``image_size``, kept in the cache folder.

    Raises:
        ParameterError: If that is no size.
        DepthRosError: If there is no cache folder.
    """
    shipped = share_path('config/fastdds.xml')
    if not values['image_size']:
        return choose_profile(shipped, os.environ)
    size = SIZE.fullmatch(values['image_size'])
    if size is None:
        raise ParameterError(
            f'image_size needs WIDTHxHEIGHT, got {values["image_size"]!r}; type e.g. '
            'image_size:=640x480'
        )
    width, height = int(size[1]), int(size[2])
    segment = segment_bytes(height, width)
    choice = choose_profile(shipped, os.environ, segment=segment)
    if not choice.environment:
        return choice
    profile = sized_profile(shipped, height, width, cache_root() / 'launch')
    return choose_profile(profile, os.environ, segment=segment)


def existing(params_file: str) -> str:
    """Return the name of a parameter file; launch would go on without one that is missing.

    Raises:
        ParameterError: If there is no such file.
    """
    if not Path(params_file).is_file():
        raise ParameterError(
            f'there is no params_file {params_file!r}; name a file, or leave the argument out '
            'for the defaults'
        )
    return params_file


def usual_names(values: Values) -> Remappings:
    """Return the names of outputs that the argument ``names`` asks for.

    Raises:
        ParameterError: If there are no such names.
    """
    if values['names'] not in NAMES:
        known = ', '.join(name for name in NAMES if name)
        raise ParameterError(
            f'there are no names {values["names"]!r}; use {known}, or leave the argument out'
        )
    return NAMES[values['names']]


def ros_arguments(values: Values) -> list[str]:
    """Return the words after ``--ros-args``."""
    words = {'--log-level': values['log_level'], '--enclave': values['enclave']}
    return [part for word, value in words.items() if value for part in (word, value)]


def rig_remappings(values: Values) -> Remappings:
    """Take the topics of both cameras from the namespaces that the arguments name."""
    return [remap for side in ('left', 'right') for remap in camera_remappings(side, values[side])]


def rviz_nodes(stem: str, values: Values, *, remappings: Remappings) -> list[object]:
    """Return RViz with ``config/STEM.rviz``, what is missing for it, or nothing if not asked for.

    RViz's file has absolute names; ``remappings`` move them into the namespace. A missing package
    would end the launch and leave the other nodes behind.
    """
    if not is_true(values['rviz']):
        return []
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        return [LogInfo(msg=NO_RVIZ)]
    config = str(share_path(f'config/{stem}.rviz'))
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            name='rviz2',
            namespace=values['namespace'],
            arguments=['-d', config, '-f', values['fixed_frame']],
            parameters=[sim_time(values)] if sim_time(values) else [],
            remappings=renamed(remappings, usual_names(values)),
            additional_env=dict(profile_choice(values).environment),
        )
    ]


def renamed(shown: Remappings, names: Remappings) -> Remappings:
    """Let RViz's displays follow outputs that were given other names."""
    return [(topic, dict(names).get(target, target)) for topic, target in shown]


def sim_time(values: Values) -> dict[str, ParameterValue]:
    """Return the parameter ``use_sim_time`` where the argument is given."""
    return {'use_sim_time': _as_bool('use_sim_time')} if values['use_sim_time'] else {}


def is_true(word: str) -> bool:
    """Whether an argument says yes, as launch's conditions read it."""
    return word.lower() in ('true', '1')


def _as_bool(argument: str) -> ParameterValue:
    return ParameterValue(LaunchConfiguration(argument), value_type=bool)
