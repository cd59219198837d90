"""Whether the generated messages are installed; nodes import them only after this check."""

from __future__ import annotations

from importlib import import_module

from depth_ros.errors import EngineError


def require_interfaces() -> None:
    """Require depth_ros_interfaces.

    Raises:
        EngineError: Saying how to build it.
    """
    try:
        if not hasattr(import_module('depth_ros_interfaces.srv'), 'MatchImages'):
            raise ImportError('found is the folder of its definitions')  # as in a checkout
    except ImportError as error:
        raise EngineError(
            f'depth_ros_interfaces cannot be imported ({error}); build it with: colcon build '
            '--base-paths . depth_ros_interfaces (ROS 2 distro), or: make interfaces (wheels)'
        ) from error
