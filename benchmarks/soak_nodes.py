"""The nodes of a soak: how each is started, what is subscribed to, what is changed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BASE_FROM_CAMERA = '0 0 0 -0.5 0.5 -0.5 0.5'
"""Where the sample rig has its left camera."""
CAMERA = ('sample_camera', '-p', 'source:=drive')


@dataclass(frozen=True, kw_only=True)
class SoakNode:
    """One node of the soak.

    Attributes:
        words: Its module or name, and words behind ``--ros-args``.
        outputs: Topics below its namespace, and their types as ``package/Type``.
        changes: Parameters that are changed while it runs, and the values in turn.
    """

    words: Sequence[str]
    outputs: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Sequence[object]] = field(default_factory=dict)


def one_camera(namespace: str) -> Sequence[str]:
    """Return words that give a node the left camera and outputs of its own."""
    names = ('image_raw', 'camera_info')
    remappings = [word for name in names for word in ('-r', f'{name}:=/left/{name}')]
    return ('-r', f'__ns:=/{namespace}', *remappings)


NODES: dict[str, SoakNode] = {
    'stereo_node': SoakNode(
        words=('stereo_node', '-p', 'model:=sgbm', '-p', 'sgbm.num_disparities:=48'),
        outputs={
            'disparity': 'stereo_msgs/DisparityImage',
            'disparity/color': 'sensor_msgs/Image',
            'depth/image': 'sensor_msgs/Image',
            'points': 'sensor_msgs/PointCloud2',
            'confidence': 'sensor_msgs/Image',
        },
        changes={
            'cloud_stride': (1, 2, 4),
            'sgbm.block_size': (5, 7),
            'max_depth_m': (10.0, 20.0),
            'fill_holes': (True, False),
        },
    ),
    'mono_node': SoakNode(
        words=('tests.kit.nodes.truth_mono_node', *one_camera('mono')),
        outputs={'relative_depth/image': 'sensor_msgs/Image'},
        changes={'cloud_stride': (1, 3), 'max_depth_m': (5.0, 20.0)},
    ),
    'multiview_node': SoakNode(
        words=(
            'multiview_node',
            *one_camera('multiview'),
            *('-r', 'odometry:=/ground_truth/odometry'),
            *('-p', f"base_from_camera:='{BASE_FROM_CAMERA}'"),
            *('-p', 'depth.max_m:=6.0', '-p', 'fusion.max_voxels:=200000'),
        ),
        outputs={'depth/image': 'sensor_msgs/Image', 'fused/points': 'sensor_msgs/PointCloud2'},
        changes={'cloud_stride': (1, 2), 'fusion.min_views': (2, 3)},
    ),
    'matcher_node': SoakNode(
        words=('matcher_node', *one_camera('matcher')),
        outputs={
            'matches': 'depth_ros_interfaces/Matches',
            'matches/image': 'sensor_msgs/Image',
        },
        changes={'pair_step': (1, 2), 'max_matches': (256, 1024)},
    ),
    'odometry_node': SoakNode(
        words=(
            'odometry_node',
            *('-p', 'base_frame:=base_link', '-p', f"base_from_camera:='{BASE_FROM_CAMERA}'"),
        ),
        outputs={'odometry': 'nav_msgs/Odometry', 'path': 'nav_msgs/Path'},
        changes={'min_inliers': (15, 20), 'max_keyframes': (10, 20)},
    ),
    'viewer_node': SoakNode(words=('viewer_node', '-p', 'port:=0')),
}
"""Every node there is. ``mono_node`` has a network that knows the answer, for none ships;
``viewer_node`` waits for a browser that does not come."""


def namespace_of(name: str) -> str:
    """Return the namespace of a node, empty or with a slash before it."""
    words = list(NODES[name].words)
    spaces = [word.partition(':=')[2] for word in words if word.startswith('__ns:=')]
    return spaces[0] if spaces else ''


def command_of(words: Sequence[str]) -> list[str]:
    """Return the words behind ``python`` that start a node of ours or a module."""
    start, *rest = words
    module = [start] if '.' in start else ['depth_ros.ros', start]
    return ['-m', *module, '--ros-args', *rest]
