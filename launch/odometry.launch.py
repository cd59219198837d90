"""Start the odometry node: ``ros2 launch depth_ros odometry.launch.py left:=/cam/left ...``.

Every argument is optional; an empty one leaves the value to the parameter file.
"""

from depth_ros.ros import launching

ARGUMENTS = {
    'source': ('', 'stereo, rgbd or mono; empty takes the parameter file, which has stereo.'),
    'model': (
        '',
        'E.g. orb, loftr_tiny or monodepth2_pose; empty takes the parameter file, which has sift.',
    ),
    'frontend': ('', 'What model was called.'),
    'left': ('left', 'Namespace of the left camera, for source stereo.'),
    'right': ('right', 'Namespace of the right camera, for source stereo.'),
    'camera': ('', 'Namespace of the camera, for source rgbd or mono; empty takes the own one.'),
    'depth': (
        '',
        'Depth registered to the image, for source rgbd; empty takes depth/image.',
    ),
    'odom_frame': ('', 'Frame of the poses; empty takes the parameter file, which has odom.'),
    'base_frame': (
        '',
        "Frame whose pose is published, e.g. base_link; empty takes the camera's optical frame.",
    ),
    **launching.CAMERA_ARGUMENTS,
    **launching.shared_arguments('odometry', fixed_frame='odom'),
}
OVERRIDES = (
    'source',
    'model',
    'frontend',  # refused by the node, which says what it is called now
    'engine',
    'precision',
    'input',
    'image_transport',
    'odom_frame',
    'base_frame',
)
RVIZ_TOPICS = ('odometry', 'path')


def generate_launch_description():
    return launching.launch_description(ARGUMENTS, start_nodes)


def start_nodes(values):
    remappings = [
        remap
        for name, argument in (('left', 'left'), ('right', 'right'), ('', 'camera'))
        for remap in launching.camera_remappings(name, values[argument])
    ]
    if values['depth']:
        remappings.append(('depth/image', values['depth']))
    # RViz's file has absolute names.
    shown = [(f'/{topic}', topic) for topic in RVIZ_TOPICS]
    shown.append(('/left/image_raw', dict(remappings)['left/image_raw']))
    return [
        launching.task_node('odometry', values, overrides=OVERRIDES, remappings=remappings),
        *launching.rviz_nodes('odometry', values, remappings=shown),
    ]
