"""Int8 against float32: the gate's figures and times of the engines, taking turns.

Every case is calibrated on a folder of pairs (stereo) or of images, else on the gate's own
scenes; engines are opened without the gate, so that what it would refuse is shown too. Nothing is
left in the user's cache. Needs NNCF (``pip install nncf``). Times do not depend on the weights,
figures do: made-up ones (Monodepth2's) have none.

    python benchmarks/int8.py [--rounds 25] [--only loftr_tiny] [--pairs FOLDER] [--images FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from timing import machine, markdown_table, show_progress, write_report

from depth_ros.cli.kit.calibration_frames import add_calibration_inputs, calibration_frames
from depth_ros.cli.kit.timing import interleave, percentiles
from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.build import GraphBuild, open_graphs
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.calibrations import INT8, INT8_RUNTIME, CalibrationFrames, calibrate
from depth_ros.engines.checks.gate import feeds_maker, worst_of
from depth_ros.engines.checks.gate_images import gate_feeds
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import ExportPlan, obtain_exports, plan_exports
from depth_ros.engines.recipe import FULL_PRECISION, Graph, load_recipe
from depth_ros.tensors import Engine, Tensors


@dataclass(frozen=True)
class Case:
    """A graph at a preset's size; ``source`` is the argument that names its frames."""

    recipe: str
    graph: str
    preset: str
    source: str = ''
    weights: str = ''


CASES = (
    Case('crestereo_tiny_hinted', 'crestereo', 'fast', 'pairs'),
    Case('crestereo_tiny_hinted', 'crestereo', 'balanced', 'pairs'),
    Case('loftr_tiny', 'loftr', 'fast', 'images'),
    Case('loftr_tiny', 'loftr', 'balanced', 'images'),
    Case('monodepth2', 'depth', 'balanced', weights='synthetic:1'),
)
REPEATS = 3
"""Of the gate's scenes where nothing else is given: NNCF's means need some frames."""


def main() -> None:
    """Run the cases and print the table."""
    arguments = parse()
    print(machine())
    chosen = [case for case in CASES if arguments.only in ('', case.recipe)]
    with tempfile.TemporaryDirectory() as folder:
        rows = [run_case(case, arguments, EngineCache(Path(folder))) for case in chosen]
    header = ('graph', 'calibrated on', 'f32 p50 ms', 'int8 p50 ms', 'ratio', 'worst gate figures')
    print(markdown_table(header, rows))
    write_report('int8', {'rows': rows})


def parse() -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--rounds', type=int, default=25)
    parser.add_argument('--only', default='')
    parser.add_argument('--pairs', default='')
    parser.add_argument('--images', default='')
    return parser.parse_args()


def run_case(case: Case, arguments: argparse.Namespace, cache: EngineCache) -> list[object]:
    """Calibrate, open and time one case; return its row."""
    recipe = load_recipe(case.recipe)
    told = recipe.graph(case.graph)
    choice = EngineChoice(runtime=INT8_RUNTIME, preset=case.preset, weights=case.weights)
    plan = plan_exports(recipe, choice, graphs=[case.graph])
    path = obtain_exports(plan, cache)[case.graph]
    engines: dict[str, Engine] = {FULL_PRECISION: opened(plan, choice, cache)}
    scenes = scenes_of(told, engines[FULL_PRECISION])
    frames = frames_of(case, arguments, plan, choice, scenes)
    calibrate(load_artifact(path), told.int8, frames, cache.root)
    engines[INT8] = opened(plan, replace(choice, precision=INT8), cache)
    first = next(iter(scenes.values()))
    times = interleave(
        {name: lambda engine=engine: engine.infer(first) for name, engine in engines.items()},
        num_rounds=arguments.rounds,
        report=show_progress,
    )
    p50 = {name: percentiles(values)['p50'] for name, values in times.items()}
    figures = 'made-up weights' if plan.is_synthetic else worst_figures(told, engines, scenes)
    for engine in engines.values():
        engine.close()
    ratio = f'{p50[INT8] / p50[FULL_PRECISION]:.2f}'
    source = f'{len(frames.feeds)} of {frames.source}'
    return [path.stem, source, p50[FULL_PRECISION], p50[INT8], ratio, figures]


def opened(plan: ExportPlan, choice: EngineChoice, cache: EngineCache) -> Engine:
    """Open the plan's one graph without the gate."""
    build, graphs = GraphBuild(ungated=True), plan.graphs
    (engine,) = open_graphs(plan.recipe, choice, build, graphs=graphs, cache=cache).values()
    return engine


def scenes_of(told: Graph, engine: Engine) -> Mapping[str, Tensors]:
    """Return the gate's inputs by scene."""
    return (feeds_maker(told, {}) or gate_feeds)(engine.inputs)


def frames_of(
    case: Case,
    arguments: argparse.Namespace,
    plan: ExportPlan,
    choice: EngineChoice,
    scenes: Mapping[str, Tensors],
) -> CalibrationFrames:
    """Return what the case is calibrated on."""
    folder = getattr(arguments, case.source, '')
    if not folder:
        feeds = list(scenes.values()) * REPEATS
        return CalibrationFrames(feeds=feeds, source='rendered scenes')
    parser = argparse.ArgumentParser()
    add_calibration_inputs(parser)
    given = parser.parse_args(['--calibrate', folder])
    return calibration_frames(given, plan, choice, lambda phase, fraction: None)[case.graph]


def worst_figures(
    told: Graph, engines: Mapping[str, Engine], scenes: Mapping[str, Tensors]
) -> str:
    """Return the gate's figures of the scene where each is worst."""
    assert told.gate is not None
    by_scene = []
    for tensors in scenes.values():
        wanted = copied(engines[FULL_PRECISION].infer(tensors))
        by_scene.append(told.gate.figures(wanted, engines[INT8].infer(tensors)))
    return '; '.join(figure.describe() for figure in worst_of(by_scene))


def copied(tensors: Tensors) -> Tensors:
    """Return outputs that outlive the next run."""
    return {name: np.array(array) for name, array in tensors.items()}


if __name__ == '__main__':
    main()
