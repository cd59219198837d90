"""Stereo and odometry in one process and in two: CPU, memory, latency, and how often is matched.

    python benchmarks/one_process.py [--frames 60] [--rounds 3] [--size 480x640]

Both layouts get the same rendered pairs (bgr8, a rig that drives to and fro in a room) and the
same parameters: stereo_node with SGBM, odometry_node with ORB. ``pairs``: both take raw pairs.
``depth``: odometry takes the rectified image and the depth of the stereo node (source: rgbd).
CPU is user and system time of the nodes' processes a pair; latency is from publishing a pair to
its odometry/status and depth/image here, in this process. The next pair is sent when both have
come, so that none is dropped. Layouts take turns: what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import rclpy
from node_processes import NodeProcess, use_private_domain
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from timing import machine, markdown_table, write_report

from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.messages.images import fill_image
from depth_ros.scenes.paths import scene_path
from depth_ros.scenes.solids import ideal_stereo_camera

LAYOUTS = ('two processes', 'one process')
USES: dict[str, tuple[str, ...]] = {
    'pairs': (),
    'depth': (
        *('-p', 'source:=rgbd', '-p', 'input:=rectified'),
        *('-r', 'image_rect:=rectified/left/image'),
        *('-r', 'camera_info:=rectified/left/camera_info'),
    ),
}
ODOMETRY = (
    *('-p', 'model:=orb', '-p', 'max_gap_s:=60.0', '-p', 'silence_s:=60.0'),
    *('-p', 'input_reliability:=reliable'),
)
STEREO = ('-p', 'model:=sgbm', '-p', 'input_reliability:=reliable')
NUM_VIEWS, WARM_UP, PATIENCE_S = 16, 10, 4.0
TOPICS = ('odometry/status', 'depth/image')
TICKS = os.sysconf('SC_CLK_TCK')
QOS = QoSProfile(depth=5)


@dataclass(eq=False)
class Run:
    """What one run of one layout gave."""

    cpu_ms: float = 0.0
    resident_mb: float = 0.0
    late_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def nodes(layout: str, use: str, folder: Path) -> list[NodeProcess]:
    """Start both nodes."""
    stereo, odometry = folder / 'stereo.json', folder / 'odometry.json'
    program, ros = ['-m', 'depth_ros.ros'], '--ros-args'
    if layout == 'two processes':
        return [
            NodeProcess([*program, 'stereo_node', ros, *STEREO], stereo),
            NodeProcess([*program, 'odometry_node', ros, *ODOMETRY, *USES[use]], odometry),
        ]
    own = named('stereo_node', (*STEREO, '-p', f'report_file:={stereo}'))
    own += named('odometry_node', (*ODOMETRY, *USES[use]))
    words = [*program, 'perception', '--nodes', 'stereo,odometry', ros, *own]
    return [NodeProcess(words, odometry)]


def named(node: str, words: tuple[str, ...]) -> list[str]:
    """Say of every word behind an option which node it concerns."""
    return [word if word.startswith('-') else f'{node}:{word}' for word in words]


class Driver:
    """Publishes pairs, and notes when their results come."""

    def __init__(self, pairs: list, rig) -> None:
        """Advertise and subscribe."""
        from depth_ros_interfaces.msg import OdometryStatus

        self.node = rclpy.create_node('one_process')
        self._pairs, self._rig = pairs, rig
        self._sent: dict[int, float] = {}
        self.late_ms: dict[str, list[float]] = defaultdict(list)
        self._publishers = {
            side: (
                self.node.create_publisher(Image, f'{side}/image_raw', QOS),
                self.node.create_publisher(CameraInfo, f'{side}/camera_info', QOS),
            )
            for side in ('left', 'right')
        }
        for topic, kind in zip(TOPICS, (OdometryStatus, Image), strict=True):
            self.node.create_subscription(kind, topic, self._noting(topic), QOS)

    def is_heard(self, count: int) -> bool:
        """Whether so many nodes subscribe to the right image."""
        rclpy.spin_once(self.node, timeout_sec=0.05)
        return self._publishers['right'][0].get_subscription_count() >= count

    def send(self, index: int) -> None:
        """Publish the next pair; the rig drives to and fro."""
        place = index % (2 * len(self._pairs) - 2)
        pair = self._pairs[min(place, 2 * len(self._pairs) - 2 - place)]
        stamp = self.node.get_clock().now().to_msg()
        for side, camera in (('left', self._rig.left), ('right', self._rig.right)):
            image, info = Image(), CameraInfo()
            fill_image(image, pair[side], 'bgr8')
            fill_camera_info(info, camera)
            for publisher, message in zip(self._publishers[side], (image, info), strict=True):
                message.header.stamp, message.header.frame_id = stamp, f'{side}_eye'
                if message is image and side == 'right':
                    self._sent[stamp.sec * 10**9 + stamp.nanosec] = time.monotonic()
                publisher.publish(message)

    def wait(self, seconds: float, num_results: float = math.inf) -> None:
        """Take results, until there are so many of every topic."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if min(len(self.late_ms[topic]) for topic in TOPICS) >= num_results:
                return
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def _noting(self, topic: str):
        def note(message) -> None:
            stamp = message.header.stamp
            sent = self._sent.get(stamp.sec * 10**9 + stamp.nanosec)
            if sent is not None:
                self.late_ms[topic].append(1e3 * (time.monotonic() - sent))

        return note


