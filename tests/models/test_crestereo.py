"""CREStereo: the network against a literal float64 version, its export form."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

import torch

from depth_ros.checkpoints.read import load_checkpoint, load_strict
from depth_ros.errors import RecipeError, ShapeError, WeightsError
from depth_ros.models.crestereo.network import CreStereo, exportable, synthetic_state
from depth_ros.tensors import TensorSpec, check_tensors
from tests.kit.crestereo_plain import PlainCreStereo
from tests.kit.shared_data import shared_path

NUM_PARAMETERS = 5_432_948


@pytest.fixture(scope='module')
def state():
    return synthetic_state(3)


@pytest.fixture(scope='module')
def network(state):
    network = CreStereo().eval()
    load_strict(network, state)
    return network


def image_pair(height, width, *, batch=1, shift=3, dtype=torch.float32):
    """Blurred noise, the right view shifted; (N, 3, H, W) BGR 0..255."""
    generator = torch.Generator().manual_seed(height * 1000 + width)
    noise = torch.rand(batch, 3, height, width + shift, generator=generator) * 255
    noise = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1).to(dtype)
    return noise[..., :width].contiguous(), noise[..., shift:].contiguous()


def test_names_and_shapes_are_those_of_the_official_checkpoint(network):
    text = shared_path('parity/crestereo.keys.json').read_text(encoding='utf-8')
    official = {key: tuple(value['shape']) for key, value in json.loads(text)['keys'].items()}
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == official


def test_number_of_parameters(network):
    assert sum(value.numel() for value in network.parameters()) == NUM_PARAMETERS


ODD_SIZES = [
    pytest.param(64, 96, 1, 2, 1, id='64x96-even'),
    pytest.param(68, 100, 2, 3, 1, id='68x100-batch2-odd-iterations'),
    pytest.param(44, 76, 1, 2, 1, id='44x76-both-levels-floor'),
    pytest.param(32, 36, 1, 4, 1, id='32x36-smallest'),
    pytest.param(72, 104, 1, 4, 2, id='72x104-two-stage'),
    pytest.param(88, 72, 2, 2, 2, id='88x72-two-stage-batch2'),
]


@pytest.mark.parametrize(('height', 'width', 'batch', 'iterations', 'stages'), ODD_SIZES)
def test_float64_equals_the_literal_version(state, height, width, batch, iterations, stages):
    """To 1e-7 px: hoisting, fusing and batching change nothing, at sizes that floor as well."""
    doubles = {key: value.double() for key, value in state.items()}
    network = CreStereo().double().eval()
    load_strict(network, doubles)
    plain = PlainCreStereo(doubles)
    left, right = image_pair(height, width, batch=batch, dtype=torch.float64)
    with torch.inference_mode():
        ours = network if stages == 1 else network.two_stage
        theirs = plain.run if stages == 1 else plain.two_stage
        found = ours(left, right, iterations=iterations)
        expected = theirs(left, right, iterations)
    assert found.shape == (batch, 2, height, width)
    assert expected.std() > 0.05
    assert (found - expected).abs().max() < 1e-7


def test_a_batch_is_its_items(network):
    left, right = image_pair(64, 64, batch=2)
    with torch.inference_mode():
        both = network(left, right, iterations=2)
        each = [network(left[i : i + 1], right[i : i + 1], iterations=2) for i in range(2)]
    torch.testing.assert_close(both, torch.cat(each), atol=1e-4, rtol=0)


def test_gradients_reach_every_weight(state):
    network = CreStereo()
    load_strict(network, state)
    left, right = image_pair(32, 64)
    network(left, right, iterations=4).square().mean().backward()
    silent = [name for name, value in network.named_parameters() if value.grad is None]
    assert not silent


@pytest.mark.parametrize(
    ('height', 'width', 'stages'),
    [(66, 96, 1), (64, 98, 1), (28, 64, 1), (68, 96, 2), (64, 100, 2), (56, 96, 2)],
)
def test_sizes_that_cannot_run_are_refused(network, height, width, stages):
    images = torch.zeros(1, 3, height, width)
    run = network if stages == 1 else network.two_stage
    with pytest.raises(ShapeError, match='multiples of'):
        run(images, images, iterations=2)


def test_unlike_images_and_too_few_iterations_are_refused(network):
    images = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ShapeError, match='one size'):
        network(images, images[:, :, :, :32], iterations=2)
    with pytest.raises(ShapeError, match='at least 2 iterations'):
        network(images, images, iterations=1)


def test_synthetic_weights_are_deterministic_and_lively(network, state):
    again = synthetic_state(3)
    assert all(torch.equal(again[key], state[key]) for key in state)
    assert not torch.equal(synthetic_state(4)['fnet.conv1.weight'], state['fnet.conv1.weight'])
    left, right = image_pair(64, 96)
    with torch.inference_mode():
        flow = network(left, right, iterations=10)
    assert torch.isfinite(flow).all()
    assert flow.std() > 0.1 and flow.abs().max() < 96


def make_exportable(state, *, graph='crestereo', height=64, width=96, **options):
    return exportable(graph=graph, height=height, width=width, options=options, state=state)


def rgb_rows(height=64, width=96):
    rng = np.random.default_rng(5)
    wide = rng.integers(0, 256, (1, height, width + 4, 3), dtype=np.uint8)
    return {
        'left': np.ascontiguousarray(wide[:, :, :width]),
        'right': np.ascontiguousarray(wide[:, :, 4:]),
    }


def run_exportable(made, images):
    with torch.inference_mode():
        return made.module(*(torch.from_numpy(images[name]) for name in ('left', 'right'))).numpy()


@pytest.mark.parametrize('stages', [1, 2])
def test_the_graph_takes_rgb_rows_and_gives_disparity(network, state, stages):
    made = make_exportable(state, iterations=2, stages=stages)
    images = rgb_rows()
    check_tensors(images, made.inputs, what='inputs')
    disparity = run_exportable(made, images)
    check_tensors({'disparity': disparity}, made.outputs, what='outputs')
    assert made.outputs[0] == TensorSpec(
        name='disparity', shape=(1, 64, 96), dtype='float32', unit='px'
    )
    bgr = [
        torch.from_numpy(images[name][..., ::-1].copy()).permute(0, 3, 1, 2).float()
        for name in ('left', 'right')
    ]
    run = network if stages == 1 else network.two_stage
    with torch.inference_mode():
        expected = run(*bgr, iterations=2)[:, 0].numpy()
    np.testing.assert_allclose(disparity, expected, atol=1e-4)
    assert not made.module.training


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'graph': 'features'}, 'no graph'),
        ({'iterations': 3}, 'even number'),
        ({'iterations': 0}, 'even number'),
        ({'iterations': 22}, 'even number'),
        ({'iterations': True}, 'even number'),
        ({'iterations': '4'}, 'even number'),
        ({'stages': 3}, '1 or 2 stages'),
        ({'stages': True}, '1 or 2 stages'),
        ({'max_disp': 192}, 'max_disp'),
        ({'height': 72}, 'multiples of 16'),
        ({'width': 16}, 'multiples of 16'),
        ({'height': 80, 'stages': 2}, 'multiples of 32'),
        ({'width': 32, 'stages': 2}, 'multiples of 32'),
    ],
)
def test_recipes_that_cannot_be_served_are_refused(state, changes, text):
    with pytest.raises(RecipeError, match=text):
        make_exportable(state, **changes)


def test_other_weights_are_refused(state):
    others = {f'x.{key}': value for key, value in state.items()}
    with pytest.raises(WeightsError, match='not those of CreStereo'):
        make_exportable(others)


def test_a_checkpoint_of_the_megengine_form_loads(tmp_path, state):
    arrays = {key: value.numpy() for key, value in state.items()}
    for key, value in arrays.items():
        is_convolution = arrays.get(key.replace('.bias', '.weight'), value).ndim == 4
        if key.endswith('.bias') and is_convolution:
            arrays[key] = value.reshape(1, -1, 1, 1)
    assert arrays['conv_offset_8.bias'].ndim == 4
    np.savez(tmp_path / 'converted.npz', **arrays)
    loaded = load_checkpoint(tmp_path / 'converted.npz')
    load_strict(CreStereo(), loaded)
    assert all(torch.equal(loaded[key], state[key]) for key in state)


@pytest.fixture(scope='module')
def onnx_graph(tmp_path_factory, state):
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    made = make_exportable(state, iterations=2)
    images = rgb_rows()
    path = tmp_path_factory.mktemp('export') / 'crestereo.onnx'
    torch.onnx.export(
        made.module,
        tuple(torch.from_numpy(images[spec.name]) for spec in made.inputs),
        path,
        input_names=[spec.name for spec in made.inputs],
        output_names=[spec.name for spec in made.outputs],
        dynamo=True,
        opset_version=18,
        external_data=False,
        verbose=False,
    )
    return path, images, run_exportable(made, images)


def test_the_graph_is_plain_and_its_kernels_are_constants(onnx_graph):
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    graph = onnx.load(onnx_graph[0]).graph
    constants = {tensor.name for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    assert len(convolutions) > 50
    assert all(node.input[1] in constants for node in convolutions)
    awkward = {'Einsum', 'ScatterND', 'Loop', 'If', 'Where', 'NonZero', 'GatherElements', 'Shape'}
    assert not awkward & {node.op_type for node in graph.node}
    assert sum(node.op_type == 'GridSample' for node in graph.node) == 4


def test_onnxruntime_agrees_with_torch(onnx_graph):
    onnxruntime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    path, images, expected = onnx_graph
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    assert {item.name: item.shape for item in session.get_inputs()} == {
        'left': [1, 64, 96, 3],
        'right': [1, 64, 96, 3],
    }
    disparity = session.run(['disparity'], images)[0]
    np.testing.assert_allclose(disparity, expected, atol=1e-3)


def test_openvino_agrees_with_torch(onnx_graph):
    openvino = pytest.importorskip('openvino', reason='openvino is not installed')
    path, images, expected = onnx_graph
    hints = {'INFERENCE_PRECISION_HINT': 'f32', 'INFERENCE_NUM_THREADS': 1}
    compiled = openvino.compile_model(path, 'CPU', hints)
    np.testing.assert_allclose(compiled(images)['disparity'], expected, atol=1e-3)
