"""Memory of every node at 640x480: at its peak, and when it has settled.

    python benchmarks/memory.py [--seconds 20] [--only NAME ...] [--maps]

One node at a time, with the sample rig's drive (480x640, bgr8, 10 Hz) in another process and
every topic of the node's row subscribed to here. All figures are megabytes (MiB) out of /proc:

* peak: resident memory at its highest (VmHWM), which is at start or in work;
* steady: resident memory (VmRSS) in the end, and of it what is the node's own (anonymous), files
  (libraries and engines), and shared memory. The last are pages of Fast DDS's segments that the
  node has touched: its own, which Fast DDS fills at start, and those of the camera and of this
  process, which it reads. They count in peak and steady, and again in every process that touched
  them. Segments are those of ``image_size:=640x480``, 29 MiB; the profile as it is makes them
  192 MiB, for 1080p;
* PSS: a page of n processes counts 1/n; USS: what no other process shares.

``--maps`` prints the largest mappings of each node, by file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import rclpy
from node_processes import NodeProcess, child_environment, use_private_domain
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from soak_nodes import NODES, SoakNode, command_of, one_camera
from timing import machine, markdown_table, write_report

AIM_MB = 350
CAMERA = ('sample_camera', '-p', 'source:=drive', '-p', 'size:=480x640', '-p', 'rate_hz:=10.0')
STEREO_OUTPUTS = {
    'disparity': 'stereo_msgs/DisparityImage',
    'depth/image': 'sensor_msgs/Image',
    'points': 'sensor_msgs/PointCloud2',
}
CASES: dict[str, SoakNode] = {
    'stereo_node, sgbm': SoakNode(
        words=('stereo_node', '-p', 'model:=sgbm'), outputs=STEREO_OUTPUTS
    ),
    'stereo_node, default network': SoakNode(words=('stereo_node',), outputs=STEREO_OUTPUTS),
    'stereo_node, default network 480x640': SoakNode(
        words=('stereo_node', '-p', 'size:=480x640'), outputs=STEREO_OUTPUTS
    ),
    'mono_node, monodepth2': SoakNode(
        words=('mono_node', *one_camera('mono'), '-p', 'weights:=synthetic:1'),
        outputs=NODES['mono_node'].outputs,
    ),
    'multiview_node, mvsnet': NODES['multiview_node'],
    'matcher_node, sift': NODES['matcher_node'],
    'matcher_node, loftr_tiny': SoakNode(
        words=(*NODES['matcher_node'].words, '-p', 'model:=loftr_tiny'),
        outputs=NODES['matcher_node'].outputs,
    ),
    'odometry_node, sift and sgbm': NODES['odometry_node'],
    'perception, stereo and odometry': SoakNode(
        words=('perception', '--nodes', 'stereo,odometry'),
        outputs={**STEREO_OUTPUTS, **NODES['odometry_node'].outputs},
    ),
}
"""Node and model; mono has made-up weights, of whose size real ones are."""
STATUS = {
    'peak': 'VmHWM',
    'steady': 'VmRSS',
    'own': 'RssAnon',
    'files': 'RssFile',
    'shared memory': 'RssShmem',
}
"""Columns from /proc/PID/status."""
ROLLUP = {'PSS': ('Pss',), 'USS': ('Private_Clean', 'Private_Dirty')}
"""Columns from /proc/PID/smaps_rollup."""
NUM_LARGEST = 14


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one run gave.

    Attributes:
        memory_mb: By column.
        num_messages: That came, by topic.
        largest_mb: Resident memory by mapped file or kind of memory, the largest first.
    """

    memory_mb: Mapping[str, float]
    num_messages: Mapping[str, int]
    largest_mb: Mapping[str, float]


