"""``depth-ros demo``: the real node graph on real images, watched from the terminal.

Starts the model's node and ``sample_camera`` in processes of their own, shows what they report,
and writes a picture, a point cloud where there are metres, and a summary.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from depth_ros.cli.demo.processes import (
    NAMESPACE,
    DemoSettings,
    NodeGraph,
    browser_address,
    camera_parameters,
    node_graph,
)
from depth_ros.cli.demo.report import DemoTask, status_table
from depth_ros.cli.kit.arguments import add_out
from depth_ros.cli.kit.interrupts import interruptible
from depth_ros.errors import DepthRosError
from depth_ros.files.share import share_path
from depth_ros.models.registry import models_of
from depth_ros.ros.fastdds import choose_profile
from depth_ros.tensors import Task

if TYPE_CHECKING:
    from rich.console import Console

    from depth_ros.ros.demo.observer import Observer

START_TIMEOUT_S = 60.0
"""How long a node may say nothing; while it builds its engine the time does not count."""
MIN_DURATION_S, MAX_DURATION_S = 1.0, 86400.0
MIN_RATE_HZ, MAX_RATE_HZ = 0.1, 1000.0
"""What ``sample_camera`` takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demo:
    """One line of the table of demos.

    Attributes:
        module: Module with the factory; imported when the demo is asked for.
        factory: Takes the settings and gives the ``DemoTask``.
        tasks: What its model must serve.
    """

    module: str
    factory: str
    tasks: tuple[Task, ...]


DEMOS: dict[str, Demo] = {
    'stereo': Demo(
        module='depth_ros.cli.demo.stereo', factory='stereo_demo', tasks=(Task.STEREO,)
    ),
    'mono': Demo(module='depth_ros.cli.demo.mono', factory='mono_demo', tasks=(Task.MONO,)),
    'multiview': Demo(
        module='depth_ros.cli.demo.drives', factory='multiview_demo', tasks=(Task.MULTIVIEW,)
    ),
    'match': Demo(
        module='depth_ros.cli.demo.drives', factory='match_demo', tasks=(Task.MATCHING,)
    ),
    'odometry': Demo(
        module='depth_ros.cli.demo.drives', factory='odometry_demo', tasks=(Task.MATCHING,)
    ),
}
"""Every demo by name."""

RESULTS = (*(f'{name}.png' for name in DEMOS), 'cloud.ply', 'summary.json')
"""What demos write into their folder."""

DRAIN_S = 1.5
REFRESH_S = 0.5


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the sub-command to the command line."""
    parser = subparsers.add_parser('demo', help='run the node graph on sample images (needs ROS)')
    parser.add_argument(
        '--duration', type=_duration, default=20.0, help='seconds to run, default 20'
    )
    parser.add_argument('--rate', type=_rate, default=15.0, help='camera rate in Hz, default 15')
    parser.add_argument(
        '--task', default='', choices=tuple(DEMOS), help="default: the model's, else stereo"
    )
    parser.add_argument('--model', default='', help='model of the node; default its own')
    parser.add_argument(
        '--weights', default='', metavar='FILE', help='its weights; default those exported'
    )
    add_out(parser, Path('demo_out'))
    parser.add_argument('--view', action='store_true', help='also serve a browser view')
    parser.set_defaults(run=run)


def _duration(text: str) -> float:
    return _number_within(text, MIN_DURATION_S, MAX_DURATION_S)


def _rate(text: str) -> float:
    return _number_within(text, MIN_RATE_HZ, MAX_RATE_HZ)


def _number_within(text: str, lowest: float, highest: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not lowest <= value <= highest:
        raise argparse.ArgumentTypeError(
            f'expected a number within {lowest:g}..{highest:g}, got {text!r}; correct it'
        )
    return value


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return the exit code. SIGTERM ends it, and its processes, as Ctrl-C does."""
    with interruptible():
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    settings = DemoSettings(
        duration_s=arguments.duration,
        rate_hz=arguments.rate,
        model=arguments.model,
        out=arguments.out,
        view=arguments.view,
        weights=arguments.weights,
        task=arguments.task,
    )
    check_requirements(settings)
    clear_results(settings.out)
    os.environ.update(private_environment())
    from depth_ros.ros.demo.observer import observing

    task = choose_task(settings)
    with (
        tempfile.TemporaryDirectory() as folder,
        observing(NAMESPACE, task.watched) as observer,
        node_graph(Path(folder)) as graph,
    ):
        show_live(settings, task, graph, observer)
        return finish(settings, task, graph, observer)


