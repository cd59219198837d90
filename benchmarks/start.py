"""From the start of stereo_node to its first depth, step by step, each beside its floor.

    python benchmarks/start.py [--rounds 7] [--models sgbm crestereo_tiny_hinted]

A camera (480x640, bgr8, 30 Hz, raw images) and a subscriber of depth/image are here, before the
node starts. Contenders take turns: the console entry as ``ros2 run`` executes it; the same with
every step noted (``start_marks.py``); and the least that a node of images in Python can be. The
first round does not count: it leaves engines in the cache and files in the kernel's, so nothing
here is of a cold disk. Medians over rounds; steps follow one another and add up to the total of
each round, not those of the medians. Last, what imports take, each in a process of its own.
The Fast DDS profile is that of ``image_size:=640x480``, as launch files set it. It waits up to a
third of its ``healthy_check_timeout_ms`` for a port that is idle; ``--patience-ms 1000`` is Fast
DDS's own value. ``--no-profile`` is plain ``ros2 run``, which loses large images.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rclpy
from node_overhead import Driver
from node_processes import STOP_TIMEOUT_S, child_environment, use_private_domain
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from timing import machine, markdown_table, write_report

from depth_ros.ros.fastdds import VARIABLE

SIZE, RATE_HZ, PATIENCE_S, FORGET_S = (480, 640), 30.0, 60.0, 0.5
STEPS = (
    'interpreter',
    'imports',
    'rclpy.init',
    'node',
    'engine',
    'subscribe',
    'first pair',
    'first inference',
    'published and received',
)
"""Steps in their order; the floor has no engine and no inference."""
TOTAL = 'total'
PATIENCE = re.compile(r'(<healthy_check_timeout_ms>)\d+(<)')
MARKED = str(Path(__file__).with_name('start_marks.py'))
ENTRY = 'import sys; from depth_ros.ros.entry import stereo_node; sys.exit(stereo_node())'
IMPORTS = {
    'interpreter alone': '',
    'NumPy': 'import numpy',
    'OpenCV': 'import cv2',
    'rclpy with messages': 'import rclpy.lifecycle, sensor_msgs.msg, stereo_msgs.msg',
    'all of these': 'import cv2, rclpy.lifecycle, sensor_msgs.msg, stereo_msgs.msg',
    'stereo_node': "from depth_ros.ros.entry import imported; imported('stereo_node')",
}
"""What is imported, each in a process of its own; the last holds all before it."""
CLOCKED = 'import time; begun_s = time.perf_counter()\n{}\nprint(time.perf_counter() - begun_s)'


@dataclass(frozen=True)
class Steps:
    """One start.

    Attributes:
        wall_s: By step, and in all.
        cpu_s: Processor time of the node, all its threads, likewise.
    """

    wall_s: Mapping[str, float]
    cpu_s: Mapping[str, float]


class Rig:
    """The camera, and who waits for depth."""

    def __init__(self) -> None:
        """Advertise and subscribe."""
        self.node = rclpy.create_node('start')
        self._driver = Driver(self.node, SIZE)
        self._num_sent = 0
        self.arrived_s: float | None = None
        self.node.create_subscription(
            Image, 'depth/image', self._on_depth, qos_profile_sensor_data, raw=True
        )

    def first_depth(self, command: Sequence[str]) -> tuple[float, float]:
        """Start a node; return when it was started and when its first depth came, s."""
        self._forget()
        self.arrived_s, begun_s = None, time.monotonic()
        with running(command):
            while self.arrived_s is None:
                if time.monotonic() - begun_s > PATIENCE_S:
                    raise TimeoutError(f'no depth within {PATIENCE_S:.0f} s of: {command}')
                self._driver.publish(self._num_sent)
                self._num_sent += 1
                self._spin(begun_s + PATIENCE_S)
            return begun_s, self.arrived_s

    def _forget(self) -> None:
        """Wait until the last node has left the graph and what it sent has come."""
        end_s = time.monotonic() + FORGET_S
        while self.node.count_publishers('depth/image') or time.monotonic() < end_s:
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def _spin(self, until_s: float) -> None:
        """Take what comes until the next pair is due, or depth has come."""
        due_s = min(until_s, time.monotonic() + 1.0 / RATE_HZ)
        while self.arrived_s is None and (left_s := due_s - time.monotonic()) > 0:
            rclpy.spin_once(self.node, timeout_sec=left_s)

    def _on_depth(self, message: bytes) -> None:
        if self.arrived_s is None:
            self.arrived_s = time.monotonic()


@contextmanager
def running(command: Sequence[str]) -> Iterator[None]:
    """Run a node as long as it is looked at."""
    process = subprocess.Popen(
        [sys.executable, *command], env=child_environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=STOP_TIMEOUT_S)[1]
        if sys.exc_info()[0] is not None:
            sys.stderr.write(said)


def noted(rig: Rig, role: str, folder: Path, words: Sequence[str] = ()) -> Steps:
    """Run a node that notes its steps."""
    path = folder / 'marks.json'
    path.unlink(missing_ok=True)
    begun_s, arrived_s = rig.first_depth([MARKED, role, str(path), *words])
    moments = json.loads(path.read_text(encoding='utf-8'))
    wall, cpu = {}, {}
    last_s, last_cpu_s = begun_s, 0.0
    for step in STEPS[:-1]:
        if step in moments:
            moment_s, cpu_s = moments[step]
            # The engine may be open before the node is: then nothing waits for it.
            wall[step], cpu[step] = max(0.0, moment_s - last_s), max(0.0, cpu_s - last_cpu_s)
            last_s, last_cpu_s = max(last_s, moment_s), max(last_cpu_s, cpu_s)
    wall[STEPS[-1]] = arrived_s - last_s
    return Steps({**wall, TOTAL: arrived_s - begun_s}, {**cpu, TOTAL: last_cpu_s})


def contenders(models: Sequence[str], rig: Rig, folder: Path) -> dict[str, Callable[[], Steps]]:
    """Return what takes turns, by name."""
    found: dict[str, Callable[[], Steps]] = {'floor': lambda: noted(rig, 'floor', folder)}
    for model in models:
        words = ('--ros-args', '-p', f'model:={model}')
        found[model] = lambda words=words: noted(rig, 'stereo', folder, words)
        found[f'{model}, as it is'] = lambda words=words: entry(rig, words)
    return found


def entry(rig: Rig, words: Sequence[str]) -> Steps:
    """Run the console entry."""
    begun_s, arrived_s = rig.first_depth(['-c', ENTRY, *words])
    return Steps({TOTAL: arrived_s - begun_s}, {})


def imported_s(code: str) -> float:
    """Import something in a process of its own; return seconds, without the interpreter's own."""
    begun_s = time.monotonic()
    words = [sys.executable, '-c', CLOCKED.format(code)]
    told = subprocess.check_output(words, env=child_environment(), text=True)
    return float(told) if code else time.monotonic() - begun_s


