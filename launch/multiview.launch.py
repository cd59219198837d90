"""Start the multi-view node: ``ros2 launch depth_ros multiview.launch.py camera:=/camera ...``.

Every argument is optional; an empty one leaves the value to the parameter file.
"""

from depth_ros.ros import launching

ARGUMENTS = {
    'model': ('', 'Network: mvsnet; empty takes the parameter file.'),
    'camera': ('', 'Namespace of the camera, e.g. /camera/color; empty takes the own one.'),
    'pose_source': ('', 'odometry, pose or tf; empty takes the parameter file: odometry.'),
    'odometry': ('odometry', 'Topic of nav_msgs/Odometry, e.g. /odom.'),
    'pose': ('pose', 'Topic of geometry_msgs/PoseStamped, the pose of the camera.'),
    'range_points': ('range/points', 'Cloud that says where depth is, for depth.source cloud.'),
    **launching.CAMERA_ARGUMENTS,
    **launching.shared_arguments('multiview', fixed_frame='odom'),
}
OVERRIDES = ('model', 'engine', 'precision', 'input', 'image_transport', 'pose_source')
RVIZ_TOPICS = ('depth/image', 'confidence', 'points', 'fused/points')


def generate_launch_description():
    return launching.launch_description(ARGUMENTS, start_nodes)


def start_nodes(values):
    camera = launching.camera_remappings('', values['camera'])
    # RViz's file has absolute names.
    shown = [(f'/{topic}', topic) for topic in RVIZ_TOPICS]
    shown.append(('/image_raw', dict(camera)['image_raw']))
    others = [
        (name, values[argument])
        for name, argument in (
            ('odometry', 'odometry'),
            ('pose', 'pose'),
            ('range/points', 'range_points'),
        )
    ]
    return [
        launching.task_node(
            'multiview', values, overrides=OVERRIDES, remappings=[*camera, *others]
        ),
        *launching.rviz_nodes('multiview', values, remappings=shown),
    ]
