"""Where OpenVINO's time goes: milliseconds by kind of operator, and the arithmetic's speed.

``python benchmarks/openvino_profile.py monodepth2 depth [--size 192 640] [--precision bf16]``

``bf16`` is lowered as the engine does it: convolutions, not the whole graph. The last lines tell
what share of the time products and convolutions take and how fast they are alone, and compare
with the fastest float32 matrix product that torch does here: what the machine gives when memory
is no matter. With ``--count`` nothing is run or timed: the operators of the compiled graph are
counted, with the megabytes that they read and write. That is the same on a busy machine, so it
is what a change of a network's graph is judged by.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from arithmetic import PRODUCT, count_gflop, product_speed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.cli.kit.arguments import parse_options
from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.export import load_state, make_exportable
from depth_ros.engines.exports import obtain_exports, plan_exports
from depth_ros.engines.openvino.precision import lower
from depth_ros.engines.recipe import load_recipe

PRODUCTS = ('Convolution', 'ConvolutionBackpropData', 'FullyConnected', 'MatMul')


def main() -> int:
    """Profile one graph and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('recipe')
    parser.add_argument('graph')
    parser.add_argument('--size', nargs=2, type=int, metavar=('H', 'W'))
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--precision', default='f32', choices=('f32', 'bf16'))
    parser.add_argument('--weights', default='synthetic:0')
    parser.add_argument('--option', action='append', default=[], metavar='NAME=VALUE')
    parser.add_argument('--count', action='store_true', help='count operators, time nothing')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = load_recipe(arguments.recipe)
    plan = plan_exports(
        recipe,
        EngineChoice(
            preset=None,
            size=tuple(arguments.size) if arguments.size else None,
            weights=arguments.weights,
        ),
        graphs=(arguments.graph,),
        options=parse_options(arguments.option),
    )
    path = obtain_exports(plan, EngineCache())[arguments.graph]
    inputs = load_artifact(path).golden().inputs
    if arguments.count:
        print_counts(path, inputs, arguments)
        return 0
    times, total_ms = profile(path, inputs, arguments)
    state = load_state(recipe, plan.weights)
    exportable = make_exportable(recipe, arguments.graph, plan.variant, state)
    tensors = [torch.from_numpy(np.array(inputs[spec.name])) for spec in exportable.inputs]
    gflop = count_gflop(lambda: exportable.module(*tensors))
    print(f'{path.stem}: {total_ms:.1f} ms, {gflop:.2f} GFLOP')
    print('| operator | ms | share % |\n| --- | --- | --- |')
    for kind, value in times.most_common(8):
        print(f'| {kind} | {value:.1f} | {100 * value / sum(times.values()):.0f} |')
    in_products = sum(times[kind] for kind in PRODUCTS) / sum(times.values())
    alone = gflop / (total_ms * in_products) * 1e3
    print(f'products and convolutions: {100 * in_products:.0f} % of the time, {alone:.0f} GFLOP/s')
    print(
        f'{gflop / total_ms * 1e3:.0f} GFLOP/s in all; a {PRODUCT} matrix product in torch: '
        f'{product_speed():.0f} GFLOP/s in float32'
    )
    return 0


def print_counts(path: Path, inputs, arguments) -> None:
    """Print operators and megabytes by kind, those that move most first."""
    config = {**configuration(arguments), 'PERF_COUNT': True}
    compiled = ov.Core().compile_model(read_graph(path, arguments), 'CPU', config)
    request = compiled.create_infer_request()
    request.infer(dict(inputs))
    executed = {
        info.node_name
        for info in request.profiling_info
        if info.status == ov.ProfilingInfo.Status.EXECUTED
    }
    counts, moved = count_operators(compiled.get_runtime_model(), executed)
    print(
        f'{path.stem}: {counts.total()} operators, {moved.total() / 1e6:.0f} MB read and written'
    )
    print('| operator | count | MB |\n| --- | --- | --- |')
    for kind, size in moved.most_common(14):
        print(f'| {kind} | {counts[kind]} | {size / 1e6:.1f} |')


def count_operators(model: ov.Model, executed: set[str]) -> tuple[Counter[str], Counter[str]]:
    """Count operators of a compiled graph that do something, and the bytes in and out of them."""
    counts: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    for operation in model.get_ops():
        kind = operation.get_rt_info()['layerType'].astype(str)
        if operation.get_friendly_name() not in executed:
            continue
        ports = [*(port.get_source_output() for port in operation.inputs()), *operation.outputs()]
        counts[kind] += 1
        moved[kind] += sum(int(np.prod(port.shape)) * port.element_type.size for port in ports)
    return counts, moved


def configuration(arguments) -> dict[str, str | int]:
    """Give OpenVINO's settings."""
    return {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_NUM_THREADS': arguments.threads,
        'INFERENCE_PRECISION_HINT': 'f32',
    }


def read_graph(path: Path, arguments) -> ov.Model:
    """Read the graph and lower it where bf16 is asked for, as the engine does."""
    model = ov.Core().read_model(path)
    if arguments.precision == 'bf16':
        told = load_recipe(arguments.recipe).graph(arguments.graph)
        lower(model, also_low=told.also_low)
    return model


def profile(path: Path, inputs, arguments) -> tuple[Counter[str], float]:
    """Give milliseconds by kind of operator, and the median of whole runs without counters."""
    core = ov.Core()
    config = configuration(arguments)
    times: Counter[str] = Counter()
    model = read_graph(path, arguments)
    counted = core.compile_model(model, 'CPU', {**config, 'PERF_COUNT': True})
    request = counted.create_infer_request()
    for run in range(arguments.runs + 2):
        request.infer(dict(inputs))
        for info in request.profiling_info if run >= 2 else ():
            times[info.node_type] += info.real_time.total_seconds() * 1e3 / arguments.runs
    plain = core.compile_model(model, 'CPU', config).create_infer_request()
    whole = []
    for _ in range(arguments.runs + 2):
        start = time.perf_counter()
        plain.infer(dict(inputs))
        whole.append(1e3 * (time.perf_counter() - start))
    return times, float(np.median(whole[2:]))


if __name__ == '__main__':
    sys.exit(main())
