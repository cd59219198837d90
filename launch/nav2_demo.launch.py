"""Start a sample camera, the stereo node, and a costmap of Nav2 with one of our layers.

``ros2 launch depth_ros nav2_demo.launch.py layer:=voxels rviz:=true``; it needs nav2_costmap_2d,
nav2_lifecycle_manager and tf2_ros. Nothing drives: the robot stands in a rendered room.
"""

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import LogInfo
from launch_ros.actions import Node

from depth_ros.files.share import share_path
from depth_ros.ros import launching

CAMERA_HEIGHT_M = 1.1
"""The rendered room's floor lies so far below the camera."""

COSTMAP = 'local_costmap'
NEEDED = ('nav2_costmap_2d', 'nav2_lifecycle_manager', 'tf2_ros')
LAYERS = {
    'obstacles': 'stereo_obstacles',
    'voxels': 'stereo_voxels',
    'stvl': 'stereo_stvl',
    'scan': 'stereo_scan',
}
ARGUMENTS = {
    'layer': ('voxels', f'Layer of config/nav2_stereo.yaml: {", ".join(LAYERS)}.'),
    'model': ('', 'Matcher; empty takes the parameter file.'),
    'sample_camera': ('true', 'false: take your own cameras, and TF of your own robot.'),
    'left': ('left', 'Namespace of the left camera, e.g. /camera/infra1.'),
    'right': ('right', 'Namespace of the right camera.'),
    **launching.CAMERA_ARGUMENTS,
    **launching.shared_arguments('stereo', fixed_frame='odom'),
}
OVERRIDES = ('model', 'engine', 'precision', 'input', 'image_transport')
RVIZ_TOPICS = ('points/obstacles', 'points/clearing', 'scan')


def generate_launch_description():
    return launching.launch_description(ARGUMENTS, start_nodes)


def start_nodes(values):
    cameras = launching.rig_remappings(values)
    shown = [(f'/{topic}', topic) for topic in RVIZ_TOPICS]
    shown.append(('/local_costmap/costmap', f'{COSTMAP}/costmap'))
    return [
        launching.task_node('stereo', values, overrides=OVERRIDES, remappings=cameras),
        *sample_nodes(values),
        *costmap_nodes(values),
        *launching.rviz_nodes('nav2_demo', values, remappings=shown),
    ]


def sample_nodes(values):
    """Return a camera in a rendered room, and the robot that carries it, where they are wanted."""
    if not launching.is_true(values['sample_camera']):
        return []
    scene = {'source': 'scene', 'camera_height_m': CAMERA_HEIGHT_M, 'rate_hz': 5.0}
    return [
        node(values, 'depth_ros', 'sample_camera', parameters=[scene]),
        node(
            values,
            'tf2_ros',
            'static_transform_publisher',
            name='odom_from_base',
            arguments=['--frame-id', 'odom', '--child-frame-id', 'base_link'],
        ),
    ]


def costmap_nodes(values):
    """Return a costmap with one of our layers and what brings it up, or what is missing for it."""
    if values['layer'] not in LAYERS:
        raise launching.ParameterError(
            f'there is no layer {values["layer"]!r}; set layer to one of: {", ".join(LAYERS)}'
        )
    missing = [name for name in NEEDED if not is_installed(name)]
    if missing:
        packages = ' '.join(f'ros-$ROS_DISTRO-{name.replace("_", "-")}' for name in missing)
        return [LogInfo(msg=f'no costmap: type: apt install {packages}')]
    file = str(share_path('config/nav2_stereo.yaml'))
    plugins = {'plugins': [LAYERS[values['layer']], 'inflation_layer']}
    managed = {'autostart': True, 'node_names': [f'{COSTMAP}/{COSTMAP}'], 'bond_timeout': 0.0}
    return [
        node(
            values,
            'nav2_costmap_2d',
            'nav2_costmap_2d',
            name=COSTMAP,
            below=COSTMAP,
            parameters=[file, plugins],
        ),
        node(values, 'nav2_lifecycle_manager', 'lifecycle_manager', parameters=[managed]),
    ]


def node(values, package, executable, *, name='', below='', parameters=(), arguments=()):
    """Return a node in the namespace that is asked for, with its time."""
    time = launching.sim_time(values)
    return Node(
        package=package,
        executable=executable,
        name=name or executable,
        namespace='/'.join(part for part in (values['namespace'], below) if part),
        parameters=[*parameters, *([time] if time else [])],
        remappings=[],
        arguments=list(arguments),
        output='screen',
    )


def is_installed(package):
    """Whether a package is on the ament path."""
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True