def cpu_s(pid: int) -> float:
    """Return the user and system time of a process so far."""
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    """Return the memory of a process that it shares with no other, MB."""
    text = Path(f'/proc/{pid}/smaps_rollup').read_text(encoding='utf-8')
    kinds = ('Private_Clean:', 'Private_Dirty:')
    lines = [line for line in text.splitlines() if line.startswith(kinds)]
    return sum(int(line.split()[1]) for line in lines) / 1024


def measure(layout: str, use: str, pairs: list, rig, arguments) -> Run:
    """Run one layout once."""
    driver, run = Driver(pairs, rig), Run()
    with tempfile.TemporaryDirectory() as folder:
        started = nodes(layout, use, Path(folder))
        while not driver.is_heard(2 if use == 'pairs' else 1):
            pass
        driver.wait(2.0)
        for index in range(arguments.frames + WARM_UP):
            if index == WARM_UP:
                driver.late_ms.clear()
                before = sum(cpu_s(node.pid) for node in started)
            driver.send(index)
            num_sent = index + 1 - (WARM_UP if index >= WARM_UP else 0)
            driver.wait(PATIENCE_S, num_results=num_sent)
        spent = sum(cpu_s(node.pid) for node in started) - before
        run.cpu_ms = 1e3 * spent / arguments.frames
        run.resident_mb = sum(resident_mb(node.pid) for node in started)
        run.late_ms = dict(driver.late_ms)
        for node in started:
            node.stop()
    driver.node.destroy_node()
    return run


def main() -> int:
    """Run every layout in turn, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=60)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--size', default='480x640')
    arguments = parser.parse_args()
    use_private_domain()
    height, width = (int(word) for word in arguments.size.split('x'))
    rig = ideal_stereo_camera(height=height, width=width)
    pairs = rendered(rig)
    rclpy.init()
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for use in USES:
            for layout in LAYOUTS:
                found[use, layout].append(measure(layout, use, pairs, rig, arguments))
    rows = [row(key, runs, arguments.frames) for key, runs in found.items()]
    header = ['odometry takes', 'layout', 'CPU ms a pair', 'memory MB']
    header += ['status p50 ms', 'p95', 'came', 'depth p50 ms', 'p95', 'came']
    print(markdown_table(header, rows))
    write_report('one_process', {'rows': rows, 'arguments': vars(arguments), 'machine': machine()})
    rclpy.shutdown()
    return 0


def rendered(rig) -> list:
    """Render the pairs of a drive, 320x240, and enlarge them."""
    path = scene_path('room', num_frames=4 * NUM_VIEWS)
    size = rig.left.width, rig.left.height
    found = []
    for index in range(NUM_VIEWS):
        pair = path.stereo(index)
        sides = {'left': pair.left[:, :, ::-1], 'right': pair.right[:, :, ::-1]}
        found.append({side: cv2.resize(bgr, size) for side, bgr in sides.items()})
    return found


def row(key: tuple[str, str], runs: list[Run], num_frames: int) -> list[str]:
    """Return one line of the table: means of the runs, percentiles of all their pairs."""
    cells = [*key, f'{np.mean([run.cpu_ms for run in runs]):.1f}']
    cells.append(f'{np.mean([run.resident_mb for run in runs]):.0f}')
    for topic in TOPICS:
        late = [value for run in runs for value in run.late_ms.get(topic, [])]
        cells += [f'{value:.0f}' for value in np.percentile(late or [np.nan], (50, 95))]
        cells.append(f'{len(late)} of {num_frames * len(runs)}')
    return cells


if __name__ == '__main__':
    sys.exit(main())
