"""How OpenVINO can be made to run some operations in bf16 and others in float32, and proof of it.

Three convolutions in a row; each way tries to treat the middle one differently. The precision of
every convolution is read back from the compiled graph (``get_runtime_model``), and the output is
compared with float32, so that neither can pretend. With ``--onnx`` a whole graph is compiled in
float32, in bf16, in bf16 with everything but convolutions marked, and with casts as the engine
writes them without and with similarities, compared on its gate images and timed in turns.

    python benchmarks/openvino_precision.py [--onnx FILE.onnx] [--rounds 30]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import openvino as ov
from openvino import opset13 as op
from timing import machine, markdown_table, show_progress, write_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.cli.kit.timing import interleave, percentiles
from depth_ros.engines.cpu_runtime import cpu_flags
from depth_ros.engines.openvino.precision import EXECUTED, LOW, MOVING, executed, lower

NAMES = ('first', 'second', 'third')
CHANNELS = 32
_WINDOW = ([1, 1], [1, 1], [1, 1], [1, 1])


def main() -> None:
    """Try every way and print what the compiled graph says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--onnx', type=Path, help='exported graph to compare as a whole')
    parser.add_argument('--rounds', type=int, default=30, help='of timing, in turns')
    arguments = parser.parse_args()
    flags = [name for name in ('avx512_bf16', 'amx_bf16') if name in cpu_flags()]
    core = ov.Core()
    about = {
        'openvino': ov.__version__,
        'flags': flags,
        'capabilities': list(core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')),
    }
    print(machine(), about)
    rows = convolution_rows(core)
    header = ['way', 'hint', *NAMES, 'mean error', 'mean size']
    print('\n' + markdown_table(header, rows))
    record: dict[str, object] = {**about, 'convolutions': [dict(zip(header, r)) for r in rows]}  # noqa: B905
    if arguments.onnx:
        record['graph'] = compare_graph(core, arguments.onnx, rounds=arguments.rounds)
    write_report('openvino_precision', record)


def convolution_rows(core: ov.Core) -> list[list[object]]:
    """Compile the three convolutions in every way."""
    values = np.random.default_rng(1).standard_normal((1, CHANNELS, 32, 32)).astype('f4')
    ways = {
        'nothing': (plain_model(), 'f32'),
        'hint bf16': (plain_model(), 'bf16'),
        'rt_info set in Python': (python_marked_model(), 'bf16'),
        "IR attribute 'precise' on the middle one": (ir_marked_model(core), 'bf16'),
        'Convert to bf16 around the middle one': (converted_model(), 'f32'),
        'the same under hint bf16': (converted_model(), 'bf16'),
    }
    rows: list[list[object]] = []
    reference = None
    for way, (model, hint) in ways.items():
        compiled = core.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': hint})
        output = compiled(values)[0]
        reference = output if reference is None else reference
        error = float(np.abs(output - reference).mean())
        executed = executed_precisions(compiled)
        size = float(np.abs(reference).mean())
        cells = [executed.get(name, '?') for name in NAMES]
        rows.append([way, hint, *cells, f'{error:.2g}', f'{size:.3g}'])
    return rows


def executed_precisions(compiled: ov.CompiledModel) -> dict[str, str]:
    """Read back from the compiled graph what every convolution runs in."""
    found = {}
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        if info['layerType'].astype(str) == 'Convolution':
            found[node.friendly_name] = info['runtimePrecision'].astype(str)
    return found


def plain_model(*, low: str = '') -> ov.Model:
    """Three convolutions with ReLUs; ``low`` names one between conversions to bf16 and back."""
    random = np.random.default_rng(0)
    image = op.parameter([1, CHANNELS, 32, 32], np.float32, name='image')
    x: ov.Output = image
    for name in NAMES:
        weights = random.standard_normal((CHANNELS, CHANNELS, 3, 3)).astype('f4') / 17
        kernel = op.constant(weights)
        if name == low:
            x, kernel = op.convert(x, 'bf16'), op.convert(kernel, 'bf16')
        x = op.convolution(x, kernel, *_WINDOW)
        x.friendly_name = name
        x = op.relu(op.convert(x, 'f32') if name == low else x)
    return ov.Model([x], [image], 'three')


def converted_model() -> ov.Model:
    """Convert around the middle convolution, as Casts in an ONNX file do."""
    return plain_model(low='second')


def python_marked_model() -> ov.Model:
    """Set the attribute's name on the node from Python."""
    model = plain_model()
    for node in model.get_ops():
        if node.friendly_name == 'second':
            node.get_rt_info()['precise_0'] = True
    return model


def ir_marked_model(core: ov.Core) -> ov.Model:
    """Save as IR, mark the middle convolution in the file, read it again."""
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / 'model.xml'
        ov.save_model(plain_model(), xml, compress_to_fp16=False)
        tree = ElementTree.parse(xml)
        for layer in tree.getroot().iter('layer'):
            if layer.get('name') == 'second':
                mark(layer)
        tree.write(xml)
        return core.read_model(xml)


def mark(layer: ElementTree.Element) -> None:
    """Let one layer of an IR file keep float32 under the hint bf16."""
    info = layer.find('rt_info')
    if info is None:
        info = ElementTree.Element('rt_info')
        layer.insert(0 if layer.find('data') is None else 1, info)
    ElementTree.SubElement(info, 'attribute', {'name': 'precise', 'version': '0'})


def marked_graph(core: ov.Core, onnx: Path) -> ov.Model:
    """Mark everything but convolutions and what is no operation."""
    unmarked = {*LOW, 'Const', 'Parameter', 'Result'}
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / 'model.xml'
        ov.save_model(core.read_model(onnx), xml, compress_to_fp16=False)
        tree = ElementTree.parse(xml)
        for layer in tree.getroot().iter('layer'):
            if layer.get('type') not in unmarked:
                mark(layer)
        tree.write(xml)
        return core.read_model(xml)


def cast_graph(core: ov.Core, onnx: Path, *also_low: str) -> ov.Model:
    """Write casts, as the engine does."""
    model = core.read_model(onnx)
    lower(model, also_low=also_low)
    return model


def compare_graph(core: ov.Core, onnx: Path, *, rounds: int) -> dict[str, object]:
    """Compile a graph in every way and compare them on its gate images."""
    from depth_ros.engines.artifact import load_artifact
    from depth_ros.engines.checks.gate_images import gate_feeds

    feeds = gate_feeds(load_artifact(onnx).manifest.inputs)
    ways = {
        'f32': (core.read_model(onnx), 'f32'),
        'hint bf16': (core.read_model(onnx), 'bf16'),
        'hint bf16, all but convolutions marked': (marked_graph(core, onnx), 'bf16'),
        'casts': (cast_graph(core, onnx), 'f32'),
        'casts, similarities too': (cast_graph(core, onnx, 'similarities'), 'f32'),
    }
    figures: dict[str, dict[str, object]] = {}
    rows: list[list[object]] = []
    wanted: list[np.ndarray] = []
    runs = {}
    for way, (model, hint) in ways.items():
        settings = {'INFERENCE_PRECISION_HINT': hint, 'PERFORMANCE_HINT': 'LATENCY'}
        compiled = core.compile_model(model, 'CPU', settings)
        runs[way] = partial(compiled.create_infer_request().infer, next(iter(feeds.values())))
        outputs = [compiled(feed)[0].copy() for feed in feeds.values()]
        wanted = wanted or outputs
        errors = [float(np.abs(a - b).mean()) for a, b in zip(wanted, outputs, strict=True)]
        low, astray = low_operations(compiled)
        rows.append([way, low, astray, f'{max(errors):.3g}'])
        figures[way] = {'low': low, 'astray': astray, 'errors': errors}
    times = interleave(runs, num_rounds=rounds, report=show_progress)
    base = np.array(times['f32'])
    for row, (way, taken) in zip(rows, times.items(), strict=True):
        share = float(np.median(np.array(taken) / base))
        row += [percentiles(taken)['p50'], f'{share:.2f}']
        figures[way] |= {'p50_ms': row[-2], 'share': share}
    header = ['way', 'products in bf16', 'others in bf16', 'worst mean error', 'p50 ms', 'share']
    print(f'\n{onnx.name}\n{markdown_table(header, rows)}')
    return {'onnx': onnx.name, **figures}


def low_operations(compiled: ov.CompiledModel) -> tuple[int, str]:
    """Count convolutions and products in bf16, and name all other arithmetic in it."""
    found = {kind: n for (kind, precision), n in executed(compiled).items() if precision == 'bf16'}
    moves = {*MOVING, 'Const', 'Reorder', 'Input', 'Output', 'Convert', 'Concatenation'}
    others = {kind: n for kind, n in found.items() if kind not in {*EXECUTED, *moves}}
    low = sum(n for kind, n in found.items() if kind in EXECUTED)
    return low, ', '.join(f'{kind} {n}' for kind, n in sorted(others.items()))


if __name__ == '__main__':
    main()
