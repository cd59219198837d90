"""Start nodes of this package in processes of their own, on a private domain, and stop them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from depth_ros.ros.fastdds import choose_profile

REPOSITORY = Path(__file__).resolve().parents[1]
STOP_TIMEOUT_S = 20.0


def use_private_domain() -> None:
    """Keep this run's topics away from everybody else's; call before rclpy is initialised."""
    os.environ['ROS_DOMAIN_ID'] = str(random.randint(100, 200))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.update(choose_profile(REPOSITORY / 'config/fastdds.xml', os.environ).environment)


class NodeProcess:
    """A node that writes a report when it is stopped."""

    def __init__(self, command: Sequence[str], report: Path) -> None:
        """Start it."""
        self._report = report
        environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
        words = [*command, '-p', f'report_file:={report}']
        self._process = subprocess.Popen([sys.executable, *words], env=environment)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def stop(self) -> dict:
        """Stop it as Ctrl-C does and give its report."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(STOP_TIMEOUT_S)
        return json.loads(self._report.read_text(encoding='utf-8'))
