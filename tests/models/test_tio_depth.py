"""TiO-Depth: the network's parts against plain versions, its weights, its export forms."""

from __future__ import annotations

import json
from functools import partial
from itertools import product

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

import torch
import torch.nn.functional as F

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import RecipeError, ShapeError, WeightsError
from depth_ros.models.tio_depth import model
from depth_ros.models.tio_depth import network as network_module
from depth_ros.models.tio_depth.network import (
    TioDepth,
    expectation,
    exportable,
    load_weights,
    synthetic_state,
)
from depth_ros.models.tio_depth.network_decoder import Path, resample
from depth_ros.models.tio_depth.network_matching import (
    MAX_DISPARITY_PX,
    MIN_DISPARITY_PX,
    MatchingSide,
    disparity_levels,
    level_shifts,
    shifted_products,
)
from depth_ros.models.tio_depth.network_swin import (
    PatchMerging,
    SwinSizes,
    from_windows,
    relative_position_index,
    shift_mask,
    to_windows,
)
from depth_ros.tensors import TensorSpec, check_tensors
from tests.kit.shared_data import shared_path

NUM_PARAMETERS = 35_734_492
INDEX = '0.layers.0.blocks.1.attn.relative_position_index'


@pytest.fixture(scope='module')
def state():
    return synthetic_state(3)


@pytest.fixture(scope='module')
def network(state):
    network = TioDepth().eval()
    load_weights(network, state)
    return network