def choose_task(settings: DemoSettings) -> DemoTask:
    """Choose by the task, or by the model: one that serves both shows one camera.

    Raises:
        DepthRosError: If there is no demo of that model.
    """
    name = settings.task or _task_of_model(settings.model)
    served = models_of(*DEMOS[name].tasks)
    if settings.model and settings.model not in served:
        raise DepthRosError(
            f'there is no demo of model {settings.model!r} for {name}; set it to one of: '
            f'{", ".join(served)}'
        )
    factory = getattr(importlib.import_module(DEMOS[name].module), DEMOS[name].factory)
    task: DemoTask = factory(settings)
    return task


def _task_of_model(model: str) -> str:
    """Return the first demo that a model serves; stereo where none is named.

    Raises:
        DepthRosError: If no demo shows it.
    """
    if not model:
        return 'stereo'
    for name in ('mono', *DEMOS):
        if model in models_of(*DEMOS[name].tasks):
            return name
    known = models_of(*(task for demo in DEMOS.values() for task in demo.tasks))
    raise DepthRosError(
        f'there is no demo of model {model!r}; set it to one of: {", ".join(known)}'
    )


def clear_results(folder: Path) -> None:
    """Delete the results of an earlier demo."""
    for name in RESULTS:
        (folder / name).unlink(missing_ok=True)


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
        needed['viser'] = "the browser view: pip install 'viser>=1.1,<1.2', or make demo VIEW=1"
    for module, remedy in needed.items():
        if importlib.util.find_spec(module) is None:
            raise DepthRosError(f'the demo needs {remedy}')


def private_environment() -> dict[str, str]:
    """Restrict the demo's topics to this machine and, if none is set, a random ROS domain."""
    environment = {
        'ROS_DOMAIN_ID': os.environ.get('ROS_DOMAIN_ID', str(random.randint(1, 99))),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'OMP_WAIT_POLICY': 'PASSIVE',
    }
    choice = choose_profile(share_path('config/fastdds.xml'), os.environ)
    return {**environment, **choice.environment}


def show_live(
    settings: DemoSettings, task: DemoTask, graph: NodeGraph, observer: Observer
) -> None:
    """Start everything and refresh the table until the time is up."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    console.print(f'depth_ros demo: sample_camera -> {task.node}; starting ...')
    start_nodes(settings, task, graph, observer, console)
    end = time.monotonic() + settings.duration_s
    with Live(console=console, refresh_per_second=4) as live:
        while (left := end - time.monotonic()) > 0:
            observer.spin(min(REFRESH_S, left))
            graph.check()
            elapsed = settings.duration_s - left
            table = status_table(
                observer, task.rates, task.valid, elapsed_s=elapsed, total_s=settings.duration_s
            )
            live.update(table)
    console.print()


def start_nodes(
    settings: DemoSettings,
    task: DemoTask,
    graph: NodeGraph,
    observer: Observer,
    console: Console,
) -> None:
    """Start the nodes, the camera last, and wait for the first result."""
    report = {'report_file': str(graph.folder / f'{task.node}.json')}
    graph.start(task.node, {**task.parameters, **report}, task.remappings)
    if settings.view:
        graph.start('viewer_node', {})
        console.print(f'browser view, on this machine only: {browser_address(graph)}')
    wait(graph, observer, lambda: observer.is_matched, f'{task.node} did not come up', console)
    camera = {**camera_parameters(settings, graph.folder), **task.camera}
    graph.start('sample_camera', camera)
    failure = f'nothing came on {task.awaited}'
    wait(graph, observer, lambda: observer.rate_hz(task.awaited) > 0, failure, console)


def wait(
    graph: NodeGraph,
    observer: Observer,
    is_done: Callable[[], bool],
    failure: str,
    console: Console,
) -> None:
    """Handle messages until a condition is true; the time that engines take to build is extra.

    Raises:
        DepthRosError: If it does not become true in time, or a process ends.
    """
    end, told = time.monotonic() + START_TIMEOUT_S, ''
    while not is_done():
        observer.spin(0.1)
        graph.check()
        words = observer.preparing
        if words:
            end = time.monotonic() + START_TIMEOUT_S
            if not told:
                console.print(f'{words} ...', markup=False)
            told = words
        elif time.monotonic() > end:
            raise DepthRosError(
                f'{failure} within {START_TIMEOUT_S:.0f} s; it said:\n'
                + graph.log_tail(next(iter(graph.processes)))
            )


def finish(settings: DemoSettings, task: DemoTask, graph: NodeGraph, observer: Observer) -> int:
    """Stop the camera, then the node, so that their counters agree, and write the results."""
    graph.stop('sample_camera')
    observer.spin(DRAIN_S)
    graph.stop('viewer_node')
    graph.stop(task.node)
    camera, node = (
        json.loads((graph.folder / f'{name}.json').read_text(encoding='utf-8'))
        for name in ('sample_camera', task.node)
    )
    lines = task.write(
        settings.out, observer.seen(), camera, node, camera_hz=float(settings.rate_hz)
    )
    for line in lines:
        print(line)
    return 0
