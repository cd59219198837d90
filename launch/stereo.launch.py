"""Start the stereo node: ``ros2 launch depth_ros stereo.launch.py left:=/cam/left ...``.

Every argument is optional; an empty one leaves the value to the parameter file.
"""

import os
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from depth_ros.ros.fastdds import choose_profile
from launch import LaunchDescription

SHARE = Path(__file__).parent.parent
ARGUMENTS = {
    'model': ('', 'Matcher: sgbm or crestereo; empty takes the parameter file, which has sgbm.'),
    'engine': ('', 'Runtime: auto, openvino, onnxruntime, ...; empty takes the parameter file.'),
    'left': ('left', 'Namespace of the left camera, e.g. /camera/infra1.'),
    'right': ('right', 'Namespace of the right camera.'),
    'input': ('', 'raw, rectified or auto; empty takes the parameter file, which has raw.'),
    'image_transport': ('', 'raw or compressed; empty takes the parameter file, which has raw.'),
    'namespace': ('', 'Namespace of the node and so of its outputs.'),
    'params_file': (str(SHARE / 'config' / 'stereo.yaml'), 'Parameter file.'),
    'rviz': ('false', 'Also start RViz with config/stereo.rviz.'),
    'fixed_frame': ('left_camera_optical_frame', "RViz's fixed frame: that of the left camera."),
    'use_sim_time': ('false', 'Take the time from /clock, as when playing a bag.'),
}
OVERRIDES = ('model', 'engine', 'input', 'image_transport')
INPUTS = (
    'image_raw',
    'image_raw/compressed',
    'image_rect',
    'image_rect/compressed',
    'camera_info',
)
NO_RVIZ = 'rviz:=true, but rviz2 is not installed; type: apt install ros-$ROS_DISTRO-rviz2'
RVIZ_TOPICS = ('disparity/color', 'depth/image', 'points')


def generate_launch_description():
    choice = choose_profile(SHARE / 'config' / 'fastdds.xml', os.environ)
    return LaunchDescription(
        [
            *(SetEnvironmentVariable(name, value) for name, value in choice.environment.items()),
            LogInfo(msg=choice.reason),
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=start_nodes),
        ]
    )


def start_nodes(context):
    """Make the nodes once the arguments are known."""
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    sides = {side: values[side].rstrip('/') or side for side in ('left', 'right')}
    nodes = [stereo_node(values, sides)]
    if IfCondition(LaunchConfiguration('rviz')).evaluate(context):
        nodes.append(rviz(values, sides) if has_rviz() else LogInfo(msg=NO_RVIZ))
    return nodes


def stereo_node(values, sides):
    overrides = {name: values[name] for name in OVERRIDES if values[name]}
    overrides['use_sim_time'] = sim_time()
    return Node(
        package='depth_ros',
        executable='stereo_node',
        name='stereo_node',
        namespace=values['namespace'],
        parameters=[values['params_file'], overrides],
        remappings=[
            (f'{side}/{topic}', f'{camera}/{topic}')
            for side, camera in sides.items()
            for topic in INPUTS
        ],
        output='screen',
        emulate_tty=True,
    )


def rviz(values, sides):
    """RViz's file has absolute names; the remaps move them into the namespace."""
    topics = [(f'/{topic}', topic) for topic in RVIZ_TOPICS]
    topics.append(('/left/image_raw', f'{sides["left"]}/image_raw'))
    return Node(
        package='rviz2',
        executable='rviz2',
        name='rviz2',
        namespace=values['namespace'],
        arguments=['-d', str(SHARE / 'config' / 'stereo.rviz'), '-f', values['fixed_frame']],
        parameters=[{'use_sim_time': sim_time()}],
        remappings=topics,
    )


def has_rviz():
    """A missing package would end the launch and leave the stereo node behind."""
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        return False
    return True


def sim_time():
    return ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
