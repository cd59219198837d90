"""Start the mono node: ``ros2 launch depth_ros mono.launch.py camera:=/camera ...``.

Every argument is optional; an empty one leaves the value to the parameter file.
"""

from depth_ros.ros import launching

ARGUMENTS = {
    'model': (
        '',
        'Network: monodepth2 or tio_depth; empty takes the parameter file, which has monodepth2.',
    ),
    'camera': ('', 'Namespace of the camera, e.g. /camera/color; empty takes the own one.'),
    'odometry': ('odometry', 'Topic of nav_msgs/Odometry, e.g. /odom, for depth from motion.'),
    'pose_source': ('', 'auto, odometry, pose, tf or none; empty takes the parameter file: auto.'),
    'reference': (
        '',
        'Metric depth image for scale.mode reference_depth, e.g. /stereo/depth/image.',
    ),
    **launching.CAMERA_ARGUMENTS,
    **launching.shared_arguments('mono', fixed_frame='left_camera_optical_frame'),
}
OVERRIDES = ('model', 'engine', 'precision', 'input', 'image_transport', 'pose_source')
RVIZ_TOPICS = ('relative_depth/color', 'depth/image', 'points')


def generate_launch_description():
    return launching.launch_description(ARGUMENTS, start_nodes)


def start_nodes(values):
    camera = launching.camera_remappings('', values['camera'])
    # RViz's file has absolute names.
    shown = [(f'/{topic}', topic) for topic in RVIZ_TOPICS]
    shown.append(('/image_raw', dict(camera)['image_raw']))
    reference = [('reference/depth/image', values['reference'])] if values['reference'] else []
    others = [('odometry', values['odometry']), *reference]
    return [
        launching.task_node('mono', values, overrides=OVERRIDES, remappings=[*camera, *others]),
        *launching.rviz_nodes('mono', values, remappings=shown),
    ]
