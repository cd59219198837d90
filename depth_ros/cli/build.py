"""``depth-ros build``: weights to an exported graph, and to a built and checked engine."""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from depth_ros.cli.kit.arguments import add_out, parse_options
from depth_ros.cli.kit.calibration_frames import (
    add_calibration_inputs,
    calibration_frames,
    expect_calibration_inputs,
)
from depth_ros.cli.kit.interrupts import interruptible
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.cli.kit.progress import open_progress
from depth_ros.engines.artifact import golden_path, load_artifact, manifest_path
from depth_ros.engines.build import expect_gates, open_graphs
from depth_ros.engines.build_monitor import BuildMonitor, BuildStatus, BuildTimes
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.calibrations import calibrate
from depth_ros.engines.choice import SYNTHETIC, EngineChoice
from depth_ros.engines.exports import ExportPlan, obtain_exports, plan_exports
from depth_ros.engines.recipe import load_recipe
from depth_ros.engines.runtime import AUTO_ENGINE, expect_nncf
from depth_ros.engines.torch_build import DEVICES
from depth_ros.errors import ParameterError
from depth_ros.tensors import Progress

EXPORT_ONLY = 'none'
EVERY_S = 0.9
"""Pause between two lines: a line a second at least, also when the machine is busy."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'build',
        description='Export the weights of recipes and build engines from them. Every engine is '
        'compared with the float32 network once and refused where it is outside the limits.',
    )
    parser.add_argument('recipes', metavar='RECIPE', nargs='+', help='see depth-ros info')
    add_settings(parser, EngineChoice, title='engine', without=('engine',))
    parser.add_argument(
        '--option',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='option of the recipe, repeatable, e.g. iterations=10',
    )
    parser.add_argument(
        '--engine', default='auto', help=f"runtime, default auto; '{EXPORT_ONLY}' only exports"
    )
    add_calibration_inputs(parser)
    add_out(parser, None, 'also copy the exports there, to carry them to a robot')
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export, build and print where the files are."""
    exports_only = arguments.engine == EXPORT_ONLY
    runtime = AUTO_ENGINE if exports_only else arguments.engine
    choice = read_settings(EngineChoice, arguments, {'engine': runtime})
    # Mistakes in arguments are reported before the first long build begins.
    expect_calibration_inputs(arguments, choice)
    plans = [plan_of(name, arguments, choice) for name in arguments.recipes]
    if arguments.left is not None:
        expect_nncf()
    cache = EngineCache()
    monitor = BuildMonitor(BuildTimes(cache), on_phase=say_phase)
    is_complete = False
    try:
        with interruptible(), watched(monitor):
            for plan in plans:
                lines = export(plan, choice, cache, monitor, arguments.out)
                lines += calibrated(plan, choice, arguments, cache, monitor)
                lines += [] if exports_only else build(plan, choice, cache, monitor)
                print('\n'.join(lines), flush=True)
        is_complete = True
    finally:
        monitor.finish(is_complete=is_complete)
    return 0


def plan_of(name: str, arguments: argparse.Namespace, choice: EngineChoice) -> ExportPlan:
    """Decide what to build of one recipe.

    Raises:
        ParameterError: If one checkpoint is named for several recipes.
        RecipeError: If there is no such recipe, size or option.
        ArtifactError: If the accuracy gate could not decide about the precision.
    """
    is_made_up = choice.weights.startswith(SYNTHETIC)
    if len(set(arguments.recipes)) > 1 and choice.weights and not is_made_up:
        raise ParameterError(
            f'--weights {choice.weights} belongs to one recipe, got '
            f'{", ".join(arguments.recipes)}; build each with its own weights'
        )
    plan = plan_exports(load_recipe(name), choice, options=parse_options(arguments.option))
    expect_gates(plan, choice.precision)
    return plan


def export(
    plan: ExportPlan,
    choice: EngineChoice,
    cache: EngineCache,
    progress: Progress,
    output: Path | None,
) -> list[str]:
    """Export one recipe, unless torch is to run it; return the lines to print."""
    lines, exports = [], {}
    if choice.runtime not in DEVICES:
        exports = obtain_exports(plan, cache, progress=progress)
        lines += [f'exported {graph}: {path}' for graph, path in exports.items()]
    if output:
        copied = copy_exports(exports, output)
        lines.append(f'copied {copied} files to {output}; name it with --weights')
    return lines


def calibrated(
    plan: ExportPlan,
    choice: EngineChoice,
    arguments: argparse.Namespace,
    cache: EngineCache,
    progress: Progress,
) -> list[str]:
    """Calibrate the graphs of one recipe if a recording was named; return the lines to print."""
    if arguments.left is None:
        return []
    frames, lines = calibration_frames(arguments, plan, choice, progress), []
    for graph, path in obtain_exports(plan, cache, progress=progress).items():
        layers = plan.recipe.graph(graph).int8
        if not layers or graph not in frames:
            continue
        artifact = load_artifact(path)
        progress(f'calibrate {artifact.name} in {choice.precision}', None)
        made = calibrate(artifact, layers, frames[graph], cache.root)
        lines.append(f'calibrated {graph} on {made.calibration.describe()}')
    return lines


def build(
    plan: ExportPlan, choice: EngineChoice, cache: EngineCache, progress: Progress
) -> list[str]:
    """Build the engines of one recipe; return the lines to print."""
    engines = open_graphs(
        plan.recipe,
        replace(choice, preset='', size=plan.variant.size),
        graphs=plan.graphs,
        options=plan.variant.options,
        cache=cache,
        progress=progress,
    )
    for engine in engines.values():
        engine.close()
    return [f'built and checked: {engine.info.describe()}' for engine in engines.values()]


def say_phase(phase: str) -> None:
    """Print a phase when it begins, except on a terminal, which has the progress bar."""
    if not sys.stderr.isatty():
        print(f'depth-ros: {phase}', file=sys.stderr, flush=True)


def copy_exports(exports: Mapping[str, Path], folder: Path) -> int:
    """Copy every graph with what belongs to it; the manifest last, so a part never looks whole."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for path in exports.values():
        for source in (golden_path(path), path, manifest_path(path)):
            shutil.copyfile(source, folder / source.name)
            count += 1
    return count


@contextmanager
def watched(
    monitor: BuildMonitor, stream: TextIO | None = None, *, every_s: float = EVERY_S
) -> Iterator[None]:
    """Show a monitor's status while the block runs: a bar on a terminal, else lines.

    Args:
        monitor: What to show.
        stream: Where to; None takes stderr.
        every_s: Pause between two looks.
    """
    stream = stream or sys.stderr
    stop = threading.Event()
    with open_progress(stream) as bar:

        def show(status: BuildStatus) -> None:
            if stream.isatty():
                bar(status.describe(), _share(status))
            else:
                stream.write(f'depth-ros: {status.describe()}\n')
                stream.flush()

        def look() -> None:
            while not stop.wait(every_s):
                status = monitor.status()
                if status is not None:
                    show(status)

        thread = threading.Thread(target=look, name='depth-ros-build-progress', daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _share(status: BuildStatus) -> float | None:
    if status.fraction is not None:
        return status.fraction
    return min(0.99, status.elapsed_s / status.expected_s) if status.expected_s else None
