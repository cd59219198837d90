"""What a node or a command says where ROS 2 for Python is not installed; imports nothing."""

from __future__ import annotations


def is_of_ros(error: ModuleNotFoundError) -> bool:
    """Return whether the missing module is one that a ROS distro or the ROS wheels bring."""
    name = (error.name or '').partition('.')[0]
    return name == 'rclpy' or name.endswith(('_msgs', '_interfaces'))


def absence_of_ros(who: str, error: ModuleNotFoundError) -> str:
    """Return a sentence that names what is missing and what to type.

    Args:
        who: Node or command that needs it.
        error: Of the import.
    """
    return (
        f'{who} needs ROS 2 for Python, and {error.name} is missing; source your distro '
        '(. /opt/ros/$ROS_DISTRO/setup.bash), or run make demo once, which installs it'
    )
