"""Two convolutions that int8 holds well, or not: one channel may drown the other.

``disparity = 40 * mean(left) / 255``: the first convolution makes that, and ``loud`` times the
mean of the right image beside it; the second reads the first channel alone. In int8 both channels
share one range: with ``loud`` 1 that does no harm, with 1000 a step is as large as the disparity.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.engines.artifact import (
    Golden,
    Manifest,
    WeightsRecord,
    file_digest,
    golden_path,
    manifest_path,
)
from depth_ros.engines.checks.golden import GOLDEN_SEED, Tolerance, golden_inputs
from depth_ros.tensors import Tensors, TensorSpec

HEIGHT, WIDTH = 40, 50
LAYERS = ('first.', 'second.')
LARGEST_PX = 40.0
INPUTS = tuple(
    TensorSpec(name=name, shape=(1, HEIGHT, WIDTH, 3), dtype='uint8') for name in ('left', 'right')
)
OUTPUTS = (TensorSpec(name='disparity', shape=(1, HEIGHT, WIDTH), dtype='float32', unit='px'),)


def scaled_frames(count: int, *, seed: int = 0) -> list[Tensors]:
    """Different pairs of grey noise from black to white: each has the whole range."""
    random = np.random.Generator(np.random.PCG64(seed))
    size = (1, HEIGHT, WIDTH, 1)
    return [
        {
            spec.name: np.repeat(random.integers(0, 256, size).astype(np.uint8), 3, axis=-1)
            for spec in INPUTS
        }
        for _ in range(count)
    ]


def write_scaled_artifact(folder: Path, *, loud: float) -> Path:
    """Write the whole artefact and give its ONNX file; needs the package onnx."""
    path = folder / f'scaled-{HEIGHT}x{WIDTH}.onnx'
    _write_onnx(path, loud)
    inputs = golden_inputs(INPUTS)
    disparity = LARGEST_PX / 255.0 * inputs['left'].mean(axis=-1)
    golden = Golden(inputs=inputs, outputs={'disparity': disparity.astype(np.float32)})
    golden.save(golden_path(path))
    manifest = Manifest(
        recipe='scaled',
        graph='scaled',
        size=(HEIGHT, WIDTH),
        options={},
        inputs=INPUTS,
        outputs=OUTPUTS,
        weights=WeightsRecord(source='scaled.pth', sha256='0' * 64, licence='Apache-2.0'),
        tolerances={'f32': {'*': Tolerance(mean=1e-3)}, 'int8': {'*': Tolerance(mean=1e6)}},
        onnx_sha256=file_digest(path),
        golden_seed=GOLDEN_SEED,
        golden_sha256=golden.sha256,
        opset=18,
        exporter='tests',
        command=f'depth-ros build scaled --weights FILE --size {HEIGHT}x{WIDTH}',
    )
    manifest_path(path).write_text(manifest.to_json(), encoding='utf-8')
    return path


def _write_onnx(path: Path, loud: float) -> None:
    from onnx import TensorProto, helper, numpy_helper, save

    first = np.zeros((2, 6, 1, 1), np.float32)
    first[0, :3], first[1, 3:] = LARGEST_PX / 255.0 / 3.0, loud / 255.0 / 3.0
    second = np.array([1.0, 0.0], np.float32).reshape(1, 2, 1, 1)
    constants = {'first.weight': first, 'second.weight': second, 'axis': np.array([1], np.int64)}
    nodes = [
        helper.make_node('Concat', ['left', 'right'], ['images'], axis=-1),
        helper.make_node('Cast', ['images'], ['floats'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', ['floats'], ['planes'], perm=[0, 3, 1, 2]),
        helper.make_node('Conv', ['planes', 'first.weight'], ['features']),
        helper.make_node('Relu', ['features'], ['hidden']),
        helper.make_node('Conv', ['hidden', 'second.weight'], ['map']),
        helper.make_node('Squeeze', ['map', 'axis'], ['disparity']),
    ]
    types = {'uint8': TensorProto.UINT8, 'float32': TensorProto.FLOAT}
    ports = [
        [helper.make_tensor_value_info(spec.name, types[spec.dtype], spec.shape) for spec in specs]
        for specs in (INPUTS, OUTPUTS)
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, 'scaled', *ports, initializers)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=8), path)
