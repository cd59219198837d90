"""``depth-ros build``: weights to an exported graph, and to a built and checked engine."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from depth_ros.cli.arguments import (
    OptionValue,
    add_engine_arguments,
    check_engine,
    scalar,
    split_assignment,
)
from depth_ros.cli.progress import open_progress
from depth_ros.engines.artifact import golden_path, manifest_path
from depth_ros.engines.build import open_graphs
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.exports import obtain_exports, plan_exports
from depth_ros.engines.recipe import load_recipe, parse_size

EXPORT_ONLY = 'none'


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'build',
        description='Export the weights of a recipe and build an engine from them. The engine is '
        'compared with the float32 network once and refused where it is outside the tolerance.',
    )
    parser.add_argument('recipe', metavar='RECIPE', help='see depth-ros info')
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
    parser.add_argument('--precision', default='f32', help='f32 (default) or bf16')
    parser.add_argument(
        '-o', '--output', type=Path, help='also copy the export there, to carry it to a robot'
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export, build and say where everything is."""
    if arguments.engine != EXPORT_ONLY:
        check_engine(arguments.engine)
    recipe = load_recipe(arguments.recipe)
    plan = plan_exports(
        recipe,
        preset=arguments.preset or None,
        size=parse_size(arguments.size) if arguments.size else None,
        options=parse_options(arguments.option),
        weights=arguments.weights,
    )
    with open_progress() as progress:
        exports = obtain_exports(plan, EngineCache(), progress=progress)
        lines = [f'exported {graph}: {path}' for graph, path in exports.items()]
        if arguments.engine != EXPORT_ONLY:
            engines = open_graphs(
                recipe,
                graphs=plan.graphs,
                size=plan.variant.size,
                options=plan.variant.options,
                weights=arguments.weights or None,
                runtime=arguments.engine,
                precision=arguments.precision,
                num_threads=arguments.threads,
                progress=progress,
            )
            for engine in engines.values():
                lines.append(f'built and checked: {engine.info.describe()}')
                engine.close()
    if arguments.output:
        copied = copy_exports(exports, arguments.output)
        lines.append(f'copied {copied} files to {arguments.output}; name it with --weights')
    print('\n'.join(lines))
    return 0


def parse_options(words: Sequence[str]) -> dict[str, OptionValue]:
    """Read ``name=value`` words; the recipe checks names and values."""
    return {name: scalar(text) for name, text in map(split_assignment, words)}


def copy_exports(exports: Mapping[str, Path], folder: Path) -> int:
    """Copy every graph with what belongs to it; the manifest last, so a part never looks whole."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for path in exports.values():
        for source in (golden_path(path), path, manifest_path(path)):
            shutil.copyfile(source, folder / source.name)
            count += 1
    return count
