"""The environment of child processes: this checkout first, then what the parent has.

On a robot a distro's packages (rclpy, messages) are on ``PYTHONPATH``: a child that loses it has
no ROS. So no test sets that variable itself; ``tests/test_child_processes.py`` holds it.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.kit.shared_data import REPOSITORY

NAME = 'PYTHONPATH'


def python_path(*folders: Path | str) -> str:
    """Return folders, this checkout and what ``PYTHONPATH`` has already."""
    parts = [*map(str, folders), str(REPOSITORY), os.environ.get(NAME, '')]
    return os.pathsep.join(part for part in parts if part)


def child_environment(*folders: Path | str, **variables: str) -> dict[str, str]:
    """Return this process's environment with folders to import from, and other variables."""
    return {**os.environ, NAME: python_path(*folders), **variables}
