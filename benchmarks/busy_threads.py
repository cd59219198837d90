"""Threads of OpenVINO on cores that others use too: how many, and tied to cores or not.

A camera driver and subscribers are stood in for by processes that use a share of a core in bursts
of 15 Hz. Every way is measured in turns, a few frames each, beside the same others.

    python benchmarks/busy_threads.py GRAPH.onnx [--rounds 8]
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier, Event
from typing import TYPE_CHECKING

import numpy as np
from timing import machine, markdown_table, show_progress, write_report

if TYPE_CHECKING:
    import openvino as ov

SPAWNED = multiprocessing.get_context('spawn')
RATE_HZ, FRAMES_A_TURN = 15.0, 2
WAYS = {
    f'{count} thread{"s" if count > 1 else ""}, {"tied" if is_tied else "free"}': {
        'PERFORMANCE_HINT': 'LATENCY',
        'NUM_STREAMS': '1',
        'INFERENCE_PRECISION_HINT': 'f32',
        'INFERENCE_NUM_THREADS': str(count),
        'ENABLE_CPU_PINNING': 'YES' if is_tied else 'NO',
    }
    for count in (1, 2)
    for is_tied in (True, False)
}
OTHERS: dict[str, tuple[float, ...]] = {
    'nobody': (),
    'one, 30 % of a core': (0.3,),
    'two, 30 % each': (0.3, 0.3),
    'two, 50 % each': (0.5, 0.5),
    'one, a whole core': (1.0,),
}


def use_share(share: float, begin: Barrier, stop: Event) -> None:
    """Work for a share of each period until told to stop."""
    begin.wait()
    values = np.zeros(400_000, np.float32)
    while not stop.is_set():
        start = time.perf_counter()
        while time.perf_counter() - start < share / RATE_HZ:
            np.add(values, 1.0, out=values)
        time.sleep(max(0.0, 1.0 / RATE_HZ - (time.perf_counter() - start)))


@contextmanager
def beside(shares: tuple[float, ...]) -> Iterator[None]:
    """Have others at work."""
    stop, begin = SPAWNED.Event(), SPAWNED.Barrier(1 + len(shares))
    others = [SPAWNED.Process(target=use_share, args=(one, begin, stop)) for one in shares]
    for other in others:
        other.start()
    begin.wait()
    try:
        yield
    finally:
        stop.set()
        for other in others:
            other.join()


def requests_of(graph: str) -> tuple[dict[str, ov.InferRequest], dict[str, np.ndarray]]:
    """Compile a graph in every way; give requests, each warmed up, and an input of noise."""
    import openvino as ov  # not at the top: the processes beside need it not

    core = ov.Core()
    model, random = core.read_model(graph), np.random.default_rng(0)
    inputs = {
        port.any_name: random.integers(0, 255, tuple(port.shape)).astype(
            port.element_type.to_dtype()
        )
        for port in model.inputs
    }
    requests = {
        way: core.compile_model(model, 'CPU', options).create_infer_request()
        for way, options in WAYS.items()
    }
    for request in requests.values():
        request.infer(inputs)
    return requests, inputs


def measure(
    requests: dict[str, ov.InferRequest], inputs: dict[str, np.ndarray], num_rounds: int
) -> dict[str, list[float]]:
    """Give the milliseconds of every way's frames."""
    times_ms: dict[str, list[float]] = {way: [] for way in requests}
    for _ in range(num_rounds):
        for way, request in requests.items():
            for _ in range(FRAMES_A_TURN):
                start = time.perf_counter()
                request.infer(inputs)
                times_ms[way].append(1e3 * (time.perf_counter() - start))
    return times_ms


def main() -> None:
    """Measure and print p50 and p95."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('graph')
    parser.add_argument('--rounds', type=int, default=8)
    arguments = parser.parse_args()
    print(machine())
    requests, inputs = requests_of(arguments.graph)
    found = {}
    for name, shares in OTHERS.items():
        with beside(shares):
            found[name] = measure(requests, inputs, arguments.rounds)
        show_progress(len(found) / len(OTHERS))
    rows = [
        [name, *(f'{np.median(ms):.0f} / {np.percentile(ms, 95):.0f}' for ms in ways.values())]
        for name, ways in found.items()
    ]
    print(markdown_table(['others', *WAYS], rows))
    write_report('busy_threads', {'graph': arguments.graph, 'times_ms': found})


if __name__ == '__main__':
    main()