def blurred(height, width, *, batch=1, seed=0):
    """(N, 3, H, W) RGB in 0..1."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(batch, 3, height, width, generator=generator)
    return F.avg_pool2d(noise, 3, stride=1, padding=1)


def test_names_and_shapes_are_those_of_the_official_checkpoint(network):
    text = shared_path('parity/tio_depth_swint_m.keys.json').read_text(encoding='utf-8')
    official = {key: tuple(value['shape']) for key, value in json.loads(text)['keys'].items()}
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == official
    assert sum(value.numel() for value in network.parameters()) == NUM_PARAMETERS


def test_the_official_container_loads(tmp_path, state):
    """As ``last_model.pth``: beside the weights, training leaves keys that are tuples."""
    groups = {('optim_params', 'param_group1'): {'state': {0: torch.ones(2)}}}
    path = tmp_path / 'last_model.pth'
    torch.save({'model_params': state, 'epoch': 49, 'step': 3, **groups}, path)
    loaded = load_checkpoint(path)
    network = TioDepth()
    load_weights(network, loaded)
    found = network.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'0.norm3.bias': None}, ['1 missing', '0.norm3.bias']),
        ({'1._convs.25.conv.bias': torch.ones(49)}, ['1 unexpected', '1._convs.25.conv.bias']),
        ({'0.norm3.bias': torch.ones(96)}, ['(96,) instead of (768,)']),
        ({INDEX: None}, ['1 missing', INDEX]),
        ({INDEX: relative_position_index().t().contiguous()}, [INDEX, 'numbers']),
    ],
    ids=['missing', 'unexpected', 'shape', 'no-index', 'other-index'],
)
def test_other_weights_are_refused_by_name(network, state, changes, words):
    changed = {**state, **changes}
    changed = {key: value for key, value in changed.items() if value is not None}
    with pytest.raises(WeightsError) as error:
        load_weights(TioDepth(), changed)
    for word in words:
        assert word in str(error.value)


def test_weights_of_another_model_name_the_first_five_of_each(state):
    others, count = {f'module.{key}': value for key, value in state.items()}, len(state)
    # The counters of batch normalisation may be absent.
    needed = count - sum(key.endswith('num_batches_tracked') for key in state)
    with pytest.raises(WeightsError) as error:
        load_weights(TioDepth(), others)
    names = sorted(state)[:5]
    for text in (
        f'{needed} missing: {", ".join(names)} and {needed - 5} more',
        f'{count} unexpected: module.{", module.".join(names)} and {count - 5} more',
    ):
        assert text in str(error.value)


def test_levels_are_tied_to_the_width():
    levels = disparity_levels()
    assert len(levels) == 49
    np.testing.assert_allclose([levels[0], levels[-1]], [2.0, 300.0])
    np.testing.assert_allclose(np.diff(np.log(levels)), np.log(150) / 48)
    assert (MIN_DISPARITY_PX, MAX_DISPARITY_PX) == (
        model.MIN_DISPARITY_PX,
        model.MAX_DISPARITY_PX,
    )
    # In grid_sample's units, -1 to 1 over the map, a level is 2 level / width of the image.
    for width in (1280, 640, 100):
        of_map = np.array(level_shifts(width // 8, width)) * 2 / (width // 8 - 1)
        np.testing.assert_allclose(of_map, 2 * np.array(levels) / width)


def sampled_products(query, key, shift, side):
    """What the paper writes: warp the key by a constant, border repeated, then multiply."""
    height, width = query.shape[2:]
    x = torch.arange(width, dtype=query.dtype) + side.value * shift
    y = torch.arange(height, dtype=query.dtype)
    y, x = torch.meshgrid(2 * y / (height - 1) - 1, 2 * x / (width - 1) - 1, indexing='ij')
    grid = torch.stack([x, y], dim=2).expand(len(query), -1, -1, -1)
    warped = F.grid_sample(key, grid, padding_mode='border', align_corners=True)
    return (query * warped).sum(dim=1)


@pytest.mark.parametrize('side', MatchingSide)
@pytest.mark.parametrize('width', [3, 20, 47])
def test_slices_equal_resampling(width, side):
    generator = torch.Generator().manual_seed(width)
    query, key = torch.randn(2, 2, 8, 5, width, generator=generator, dtype=torch.float64)
    drawn = 60 * torch.rand(40, generator=generator, dtype=torch.float64)
    shifts = [0.0, 1.0, 0.25, width - 1.0, width - 0.5, float(width), 300.0, *drawn.tolist()]
    found = shifted_products(query, key, shifts, side)
    expected = torch.stack([sampled_products(query, key, s, side) for s in shifts], dim=1)
    assert expected.std() > 1
    torch.testing.assert_close(found, expected, atol=1e-11, rtol=0)
    single = shifted_products(query.float(), key.float(), shifts, side)
    torch.testing.assert_close(single, expected.float(), atol=1e-5, rtol=1e-6)


def test_a_shifted_pair_matches_at_its_shift():
    """The product of a feature with itself is the largest, on both sides."""
    generator = torch.Generator().manual_seed(1)
    wide = F.normalize(torch.randn(1, 16, 6, 60, generator=generator), dim=1)
    left, right = wide[..., :50], wide[..., 7:57]
    steps = [float(step) for step in range(12)]
    of_left = shifted_products(left, right, steps, MatchingSide.LEFT).argmax(dim=1)
    of_right = shifted_products(right, left, steps, MatchingSide.RIGHT).argmax(dim=1)
    assert (of_left[..., 7:] == 7).all() and (of_right[..., :43] == 7).all()


def test_offsets_are_pixels_and_outside_is_zero():
    x = torch.rand(1, 4, 6, 9)
    offsets = torch.zeros(1, 2, 6, 9)
    torch.testing.assert_close(resample(x, offsets), x, atol=1e-5, rtol=0)
    offsets[:, 0], offsets[:, 1] = 2.0, -1.0
    moved = resample(x, offsets)
    torch.testing.assert_close(moved[:, :, 1:, :7], x[:, :, :5, 2:], atol=1e-5, rtol=0)
    assert moved[:, :, 0].abs().max() < 1e-5 and moved[:, :, :, 7:].abs().max() < 1e-5


@pytest.mark.parametrize('size', [(7, 7), (8, 13), (14, 20), (3, 30)])
def test_rolled_windows_hide_the_other_border(size):
    """Rolled by three, the first three rows and columns come last and see only each other."""
    padded = [-(-length // 7) * 7 for length in size]
    mask = shift_mask(torch.zeros(1, *size, 1))
    places = torch.tensor(list(product(range(padded[0]), range(padded[1]))), dtype=torch.float32)
    rolled = torch.roll(places.reshape(1, *padded, 2), (-3, -3), dims=(1, 2))
    windows = to_windows(rolled)
    assert mask.shape == (len(windows), 1, 49, 49)
    for tokens, found in zip(windows, mask[:, 0], strict=True):
        has_wrapped = tokens < 3
        is_together = (has_wrapped[:, None] == has_wrapped[None, :]).all(dim=2)
        assert torch.equal(found, torch.where(is_together, 0.0, -100.0))
    assert torch.equal(from_windows(windows, tuple(padded)), rolled)


def test_merging_takes_columns_first_and_pads_odd_sizes():
    merging = PatchMerging(2)
    torch.nn.init.eye_(merging.reduction.weight)
    merging.norm = torch.nn.Identity()
    x = torch.arange(1.0, 31.0).reshape(1, 3, 5, 2)
    merged = merging(x)
    assert merged.shape == (1, 2, 3, 4)
    assert merged[0, 0, 0].tolist() == [*x[0, 0, 0], *x[0, 1, 0]]
    assert merged[0, 1, 0].tolist() == [*x[0, 2, 0], 0.0, 0.0]


def test_displacements_are_numbered_row_by_row():
    index = relative_position_index()
    assert index[0, 0] == index[48, 48] == 84
    assert index[0, 48] == 0 and index[48, 0] == 168
    assert index[1, 0] == 85 and index[7, 0] == 84 + 13


@pytest.mark.parametrize('size', [(97, 131), (130, 66), (75, 49), (17, 18)])
def test_odd_and_portrait_sizes(network, size):
    left, right = blurred(*size), blurred(*size, seed=1)
    with torch.inference_mode():
        for disparity in (network(left), network(left, Path.MONO), network.stereo(left, right)):
            assert disparity.shape == (1, 1, *size)
            assert disparity.min() >= 2.0 and disparity.max() <= 300.0
            assert disparity.std() > 1.0


def test_a_batch_is_its_items_and_sides_are_independent(network):
    left, right = blurred(64, 96, batch=2), blurred(64, 96, batch=2, seed=1)
    with torch.inference_mode():
        mono = network(left)
        stereo = network.stereo(left, right)
        both = network.stereo(left, right, both_sides=True)
        second = network.stereo(left[1:], right[1:])
        assert both.shape == (4, 1, 64, 96)
        close = {'atol': 2e-2, 'rtol': 0}
        torch.testing.assert_close(both[:2], stereo, **close)
        torch.testing.assert_close(stereo[1:], second, **close)
        torch.testing.assert_close(mono[1:], network(left[1:]), **close)
    assert (both[:2] - both[2:]).abs().mean() > 1.0


def test_synthetic_weights_are_deterministic_and_lively(network, state):
    again = synthetic_state(3)
    assert all(torch.equal(again[key], state[key]) for key in state)
    other = synthetic_state(4)
    assert not torch.equal(other['1._convs.17.conv.weight'], state['1._convs.17.conv.weight'])
    one, two = blurred(64, 96), blurred(64, 96, seed=1)
    with torch.inference_mode():
        outputs = [network(one), network(two), network.stereo(one, two), network.stereo(one, one)]
    assert all(torch.isfinite(item).all() and item.std() > 2.0 for item in outputs)
    assert (outputs[0] - outputs[1]).abs().mean() > 2.0
    assert (outputs[2] - outputs[3]).abs().mean() > 0.1, 'the right image has no effect'


def test_images_that_cannot_run_are_refused(network):
    with pytest.raises(ShapeError, match='at least 17'):
        network(torch.zeros(1, 3, 16, 64))
    with pytest.raises(ShapeError, match='at least 17'):
        network(torch.zeros(1, 1, 64, 64))
    with pytest.raises(ShapeError, match='one size'):
        network.stereo(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 32))


def make_exportable(state, *, graph='stereo', height=64, width=96, **options):
    return exportable(graph=graph, height=height, width=width, options=options, state=state)


def rgb_rows(*names, height=64, width=96):
    rng = np.random.default_rng(5)
    shape = (1, height, width, 3)
    return {name: rng.integers(0, 256, shape, dtype=np.uint8) for name in names}


def run_exportable(made, images):
    with torch.inference_mode():
        return made.module(*(torch.from_numpy(image) for image in images.values())).numpy()


@pytest.mark.parametrize('graph', ['mono', 'refine', 'stereo'])
def test_graphs_take_rgb_rows_and_give_disparity(network, state, graph):
    made = make_exportable(state, graph=graph)
    images = rgb_rows(*(('left', 'right') if graph == 'stereo' else ('image',)))
    check_tensors(images, made.inputs, what='inputs')
    disparity = run_exportable(made, images)
    check_tensors({'disparity': disparity}, made.outputs, what='outputs')
    assert made.outputs[0] == TensorSpec(
        name='disparity', shape=(1, 64, 96), dtype='float32', unit='px'
    )
    assert not made.module.training
    units = [torch.from_numpy(item).permute(0, 3, 1, 2) / 255 for item in images.values()]
    with torch.inference_mode():
        expected = network.stereo(*units) if graph == 'stereo' else network(*units, Path(graph))
    np.testing.assert_allclose(disparity, expected[:, 0].numpy(), atol=2e-2)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'graph': 'tio_depth'}, 'no graph'),
        ({'iterations': 4}, 'no options'),
        ({'height': 80}, 'multiples of 32'),
        ({'width': 32}, 'at least 64'),
    ],
)
def test_requests_that_cannot_be_served_are_refused(state, changes, text):
    with pytest.raises(RecipeError, match=text):
        make_exportable(state, **changes)


class AllPaths(torch.nn.Module):
    """Every path in one graph, so that one export covers them; the encoder runs once."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, left, right):
        images = torch.cat([left, right]).permute(0, 3, 1, 2) / 255
        features, size = self.network.encode(images), (images.shape[2], images.shape[3])
        of_left = [item[:1] for item in features]
        decoder = self.network.decoder
        return (
            expectation(decoder.mono(of_left, size, Path.REFINE)),
            expectation(decoder.stereo(features, size, both_sides=False)),
        )


