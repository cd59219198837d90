"""Start the stereo node: ``ros2 launch depth_ros stereo.launch.py left:=/cam/left ...``.

Every argument is optional; an empty one leaves the value to the parameter file.
"""

from depth_ros.ros import launching

ARGUMENTS = {
    'model': (
        '',
        'Matcher, e.g. crestereo_tiny_hinted or sgbm; empty takes the parameter file.',
    ),
    'left': ('left', 'Namespace of the left camera, e.g. /camera/infra1.'),
    'right': ('right', 'Namespace of the right camera.'),
    **launching.CAMERA_ARGUMENTS,
    **launching.shared_arguments('stereo', fixed_frame='left_camera_optical_frame'),
}
OVERRIDES = ('model', 'engine', 'precision', 'input', 'image_transport')
RVIZ_TOPICS = ('disparity/color', 'depth/image', 'points')


def generate_launch_description():
    return launching.launch_description(ARGUMENTS, start_nodes)


def start_nodes(values):
    cameras = launching.rig_remappings(values)
    # RViz's file has absolute names.
    shown = [(f'/{topic}', topic) for topic in RVIZ_TOPICS]
    shown.append(('/left/image_raw', dict(cameras)['left/image_raw']))
    return [
        launching.task_node('stereo', values, overrides=OVERRIDES, remappings=cameras),
        *launching.rviz_nodes('stereo', values, remappings=shown),
    ]
