"""Lines to type: the same words for the same remedy everywhere. Imports no ROS."""

from __future__ import annotations

from depth_ros.ros.doctor.snapshot import DepthNode

SIGNATURES: dict[str, str] = {
    'stereo_node': 'color_min_disparity_px',
    'mono_node': 'scale.mode',
    'multiview_node': 'keep_map',
    'matcher_node': 'pair_step',
    'odometry_node': 'max_path_poses',
}
"""A parameter that only this executable has, by which a node of any name is known."""

PROGRAMS = (*SIGNATURES, 'perception')
"""Programs with nodes that the doctor looks for."""


def executable(node: DepthNode) -> str:
    """Return what a node was started as."""
    found = (name for name, sign in SIGNATURES.items() if sign in node.parameters)
    return next(found, 'stereo_node')


def set_line(node: str, name: str, value: object) -> str:
    """Return how to set a parameter of a running node."""
    return f'ros2 param set {node} {name} {_word(value)}'


def restart_line(node: DepthNode, **parameters: object) -> str:
    """Return how to start a node again with parameters; ``__`` in a name stands for a dot."""
    settings = [
        f'-p {name.replace("__", ".")}:={_word(value)}' for name, value in parameters.items()
    ]
    return ' '.join([_start(node), *settings])


def remap_line(node: DepthNode, old: str, new: str) -> str:
    """Return how to start a node again with another topic."""
    return f'{_start(node)} -r {old}:={new}'


def override_line(node: DepthNode, topic: str, end: str, policy: str, value: str) -> str:
    """Return how to start a node again with another quality of service of one topic.

    Args:
        node: The node.
        topic: Full name.
        end: ``'publisher'`` or ``'subscription'``.
        policy: E.g. ``'durability'``.
        value: In the words of ``qos_overrides``.
    """
    return f'{_start(node)} -p qos_overrides.{topic}.{end}.{policy}:={value}'


def _start(node: DepthNode) -> str:
    program = executable(node)
    namespace, _, name = node.name.rpartition('/')
    words = ['ros2 run depth_ros', program, '--ros-args']
    words += [f'-r __node:={name}'] if name != program else []
    words += [f'-r __ns:={namespace}'] if namespace else []
    return ' '.join(words)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'{value:g}' if isinstance(value, float) else str(value)
