"""The shipped Fast DDS profile between two processes: five 1080p clouds at once arrive."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from live_node import REPOSITORY

from depth_ros.ros import fastdds

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(
        not fastdds.SHARED_MEMORY.is_dir()
        or shutil.disk_usage(fastdds.SHARED_MEMORY).free < 3 * fastdds.SEGMENT_BYTES,
        reason='shared memory is too small for the Fast DDS profile',
    ),
]

NUM_CLOUDS = 5
CLOUD_BYTES = 1920 * 1080 * 16
PAUSE_S = 4.0
"""Longer than Fast DDS by itself waits for a reader; the profile waits for 10 s."""

COMMON = """
import select, sys, time, rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
reliability = ReliabilityPolicy[sys.argv[1]]
rclpy.init()
node = Node(sys.argv[2])
qos = QoSProfile(depth=5, reliability=reliability)
"""
# Each side finds the other in its own time, and a best-effort reader that has not found the writer
# yet gets nothing: empty clouds go first, until the test was told that one of them arrived.
SENDER = (
    COMMON
    + f"""
publisher = node.create_publisher(PointCloud2, 'cloud', qos)
message = PointCloud2(height=1080, width=1920)
message.data.frombytes(bytes(range(256)) * ({CLOUD_BYTES} // 256))
while not select.select([sys.stdin], [], [], 0.05)[0]:
    publisher.publish(PointCloud2())
    rclpy.spin_once(node, timeout_sec=0.0)
sys.stdin.readline()
for index in range({NUM_CLOUDS}):
    message.header.frame_id = str(index)
    publisher.publish(message)
print('sent', flush=True)
sys.stdin.readline()
"""
)
RECEIVER = (
    COMMON
    + f"""
seen = []
last = time.monotonic()
def on_cloud(message):
    global last
    last = time.monotonic()
    if not message.data:
        print('ready', flush=True)
        return
    assert len(message.data) == {CLOUD_BYTES} and message.data[-1] == 255
    seen.append(message.header.frame_id)
node.create_subscription(PointCloud2, 'cloud', on_cloud, qos)
while len(seen) < {NUM_CLOUDS} and time.monotonic() < last + 20.0:
    rclpy.spin_once(node, timeout_sec=0.1)
print(len(set(seen)))
"""
)


def variable_name() -> str:
    """Give the name this Fast DDS reads: rclpy 9 and Fast DDS 3 came with Kilted."""
    is_new = int(version('rclpy').split('.')[0]) >= 9
    return fastdds.VARIABLE if is_new else fastdds.OLD_VARIABLE


@pytest.mark.parametrize(
    ('reliability', 'at_least'),
    [
        ('RELIABLE', NUM_CLOUDS),
        # Best effort: all five are expected; the default transports deliver at most one.
        ('BEST_EFFORT', NUM_CLOUDS - 1),
    ],
)
def test_five_clouds_in_a_row_reach_another_process(reliability: str, at_least: int) -> None:
    assert num_received(reliability) >= at_least


def test_a_reader_that_gets_no_processor_for_seconds_loses_nothing() -> None:
    """It is stopped while they are sent; by default Fast DDS drops all that waits for it."""
    assert num_received('BEST_EFFORT', pause_s=PAUSE_S) >= NUM_CLOUDS - 1


def num_received(reliability: str, *, pause_s: float = 0.0) -> int:
    """Send the clouds from one process to another; give how many arrived.

    Args:
        reliability: Of both.
        pause_s: For how long the reader is stopped from before the first is sent.
    """
    receiver, sender = start(RECEIVER, reliability, 'reader'), start(SENDER, reliability, 'writer')
    assert receiver.stdout and sender.stdout and sender.stdin
    try:
        assert receiver.stdout.readline() == 'ready\n'
        if pause_s:
            receiver.send_signal(signal.SIGSTOP)
        sender.stdin.write('go\n')
        sender.stdin.flush()
        assert sender.stdout.readline() == 'sent\n'
        if pause_s:
            time.sleep(pause_s)
            receiver.send_signal(signal.SIGCONT)
        received = int(receiver.communicate(timeout=120)[0].split()[-1])
        sender.communicate('end\n', timeout=30)
    finally:
        for process in (receiver, sender):
            if process.poll() is None:
                process.kill()
                process.wait()
    return received


def start(program: str, reliability: str, name: str) -> subprocess.Popen[str]:
    """Start one side with the profile, in a domain of its own."""
    profile = str(REPOSITORY / 'config' / 'fastdds.xml')
    # What other tests left behind must not take part.
    domain = (int(os.environ.get('ROS_DOMAIN_ID', '0')) + 57) % 101
    return subprocess.Popen(
        [sys.executable, '-c', program, reliability, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, variable_name(): profile, 'ROS_DOMAIN_ID': str(domain)},
        text=True,
    )
