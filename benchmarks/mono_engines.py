"""Monodepth2 and TiO-Depth on every CPU runtime present: speed, error and memory.

Engines of a case take turns, so that the machine's moods hit all alike; the reference for times
and errors is torch in float32. Memory is the peak of a process of its own that opens one engine
from the cache and runs it three times; the same process without an engine is given beside it.
The weights are synthetic unless named: times do not depend on them, errors do.

    python benchmarks/mono_engines.py [--rounds 7] [--only monodepth2] [--small]
        [--monodepth2 mono+stereo_640x192.zip] [--tio_depth last_model.pth]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from engine_race import (
    CONTENDERS,
    feeds_of,
    open_contenders,
    print_race,
    race,
    rendered_pair,
)
from timing import machine, write_report

from depth_ros.engines.build import GraphBuild, open_graphs
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import format_size, load_recipe, recipe_names
from depth_ros.settings import settings_from, values_of


@dataclass(frozen=True)
class Case:
    """A graph at a size; ``unit`` is that of its first output."""

    recipe: str
    graph: str
    size: tuple[int, int]
    unit: str

    @property
    def title(self) -> str:
        """Name in tables and reports."""
        return f'{self.recipe} {self.graph} {format_size(self.size)}'


CASES = (
    Case('monodepth2', 'depth', (192, 640), '(0..1)'),
    Case('monodepth2', 'depth', (320, 1024), '(0..1)'),
    *(
        Case('tio_depth', graph, size, 'px')
        for size in ((192, 640), (384, 1280))
        for graph in ('mono', 'refine', 'stereo')
    ),
)
SMALL_SIZE = (64, 96)
MEMORY_RUNS = 3


def main() -> None:
    """Run every case whose recipe is installed and print the tables."""
    arguments = parse()
    if arguments.memory_of:
        print(json.dumps(peak_of(json.loads(arguments.memory_of))))
        return
    print(machine())
    record = {'bare_process_mb': memory_of({}, arguments)}
    for case in chosen_cases(arguments):
        record[case.title] = run_case(case, arguments)
    weights = {name: getattr(arguments, name) for name in ('monodepth2', 'tio_depth')}
    write_report('mono_engines', {'weights': weights, 'cases': record})


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--only', default='', help='part of the titles of the cases to run')
    parser.add_argument('--small', action='store_true', help='tiny sizes, to try the script')
    parser.add_argument('--monodepth2', default='synthetic:0', help='weights')
    parser.add_argument('--tio_depth', default='synthetic:0', help='weights')
    parser.add_argument('--memory-of', default='', help=argparse.SUPPRESS)
    return parser.parse_args()


def chosen_cases(arguments: argparse.Namespace) -> list[Case]:
    """Give the cases that can run and are wanted."""
    cases = [case for case in CASES if arguments.only in case.title]
    absent = sorted({case.recipe for case in cases} - set(recipe_names()))
    if absent:
        print(f'no recipe installed for: {", ".join(absent)}')
    cases = [case for case in cases if case.recipe not in absent]
    if arguments.small:
        cases = [Case(case.recipe, case.graph, SMALL_SIZE, case.unit) for case in cases]
    return list(dict.fromkeys(cases))


def run_case(case: Case, arguments: argparse.Namespace) -> dict[str, object]:
    """Time one case, then measure the memory of each engine that ran."""
    weights = getattr(arguments, case.recipe)
    choice = EngineChoice(size=case.size, weights=weights, num_threads=arguments.threads)
    load_recipe(case.recipe).graph(case.graph)
    with ExitStack() as stack:
        engines, refused = open_contenders(case.recipe, case.graph, stack, choice)
        figures = race(engines, rendered_pair(case.size), num_rounds=arguments.rounds)
    for name, runtime, precision in CONTENDERS:
        if name in figures:
            order = {
                'recipe': case.recipe,
                'graph': case.graph,
                **values_of(replace(choice, runtime=runtime, precision=precision)),
            }
            figures[name]['peak_mb'] = memory_of(order, arguments)
    print_race(case.title, figures, refused, unit=case.unit)
    return {'engines': figures, 'refused': refused}


def memory_of(order: dict[str, object], arguments: argparse.Namespace) -> float:
    """Measure in another process; megabytes."""
    command = [sys.executable, str(Path(__file__).resolve()), '--memory-of', json.dumps(order)]
    if not order:
        command[-1] = 'null'
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def peak_of(order: dict | None) -> float:
    """Open and run one engine; give this process's peak of resident memory.

    ``getrusage`` would count the parent's memory as well, so it is read from /proc.
    """
    if order:
        recipe, graph = order.pop('recipe'), order.pop('graph')
        choice = settings_from(EngineChoice, order)
        with open_graphs(recipe, choice, GraphBuild(ungated=True), graphs=[graph])[
            graph
        ] as engine:
            feeds = feeds_of(engine, rendered_pair(choice.size))
            for _ in range(MEMORY_RUNS):
                engine.infer(feeds)
    lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    peak = next(line for line in lines if line.startswith('VmHWM'))
    return round(int(peak.split()[1]) / 1024, 1)


if __name__ == '__main__':
    main()
