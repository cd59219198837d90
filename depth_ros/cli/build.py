"""``depth-ros build``: weights to an exported graph, and to a built and checked engine."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from depth_ros.cli.kit.arguments import (
    add_engine_arguments,
    check_engine,
    parse_options,
    tensorrt_words,
)
from depth_ros.cli.kit.build_progress import interruptible, watched
from depth_ros.engines.artifact import golden_path, manifest_path
from depth_ros.engines.build import expect_gates, open_graphs
from depth_ros.engines.build_monitor import BuildMonitor, BuildTimes
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.exports import SYNTHETIC, ExportPlan, obtain_exports, plan_exports
from depth_ros.engines.progress import Progress
from depth_ros.engines.recipe import load_recipe, parse_size
from depth_ros.engines.torch_build import DEVICES
from depth_ros.errors import ParameterError

EXPORT_ONLY = 'none'


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'build',
        description='Export the weights of recipes and build engines from them. Every engine is '
        'compared with the float32 network once and refused where it is outside the limits.',
    )
    parser.add_argument('recipes', metavar='RECIPE', nargs='+', help='see depth-ros info')
    add_engine_arguments(parser)
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
    parser.add_argument(
        '--precision',
        default='f32',
        metavar='P',
        help='f32 (default), bf16, f16 or auto; less than f32 must pass the accuracy gate',
    )
    parser.add_argument(
        '-o', '--output', type=Path, help='also copy the exports there, to carry them to a robot'
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export, build and say where everything is."""
    if arguments.engine != EXPORT_ONLY:
        check_engine(arguments.engine)
    tensorrt_words(arguments)
    # Every mistake in the words is told before the first long build begins.
    plans = [plan_of(name, arguments) for name in arguments.recipes]
    cache = EngineCache()
    monitor = BuildMonitor(BuildTimes(cache), on_phase=say_phase)
    is_complete = False
    try:
        with interruptible(), watched(monitor):
            for plan in plans:
                lines = build(plan, arguments, cache, monitor)
                print('\n'.join(lines), flush=True)
        is_complete = True
    finally:
        monitor.finish(is_complete=is_complete)
    return 0


def plan_of(name: str, arguments: argparse.Namespace) -> ExportPlan:
    """Decide what to build of one recipe.

    Raises:
        ParameterError: If one checkpoint is named for several recipes.
        RecipeError: If there is no such recipe, size or option.
        ArtifactError: If the accuracy gate could not decide about the precision.
    """
    is_made_up = arguments.weights.startswith(SYNTHETIC)
    if len(set(arguments.recipes)) > 1 and arguments.weights and not is_made_up:
        raise ParameterError(
            f'--weights {arguments.weights} belongs to one recipe, got '
            f'{", ".join(arguments.recipes)}; build each with its own weights'
        )
    plan = plan_exports(
        load_recipe(name),
        preset=arguments.preset or None,
        size=parse_size(arguments.size) if arguments.size else None,
        options=parse_options(arguments.option),
        weights=arguments.weights,
    )
    expect_gates(plan, arguments.precision)
    return plan


def build(
    plan: ExportPlan, arguments: argparse.Namespace, cache: EngineCache, progress: Progress
) -> list[str]:
    """Export and build one recipe; give what to tell about it."""
    lines, exports = [], {}
    if arguments.engine not in DEVICES:
        exports = obtain_exports(plan, cache, progress=progress)
        lines += [f'exported {graph}: {path}' for graph, path in exports.items()]
    if arguments.engine != EXPORT_ONLY:
        engines = open_graphs(
            plan.recipe,
            graphs=plan.graphs,
            size=plan.variant.size,
            options=plan.variant.options,
            weights=arguments.weights or None,
            runtime=arguments.engine,
            precision=arguments.precision,
            num_threads=arguments.threads,
            tensorrt=tensorrt_words(arguments),
            cache=cache,
            progress=progress,
        )
        for engine in engines.values():
            lines.append(f'built and checked: {engine.info.describe()}')
            engine.close()
    if arguments.output:
        copied = copy_exports(exports, arguments.output)
        lines.append(f'copied {copied} files to {arguments.output}; name it with --weights')
    return lines


def say_phase(phase: str) -> None:
    """Tell a phase when it begins; outside a terminal the lines that follow repeat it."""
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
