"""Whether depth_ros_interfaces is built; ``make test`` builds it and then insists on it."""

from __future__ import annotations

import os

import pytest

HOW_TO = 'build it with: python scripts/build_interfaces.py (make interfaces)'


def require_interfaces() -> None:
    """Skip the module where the package is not built; fail where it should be."""
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    try:
        # A name, not the module: in a checkout the folder of definitions can be imported too.
        from depth_ros_interfaces.msg import Matches  # noqa: F401
    except ImportError as error:
        text = f'depth_ros_interfaces cannot be imported ({error}); {HOW_TO}'
        if os.environ.get('DEPTH_ROS_REQUIRE_INTERFACES'):
            pytest.fail(text, pytrace=False)
        pytest.skip(text, allow_module_level=True)
