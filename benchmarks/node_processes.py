"""Start nodes of this package in processes of their own, on a private domain, and stop them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from timing import OUT

from depth_ros.ros.fastdds import choose_profile, sized_profile

REPOSITORY = Path(__file__).resolve().parents[1]
STOP_TIMEOUT_S = 120.0
"""Long, for a machine that has other things to do: even a killed process must be given time."""
HELD = ('threads', 'descriptors', 'shared memory maps', 'resident MB')
"""What ``resources`` reads."""


def use_private_domain(
    *, image_size: tuple[int, int] | None = None, has_profile: bool = True
) -> None:
    """Keep this run's topics away from everybody else's; call before rclpy is initialised.

    Args:
        image_size: ``(height, width)`` that the segment of shared memory is made for, as by the
            launch argument of that name; None takes the profile as it is.
        has_profile: Whether to use the Fast DDS profile, as launch files do and ``ros2 run`` does
            not.
    """
    os.environ['ROS_DOMAIN_ID'] = str(random.randint(100, 200))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if not has_profile:
        return
    profile = REPOSITORY / 'config/fastdds.xml'
    if image_size is not None:
        profile = sized_profile(profile, *image_size, OUT)
    os.environ.update(choose_profile(profile, os.environ).environment)


def child_environment() -> dict[str, str]:
    """Return the environment of a child process that imports this checkout first.

    It keeps compiled modules, as an installed package has them: compiling takes longer than the
    imports themselves.
    """
    paths = [str(REPOSITORY), os.environ.get('PYTHONPATH', '')]
    return {
        **{name: os.environ[name] for name in os.environ if name != 'PYTHONDONTWRITEBYTECODE'},
        'PYTHONPATH': os.pathsep.join(path for path in paths if path),
        'PYTHONFAULTHANDLER': '1',
    }


class NodeProcess:
    """A node that writes a report when it is stopped."""

    def __init__(self, command: Sequence[str], report: Path, *, log: Path | None = None) -> None:
        """Start it; its words go to a file where ``log`` names one."""
        self._report = report
        words = [*command, '-p', f'report_file:={report}']
        with log.open('ab') if log else nullcontext() as output:
            self._process = subprocess.Popen(
                [sys.executable, *words],
                env=child_environment(),
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def abort(self) -> None:
        """End it with the stacks of its threads in its words."""
        self._process.send_signal(signal.SIGABRT)
        self._process.wait()

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> dict:
        """Stop it as Ctrl-C does and give its report."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(STOP_TIMEOUT_S)
        return json.loads(self._report.read_text(encoding='utf-8'))


def resources(pid: int) -> dict[str, int]:
    """Return what a process holds, by the names in ``HELD``."""
    process = Path('/proc') / str(pid)
    maps = (process / 'maps').read_text(encoding='utf-8').splitlines()
    status = (process / 'status').read_text(encoding='utf-8')
    resident_kb = int(status.partition('VmRSS:')[2].split()[0])
    counts = (
        len(list((process / 'task').iterdir())),
        len(list((process / 'fd').iterdir())),
        sum('/dev/shm/' in line for line in maps),
        resident_kb // 1024,
    )
    return dict(zip(HELD, counts, strict=True))
