"""The shipped Fast DDS profile between two processes: five 1080p clouds at once arrive."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from live_node import REPOSITORY

from depth_ros.ros import fastdds

pytestmark = pytest.mark.ros

NUM_CLOUDS = 5
CLOUD_BYTES = 1920 * 1080 * 16

COMMON = """
import sys, time, rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
reliability = ReliabilityPolicy[sys.argv[1]]
rclpy.init()
node = Node(sys.argv[2])
qos = QoSProfile(depth=5, reliability=reliability)
"""
SENDER = (
    COMMON
    + f"""
publisher = node.create_publisher(PointCloud2, 'cloud', qos)
message = PointCloud2(height=1080, width=1920)
message.data.frombytes(bytes(range(256)) * ({CLOUD_BYTES} // 256))
while not publisher.get_subscription_count():
    rclpy.spin_once(node, timeout_sec=0.05)
time.sleep(0.5)
for index in range({NUM_CLOUDS}):
    message.header.frame_id = str(index)
    publisher.publish(message)
sys.stdin.readline()
"""
)
RECEIVER = (
    COMMON
    + f"""
seen = []
def on_cloud(message):
    assert len(message.data) == {CLOUD_BYTES} and message.data[-1] == 255
    seen.append(message.header.frame_id)
node.create_subscription(PointCloud2, 'cloud', on_cloud, qos)
end = time.monotonic() + 20.0
while len(seen) < {NUM_CLOUDS} and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
    if seen and time.monotonic() < end - 5.0:
        end = time.monotonic() + 5.0
print(len(set(seen)))
"""
)


def variable_name() -> str:
    """Give the name this Fast DDS reads: rclpy 9 and Fast DDS 3 came with Kilted."""
    is_new = int(version('rclpy').split('.')[0]) >= 9
    return fastdds.VARIABLE if is_new else fastdds.OLD_VARIABLE


@pytest.mark.skipif(
    not fastdds.SHARED_MEMORY.is_dir()
    or shutil.disk_usage(fastdds.SHARED_MEMORY).free < 3 * fastdds.SEGMENT_BYTES,
    reason='shared memory is too small for the Fast DDS profile',
)
@pytest.mark.parametrize(
    ('reliability', 'at_least'),
    [
        ('RELIABLE', NUM_CLOUDS),
        # Best effort: all five are expected, but a busy machine may starve the reader; the
        # default transports deliver at most one.
        ('BEST_EFFORT', 2),
    ],
)
def test_five_clouds_in_a_row_reach_another_process(reliability: str, at_least: int) -> None:
    # A busy machine may starve a best-effort reader once; without the profile it gets one at most.
    attempts = 1 if reliability == 'RELIABLE' else 3
    received = 0
    while attempts and received < at_least:
        received, attempts = num_received(reliability), attempts - 1
    assert received >= at_least


def num_received(reliability: str) -> int:
    """Send the clouds from one process to another; give how many arrived."""
    profile = str(REPOSITORY / 'config' / 'fastdds.xml')
    # A domain of its own: what other tests left behind must not take part.
    domain = (int(os.environ.get('ROS_DOMAIN_ID', '0')) + 57) % 101
    environment = {**os.environ, variable_name(): profile, 'ROS_DOMAIN_ID': str(domain)}
    receiver = subprocess.Popen(
        [sys.executable, '-c', RECEIVER, reliability, 'receiver'],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    sender = subprocess.Popen(
        [sys.executable, '-c', SENDER, reliability, 'sender'],
        stdin=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        received = int(receiver.communicate(timeout=60)[0])
        sender.communicate('\n', timeout=30)
    finally:
        for process in (receiver, sender):
            if process.poll() is None:
                process.kill()
                process.wait()
    return received