@pytest.fixture(scope='module')
def onnx_graph(tmp_path_factory):
    """Export with fewer blocks: every kind of node, in half the time."""
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_module, 'SwinSizes', partial(SwinSizes, depths=(2, 1, 1, 1)))
        made = make_exportable(synthetic_state(3))
    images = rgb_rows('left', 'right')
    paths = AllPaths(made.module.network).eval()
    arguments = tuple(torch.from_numpy(image) for image in images.values())
    path = tmp_path_factory.mktemp('export') / 'tio_depth.onnx'
    torch.onnx.export(
        paths,
        arguments,
        path,
        input_names=['left', 'right'],
        output_names=['refine', 'stereo'],
        dynamo=True,
        opset_version=18,
        external_data=False,
        verbose=False,
    )
    with torch.inference_mode():
        expected = [output.numpy() for output in paths(*arguments)]
    return path, images, expected


def test_the_graph_is_plain_and_resamples_learned_offsets_only(onnx_graph):
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    graph = onnx.load(onnx_graph[0]).graph
    kinds = [node.op_type for node in graph.node]
    awkward = {'Einsum', 'ScatterND', 'Loop', 'If', 'Where', 'NonZero', 'AffineGrid', 'Shape'}
    assert not awkward & set(kinds)
    assert kinds.count('GridSample') == 12, 'two per stage and path; none for the 49 levels'


def test_onnxruntime_agrees_with_torch(onnx_graph):
    onnxruntime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    path, images, expected = onnx_graph
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    for found, wanted in zip(session.run(None, images), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=3e-2)


def test_openvino_agrees_with_torch(onnx_graph):
    openvino = pytest.importorskip('openvino', reason='openvino is not installed')
    path, images, expected = onnx_graph
    hints = {'INFERENCE_PRECISION_HINT': 'f32', 'INFERENCE_NUM_THREADS': 1}
    compiled = openvino.compile_model(path, 'CPU', hints)
    for name, wanted in zip(('refine', 'stereo'), expected, strict=True):
        np.testing.assert_allclose(compiled(images)[name], wanted, atol=3e-2)