def change_patience(timeout_ms: int) -> None:
    """Let the profile's shared memory wait otherwise for readers that do not answer."""
    profile = Path(os.environ[VARIABLE])
    text, count = PATIENCE.subn(rf'\g<1>{timeout_ms}\g<2>', profile.read_text(encoding='utf-8'))
    assert count == 1, f'{profile} has no healthy_check_timeout_ms'
    changed = profile.with_stem(f'{profile.stem}_{timeout_ms}')
    changed.write_text(text, encoding='utf-8')
    os.environ[VARIABLE] = str(changed)


def table(
    found: Mapping[str, Sequence[Mapping[str, float]]],
    pick: Callable[[Sequence[float]], float] = statistics.median,
) -> str:
    """Return what is picked of the rounds in ms: a line a step, a column a contender."""
    rows = []
    for step in (*STEPS, TOTAL):
        values = [[one[step] for one in rounds if step in one] for rounds in found.values()]
        rows.append([step, *(f'{1e3 * pick(v):.0f}' if v else '' for v in values)])
    return markdown_table(['ms', *found], rows)


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--no-profile', action='store_true', help="Fast DDS's own defaults")
    parser.add_argument('--patience-ms', type=int, help='healthy_check_timeout_ms instead')
    parser.add_argument('--models', nargs='+', default=['sgbm', 'crestereo_tiny_hinted'])
    arguments = parser.parse_args()
    use_private_domain(image_size=SIZE, has_profile=not arguments.no_profile)
    if arguments.patience_ms:
        change_patience(arguments.patience_ms)
    print(machine())
    rclpy.init()
    rig = Rig()
    steps: dict[str, list[Steps]] = defaultdict(list)
    imports: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        runs = contenders(arguments.models, rig, Path(folder))
        for index in range(arguments.rounds + 1):
            for name, code in IMPORTS.items():
                imports[name] += [imported_s(code)][:index]
            for name, run in runs.items():
                steps[name] += [run()][:index]
    wall = {name: [one.wall_s for one in rounds] for name, rounds in steps.items()}
    print(table(wall))
    print('the least of all rounds, each step by itself: what others on the machine add least to')
    print(table(wall, pick=min))
    print('processor time of the node')
    print(table({name: [one.cpu_s for one in rounds] for name, rounds in steps.items()}))
    rows = [[name, f'{1e3 * statistics.median(s):.0f}'] for name, s in imports.items()]
    print(markdown_table(['import', 'ms'], rows))
    raw = {name: [vars(one) for one in rounds] for name, rounds in steps.items()}
    write_report('start', {'steps': raw, 'imports_s': imports})
    rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
