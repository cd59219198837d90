"""What the launch files share: Fast DDS profile, arguments, a node of ours, RViz, sim time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from depth_ros.files.share import share_path
from depth_ros.ros.fastdds import choose_profile
from launch import LaunchDescription

Values = Mapping[str, str]
Remappings = list[tuple[str, str]]
IMAGE_TOPICS = (
    'image_raw',
    'image_raw/compressed',
    'image_rect',
    'image_rect/compressed',
    'camera_info',
)
"""Names below a camera's namespace that a node may subscribe to."""

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
        'use_sim_time': ('false', 'Take the time from /clock, as when playing a bag.'),
    }


CAMERA_ARGUMENTS = {
    'input': ('', 'raw, rectified or auto; empty takes the parameter file, which has raw.'),
    'image_transport': ('', 'raw or compressed; empty takes the parameter file, which has raw.'),
}
"""Arguments of nodes that subscribe to images."""


def launch_description(
    arguments: Mapping[str, tuple[str, str]], start: Callable[[Values], Sequence[object]]
) -> LaunchDescription:
    """Set the Fast DDS profile, declare the arguments, and start what ``start`` gives.

    Args:
        arguments: (default, description) by name.
        start: Makes the nodes once the arguments are known.
    """
    choice = choose_profile(share_path('config/fastdds.xml'), os.environ)

    def start_nodes(context: object) -> list[object]:
        values = {name: LaunchConfiguration(name).perform(context) for name in arguments}
        return list(start(values))

    return LaunchDescription(
        [
            *(SetEnvironmentVariable(name, value) for name, value in choice.environment.items()),
            LogInfo(msg=choice.reason),
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in arguments.items()
            ),
            OpaqueFunction(function=start_nodes),
        ]
    )


def task_node(
    stem: str, values: Values, *, overrides: Sequence[str], remappings: Remappings
) -> Node:
    """Return ``STEM_node``.

    Args:
        stem: E.g. ``'stereo'``.
        values: Values of the arguments.
        overrides: Arguments that go over the parameter file unless they are empty.
        remappings: Names the node uses and names to use instead.
    """
    given: dict[str, object] = {name: values[name] for name in overrides if values[name]}
    if values.get('build_only', 'false') != 'false':
        given['build_only'] = _as_bool('build_only')
    return Node(
        package='depth_ros',
        executable=f'{stem}_node',
        name=f'{stem}_node',
        namespace=values['namespace'],
        parameters=[values['params_file'], {**given, 'use_sim_time': sim_time()}],
        remappings=remappings,
        output='screen',
        emulate_tty=True,
    )


def camera_remappings(name: str, camera: str) -> Remappings:
    """Take a camera's topics from another namespace.

    Args:
        name: Namespace that the node uses, e.g. ``'left'``; empty for its own.
        camera: Namespace to use instead, e.g. ``'/camera/infra1/'``; empty changes nothing.
    """
    ours = f'{name}/' if name else ''
    theirs = f'{camera.rstrip("/")}/' if camera.rstrip('/') else ours
    return [(f'{ours}{topic}', f'{theirs}{topic}') for topic in IMAGE_TOPICS]


def rviz_nodes(stem: str, values: Values, *, remappings: Remappings) -> list[object]:
    """Return RViz with ``config/STEM.rviz``, what is missing for it, or nothing if not asked for.

    RViz's file has absolute names; ``remappings`` move them into the namespace. A missing package
    would end the launch and leave the other nodes behind.
    """
    if values['rviz'].lower() not in ('true', '1'):
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
            parameters=[{'use_sim_time': sim_time()}],
            remappings=remappings,
        )
    ]


def sim_time() -> ParameterValue:
    """Return the argument ``use_sim_time`` as a bool."""
    return _as_bool('use_sim_time')


def _as_bool(argument: str) -> ParameterValue:
    return ParameterValue(LaunchConfiguration(argument), value_type=bool)
