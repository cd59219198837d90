"""Say what this machine lacks before anything is installed; standard library only."""

import importlib.util
import os
import platform
import sys

ROBOT_ROUTE = 'use the robot install with a ROS 2 distro instead (README, "On a robot")'


def problems():
    """List what stands in the way, one sentence with the remedy each."""
    found = []
    if sys.version_info < (3, 10):
        found.append(
            'Python %d.%d is too old: 3.10 or newer is needed; '
            'try: make PYTHON=python3.11 (apt install python3.11 python3.11-venv)'
            % sys.version_info[:2]
        )
    missing = [name for name in ('venv', 'ensurepip') if importlib.util.find_spec(name) is None]
    if missing:
        found.append(
            'Python lacks %s; install it with: sudo apt install python3-venv'
            % ' and '.join(missing)
        )
    if sys.platform != 'linux':
        found.append('the ROS 2 wheels exist for Linux only; this is %s' % sys.platform)
    if platform.machine() not in ('x86_64', 'AMD64'):
        found.append(
            'the ROS 2 wheels exist for x86-64 only and this machine is %s: %s'
            % (platform.machine(), ROBOT_ROUTE)
        )
    return found


def main():
    """Print problems and give 1 if there are any."""
    found = problems()
    for text in found:
        print('depth_ros: %s' % text, file=sys.stderr)
    if os.environ.get('ROS_DISTRO') and not found:
        print(
            'depth_ros: ROS_DISTRO=%s is sourced; the demo uses its own wheels in .venv and '
            'leaves your distro alone' % os.environ['ROS_DISTRO'],
            file=sys.stderr,
        )
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
