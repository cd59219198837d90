"""bf16 in OpenVINO: convolutions low, everything else float32, as the compiled graph says."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from toy_graph import toy_frames, toy_function, write_toy_artifact

from depth_ros.engines.openvino_precision import ACTIVATIONS, LOW, keep_float32

ov = pytest.importorskip('openvino', reason='the runtime openvino is absent')

from openvino import opset13 as op  # noqa: E402

from depth_ros.engines import openvino_engine  # noqa: E402
from depth_ros.engines.artifact import load_artifact  # noqa: E402
from depth_ros.engines.runtime import BuildSettings  # noqa: E402

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


def marked_model(folder: Path) -> tuple[ov.Model, Path]:
    xml = folder / 'model.xml'
    ov.save_model(small_model(), xml, compress_to_fp16=False)
    assert keep_float32(xml) == 3, 'reshape, product and softmax'
    return ov.Core().read_model(xml), xml


def executed(model: ov.Model, precision: str) -> dict[str, str]:
    compiled = ov.Core().compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': precision})
    return precisions(compiled)


def precisions(compiled: ov.CompiledModel) -> dict[str, str]:
    found = {}
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        found[info['layerType'].astype(str)] = info['runtimePrecision'].astype(str)
    return found


def test_marks_are_on_everything_but_convolutions_and_their_activations(tmp_path: Path) -> None:
    _, xml = marked_model(tmp_path)
    for layer in ElementTree.parse(xml).getroot().iter('layer'):
        is_marked = layer.find("rt_info/attribute[@name='precise']") is not None
        is_low = layer.get('type') in {*LOW, *ACTIVATIONS, 'Const', 'Parameter', 'Result'}
        assert is_marked is not is_low, layer.get('type')


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_the_compiled_graph_does_as_it_is_told(tmp_path: Path) -> None:
    marked, _ = marked_model(tmp_path)
    unmarked = executed(small_model(), 'bf16')
    assert unmarked['Convolution'] == unmarked['MatMul'] == 'bf16', 'else this proves nothing'
    found = executed(marked, 'bf16')
    assert found['Convolution'] == 'bf16'
    assert found['MatMul'] == found['Softmax'] == 'f32'


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_the_engine_is_built_so_and_stays_so_when_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = openvino_engine.keep_float32

    def spy(xml: Path, *, low_products: bool) -> int:
        seen.append(xml.name)
        return real(xml, low_products=low_products)

    monkeypatch.setattr(openvino_engine, 'keep_float32', spy)
    artifact = load_artifact(write_toy_artifact(tmp_path))
    runtime = openvino_engine.OpenVinoRuntime()
    folder = tmp_path / 'built'
    folder.mkdir()
    settings = BuildSettings(precision='bf16', num_threads=1)
    runtime.build(artifact, settings, folder).close()
    assert [path.name for path in folder.iterdir()] == ['openvino.blob'], 'no draft is left'
    assert seen == ['model.xml']
    blob = (folder / 'openvino.blob').read_bytes()
    compiled = ov.Core().import_model(blob, 'CPU', {'INFERENCE_PRECISION_HINT': 'bf16'})
    assert precisions(compiled)['Convolution'] == 'bf16'
    with runtime.load(artifact, settings, folder) as engine:
        frame = toy_frames(1)[0]
        error = np.abs(engine.infer(frame)['disparity'] - toy_function(frame)['disparity'])
        assert 0 < error.max() < 0.05


def product_model() -> ov.Model:
    """A product of two inputs, then one with weights that come transposed, and an activation."""
    tokens = op.parameter([1, 32, 64], np.float32, name='tokens')
    mixed = op.matmul(tokens, tokens, transpose_a=False, transpose_b=True)
    kernel = op.constant(np.random.default_rng(0).standard_normal((64, 32)).astype('f4'))
    turned = op.transpose(kernel, op.constant(np.array([1, 0])))
    seen = op.relu(op.matmul(mixed, turned, transpose_a=False, transpose_b=False))
    return ov.Model([op.softmax(seen, 2)], [tokens], 'products')


@pytest.mark.parametrize(('is_asked', 'expected'), [(False, 5), (True, 3)])
def test_products_with_weights_are_low_where_asked_for(
    tmp_path: Path, is_asked: bool, expected: int
) -> None:
    xml = tmp_path / 'model.xml'
    ov.save_model(product_model(), xml, compress_to_fp16=False)
    assert keep_float32(xml, low_products=is_asked) == expected
    layers = list(ElementTree.parse(xml).getroot().iter('layer'))
    low = {
        layer.get('type')
        for layer in layers
        if layer.find("rt_info/attribute[@name='precise']") is None
    }
    assert ('MatMul' in low) is is_asked
    assert ('ReLU' in low) is is_asked


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_products_of_two_inputs_stay_float32(tmp_path: Path) -> None:
    xml = tmp_path / 'model.xml'
    ov.save_model(product_model(), xml, compress_to_fp16=False)
    keep_float32(xml, low_products=True)
    found = executed(ov.Core().read_model(xml), 'bf16')
    assert (found['FullyConnected'], found['MatMul'], found['Softmax']) == ('bf16', 'f32', 'f32')


def test_convolutions_that_only_add_up_stay_float32(tmp_path: Path) -> None:
    image = op.parameter([1, 16, 8, 8], np.float32, name='image')
    ones = np.repeat(np.eye(4, dtype='f4'), 4, 1)[:, :, None, None] / 4
    kernels = (np.random.default_rng(0).standard_normal((16, 16, 1, 1)).astype('f4'), ones)
    features = image
    for kernel in kernels:
        features = op.convolution(features, op.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])
    xml = tmp_path / 'model.xml'
    ov.save_model(ov.Model([features], [image], 'sums'), xml, compress_to_fp16=False)
    assert keep_float32(xml) == 1
    marked = [
        layer
        for layer in ElementTree.parse(xml).getroot().iter('layer')
        if layer.find("rt_info/attribute[@name='precise']") is not None
    ]
    assert [layer.findtext('output/port/dim[2]') for layer in marked] == ['4']


def test_float32_is_left_alone_and_has_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = openvino_engine.OpenVinoRuntime()
    assert 'low' not in runtime.options(BuildSettings())
    low = runtime.options(BuildSettings(precision='bf16'))['low']
    assert 'Convolution' in low
    assert 'MatMul' not in low
    more = runtime.options(BuildSettings(precision='bf16', low_products=True))['low']
    assert 'MatMul' in more


@pytest.mark.skipif(not HAS_BF16, reason='OpenVINO has no bf16 on this CPU')
def test_marks_survive_export_and_import(tmp_path: Path) -> None:
    marked, _ = marked_model(tmp_path)
    hint = {'INFERENCE_PRECISION_HINT': 'bf16'}
    exported = ov.Core().compile_model(marked, 'CPU', hint).export_model()
    blob = exported if isinstance(exported, bytes) else exported.getvalue()
    found = precisions(ov.Core().import_model(blob, 'CPU', hint))
    assert (found['Convolution'], found['MatMul']) == ('bf16', 'f32')
