"""CREStereo on every CPU runtime present: one interleaved run, ratios, and the error of each.

The weights are synthetic unless ``--weights`` names a checkpoint: times do not depend on them,
errors do. Reference for errors is torch in float32.

    python benchmarks/crestereo_engines.py [--rounds 7] [--weights crestereo_eth3d.pth]
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from functools import partial

import numpy as np
from timing import machine, markdown_table, show_progress, write_report

from depth_ros.cli.timing import interleave, percentiles
from depth_ros.engines.base import Engine
from depth_ros.engines.build import open_graphs
from depth_ros.errors import EngineError
from depth_ros.scenes import SCENES, ideal_stereo_camera, render_stereo

CASES = (((240, 320), 4), ((480, 640), 10))
CONTENDERS = (
    ('torch eager f32', 'torch', 'f32'),
    ('ONNX Runtime f32', 'onnxruntime', 'f32'),
    ('OpenVINO f32', 'openvino', 'f32'),
    ('OpenVINO bf16', 'openvino', 'bf16'),
)
REFERENCE = CONTENDERS[0][0]


def main() -> None:
    """Run every case and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--weights', default='synthetic:0')
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    print(machine())
    record = {
        f'{height}x{width} it{iterations}': run_case((height, width), iterations, arguments)
        for (height, width), iterations in CASES
    }
    write_report('crestereo_engines', {'weights': arguments.weights, 'cases': record})


def run_case(
    size: tuple[int, int], iterations: int, arguments: argparse.Namespace
) -> dict[str, object]:
    """Time one size and give figures by contender."""
    pair = test_pair(size)
    with ExitStack() as stack:
        engines, refused = open_engines(size, iterations, arguments, stack)
        runs = {name: partial(engine.infer, pair) for name, engine in engines.items()}
        outputs = {name: run()['disparity'].copy() for name, run in runs.items()}
        times = interleave(runs, num_rounds=arguments.rounds, num_warmups=1, report=show_progress)
    reference = outputs[REFERENCE]
    figures: dict[str, object] = {}
    for name, values in times.items():
        difference = np.abs(outputs[name] - reference)
        figures[name] = {
            'ms': percentiles(values),
            'speed_up': round(float(np.median(times[REFERENCE]) / np.median(values)), 2),
            'error_px': {'mean': float(difference.mean()), 'max': float(difference.max())},
        }
    print_case(f'{size[0]}x{size[1]}, {iterations} iterations', figures, refused)
    return {'engines': figures, 'refused': refused}


def open_engines(
    size: tuple[int, int], iterations: int, arguments: argparse.Namespace, stack: ExitStack
) -> tuple[dict[str, Engine], dict[str, str]]:
    """Open what can be opened; give the reasons of the others."""
    engines, refused = {}, {}
    for name, runtime, precision in CONTENDERS:
        try:
            engine = open_graphs(
                'crestereo',
                size=size,
                options={'iterations': iterations},
                weights=arguments.weights,
                runtime=runtime,
                precision=precision,
                num_threads=arguments.threads,
            )['crestereo']
        except EngineError as error:
            refused[name] = str(error)
            continue
        stack.callback(engine.close)
        engines[name] = engine
    return engines, refused


def test_pair(size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Render a pair of the wanted size."""
    view = render_stereo(SCENES['room'](), ideal_stereo_camera(height=size[0], width=size[1]))
    return {'left': view.left.image[np.newaxis], 'right': view.right.image[np.newaxis]}


def print_case(title: str, figures: dict[str, object], refused: dict[str, str]) -> None:
    """Print one table."""
    rows = [
        [
            name,
            entry['ms']['p50'],
            entry['ms']['p95'],
            entry['speed_up'],
            f'{entry["error_px"]["mean"]:.2g}',
            f'{entry["error_px"]["max"]:.2g}',
        ]
        for name, entry in figures.items()
    ]
    header = ['engine', 'p50 ms', 'p95 ms', 'times torch', 'mean error px', 'max error px']
    print(f'\n{title}\n' + markdown_table(header, rows))
    for name, reason in refused.items():
        print(f'{name}: refused: {reason}')


if __name__ == '__main__':
    main()
