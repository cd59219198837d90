"""The demo's processes: started with their parameters, monitored, always stopped."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from depth_ros.errors import DepthRosError

NAMESPACE = '/demo'
PAIRS = ('cycles', 'donkey_toy', 'living_room', 'toy')
"""Shown in this order; the last one is shown when the picture is taken."""
STOP_TIMEOUT_S = 10.0

Parameters = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSettings:
    """What the demo runs.

    Attributes:
        duration_s: Seconds of live running, counted from the first output.
        rate_hz: Pairs a second that the sample camera publishes.
        model: Model of the node; empty takes the stereo node's own default.
        weights: Its weights; empty takes shipped or exported ones.
        out: Folder for the picture, the cloud and the summary.
        view: Whether to serve the browser view.
        task: Name of the demo; empty takes the model's.
    """

    duration_s: float
    rate_hz: float
    model: str
    out: Path
    view: bool
    weights: str = ''
    task: str = ''


@dataclass(slots=True, eq=False)
class NodeGraph:
    """Running processes, with a log and at the end a report each in ``folder``."""

    processes: dict[str, subprocess.Popen[bytes]]
    folder: Path

    def start(
        self,
        name: str,
        parameters: Mapping[str, object],
        remappings: Mapping[str, str] | None = None,
    ) -> None:
        """Start one node in its own process, with its output in a log file."""
        command = [sys.executable, '-m', 'depth_ros.ros', name, '--ros-args']
        for ours, theirs in {'__ns': NAMESPACE, **(remappings or {})}.items():
            command += ['-r', f'{ours}:={theirs}']
        for key, value in parameters.items():
            command += ['-p', f'{key}:={value}']
        with (self.folder / f'{name}.log').open('wb') as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def log(self, name: str) -> str:
        """Return the log of a node so far."""
        return (self.folder / f'{name}.log').read_text(encoding='utf-8', errors='replace')

    def log_tail(self, name: str, lines: int = 12) -> str:
        """Return the last lines of a node's log, indented."""
        text = self.log(name).splitlines()
        return '\n'.join('  ' + line for line in text[-lines:]) or '  (nothing)'

    def check(self) -> None:
        """Raise DepthRosError with the log's tail if a process has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise DepthRosError(
                    f'{name} stopped with exit code {process.returncode}; it said:\n'
                    + self.log_tail(name)
                )

    def stop(self, name: str) -> None:
        """Stop one process by SIGINT, and kill it if it does not end."""
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
def node_graph(folder: Path) -> Iterator[NodeGraph]:
    """Return a graph without processes, and stop what was started in it."""
    graph = NodeGraph(processes={}, folder=folder)
    try:
        yield graph
    finally:
        for name in list(graph.processes):
            graph.stop(name)


def camera_parameters(settings: DemoSettings, folder: Path) -> Parameters:
    """Return ``sample_camera``'s parameters."""
    return {
        'report_file': str(folder / 'sample_camera.json'),
        'rate_hz': float(settings.rate_hz),
        'wait_for_subscribers': True,
        'pairs': ','.join(PAIRS),
        'seconds_per_pair': settings.duration_s / (len(PAIRS) - 0.5),
    }


def browser_address(graph: NodeGraph) -> str:
    """Return the address that the viewer logs, waiting a little for it.

    Raises:
        DepthRosError: If the viewer ends instead.
    """
    end = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < end:
        graph.check()
        found = re.search(r'http://\S+', graph.log('viewer_node'))
        if found:
            return found.group()
        time.sleep(0.1)
    return 'not there yet; see docs/viewer.md'
