"""What OpenVINO's options do to the memory of a loaded graph, and to its operators.

    python benchmarks/openvino_memory.py weights/crestereo_tiny_hinted-crestereo-240x320-it2.onnx

Each way is compiled, then loaded and run in a process of its own. MiB are its anonymous memory
beyond what it has with OpenVINO imported. Nothing is timed, so a busy machine does not matter.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import openvino as ov
from timing import machine, markdown_table, write_report

COMMON = {
    'ENABLE_CPU_PINNING': 'NO',
    'PERFORMANCE_HINT': 'LATENCY',
    'NUM_STREAMS': '1',
    'INFERENCE_NUM_THREADS': '2',
    'INFERENCE_PRECISION_HINT': 'f32',
}
"""As ``depth_ros/engines/openvino/engine.py`` sets them."""
WAYS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    'as the engine does': ({}, {}),
    'no cache of compiled code': ({'CPU_RUNTIME_CACHE_CAPACITY': '0'}, {}),
    'one thread': ({'INFERENCE_NUM_THREADS': '1'}, {}),
    'one heap of malloc': ({}, {'MALLOC_ARENA_MAX': '1'}),
    'no fused element-wise operators': ({'SNIPPETS_MODE': 'DISABLE'}, {}),
}
"""Options of OpenVINO and variables of the environment."""


def main() -> None:
    """Measure every way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('graph', type=Path, metavar='FILE.onnx')
    parser.add_argument('--load', nargs=2, metavar=('BLOB', 'OPTIONS'), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        print(json.dumps(load(Path(arguments.load[0]), json.loads(arguments.load[1]))))
        return
    print(machine())
    rows = [[name, *measure(arguments.graph, *way)] for name, way in WAYS.items()]
    header = ('way', 'operators', 'loaded', 'after a run', 'after malloc_trim')
    print(markdown_table(header, rows))
    write_report('openvino_memory', {'graph': arguments.graph.name, 'rows': rows})


def measure(graph: Path, options: dict[str, str], variables: dict[str, str]) -> list[int]:
    """Compile a graph, load it in another process and return operators and MiB."""
    config = {**COMMON, **options}
    core = ov.Core()
    compiled = core.compile_model(core.read_model(graph), 'CPU', config)
    exported = compiled.export_model()
    with tempfile.NamedTemporaryFile(suffix='.blob') as blob:
        blob.write(exported if isinstance(exported, bytes) else exported.getvalue())
        blob.flush()
        command = [sys.executable, __file__, str(graph), '--load', blob.name, json.dumps(config)]
        found = subprocess.run(
            command, env={**os.environ, **variables}, check=True, capture_output=True, text=True
        )
    num_operators = len(compiled.get_runtime_model().get_ops())
    return [num_operators, *json.loads(found.stdout.splitlines()[-1])]


def load(blob: Path, config: dict[str, str]) -> list[int]:
    """Return MiB after loading, after a run, and after freed memory went back to the kernel."""
    core = ov.Core()
    core.get_property('CPU', 'FULL_DEVICE_NAME')
    before = own_mib()
    compiled = core.import_model(blob.read_bytes(), 'CPU', config)
    loaded = own_mib()
    request = compiled.create_infer_request()
    for port in compiled.inputs:
        data = request.get_tensor(port.any_name).data
        np.copyto(data, np.ones_like(data))
    request.infer()
    used = own_mib()
    ctypes.CDLL(None).malloc_trim(0)
    return [round(value - before) for value in (loaded, used, own_mib())]


def own_mib() -> float:
    """Return the anonymous resident memory of this process."""
    lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    fields = dict(line.split(':', 1) for line in lines)
    return int(fields['RssAnon'].split()[0]) / 1024


if __name__ == '__main__':
    main()
