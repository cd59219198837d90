"""``depth-ros demo``: the real node graph on real images, watched from the terminal.

Starts ``sample_camera`` and ``stereo_node`` in processes of their own, shows what they report,
and writes a picture, a point cloud and a summary.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from depth_ros.cli.demo_report import demo_summary, status_table, write_outputs
from depth_ros.errors import DepthRosError
from depth_ros.share import share_path

if TYPE_CHECKING:
    from depth_ros.ros.observer import Observer

NAMESPACE = '/demo'
PROFILE_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
OLD_PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
"""What Fast DDS before 3.0 (ROS 2 Humble to Jazzy) reads instead."""
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
DRAIN_S = 1.5
REFRESH_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSettings:
    """What the demo runs.

    Attributes:
        duration_s: Seconds of live running, counted from the first output.
        rate_hz: Pairs a second that the sample camera publishes.
        model: Model of the stereo node; empty takes the node's own default.
        output: Folder for the picture, the cloud and the summary.
        view: Whether to serve the browser view.
    """

    duration_s: float
    rate_hz: float
    model: str
    output: Path
    view: bool


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the sub-command to the command line."""
    parser = subparsers.add_parser('demo', help='run the node graph on sample images (needs ROS)')
    parser.add_argument('--duration', type=float, default=20.0, help='seconds to run, default 20')
    parser.add_argument('--rate', type=float, default=10.0, help='camera rate in Hz, default 10')
    parser.add_argument('--model', default='', help="stereo_node's model; default is the node's")
    parser.add_argument('--output', type=Path, default=Path('demo_out'), help='folder to write')
    parser.add_argument('--view', action='store_true', help='also serve a browser view')
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; give the exit code."""
    settings = DemoSettings(
        duration_s=arguments.duration,
        rate_hz=arguments.rate,
        model=arguments.model,
        output=arguments.output,
        view=arguments.view,
    )
    check_requirements(settings)
    os.environ.update(private_environment())
    from depth_ros.ros.observer import observing

    with (
        tempfile.TemporaryDirectory() as folder,
        observing(NAMESPACE) as observer,
        node_graph(settings, Path(folder)) as graph,
    ):
        show_live(settings, graph, observer)
        return finish(settings, graph, observer)


def check_requirements(settings: DemoSettings) -> None:
    """Refuse to start without ROS, the sample images or, if asked for, the viewer.

    Raises:
        DepthRosError: Naming what is missing and how to get it.
    """
    needed = {
        'rclpy': 'ROS 2 for Python: run make demo, which installs it, or source your distro',
        'stereodemo': 'the sample images: pip install --no-deps stereodemo==0.7',
    }
    if settings.view:
        needed['viser'] = "the browser view: pip install 'viser>=1.1,<1.2' or make demo VIEW=1"
    for module, remedy in needed.items():
        if importlib.util.find_spec(module) is None:
            raise DepthRosError(f'the demo needs {remedy}')


def private_environment() -> dict[str, str]:
    """Keep the demo's topics on this machine and off a robot's own domain."""
    environment = {
        'ROS_DOMAIN_ID': os.environ.get('ROS_DOMAIN_ID', str(random.randint(1, 99))),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'OMP_WAIT_POLICY': 'PASSIVE',
    }
    is_old = os.environ.get('ROS_DISTRO', 'kilted') in ('humble', 'iron', 'jazzy')
    variable = OLD_PROFILE_VARIABLE if is_old else PROFILE_VARIABLE
    if variable not in os.environ:
        environment[variable] = str(share_path('config/fastdds.xml'))
    return environment


@dataclass(slots=True, eq=False)
class NodeGraph:
    """The demo's processes and where their logs and reports are."""

    processes: dict[str, subprocess.Popen[bytes]]
    folder: Path

    def check(self) -> None:
        """Raise DepthRosError with the log's tail if a process has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise DepthRosError(
                    f'{name} stopped with exit code {process.returncode}; it said:\n'
                    + log_tail(self.folder / f'{name}.log')
                )

    def stop(self, name: str) -> None:
        """Ask one process to end as Ctrl-C does, then insist."""
        process = self.processes.pop(name, None)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def node_graph(settings: DemoSettings, folder: Path) -> Iterator[NodeGraph]:
    """Start the processes and stop them whatever happens."""
    graph = NodeGraph(processes={}, folder=folder)
    try:
        for name, parameters in node_parameters(settings, folder).items():
            graph.processes[name] = start_node(name, parameters, folder)
        yield graph
    finally:
        for name in list(graph.processes):
            graph.stop(name)


def node_parameters(settings: DemoSettings, folder: Path) -> dict[str, dict[str, object]]:
    """Give each process's ROS parameters."""
    stereo: dict[str, object] = {'report_file': str(folder / 'stereo_node.json')}
    if settings.model:
        stereo['model'] = settings.model
    nodes: dict[str, dict[str, object]] = {
        'stereo_node': stereo,
        'sample_camera': {
            'rate_hz': float(settings.rate_hz),
            'wait_for_subscribers': True,
            'report_file': str(folder / 'sample_camera.json'),
        },
    }
    if settings.view:
        nodes['viewer_node'] = {}
    return nodes


def start_node(
    name: str, parameters: Mapping[str, object], folder: Path
) -> subprocess.Popen[bytes]:
    """Start one node in its own process, its words going to a log file."""
    command = [sys.executable, '-m', f'depth_ros.ros.{name}', '--ros-args', '-r']
    command += [f'__ns:={NAMESPACE}']
    for key, value in parameters.items():
        command += ['-p', f'{key}:={value}']
    with (folder / f'{name}.log').open('wb') as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def show_live(settings: DemoSettings, graph: NodeGraph, observer: Observer) -> None:
    """Refresh the table until the time is up; the clock starts at the first output."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    console.print('depth_ros demo: sample_camera -> stereo_node; starting ...')
    started, first = time.monotonic(), 0.0
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while not first or time.monotonic() < first + settings.duration_s:
            observer.spin(REFRESH_S)
            graph.check()
            if not first and observer.rate_hz('depth/image') > 0.0:
                first = time.monotonic()
            if not first and time.monotonic() > started + START_TIMEOUT_S:
                raise DepthRosError(
                    f'no depth image came within {START_TIMEOUT_S:.0f} s; stereo_node said:\n'
                    + log_tail(graph.folder / 'stereo_node.log')
                )
            elapsed = time.monotonic() - first if first else 0.0
            live.update(status_table(observer, elapsed_s=elapsed, total_s=settings.duration_s))


def finish(settings: DemoSettings, graph: NodeGraph, observer: Observer) -> int:
    """Stop camera then node, so that the books close, and write the results."""
    graph.stop('sample_camera')
    observer.spin(DRAIN_S)
    graph.stop('viewer_node')
    graph.stop('stereo_node')
    reports = {
        name: json.loads((graph.folder / f'{name}.json').read_text(encoding='utf-8'))
        for name in ('sample_camera', 'stereo_node')
    }
    summary = demo_summary(reports['sample_camera'], reports['stereo_node'])
    for line in write_outputs(settings.output, observer.seen(), summary):
        print(line)
    return 0


def log_tail(path: Path, lines: int = 12) -> str:
    """Give the last lines of a log, indented."""
    text: Sequence[str] = path.read_text(encoding='utf-8', errors='replace').splitlines()
    return '\n'.join('  ' + line for line in text[-lines:]) or '  (nothing)'
