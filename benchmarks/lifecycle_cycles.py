"""Takes a node up and down again and again: time of a round, and what it leaves behind.

    python benchmarks/lifecycle_cycles.py [--rounds 1000] [--model sgbm]

Threads, descriptors, mapped shared memory and resident memory are read from /proc before the first
round and after every tenth part of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_processes import HELD, NodeProcess, resources, use_private_domain
from timing import machine, markdown_table, write_report

ROUND = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)
WARM_UP = 10


def main() -> int:
    """Run, print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=1000)
    parser.add_argument('--model', default='sgbm')
    arguments = parser.parse_args()
    use_private_domain()
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        words = ['-m', 'depth_ros.ros', 'stereo_node', '--ros-args', '-p', 'autostart:=false']
        words += ['-p', f'model:={arguments.model}']
        node = NodeProcess(words, Path(folder) / 'report.json')
        try:
            record = measure(node.pid, arguments.rounds)
        finally:
            node.stop()
    rows = [[name, *(found[name] for found in record['found'])] for name in HELD]
    print(markdown_table(['', *record['after']], rows))
    print(f'a round: p50 {record["p50_ms"]:.0f} ms, p99 {record["p99_ms"]:.0f} ms')
    print(write_report('lifecycle_cycles', {**record, 'machine': machine()}))
    rclpy.shutdown()
    return 0


def measure(pid: int, num_rounds: int) -> dict[str, object]:
    """Return times and resources of so many rounds."""
    asker = rclpy.create_node('lifecycle_cycles')
    client = asker.create_client(ChangeState, '/stereo_node/change_state')
    client.wait_for_service(60.0)
    for _ in range(WARM_UP):
        one_round(asker, client)
    found, after, times_ms = [resources(pid)], [0], []
    for number in range(1, num_rounds + 1):
        start = time.perf_counter()
        one_round(asker, client)
        times_ms.append(1e3 * (time.perf_counter() - start))
        if number % max(1, num_rounds // 10) == 0:
            found.append(resources(pid))
            after.append(number)
    asker.destroy_node()
    p50, p99 = np.percentile(times_ms, (50, 99))
    return {'found': found, 'after': after, 'p50_ms': float(p50), 'p99_ms': float(p99)}


def one_round(asker, client) -> None:
    """Ask for all four transitions."""
    for number in ROUND:
        request = ChangeState.Request(transition=Transition(id=number))
        future = client.call_async(request)
        rclpy.spin_until_future_complete(asker, future, timeout_sec=60.0)
        if not (future.done() and future.result().success):
            raise SystemExit(f'transition {number} failed; see the log above')


if __name__ == '__main__':
    sys.exit(main())
