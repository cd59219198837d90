"""All nodes for hours, while cameras die, parameters change and subscribers come and go.

    python benchmarks/soak.py [--hours 2] [--rate 2] [--seed 0]

Each node is a process of its own. At random moments subscribers come and go, a parameter of some
node is changed, and the camera is stopped or killed and started again. Resident memory, threads
and descriptors are read from /proc every half minute, and what the machine has in /dev/shm.
Printed at the end, or at Ctrl-C, of the last two thirds: the slope of memory by least squares and
the least and most of the others; and what each node counted. Exit code 1: a node ended by itself,
or its callbacks failed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import numpy as np
import rclpy
from node_processes import HELD, NodeProcess, resources, use_private_domain
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from soak_nodes import CAMERA, NODES, command_of, namespace_of
from timing import machine, markdown_table, write_report

SAMPLE_S = 30.0
SUBSCRIBER_S, PARAMETER_S, CAMERA_S = 5.0, 10.0, 60.0
"""Mean times between two disturbances of a kind."""
WARM_UP_SHARE = 1 / 3
SampleT = TypeVar('SampleT')
SHARED_MEMORY = Path('/dev/shm')


@dataclass(slots=True)
class Record:
    """What was seen.

    Attributes:
        samples: By node, ``(seconds, what it held)`` in order of time.
        shared_mb: ``(seconds, megabytes in /dev/shm)``.
        done: Disturbances by kind.
        reports: What each node wrote at its end.
        ended: Nodes that ended by themselves.
    """

    samples: dict[str, list[tuple[float, dict[str, int]]]] = field(default_factory=dict)
    shared_mb: list[tuple[float, float]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    reports: dict[str, dict] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)


class Disturber:
    """Does to running nodes what a robot's day does."""

    def __init__(self, folder: Path, *, rate_hz: float, seed: int) -> None:
        """Start the camera; nothing is disturbed yet."""
        self.record = Record()
        self._folder = folder
        self._camera_words = [*command_of(CAMERA), '-p', f'rate_hz:={rate_hz}']
        self._camera = self._start_camera()
        self._random = random.Random(seed)
        self._node = rclpy.create_node('soak')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._subscriptions: dict[tuple[str, str], object] = {}
        self._clients = {
            name: self._node.create_client(
                SetParameters, f'{namespace_of(name)}/{name}/set_parameters'
            )
            for name, node in NODES.items()
            if node.changes
        }

    def spin(self, duration_s: float) -> None:
        """Take messages for a while."""
        end = time.monotonic() + duration_s
        while (left_s := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def change_subscriber(self) -> None:
        """Let one subscriber come, or go if it is there."""
        outputs = [(name, topic) for name, node in NODES.items() for topic in node.outputs]
        name, topic = self._random.choice(outputs)
        known = self._subscriptions.pop((name, topic), None)
        if known is not None:
            self._node.destroy_subscription(known)
            self.record.done['subscribers that went'] += 1
            return
        package, kind = NODES[name].outputs[topic].split('/')
        message = getattr(import_module(f'{package}.msg'), kind)
        reliability = self._random.choice(list(ReliabilityPolicy)[1:3])
        self._subscriptions[name, topic] = self._node.create_subscription(
            message,
            f'{namespace_of(name)}/{topic}',
            self._on_message,
            QoSProfile(depth=2, reliability=reliability),
            raw=True,
        )
        self.record.done['subscribers that came'] += 1

    def change_parameter(self) -> None:
        """Set one parameter of one node; the answer is counted when it comes."""
        name = self._random.choice(list(self._clients))
        client = self._clients[name]
        if not client.service_is_ready():
            self.record.done['parameter services that were not ready'] += 1
            return
        parameter, values = self._random.choice(list(NODES[name].changes.items()))
        wanted = Parameter(parameter, value=self._random.choice(list(values)))
        request = SetParameters.Request(parameters=[wanted.to_parameter_msg()])
        client.call_async(request).add_done_callback(self._on_answer)

    def restart_camera(self) -> None:
        """Stop the camera as Ctrl-C does, or kill it; start it again."""
        if self._random.random() < 0.5:
            stopped(self._camera, self.record)
            self.record.done['cameras stopped'] += 1
        else:
            self._camera.kill()
            self.record.done['cameras killed'] += 1
        self.spin(self._random.uniform(0.0, 8.0))
        self._camera = self._start_camera()

    def close(self) -> None:
        """Stop the camera and leave the graph."""
        stopped(self._camera, self.record)
        self._executor.shutdown()
        self._node.destroy_node()

    def _start_camera(self) -> NodeProcess:
        log = self._folder / 'sample_camera.log'
        return NodeProcess(self._camera_words, self._folder / 'sample_camera.json', log=log)

    def _on_message(self, message: bytes) -> None:
        self.record.done['messages taken'] += 1

    def _on_answer(self, future) -> None:
        results = future.result().results
        is_set = bool(results) and all(result.successful for result in results)
        self.record.done['parameters set' if is_set else 'parameters refused'] += 1


def soak(folder: Path, *, hours: float, rate_hz: float, seed: int) -> tuple[Record, float]:
    """Run all nodes for so long, or until Ctrl-C; return what was seen and for how many hours."""
    disturber = Disturber(folder, rate_hz=rate_hz, seed=seed)
    nodes = {
        name: NodeProcess(
            command_of(node.words), folder / f'{name}.json', log=folder / f'{name}.log'
        )
        for name, node in NODES.items()
    }
    start_s = time.monotonic()
    try:
        disturb(disturber, nodes, start_s=start_s, duration_s=3600.0 * hours)
    except KeyboardInterrupt:
        print('interrupted: figures of the time until now', flush=True)
    finally:
        lasted_h = (time.monotonic() - start_s) / 3600.0
        record = disturber.record
        record.ended = [name for name, node in nodes.items() if not node.is_running]
        for name, node in nodes.items():
            if node.is_running:
                record.reports[name] = stopped(node, record)
        disturber.close()
    return record, lasted_h


def stopped(node: NodeProcess, record: Record) -> dict:
    """Stop a node and return its report; ``viewer_node`` writes none, nor what had not begun.

    One that does not end is counted and made to say where it is, in its log.
    """
    try:
        return node.stop()
    except FileNotFoundError:
        return {}
    except subprocess.TimeoutExpired:
        record.done['processes that did not end in time'] += 1
        node.abort()
        return {}


def disturb(
    disturber: Disturber, nodes: dict[str, NodeProcess], *, start_s: float, duration_s: float
) -> None:
    """Disturb and look, each at its moments, until the time is over or all nodes have ended."""
    draw = random.Random(1)
    tasks: list[tuple[Callable[[], None], Callable[[], float]]] = [
        (lambda: look(disturber.record, nodes, start_s), lambda: SAMPLE_S),
        (disturber.change_subscriber, lambda: draw.expovariate(1 / SUBSCRIBER_S)),
        (disturber.change_parameter, lambda: draw.expovariate(1 / PARAMETER_S)),
        (disturber.restart_camera, lambda: draw.expovariate(1 / CAMERA_S)),
    ]
    due_s = [start_s + pause() for _, pause in tasks]
    while time.monotonic() < start_s + duration_s:
        if not any(node.is_running for node in nodes.values()):
            return
        index = int(np.argmin(due_s))
        disturber.spin(min(due_s[index], start_s + duration_s) - time.monotonic())
        task, pause = tasks[index]
        task()
        due_s[index] = time.monotonic() + pause()


def look(record: Record, nodes: dict[str, NodeProcess], start_s: float) -> None:
    """Read what every node holds."""
    now_s = time.monotonic() - start_s
    for name, node in nodes.items():
        if node.is_running:
            record.samples.setdefault(name, []).append((now_s, resources(node.pid)))
    write_report('soak', {'hours': now_s / 3600.0, **as_json(record)}, is_quiet=True)
    record.shared_mb.append((now_s, shutil.disk_usage(SHARED_MEMORY).used / 2**20))


def slope_per_hour(samples: Sequence[tuple[float, float]]) -> float:
    """Return the slope by least squares over all but the warming up; NaN of under three samples.

    Args:
        samples: ``(seconds, value)`` in order of time.
    """
    used = np.array(settled(samples), np.float64)
    if len(used) < 3:
        return float('nan')
    return float(np.polyfit(used[:, 0] / 3600.0, used[:, 1], 1)[0])


def settled(samples: Sequence[tuple[float, SampleT]]) -> list[tuple[float, SampleT]]:
    """Return the samples after the warming up."""
    if not samples:
        return []
    begin_s = samples[0][0] + WARM_UP_SHARE * (samples[-1][0] - samples[0][0])
    return [sample for sample in samples if sample[0] >= begin_s]


def rows_of(record: Record) -> list[list[object]]:
    """Return a row for each node: memory with its slope, least and most of the others, warm."""
    rows: list[list[object]] = []
    for name, samples in record.samples.items():
        memory = [(seconds, float(held['resident MB'])) for seconds, held in samples]
        ends = [settled(memory)[index][1] for index in (0, -1)]
        row: list[object] = [name, *(f'{value:.0f}' for value in ends)]
        row.append(f'{slope_per_hour(memory):+.1f}')
        for key in HELD[:3]:
            values = [held[key] for _, held in settled(samples)]
            row.append(f'{min(values)} to {max(values)}')
        report = record.reports.get(name, {})
        row += [report.get('outputs', '-'), report.get('callback_failures', '-')]
        rows.append(row)
    return rows


HEADER = (
    'node',
    'MB when warm',
    'MB at last',
    'MB an hour',
    *HELD[:3],
    'outputs',
    'failed callbacks',
)


def main() -> int:
    """Run, print the tables and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--hours', type=float, default=2.0)
    parser.add_argument('--rate', type=float, default=2.0, help='pairs a second')
    parser.add_argument('--seed', type=int, default=0)
    arguments = parser.parse_args()
    # A shell starts background jobs deaf to Ctrl-C, and so would be the nodes until they listen.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    use_private_domain()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    with tempfile.TemporaryDirectory() as folder:
        record, lasted_h = soak(
            Path(folder), hours=arguments.hours, rate_hz=arguments.rate, seed=arguments.seed
        )
        for name in record.ended:
            print(f'{name} ended by itself; its last words:')
            print((Path(folder) / f'{name}.log').read_text(encoding='utf-8')[-2000:])
        for path in Path(folder).glob('*.log'):
            _, found, where = path.read_text(encoding='utf-8').rpartition('Fatal Python error')
            if found:
                print(f'{path.name}: {found}{where[:4000]}')
    rclpy.try_shutdown()
    print(f'{lasted_h:.2f} h at {arguments.rate} pairs a second')
    print(markdown_table(HEADER, rows_of(record)))
    for name, report in record.reports.items():
        print(f'{name}: dropped {report.get("dropped", {})}')
    print(f'/dev/shm: {slope_per_hour(record.shared_mb):+.2f} MB an hour')
    print(f'disturbances: {dict(record.done)}')
    write_report('soak', {'hours': lasted_h, 'rate_hz': arguments.rate, **as_json(record)})
    failures = [report.get('callback_failures', 0) for report in record.reports.values()]
    return int(bool(record.ended or any(failures)))


def as_json(record: Record) -> dict[str, object]:
    """Return the record as what JSON can hold."""
    return {
        'samples': record.samples,
        'shared_mb': record.shared_mb,
        'done': dict(record.done),
        'reports': record.reports,
        'ended': record.ended,
        'machine': machine(),
    }


if __name__ == '__main__':
    sys.exit(main())
