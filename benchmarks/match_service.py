"""What the matching service costs besides matching: round trips between two processes.

The matcher is a double that gives 1024 matches and their flags at once, so that the round trip is
the service's own: making the request, DDS both ways, the queue, decoding and the response. Two VGA
colour images go with every request. Rounds with Fast DDS's default transports and with
``config/fastdds.xml`` alternate, each with processes of its own.

    python benchmarks/match_service.py [--rounds 3] [--requests 60]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rclpy
from node_processes import REPOSITORY, NodeProcess, child_environment, use_private_domain
from rich.console import Console
from rich.table import Table
from timing import show_progress, write_report

from depth_ros.geometry.two_view import TwoViewGeometry, TwoViewStatus
from depth_ros.results import MatchResult
from depth_ros.ros.fastdds import OLD_VARIABLE, VARIABLE, choose_profile
from depth_ros.ros.matcher.messages import MatchStatus
from depth_ros.tasks.matching.matcher import Matcher, open_matcher
from depth_ros.tasks.matching.question import MatchAnswer
from depth_ros.tasks.matching.settings import MatchSettings

HEIGHT, WIDTH, NUM_MATCHES = 480, 640, 1024
NUM_WARM_UP = 10
AIM_P50_MS = 12.0
TRANSPORTS = ('default', 'config/fastdds.xml')


class ConstantMatcher(Matcher):
    """Gives the same matches for every pair."""

    def __init__(self, settings: MatchSettings) -> None:
        """Prepare the answer."""
        super().__init__(open_matcher(settings).pipeline, settings)
        points = np.random.default_rng(0).uniform(0, HEIGHT, (NUM_MATCHES, 2)).astype(np.float32)
        self._result = MatchResult(
            points_first=points,
            points_second=points + np.float32(1.0),
            confidence=np.linspace(1.0, 0.2, NUM_MATCHES, dtype=np.float32),
        )
        inliers = np.ones(NUM_MATCHES, np.bool_)
        self._geometry = TwoViewGeometry(status=TwoViewStatus.OK, text='', inliers=inliers)

    def process(self, question, *, wanted=None):
        """Answer at once."""
        return MatchAnswer(
            question=question,
            result=self._result,
            geometry=self._geometry,
            num_found=NUM_MATCHES,
            model='constant',
            stages_s={},
        )


def run_matcher() -> None:
    """Be the node under test."""
    from depth_ros.ros.matcher.node import MatcherNode
    from depth_ros.ros.node.runner import run_node

    def open_constant(settings, *, progress=None):
        return ConstantMatcher(settings)

    sys.exit(run_node('matcher_node', lambda: MatcherNode(open_processor=open_constant)))


def run_client(num_requests: int, out: Path) -> None:
    """Be the caller: time requests one after another, and write milliseconds."""
    from depth_ros.ros.matcher.client import MatchClient, SideToMatch

    rclpy.init()
    node = rclpy.create_node('caller')
    client = MatchClient(node)
    assert client.wait(20.0), 'the service is not offered'
    images = np.random.default_rng(1).integers(0, 255, (2, HEIGHT, WIDTH, 3), np.uint8)
    sides = [SideToMatch(image=image) for image in images]
    while client.ask(*sides).status is MatchStatus.NOT_READY:
        time.sleep(0.05)
    times_ms, work_ms = [], []
    for index in range(NUM_WARM_UP + num_requests):
        started = time.perf_counter()
        future = client.ask_async(client.request(*sides))
        rclpy.spin_until_future_complete(node, future, timeout_sec=20.0)
        elapsed_ms = (time.perf_counter() - started) * 1e3
        response = future.result()
        assert response.status == MatchStatus.OK and len(response.matches.inliers) == NUM_MATCHES
        if index >= NUM_WARM_UP:
            times_ms.append(elapsed_ms)
            work_ms.append(response.wait_ms + response.work_ms)
    out.write_text(json.dumps({'round_trip_ms': times_ms, 'in_node_ms': work_ms}))
    node.destroy_node()
    rclpy.try_shutdown()


def measure(transport: str, num_requests: int) -> dict[str, list[float]]:
    """Run one round of one transport with fresh processes."""
    use_private_domain()
    for name in (VARIABLE, OLD_VARIABLE):
        os.environ.pop(name, None)
    if transport != 'default':
        choice = choose_profile(REPOSITORY / transport, os.environ)
        assert choice.environment, choice.reason
        os.environ.update(choice.environment)
    with tempfile.TemporaryDirectory() as folder:
        words = [__file__, '--role', 'matcher', '--ros-args', '-p', 'input:=none']
        matcher = NodeProcess(words, Path(folder) / 'matcher.json')
        try:
            out = Path(folder) / 'client.json'
            command = [sys.executable, __file__, '--role', 'client', '--out', str(out)]
            command += ['--requests', str(num_requests)]
            subprocess.run(command, env=child_environment(), check=True)
            return json.loads(out.read_text(encoding='utf-8'))
        finally:
            matcher.stop()


def percentiles(values_ms: list[float]) -> dict[str, float]:
    """Give p50, p95 and p99."""
    return {f'p{q}': round(float(np.percentile(values_ms, q)), 2) for q in (50, 95, 99)}


def main() -> None:
    """Alternate the transports and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--role', default='driver', choices=('driver', 'matcher', 'client'))
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--requests', type=int, default=60)
    parser.add_argument('--out', type=Path)
    arguments, _ = parser.parse_known_args()
    if arguments.role == 'matcher':
        run_matcher()
    if arguments.role == 'client':
        run_client(arguments.requests, arguments.out)
        return
    found: dict[str, dict[str, list[float]]] = {
        name: {'round_trip_ms': [], 'in_node_ms': []} for name in TRANSPORTS
    }
    for index in range(arguments.rounds):
        for step, transport in enumerate(TRANSPORTS):
            for name, values in measure(transport, arguments.requests).items():
                found[transport][name] += values
            show_progress((2 * index + step + 1) / (2 * arguments.rounds))
    table = Table('transport', 'what', 'p50 ms', 'p95 ms', 'p99 ms', title='MatchImages, 2 VGA')
    record: dict[str, object] = {'aim_p50_ms': AIM_P50_MS, 'num_matches': NUM_MATCHES}
    for transport, figures in found.items():
        record[transport] = {name: percentiles(values) for name, values in figures.items()}
        for name, values in figures.items():
            table.add_row(transport, name, *(f'{v:.2f}' for v in percentiles(values).values()))
    Console().print(table)
    write_report('match_service', {**record, 'raw': found})


if __name__ == '__main__':
    main()