class Listener:
    """Subscribes to every topic of a case and counts what comes."""

    def __init__(self, case: SoakNode) -> None:
        """Subscribe."""
        self.num_messages: Counter[str] = Counter()
        self._node = rclpy.create_node('memory')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        space = namespace_of_case(case)
        for topic, kind in case.outputs.items():
            package, name = kind.split('/')
            self._node.create_subscription(
                getattr(import_module(f'{package}.msg'), name),
                f'{space}/{topic}',
                self._counting(topic),
                qos_profile_sensor_data,
                raw=True,
            )

    def spin(self, duration_s: float) -> None:
        """Take messages for a while."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()

    def _counting(self, topic: str):
        def count(message: bytes) -> None:
            self.num_messages[topic] += 1

        return count


def namespace_of_case(case: SoakNode) -> str:
    """Return the namespace that the words of a case give, empty or with a slash before it."""
    spaces = [word.partition(':=')[2] for word in case.words if word.startswith('__ns:=')]
    return spaces[0] if spaces else ''


def measure(case: SoakNode, seconds: float, folder: Path) -> Found:
    """Run one node until something has come of every topic, and ``seconds`` longer."""
    build(case)
    camera = NodeProcess(command_of(CAMERA), folder / 'camera.json', log=folder / 'camera.log')
    node = NodeProcess(node_command(case), folder / 'node.json', log=folder / 'node.log')
    listener = Listener(case)
    try:
        end_s = time.monotonic() + 120.0
        while len(listener.num_messages) < len(case.outputs) and time.monotonic() < end_s:
            listener.spin(0.5)
        listener.spin(seconds)
        if not node.is_running:
            raise RuntimeError((folder / 'node.log').read_text(encoding='utf-8'))
        return Found(
            memory_mb=memory_of(node.pid),
            num_messages=dict(listener.num_messages),
            largest_mb=largest_of(node.pid),
        )
    finally:
        listener.close()
        for process in (node, camera):
            if process.is_running:
                process.stop()


def build(case: SoakNode) -> None:
    """Leave the node's engine in the cache, so that building it does not count."""
    words = [*node_command(case), '-p', 'build_only:=true']
    if '--nodes' not in words:
        subprocess.run(
            [sys.executable, *words],
            env=child_environment(),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def node_command(case: SoakNode) -> list[str]:
    """Return the words behind ``python``; words of ``perception`` itself stand before ROS's."""
    name, *rest = case.words
    if rest[:1] == ['--nodes']:
        return ['-m', 'depth_ros.ros', name, *rest[:2], '--ros-args', *rest[2:]]
    return command_of(case.words)


def memory_of(pid: int) -> dict[str, float]:
    """Return the memory of a process in MiB, by column."""
    status, rollup = fields_of(pid, 'status'), fields_of(pid, 'smaps_rollup')
    found = {column: status[name] / 1024 for column, name in STATUS.items()}
    for column, names in ROLLUP.items():
        found[column] = sum(rollup[name] for name in names) / 1024
    return found


def fields_of(pid: int, file: str) -> dict[str, int]:
    """Return the lines ``NAME: NUMBER kB`` of a file of /proc."""
    lines = Path(f'/proc/{pid}/{file}').read_text(encoding='utf-8').splitlines()
    cut = (line.partition(':') for line in lines if line.endswith(' kB'))
    return {name: int(value.split()[0]) for name, _, value in cut}


def largest_of(pid: int) -> dict[str, float]:
    """Return resident MiB by mapped file, those of one library together, the largest first."""
    sizes: Counter[str] = Counter()
    name = ''
    for line in Path(f'/proc/{pid}/smaps').read_text(encoding='utf-8').splitlines():
        words = line.split()
        if '-' in words[0] and not words[0].endswith(':'):
            name = Path(words[5]).name if len(words) > 5 else 'anonymous'
        elif words[0] == 'Rss:':
            sizes[name] += int(words[1])
    return {name: size / 1024 for name, size in sizes.most_common(NUM_LARGEST)}


def main() -> int:
    """Measure every case, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME')
    parser.add_argument('--maps', action='store_true')
    arguments = parser.parse_args()
    use_private_domain(image_size=(480, 640))
    print(machine(), flush=True)
    rclpy.init()
    found: dict[str, Found] = {}
    for name, case in CASES.items():
        if not arguments.only or any(word in name for word in arguments.only):
            with tempfile.TemporaryDirectory() as folder:
                found[name] = measure(case, arguments.seconds, Path(folder))
            if arguments.maps:
                largest = found[name].largest_mb.items()
                print(
                    f'{name}: ' + ', '.join(f'{key} {size:.0f}' for key, size in largest),
                    flush=True,
                )
    columns = [*STATUS, *ROLLUP]
    print(markdown_table(['node', *columns], rows_of(found, columns)))
    write_report('memory', {name: vars(one) for name, one in found.items()})
    rclpy.try_shutdown()
    return 0


def rows_of(found: Mapping[str, Found], columns: Sequence[str]) -> list[list[str]]:
    """Return a line for each node."""
    return [
        [name, *(f'{one.memory_mb[column]:.0f}' for column in columns)]
        for name, one in found.items()
    ]


if __name__ == '__main__':
    sys.exit(main())
