"""The shipped Fast DDS profile between two processes: five 1080p clouds at once arrive."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from depth_ros.ros import fastdds
from tests.kit.live_node import REPOSITORY

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures('_needs_shared_memory')]

NUM_CLOUDS = 5
NUM_TRIES = 3
"""Best effort promises nothing; the default transports lose most of the clouds every time."""
CLOUD_BYTES = 1920 * 1080 * 16
PROFILE = REPOSITORY / 'config' / 'fastdds.xml'
ONLY_SHARED_MEMORY = """<?xml version="1.0" encoding="UTF-8"?>
<dds xmlns="http://www.eprosima.com"><profiles>
  <transport_descriptors><transport_descriptor>
    <transport_id>shm</transport_id><type>SHM</type>
  </transport_descriptor></transport_descriptors>
  <participant profile_name="only_shm" is_default_profile="true"><rtps>
    <userTransports><transport_id>shm</transport_id></userTransports>
    <useBuiltinTransports>false</useBuiltinTransports>
  </rtps></participant>
</profiles></dds>
"""
"""Owes nothing to the profile under test: a profile that is broken must not excuse itself."""
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


@pytest.fixture
def _needs_shared_memory() -> None:
    """Skip where the launch files leave the profile out: earlier tests may have filled it."""
    choice = fastdds.choose_profile(PROFILE, {})
    if not choice.environment:
        pytest.skip(choice.reason)


def test_five_clouds_in_a_row_reach_another_reliable_process() -> None:
    assert num_received('RELIABLE') == NUM_CLOUDS


@pytest.mark.parametrize('pause_s', [0.0, PAUSE_S])
def test_five_clouds_in_a_row_reach_a_best_effort_process(pause_s: float, tmp_path: Path) -> None:
    """Stopped while they are sent or not; by default Fast DDS drops all that waits for it."""
    tries: list[int] = []
    while max(tries, default=0) < NUM_CLOUDS - 1 and len(tries) < NUM_TRIES:
        tries.append(num_received('BEST_EFFORT', pause_s=pause_s))
    if max(tries) < NUM_CLOUDS - 1 and not is_shared_memory_usable(tmp_path):
        pytest.skip(f'Fast DDS delivers nothing through shared memory here; {shared_memory()}')
    assert max(tries) >= NUM_CLOUDS - 1, f'clouds of {NUM_CLOUDS}: {tries}; {shared_memory()}'


def is_shared_memory_usable(folder: Path) -> bool:
    """Whether clouds arrive through nothing but Fast DDS's own shared memory, repeated or not."""
    path = folder / 'only_shared_memory.xml'
    path.write_text(ONLY_SHARED_MEMORY, encoding='utf-8')
    return num_received('RELIABLE', profile=path) == NUM_CLOUDS


def shared_memory() -> str:
    """Say what is in the shared memory: whether Fast DDS could use it can be read from that."""
    sizes = {path.name: path.stat().st_size for path in fastdds.SHARED_MEMORY.glob('fastdds_*')}
    segments = {name: size for name, size in sizes.items() if size}
    free_mb = shutil.disk_usage(fastdds.SHARED_MEMORY).free // 2**20
    return f'{fastdds.SHARED_MEMORY} has {free_mb} MB free and holds {segments}'


def num_received(reliability: str, *, pause_s: float = 0.0, profile: Path = PROFILE) -> int:
    """Send the clouds from one process to another; give how many arrived.

    Args:
        reliability: Of both.
        pause_s: For how long the reader is stopped from before the first is sent.
        profile: Fast DDS profile of both.
    """
    # What other tests left behind must not take part, nor what is left of an earlier try.
    taken = int(os.environ.get('ROS_DOMAIN_ID', '1'))
    first = (taken - 1) // 50 * 50 + 1
    domain = random.SystemRandom().choice([n for n in range(first, first + 50) if n != taken])
    receiver = start(RECEIVER, reliability, 'reader', domain, profile)
    sender = start(SENDER, reliability, 'writer', domain, profile)
    assert receiver.stdout and sender.stdout and sender.stdin
    try:
        if receiver.stdout.readline() != 'ready\n':
            return 0
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


def start(
    program: str, reliability: str, name: str, domain: int, profile: Path
) -> subprocess.Popen[str]:
    """Start one side with the profile in a domain."""
    return subprocess.Popen(
        [sys.executable, '-c', program, reliability, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, variable_name(): str(profile), 'ROS_DOMAIN_ID': str(domain)},
        text=True,
    )
