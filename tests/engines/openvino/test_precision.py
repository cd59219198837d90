"""bf16 in OpenVINO: convolutions low, everything else float32, as the compiled graph says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.kit.toy_graph import toy_frames, toy_function, write_toy_artifact

ov = pytest.importorskip('openvino', reason='the runtime openvino is absent')

from openvino import opset13 as op

from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.openvino import engine as openvino_engine
from depth_ros.engines.openvino import precision as openvino_precision
from depth_ros.engines.openvino.precision import (
    executed,
    executed_precision,
    lower,
    to_bf16,
)
from depth_ros.engines.runtime import ALSO_LOW, BuildSettings
from depth_ros.errors import EngineError

HAS_BF16 = 'BF16' in ov.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


def small_model() -> ov.Model:
    """Convolution, ReLU, then a matrix product and a softmax."""
    image = op.parameter([1, 16, 16, 16], np.float32, name='image')
    random = np.random.default_rng(0)
    kernel = op.constant(random.standard_normal((16, 16, 3, 3)).astype('f4'))
    features = op.relu(op.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    flat = op.reshape(features, op.constant(np.array([1, 16, 256])), special_zero=False)
    scores = op.matmul(flat, flat, transpose_a=True, transpose_b=False)
    return ov.Model([op.softmax(scores, 2)], [image], 'small')


def compiled(model: ov.Model, hint: str = 'f32') -> ov.CompiledModel:
    return ov.Core().compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': hint})


def lowered(model: ov.Model, *also_low: str) -> ov.Model:
    lower(model, also_low=also_low)
    return model


def precisions(compiled: ov.CompiledModel) -> dict[str, str]:
    found = {}
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        found[info['layerType'].astype(str)] = info['runtimePrecision'].astype(str)
    return found


def kinds_in(model: ov.Model, kind: ov.Type) -> set[str]:
    nodes = [node for node in model.get_ordered_ops() if node.get_output_size()]
    found = {node.get_type_name() for node in nodes if node.get_output_element_type(0) == kind}
    return found - {'Constant', 'Convert', 'Parameter', 'Result'}


def test_casts_stand_around_convolutions_and_their_activations_only() -> None:
    model = small_model()
    assert lower(model) == 2
    assert kinds_in(model, ov.Type.bf16) == {'Convolution', 'Relu'}
    assert kinds_in(model, ov.Type.f32) == {'Reshape', 'MatMul', 'Softmax'}


def test_one_cast_serves_all_and_none_stands_between_low_operations() -> None:
    image = op.parameter([1, 16, 8, 8], np.float32, name='image')
    kernel = np.random.default_rng(0).standard_normal((16, 16, 3, 3)).astype('f4')
    window = ([1, 1], [1, 1], [1, 1], [1, 1])
    first = op.relu(op.convolution(image, op.constant(kernel), *window))
    again = op.convolution(first, op.constant(kernel), *window)
    beside = op.convolution(image, op.constant(kernel), *window)
    model = ov.Model([op.add(again, beside), op.sigmoid(again)], [image], 'chain')
    assert lower(model) == 5
    assert kinds_in(model, ov.Type.f32) == {'Sigmoid'}, 'gates scale coordinates'
    live = [node for node in model.get_ordered_ops() if node.get_type_name() == 'Convert']
    of_image = [node for node in live if node.input(0).get_source_output().get_node() == image]
    assert len(of_image) == 1
    back = [node for node in live if node.get_output_element_type(0) == ov.Type.f32]
    assert len(back) == 2, 'before the sigmoid and before the result'


@pytest.mark.parametrize(
    ('shape', 'is_bias'),
    [((1, 16, 1, 1), True), ((1, 1, 1, 1), True), ((1, 1, 1, 8), False), ((1, 16, 8, 8), False)],
)
def test_coordinates_are_no_bias(shape: tuple[int, ...], is_bias: bool) -> None:
    image = op.parameter([1, 16, 8, 8], np.float32, name='image')
    kernel = op.constant(np.ones((16, 16, 1, 1), 'f4') + np.eye(16, dtype='f4')[..., None, None])
    moved = op.convolution(image, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    values = op.constant(np.arange(np.prod(shape), dtype='f4').reshape(shape))
    model = ov.Model([op.add(moved, values)], [image], 'bias')
    assert lower(model) == 1 + is_bias


def test_weights_are_rounded_not_cut() -> None:
    values = np.float32([1.0, 1.00390625, 1.005859375, -3.1415926, 1e-30, 65280.0])
    rounded = to_bf16(values)
    assert np.all(rounded.view(np.uint32) & 0xFFFF == 0)
    torch = pytest.importorskip('torch', reason='torch knows bf16')
    expected = torch.from_numpy(values).bfloat16().float().numpy()
    np.testing.assert_array_equal(rounded, expected)
    many = np.random.default_rng(0).standard_normal(1000).astype('f4')
    np.testing.assert_array_equal(to_bf16(many), torch.from_numpy(many).bfloat16().float().numpy())


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_the_compiled_graph_does_as_it_is_told() -> None:
    unmarked = precisions(compiled(small_model(), 'bf16'))
    assert unmarked['Convolution'] == unmarked['MatMul'] == 'bf16', 'else this proves nothing'
    graph = compiled(lowered(small_model()))
    found = precisions(graph)
    assert found['Convolution'] == 'bf16'
    assert found['MatMul'] == found['Softmax'] == 'f32'
    assert executed_precision(graph) == 'bf16'
    assert executed_precision(compiled(small_model())) == 'f32'


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_no_geometry_of_a_real_network_runs_low() -> None:
    """Rewritten by the compiler, products, softmax and sums lost the marks they once had."""
    onnx = Path(__file__).resolve().parents[3] / 'weights'
    (path,) = onnx.glob('crestereo_tiny-crestereo-240x320-*.onnx')
    graphs = [
        executed(compiled(lowered(ov.Core().read_model(path), *also_low)))
        for also_low in ((), ('similarities',))
    ]
    # A fused subgraph counts as bf16 if a cast to it is its last step.
    calculating = {'Convolution', 'Subgraph', 'Eltwise', 'Pooling'}
    moving = {'Concatenation', 'Const', 'Interpolate', 'Pad', 'Reorder', 'Reshape', 'Split',
              'StridedSlice', 'Transpose'}  # fmt: skip
    for found, convolutions in zip(graphs, (87, 164), strict=True):
        assert {kind for kind, precision in found if precision == 'bf16'} <= calculating | moving
        assert found['Convolution', 'bf16'] == convolutions
        assert found['Eltwise', 'bf16'] == 3, 'sums of two convolutions, one at each level'
        for kind in ('MatMul', 'Reduce', 'GatherElements', 'Softmax'):
            assert found[kind, 'f32'] > 0 and (kind, 'bf16') not in found


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_the_engine_is_built_so_and_stays_so_when_it_is_loaded(tmp_path: Path) -> None:
    artifact = load_artifact(write_toy_artifact(tmp_path))
    runtime = openvino_engine.OpenVinoRuntime()
    folder = tmp_path / 'built'
    folder.mkdir()
    settings = BuildSettings(precision='bf16', num_threads=1)
    runtime.build(artifact, settings, folder).close()
    assert [path.name for path in folder.iterdir()] == ['openvino.blob'], 'no draft is left'
    blob = (folder / 'openvino.blob').read_bytes()
    loaded = ov.Core().import_model(blob, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    assert precisions(loaded)['Convolution'] == 'bf16'
    with runtime.load(artifact, settings, folder) as engine:
        frame = toy_frames(1)[0]
        error = np.abs(engine.infer(frame)['disparity'] - toy_function(frame)['disparity'])
        assert 0 < error.max() < 0.05


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_an_engine_that_does_not_run_low_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, 'lower', lambda model, *, also_low: 0)
    artifact = load_artifact(write_toy_artifact(tmp_path))
    settings = BuildSettings(precision='bf16', num_threads=1)
    with pytest.raises(EngineError, match="in 'f32' instead of 'bf16'"):
        openvino_engine.OpenVinoRuntime().build(artifact, settings, tmp_path)


def product_model() -> ov.Model:
    """A product of two inputs, then one with weights that come transposed, and an activation."""
    tokens = op.parameter([1, 32, 64], np.float32, name='tokens')
    mixed = op.matmul(tokens, tokens, transpose_a=False, transpose_b=True)
    kernel = op.constant(np.random.default_rng(0).standard_normal((64, 32)).astype('f4'))
    turned = op.transpose(kernel, op.constant(np.array([1, 0])))
    seen = op.relu(op.matmul(mixed, turned, transpose_a=False, transpose_b=False))
    return ov.Model([op.softmax(seen, 2)], [tokens], 'products')


@pytest.mark.parametrize(('also_low', 'expected'), [((), 0), (('products',), 2)])
def test_products_with_weights_are_low_where_asked_for(
    also_low: tuple[str, ...], expected: int
) -> None:
    model = product_model()
    assert lower(model, also_low=also_low) == expected
    low = kinds_in(model, ov.Type.bf16)
    assert low == ({'MatMul', 'Relu'} if also_low else set())
    assert {'MatMul', 'Softmax'} <= kinds_in(model, ov.Type.f32)


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_products_of_two_inputs_stay_float32() -> None:
    found = precisions(compiled(lowered(product_model(), 'products')))
    assert (found['FullyConnected'], found['MatMul'], found['Softmax']) == ('bf16', 'f32', 'f32')


def test_convolutions_that_only_add_up_stay_float32() -> None:
    image = op.parameter([1, 16, 8, 8], np.float32, name='image')
    ones = np.repeat(np.eye(4, dtype='f4'), 4, 1)[:, :, None, None] / 4
    kernels = (np.random.default_rng(0).standard_normal((16, 16, 1, 1)).astype('f4'), ones)
    features = image
    for kernel in kernels:
        features = op.convolution(features, op.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])
    model = ov.Model([features], [image], 'sums')
    assert lower(model) == 1
    precise = [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() == 'Convolution' and node.get_output_element_type(0) == ov.Type.f32
    ]
    assert [node.get_output_shape(0)[1] for node in precise] == [4]


def image_and_kernel() -> tuple[ov.Node, ov.Node]:
    kernel = np.random.default_rng(0).standard_normal((16, 16, 1, 1)).astype('f4')
    return op.parameter([1, 16, 8, 8], np.float32, name='image'), op.constant(kernel)


WINDOW = ([1, 1], [0, 0], [0, 0], [1, 1])


@pytest.mark.parametrize('is_read_elsewhere', [False, True])
def test_what_only_convolutions_read_is_moved_low(is_read_elsewhere: bool) -> None:
    image, kernel = image_and_kernel()
    two = op.constant(np.int64([0, 0, 1, 1]))
    padded = op.pad(image, two, two, 'constant', op.constant(np.float32(0)))
    turned = op.transpose(padded, op.constant(np.int64([0, 1, 3, 2])))
    seen = op.convolution(turned, kernel, *WINDOW)
    results = [seen, op.sigmoid(turned)] if is_read_elsewhere else [seen]
    model = ov.Model(results, [image], 'moved')
    assert lower(model) == (1 if is_read_elsewhere else 3)
    low = kinds_in(model, ov.Type.bf16)
    assert low == ({'Convolution'} if is_read_elsewhere else {'Convolution', 'Pad', 'Transpose'})


def test_scales_of_an_interpolation_stay_as_they_are() -> None:
    _, kernel = image_and_kernel()
    image = op.parameter([1, 16, 10, 10], np.float32, name='image')
    # The nearest bf16 would make 12 of 10 rows.
    scales = op.constant(np.float32([1.3005, 1.3005]))
    axes = op.constant(np.int64([2, 3]))
    larger = op.interpolate(image, scales, 'nearest', 'scales', axes=axes)
    model = ov.Model([op.convolution(larger, kernel, *WINDOW)], [image], 'scales')
    assert lower(model) == 2
    assert 'Interpolate' in kinds_in(model, ov.Type.bf16)
    assert list(model.output(0).get_shape()) == [1, 16, 13, 13]


def test_shapes_that_are_computed_stay_whole_numbers() -> None:
    _, kernel = image_and_kernel()
    image = op.parameter(ov.PartialShape([1, -1, 8, 16]), np.float32, name='image')
    channels = op.gather(op.shape_of(image), op.constant(np.int64([1])), op.constant(0))
    rest = op.constant(np.int64([16, 8]))
    shape = op.concat([op.constant(np.int64([1])), channels, rest], 0)
    turned = op.reshape(image, shape, special_zero=False)
    model = ov.Model([op.convolution(turned, kernel, *WINDOW)], [image], 'shapes')
    assert lower(model) == 2, 'the convolution and the reshape, not the shape'
    assert {'Convolution', 'Reshape'} == kinds_in(model, ov.Type.bf16)
    if HAS_BF16:
        assert compiled(model)(np.ones((1, 16, 8, 16), 'f4'))[0].shape == (1, 16, 16, 8)


def test_similarities_are_low_where_asked_for_and_close() -> None:
    left = op.parameter([1, 16, 8, 8], np.float32, name='left')
    right = op.parameter([1, 16, 8, 8], np.float32, name='right')
    ones = np.repeat(np.eye(4, dtype='f4'), 4, 1)[:, :, None, None] / 4
    sums = op.convolution(op.multiply(left, right), op.constant(ones), *WINDOW)
    model = ov.Model([sums], [left, right], 'similarity')
    exact = compiled(model.clone())
    untouched = model.clone()
    assert lower(untouched) == 0
    assert lower(model, also_low=['similarities']) == 2
    assert kinds_in(model, ov.Type.bf16) == {'Multiply', 'Convolution'}
    if HAS_BF16:
        random = np.random.default_rng(1)
        feeds = [random.standard_normal((1, 16, 8, 8)).astype('f4') for _ in range(2)]
        error = np.abs(compiled(model)(feeds)[0] - exact(feeds)[0])
        assert 0 < error.max() < 0.03


def test_float32_is_left_alone_and_has_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = openvino_engine.OpenVinoRuntime()
    assert 'cast' not in runtime.options(BuildSettings())
    low = runtime.options(BuildSettings(precision='bf16'))['cast']
    assert 'Convolution' in low
    assert 'MatMul' not in low
    more = runtime.options(BuildSettings(precision='bf16', also_low=('products',)))['cast']
    assert 'MatMul' in more
    assert set(openvino_precision.NAMED) == set(ALSO_LOW)
