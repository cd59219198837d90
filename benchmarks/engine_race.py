"""A graph on every CPU runtime present, taking turns, with the error of each against torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
from timing import markdown_table, show_progress

from depth_ros.cli.kit.timing import interleave, percentiles
from depth_ros.engines.build import GraphBuild, open_graphs
from depth_ros.engines.checks.golden import Tolerance
from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import EngineError
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render_stereo
from depth_ros.tensors import Engine, Options

CONTENDERS = (
    ('torch eager f32', 'torch', 'f32'),
    ('ONNX Runtime f32', 'onnxruntime', 'f32'),
    ('OpenVINO f32', 'openvino', 'f32'),
    ('OpenVINO bf16', 'openvino', 'bf16'),
)
REFERENCE = CONTENDERS[0][0]


def open_contenders(
    recipe: str,
    graph: str,
    stack: ExitStack,
    choice: EngineChoice,
    *,
    options: Options | None = None,
    tolerance: Tolerance | None = None,
) -> tuple[dict[str, Engine], dict[str, str]]:
    """Open what can be opened; give the reasons of the others.

    Options are over those of the preset; a tolerance is instead of the recipe's.
    """
    engines, refused = {}, {}
    for name, runtime, precision in CONTENDERS:
        try:
            engine = open_graphs(
                recipe,
                replace(choice, runtime=runtime, precision=precision),
                GraphBuild(ungated=True, tolerance=tolerance),
                graphs=[graph],
                options=options,
            )[graph]
        except EngineError as error:
            refused[name] = str(error)
            continue
        stack.callback(engine.close)
        engines[name] = engine
    return engines, refused


def feeds_of(engine: Engine, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Give the engine's inputs, in order, the images (H, W, 3)."""
    pairs = zip(engine.inputs, images, strict=False)
    return {spec.name: image[np.newaxis] for spec, image in pairs}


def rendered_pair(size: tuple[int, int]) -> list[np.ndarray]:
    """Render left and right image of a size (height, width)."""
    view = render_stereo(SCENES['room'](), ideal_stereo_camera(height=size[0], width=size[1]))
    return [view.left.image, view.right.image]


def race(
    engines: Mapping[str, Engine], images: Sequence[np.ndarray], *, num_rounds: int
) -> dict[str, dict]:
    """Time every engine and compare its first output with the reference's."""
    runs = {
        name: partial(engine.infer, feeds_of(engine, images)) for name, engine in engines.items()
    }
    outputs = {name: next(iter(run().values())).copy() for name, run in runs.items()}
    times = interleave(runs, num_rounds=num_rounds, num_warmups=1, report=show_progress)
    reference = outputs[REFERENCE]
    figures = {}
    for name, values in times.items():
        difference = np.abs(outputs[name] - reference)
        figures[name] = {
            'ms': percentiles(values),
            'speed_up': round(float(np.median(times[REFERENCE]) / np.median(values)), 2),
            'error': {
                'mean': float(difference.mean()),
                'max': float(difference.max()),
                'largest_value': float(np.abs(reference).max()),
            },
        }
    return figures


def print_race(
    title: str, figures: Mapping[str, dict], refused: Mapping[str, str], *, unit: str
) -> None:
    """Print one table; memory where it was measured."""
    rows = [
        [
            name,
            entry['ms']['p50'],
            entry['ms']['p95'],
            entry['speed_up'],
            f'{entry["error"]["mean"]:.2g}',
            f'{entry["error"]["max"]:.2g}',
            *([entry['peak_mb']] if 'peak_mb' in entry else []),
        ]
        for name, entry in figures.items()
    ]
    header = ['engine', 'p50 ms', 'p95 ms', 'times torch', f'mean error {unit}', f'max {unit}']
    if any('peak_mb' in entry for entry in figures.values()):
        header.append('peak MB')
    print(f'\n{title}\n' + markdown_table(header, rows))
    for name, reason in refused.items():
        print(f'{name}: refused: {reason}')
