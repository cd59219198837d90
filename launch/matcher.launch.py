"""Start the matcher node: ``ros2 launch depth_ros matcher.launch.py camera:=/camera ...``.

Every argument is optional; an empty one leaves the value to the parameter file.
"""

from depth_ros.ros import launching

ARGUMENTS = {
    'model': (
        '',
        'E.g. orb or loftr_tiny; empty takes the parameter file, which has sift.',
    ),
    'variant': (
        '',
        'Which checkpoint of loftr, e.g. indoor_ds; empty takes the parameter file.',
    ),
    'camera': ('', 'Namespace of the camera, e.g. /camera/color; empty takes the own one.'),
    **launching.CAMERA_ARGUMENTS,
    **launching.shared_arguments('matcher', fixed_frame='left_camera_optical_frame'),
}
OVERRIDES = ('model', 'variant', 'engine', 'precision', 'input', 'image_transport')


def generate_launch_description():
    return launching.launch_description(ARGUMENTS, start_nodes)


def start_nodes(values):
    camera = launching.camera_remappings('', values['camera'])
    # RViz's file has absolute names.
    shown = [('/matches/image', 'matches/image'), ('/image_raw', dict(camera)['image_raw'])]
    return [
        launching.task_node('matcher', values, overrides=OVERRIDES, remappings=camera),
        *launching.rviz_nodes('matcher', values, remappings=shown),
    ]
