"""Graphs rewritten for TensorRT: what becomes 16 bit, what stays float32, and older opsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.kit.toy_graph import TOY_ONNX, toy_frames, toy_function

onnx = pytest.importorskip('onnx', reason='the package onnx is absent')
ort = pytest.importorskip('onnxruntime', reason='the runtime onnxruntime is absent')

from onnx import TensorProto, helper, numpy_helper

from depth_ros.engines.tensorrt.onnx_precision import (
    lower_convolutions,
    lower_opset,
    rewrite,
)
from depth_ros.errors import EngineError

SHAPE = (1, 4, 6, 8)
RANDOM = np.random.Generator(np.random.PCG64(3))
KERNEL = (RANDOM.random((4, 4, 1, 1)) - 0.5).astype('f4')


def model(
    nodes: Sequence[onnx.NodeProto], constants: Mapping[str, np.ndarray] | None = None
) -> onnx.ModelProto:
    """Make a graph from ``x`` to ``y``, both float32 of one shape."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in 'xy']
    weights = {'kernel': KERNEL, **(constants or {})}
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, 'test', ports[:1], ports[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=8)


def conv(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node('Conv', [source, 'kernel'], [target])


def node(kind: str, sources: Sequence[str], target: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, sources, [target], **attributes)


def types(made: onnx.ModelProto) -> dict[str, int]:
    """Element type of every value; also checks that types fit each other."""
    inferred = onnx.shape_inference.infer_shapes(made, check_type=True, strict_mode=True)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {item.name: item.type.tensor_type.elem_type for item in values}


def run(made: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(made.SerializeToString(), providers=['CPUExecutionProvider'])
    return session.run(None, {'x': x})[0]


def filled(value: float) -> np.ndarray:
    """Make a kernel of one value, but for one weight: it does more than add up."""
    kernel = np.full((4, 4, 1, 1), value, 'f4')
    kernel[-1, -1] = 0.5
    return kernel


def num_casts(made: onnx.ModelProto) -> int:
    return sum(item.op_type == 'Cast' for item in made.graph.node)


def test_chain_of_convolutions_is_cast_at_its_ends() -> None:
    made = model([conv('x', 'a'), node('Relu', ['a'], 'b'), conv('b', 'y')])
    x = RANDOM.random(SHAPE).astype('f4')
    expected = run(made, x)
    assert lower_convolutions(made, 'f16') == 3
    assert num_casts(made) == 2
    found = types(made)
    assert found['a__low'] == found['b__low'] == found['y__low'] == TensorProto.FLOAT16
    assert found['y'] == TensorProto.FLOAT
    difference = np.abs(run(made, x) - expected).max()
    assert 1e-7 < difference < 5e-3


def test_convolutions_that_only_add_up_stay_float32(tmp_path: Path) -> None:
    """They are similarities; builders that decide by layer find them by name."""
    ones = np.eye(4, dtype='f4')[:, :, None, None] / 4
    nodes = [conv('x', 'a'), helper.make_node('Conv', ['a', 'ones'], ['y'], name='sum')]
    made = model(nodes, {'ones': ones})
    assert lower_convolutions(made, 'f16') == 1
    assert types(made)['y'] == types(made)['a'] == TensorProto.FLOAT
    path = tmp_path / 'graph.onnx'
    onnx.save(model(nodes, {'ones': ones}), path)
    written = onnx.load_from_string(rewrite(path, precision='f32', opset=17))
    assert [item.name for item in written.graph.node] == ['', 'sum/keeps_float32']


@pytest.mark.parametrize(
    ('nodes', 'what'),
    [
        ([node('Add', ['d', 'grid'], 'f'), conv('f', 'y')], 'coordinates'),
        ([node('Softmax', ['d'], 'f', axis=1), conv('f', 'y')], 'softmax'),
        (
            [
                node('Transpose', ['x'], 'g', perm=[0, 1, 3, 2]),
                node('MatMul', ['d', 'g'], 'h'),
                node('MatMul', ['h', 'd'], 'f'),
                conv('f', 'y'),
            ],
            'similarity',
        ),
        ([node('Mul', ['d', 'd'], 'f'), conv('f', 'y')], 'products of activations'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_geometry_stays_float32(nodes: list[onnx.NodeProto], what: str) -> None:
    made = model([conv('x', 'd'), *nodes], {'grid': np.zeros(SHAPE, 'f4')})
    assert lower_convolutions(made, 'f16') == 2
    found = types(made)
    assert found['d'] == found['f'] == TensorProto.FLOAT


def test_flow_that_is_summed_up_and_sampled_with_stays_float32() -> None:
    """The first sum adds two convolutions' outputs; only its other reader gives it away."""
    made = model(
        [
            conv('x', 'a'),
            conv('x', 'b'),
            node('Add', ['a', 'b'], 'flow'),
            conv('flow', 'c'),
            node('Sin', ['flow'], 'sampled'),
            node('Add', ['c', 'sampled'], 'y'),
        ]
    )
    assert lower_convolutions(made, 'f16') == 3
    found = types(made)
    assert found['flow'] == found['y'] == TensorProto.FLOAT


def test_sum_between_convolutions_only_is_low() -> None:
    made = model([conv('x', 'a'), conv('x', 'b'), node('Add', ['a', 'b'], 'c'), conv('c', 'y')])
    assert lower_convolutions(made, 'f16') == 4
    assert types(made)['c__low'] == TensorProto.FLOAT16
    assert num_casts(made) == 2, 'x once, y once'


def test_network_outputs_are_float32_even_where_they_stand_between() -> None:
    made = model([conv('x', 'a'), node('Relu', ['a'], 'y'), conv('y', 'unread')])
    assert lower_convolutions(made, 'f16') == 2
    assert types(made)['y'] == TensorProto.FLOAT


@pytest.mark.parametrize('value', [1.0, -1.00390625, 3.14159274, 1e-30, 65504.0, 1e30])
def test_bf16_weights_are_rounded_to_nearest(value: float) -> None:
    made = model([conv('x', 'y')], {})
    made.graph.initializer[0].CopyFrom(numpy_helper.from_array(filled(value), 'kernel'))
    lower_convolutions(made, 'bf16')
    (weights,) = made.graph.initializer
    assert weights.data_type == TensorProto.BFLOAT16
    stored = np.frombuffer(weights.raw_data, '<u2').astype('<u4') << np.uint32(16)
    assert np.abs(stored.view('<f4')[0] / value - 1) <= 2.0**-8


def test_half_weights_never_become_infinite() -> None:
    made = model([conv('x', 'y')], {})
    made.graph.initializer[0].CopyFrom(numpy_helper.from_array(filled(-1e6), 'kernel'))
    lower_convolutions(made, 'f16')
    assert numpy_helper.to_array(made.graph.initializer[0]).min() == np.float16(-65504)


def test_older_opset_computes_the_same() -> None:
    axes = np.array([1, 3], np.int64)
    made = model(
        [
            node('ReduceMean', ['x', 'axes'], 'mean', keepdims=1),
            node('ReduceMax', ['x', 'axes'], 'largest', keepdims=1),
            node('Sub', ['largest', 'mean'], 'range'),
            node('Split', ['x'], 'unused', axis=1, num_outputs=1),
            node('Mul', ['x', 'range'], 'y'),
        ],
        {'axes': axes},
    )
    x = RANDOM.random(SHAPE).astype('f4')
    expected = run(made, x)
    lower_opset(made, 17)
    assert made.opset_import[0].version == 17
    onnx.checker.check_model(made, full_check=True)
    np.testing.assert_array_equal(run(made, x), expected)
    assert 'axes' not in [item.name for item in made.graph.initializer]


def test_what_an_older_opset_cannot_say_is_refused() -> None:
    made = model([node('ReduceMean', ['x', 'computed'], 'y')])
    with pytest.raises(EngineError, match='axes that are computed'):
        lower_opset(made, 17)


def test_toy_network_in_half_precision(tmp_path: Path) -> None:
    content = rewrite(TOY_ONNX, precision='f16')
    session = ort.InferenceSession(content, providers=['CPUExecutionProvider'])
    frame = toy_frames(1)[0]
    (disparity,) = session.run(None, frame)
    assert disparity.dtype == np.float32
    np.testing.assert_allclose(disparity, toy_function(frame)['disparity'], atol=0.01)
