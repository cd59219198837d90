"""Do exports take the same time, and give the same? Before and after a change, or other networks.

``python benchmarks/graph_race.py BEFORE.onnx AFTER.onnx [--precision bf16]``: OpenVINO runs the
graphs in turns, on the same random inputs if their shapes are the same. Take the older one from
the history, for example
``git show 684b160:weights/loftr_tiny-loftr-480x640-k1024.onnx``.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import openvino as ov
from timing import machine, markdown_table, show_progress

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.cli.kit.timing import interleave, percentiles
from depth_ros.engines.openvino.precision import lower
from depth_ros.engines.runtime import ALSO_LOW


def main() -> None:
    """Race the graphs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('graphs', nargs='+', type=Path, metavar='FILE.onnx')
    parser.add_argument('--precision', default='f32', choices=('f32', 'bf16'))
    parser.add_argument(
        '--also-low', nargs='*', default=(), choices=ALSO_LOW, help="with bf16, as the recipe's"
    )
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=20)
    arguments = parser.parse_args()
    print(machine())
    requests = {str(path): compiled(path, arguments) for path in arguments.graphs}
    runs = {
        name: partial(request.infer, random_feeds(request.model_inputs))
        for name, request in requests.items()
    }
    times = interleave(runs, num_rounds=arguments.rounds, report=show_progress)
    found = {name: outputs(request) for name, request in requests.items()}
    base, reference = next(iter(times.values())), next(iter(found.values()))
    rows = []
    for name, values in times.items():
        at = percentiles(values)
        share = float(np.median(np.array(values) / np.array(base)))
        worst = difference(found[name], reference)
        rows.append([name, at['p50'], at['p95'], f'{share:.2f}', worst])
    print(markdown_table(('graph', 'p50 ms', 'p95 ms', 'share', 'largest difference'), rows))


def compiled(path: Path, arguments: argparse.Namespace) -> ov.InferRequest:
    """Compile a graph as the engine does."""
    core = ov.Core()
    model = core.read_model(path)
    if arguments.precision == 'bf16':
        lower(model, also_low=arguments.also_low)
    config = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_NUM_THREADS': arguments.threads,
        'INFERENCE_PRECISION_HINT': 'f32',
    }
    return core.compile_model(model, 'CPU', config).create_infer_request()


def random_feeds(ports: list[ov.ConstOutput]) -> dict[str, np.ndarray]:
    """Draw inputs: bytes for images, ones for masks, small positive numbers for the rest."""
    rng = np.random.default_rng(0)
    feeds = {}
    for port in ports:
        kind = port.element_type.to_dtype()
        values = rng.random(tuple(port.shape)) * (256 if kind == np.uint8 else 1)
        is_mask = port.any_name.endswith('mask')
        feeds[port.any_name] = np.ones_like(values, kind) if is_mask else values.astype(kind)
    return feeds


def outputs(request: ov.InferRequest) -> list[np.ndarray]:
    """Give what the last run gave, copied."""
    return [
        request.get_output_tensor(index).data.copy() for index in range(len(request.model_outputs))
    ]


def difference(found: list[np.ndarray], reference: list[np.ndarray]) -> str:
    """Write the largest difference of two results; nothing where they are of other shapes."""
    if [one.shape for one in found] != [one.shape for one in reference]:
        return ''
    return f'{max(np.abs(a - b).max() for a, b in zip(found, reference, strict=True)):.2g}'


if __name__ == '__main__':
    main()
