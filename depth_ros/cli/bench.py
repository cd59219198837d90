"""``depth-ros bench``: compare the speed of engines of one recipe on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

import numpy as np

from depth_ros.cli.kit.arguments import parse_options
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.cli.kit.progress import open_progress
from depth_ros.cli.kit.tables import text_table
from depth_ros.cli.kit.timing import interleave, percentiles
from depth_ros.engines.build import (
    GraphBuild,
    available_runtimes,
    lowered_graphs,
    open_graphs,
)
from depth_ros.engines.checks.golden import golden_inputs
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import plan_exports
from depth_ros.engines.recipe import Recipe, Variant, load_recipe
from depth_ros.errors import (
    DepthRosError,
    EngineError,
    ParameterError,
    RecipeError,
    WeightsError,
)
from depth_ros.tensors import Engine, Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """One engine that was opened: all graphs of the recipe on one runtime."""

    name: str
    engines: Mapping[str, Engine]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRow:
    """One line of the result.

    Attributes:
        name: ``runtime:precision``.
        p50_ms: Median of a run through every graph.
        p95_ms: 95th percentile.
        ratio: p50 relative to the first contestant's; below 1 is faster.
        mean_difference: Mean absolute difference of the outputs from the first contestant's.
    """

    name: str
    p50_ms: float
    p95_ms: float
    ratio: float
    mean_difference: float


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'bench',
        description='Time engines of a recipe, taking turns, so that ratios hold even on a busy '
        'machine. Without weights of your own add --weights synthetic:0: speed is the same.',
    )
    parser.add_argument('recipe', metavar='RECIPE', help='see depth-ros info')
    add_settings(parser, EngineChoice, title='engine', without=('engine', 'precision'))
    parser.add_argument('--option', action='append', default=[], metavar='NAME=VALUE')
    parser.add_argument(
        '--engines',
        default='',
        metavar='LIST',
        help='e.g. openvino,openvino:bf16,onnxruntime; default all that are ready, in f32',
    )
    parser.add_argument('--rounds', type=int, default=10, metavar='N', help='default 10')
    parser.add_argument('--json', action='store_true', help='for programs')
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Open, time and print; engines that cannot be opened are reported and skipped."""
    if arguments.rounds < 1:
        raise ParameterError(f'--rounds must be 1 or more, got {arguments.rounds}')
    recipe = load_recipe(arguments.recipe)
    choice = read_settings(EngineChoice, arguments)
    variant = recipe.variant(
        preset=choice.preset or None, size=choice.size, options=parse_options(arguments.option)
    )
    choices = parse_engines(arguments.engines, replace(choice, preset='', size=variant.size))
    with ExitStack() as stack, open_progress() as progress:
        contestants = _open_all(choices, recipe, variant, progress, stack)
        rows = _measure(contestants, arguments.rounds, progress)
    title = f'{recipe.name} {", ".join(recipe.stem(graph, variant) for graph in recipe.graphs)}'
    print(_as_json(rows) if arguments.json else _as_table(rows, title, arguments.rounds))
    return 0


def parse_engines(text: str, choice: EngineChoice) -> list[EngineChoice]:
    """Read ``'openvino,openvino:bf16'`` as choices of engines; empty takes the usable ones.

    Args:
        text: Runtimes, each with a precision behind a colon if it is not f32.
        choice: What they have in common.

    Raises:
        ParameterError: If a word has too many parts or an empty one, or there is no such runtime.
        EngineError: If none was named and none is ready.
    """
    words = [word for word in text.split(',') if word]
    if not words:
        words = [entry.name for entry in available_runtimes() if not entry.reason]
    if not words:
        raise EngineError('no runtime is installed; type: pip install openvino')
    engines = []
    for word in words:
        runtime, _, precision = word.strip().partition(':')
        if not runtime or ':' in precision:
            raise ParameterError(f'--engines takes RUNTIME[:PRECISION], got {word!r}; correct it')
        engines.append(replace(choice, runtime=runtime, precision=precision or 'f32'))
    return list(dict.fromkeys(engines))


def _open_all(
    choices: Sequence[EngineChoice],
    recipe: Recipe,
    variant: Variant,
    progress: Progress,
    stack: ExitStack,
) -> list[Contestant]:
    """Open every engine that is available; the stack closes them.

    Raises:
        DepthRosError: The error of the last one, if none is available.
    """
    contestants = []
    refusal: DepthRosError = EngineError('no engine was named; add --engines')
    for choice in choices:
        name = f'{choice.runtime}:{choice.precision}'
        try:
            lowered_graphs(plan_exports(recipe, choice, options=variant.options), choice.precision)
            engines = open_graphs(
                recipe,
                choice,
                GraphBuild(ungated=True),  # the table shows the difference from the first engine
                options=variant.options,
                progress=progress,
            )
        except (EngineError, RecipeError, WeightsError) as error:
            refusal = error
            print(f'depth-ros: {name} left out: {error}', file=sys.stderr)
            continue
        for engine in engines.values():
            stack.callback(engine.close)
        contestants.append(Contestant(name=name, engines=engines))
    if not contestants:
        raise refusal
    return contestants


def _measure(
    contestants: Sequence[Contestant], num_rounds: int, progress: Progress
) -> list[BenchRow]:
    """Time all contestants in turns on one input."""
    feeds = {
        graph: golden_inputs(engine.inputs) for graph, engine in contestants[0].engines.items()
    }
    outputs = {entry.name: _run_graphs(entry.engines, feeds) for entry in contestants}
    runs: dict[str, Callable[[], object]] = {
        entry.name: lambda entry=entry: _run_graphs(entry.engines, feeds)  # type: ignore[misc]
        for entry in contestants
    }
    times = interleave(
        runs, num_rounds=num_rounds, report=lambda fraction: progress('timing', fraction)
    )
    first = contestants[0].name
    figures = {name: percentiles(values) for name, values in times.items()}
    return [
        BenchRow(
            name=name,
            p50_ms=figure['p50'],
            p95_ms=figure['p95'],
            ratio=round(figure['p50'] / figures[first]['p50'], 3),
            mean_difference=_difference(outputs[name], outputs[first]),
        )
        for name, figure in figures.items()
    ]


def _run_graphs(
    engines: Mapping[str, Engine], feeds: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    return {
        f'{graph}.{name}': np.array(array)
        for graph, engine in engines.items()
        for name, array in engine.infer(feeds[graph]).items()
    }


def _difference(outputs: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> float:
    """Return the mean absolute difference of floating-point outputs, the worst of them."""
    means = [
        float(np.abs(array.astype(np.float64) - reference[name]).mean())
        for name, array in outputs.items()
    ]
    return max(means)


def _as_table(rows: Sequence[BenchRow], title: str, num_rounds: int) -> str:
    header = ('engine', 'p50 ms', 'p95 ms', 'ratio', 'mean difference')
    cells = [
        [
            row.name,
            f'{row.p50_ms:.1f}',
            f'{row.p95_ms:.1f}',
            f'{row.ratio:.2f}',
            f'{row.mean_difference:.2g}',
        ]
        for row in rows
    ]
    note = f'{num_rounds} rounds in turns; ratio and difference are to the first line'
    return f'{title}\n{text_table(header, cells)}\n{note}'


def _as_json(rows: Sequence[BenchRow]) -> str:
    return json.dumps([asdict(row) for row in rows], indent=2)
