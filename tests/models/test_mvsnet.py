"""MVSNet: the network against known answers and itself, its graphs and its weights."""

from __future__ import annotations

import json

import pytest

pytest.importorskip('torch', reason='torch is not installed')

import torch

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import RecipeError, ShapeError, WeightsError
from depth_ros.models.mvsnet.network import (
    MvsNet,
    exportable,
    load_network,
    synthetic_state,
)
from depth_ros.models.mvsnet.network_features import DepthRefinement
from depth_ros.models.mvsnet.network_regularisation import PackedConvolution, regress
from depth_ros.models.mvsnet.network_volume import variance_volume, warp_features
from tests.kit.shared_data import shared_path

OPTIONS = {'depths': 16, 'sources': 2, 'slab': 8}


@pytest.fixture(scope='module')
def state():
    return synthetic_state(3)


@pytest.fixture(scope='module')
def network(state):
    return load_network(state)


def some_inputs(*, batch=1, views=3, num_depths=16, dtype=torch.float32):
    """Random images, sources shifted a little and turned, depths 1 to 4."""
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(batch, views, 3, 64, 96, generator=generator, dtype=dtype)
    transforms = torch.zeros(batch, views - 1, 3, 4, dtype=dtype)
    transforms[:, :, :, :3] = torch.eye(3, dtype=dtype)
    transforms[:, :, 0, 1] = 0.01
    for index in range(views - 1):
        transforms[:, index, :, 3] = torch.tensor([4.0 + index, -2.0, 0.02], dtype=dtype)
    depths = torch.linspace(1, 4, num_depths, dtype=dtype).repeat(batch, 1)
    return images, transforms, depths


@pytest.mark.parametrize('keys', ['mvsnet', 'mvsnet_refine'])
def test_names_and_shapes_are_those_of_the_published_checkpoint(keys):
    text = shared_path(f'parity/{keys}.keys.json').read_text(encoding='utf-8')
    official = {key: tuple(value['shape']) for key, value in json.loads(text)['keys'].items()}
    network = MvsNet(with_refinement='refine' in keys)
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == official


def test_published_checkpoint_loads_strictly():
    path = shared_path('weights/mvsnet/model_000014.ckpt')
    network = load_network(load_checkpoint(path))
    assert sum(value.numel() for value in network.parameters()) == 338_129
    assert not hasattr(network, 'refine_network')


def test_wrong_weights_are_refused(state):
    with pytest.raises(WeightsError, match='prob'):
        load_network({key: value for key, value in state.items() if 'prob' not in key})
    with pytest.raises(WeightsError, match='refine_network'):
        load_network({**state, 'refine_network.conv1.conv.weight': torch.zeros(32, 4, 3, 3)})


@pytest.mark.parametrize('slab', [5, 8, 40])
def test_slabs_change_nothing(network, slab):
    """To rounding, at slabs that divide the planes, that do not, and that are too large."""
    images, transforms, depths = some_inputs(batch=2, views=3)
    with torch.inference_mode():
        whole = network(images, transforms, depths)
        parts = network(images, transforms, depths, slab=slab)
    assert whole.depth.std() > 0.01
    torch.testing.assert_close(parts.depth, whole.depth, atol=2e-5, rtol=0)
    torch.testing.assert_close(parts.index, whole.index, atol=1e-4, rtol=0)


@pytest.mark.parametrize('views', [2, 4])
def test_items_of_a_batch_do_not_see_each_other(network, views):
    images, transforms, depths = some_inputs(batch=2, views=views)
    depths[1] *= 2
    with torch.inference_mode():
        both = network(images, transforms, depths)
        second = network(images[1:], transforms[1:], depths[1:])
    torch.testing.assert_close(both.depth[1:], second.depth, atol=2e-5, rtol=0)


def test_order_of_sources_does_not_matter(network):
    images, transforms, depths = some_inputs(views=4)
    order = [2, 0, 1]
    with torch.inference_mode():
        one = network(images, transforms, depths).depth
        swapped = torch.cat([images[:, :1], images[:, 1:][:, order]], dim=1)
        other = network(swapped, transforms[:, order], depths).depth
    torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


def test_warp_follows_the_projection():
    """Features that are their own coordinates come back as the projected coordinates."""
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing='ij')
    features = torch.stack([x, y])[None]
    matrix = torch.tensor([[1.0, 0.02, 0.5, 12.0], [-0.01, 1.0, 0.2, -2.0], [0.001, 0.0, 1, 0.1]])
    depths = torch.tensor([[1.0, 2.0, 5.0]])
    warped = warp_features(features, matrix[None], depths)[0]
    for plane, depth in enumerate(depths[0]):
        pixels = torch.stack([x, y, torch.ones_like(x)])
        points = torch.einsum('ij,jhw->ihw', matrix[:, :3], pixels) * depth
        points = points + matrix[:, 3, None, None]
        u, v = points[0] / points[2], points[1] / points[2]
        inside = (u >= 0) & (u <= 29) & (v >= 0) & (v <= 19)
        assert inside.float().mean() > 0.4
        torch.testing.assert_close(warped[0, plane][inside], u[inside], atol=2e-4, rtol=0)
        torch.testing.assert_close(warped[1, plane][inside], v[inside], atol=2e-4, rtol=0)
        far_out = (u < -1) | (u > 30) | (v < -1) | (v > 20)
        assert far_out.any() and (warped[:, plane][:, far_out] == 0).all()


def test_points_in_the_source_s_own_plane_are_zero_not_nan():
    matrix = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, -1.0]])
    warped = warp_features(torch.ones(1, 2, 8, 8), matrix[None], torch.tensor([[0.5, 1.0, 2.0]]))
    assert torch.isfinite(warped).all()
    assert (warped[0, :, 1, 1:, 1:] == 0).all()


def test_variance_is_that_of_the_views():
    identity = torch.zeros(1, 3, 3, 4)
    identity[..., :3] = torch.eye(3)
    views = torch.rand(1, 4, 2, 6, 8, generator=torch.Generator().manual_seed(1))
    depths = torch.tensor([[1.0, 2.0]])
    variance = variance_volume(views[:, 0], views[:, 1:], identity, depths)
    expected = views.var(dim=1, unbiased=False)
    for plane in range(2):
        torch.testing.assert_close(variance[:, :, plane], expected, atol=1e-6, rtol=0)


def test_absent_sources_do_not_count():
    images, transforms, depths = some_inputs(views=3)
    features = images.mean(dim=2, keepdim=True)
    reference, sources = features[:, 0], features[:, 1:].clone()
    sources[:, 1] = 0
    with_zeros = variance_volume(reference, sources, transforms, depths, num_views=2.0)
    without = variance_volume(reference, sources[:, :1], transforms[:, :1], depths)
    torch.testing.assert_close(with_zeros, without)


def test_regression_of_known_probabilities():
    probability = torch.tensor([0.0, 0.1, 0.2, 0.4, 0.2, 0.1, 0.0, 0.0])
    costs = torch.log(probability + 1e-12).view(1, 8, 1, 1)
    values = torch.arange(8.0)[None] * 0.5 + 2.0
    value, index, confidence = regress(costs, values)
    expected = float((probability * torch.arange(8)).sum())
    assert index.item() == pytest.approx(expected, abs=1e-5)
    assert value.item() == pytest.approx(2.0 + 0.5 * expected, abs=1e-5)
    # Index 3.0 or just below it: planes 2 to 5 or 1 to 4.
    assert confidence.item() == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize(('peak', 'share'), [(0, 1.0), (7, 1.0)])
def test_confidence_at_the_ends_counts_nothing_beyond(peak, share):
    costs = torch.full((1, 8, 1, 1), -40.0)
    costs[0, peak] = 40.0
    _, index, confidence = regress(costs, torch.arange(8.0)[None])
    assert index.item() == pytest.approx(peak)
    assert confidence.item() == pytest.approx(share)


@pytest.mark.parametrize('has_bias', [True, False])
def test_packed_convolution_is_the_plain_one(has_bias):
    torch.manual_seed(0)
    plain = torch.nn.Conv3d(8, 1, 3, padding=1, bias=has_bias)
    volume = torch.randn(1, 8, 5, 8, 12)
    with torch.no_grad():
        expected = plain(volume)[0, 0]
        packed = PackedConvolution(plain)(volume)[:, 0]
    torch.testing.assert_close(packed, expected, atol=1e-5, rtol=1e-5)


def test_refinement_scales_depth_to_one_and_back():
    """With the paper's scaling, metres and millimetres give the same refined depth."""
    torch.manual_seed(0)
    refine = DepthRefinement().eval()
    image, depth = torch.rand(1, 3, 32, 48), 1 + torch.rand(1, 8, 12)
    near, far = torch.tensor([1.0]), torch.tensor([2.0])
    with torch.inference_mode():
        metres = refine(image, depth, depth_range=(near, far))
        millimetres = refine(image, 1000 * depth, depth_range=(1000 * near, 1000 * far))
        plain = refine(image, 1000 * depth)
    torch.testing.assert_close(1000 * metres, millimetres, atol=1e-2, rtol=0)
    assert (metres >= depth).all() and metres.shape == depth.shape
    assert (plain - millimetres).abs().max() > 1.0


def test_gradients_flow_through_slabs(state):
    network = load_network(state)
    images, transforms, depths = some_inputs()
    network(images, transforms, depths, slab=8).depth.sum().backward()
    gradient = network.feature.conv0.conv.weight.grad
    assert gradient is not None and gradient.abs().sum() > 0


def test_graphs_join_to_the_network(network, state):
    images, transforms, depths = some_inputs()
    rows = (images[0].permute(0, 2, 3, 1) * 255).round().to(torch.uint8)
    images = rows.permute(0, 3, 1, 2)[None].float() / 255
    graphs = {
        name: exportable(graph=name, height=64, width=96, options=OPTIONS, state=state)
        for name in ('features', 'volume', 'depth')
    }
    with torch.inference_mode():
        expected = network(images, transforms, depths)
        features = torch.cat([graphs['features'].module(row[None]) for row in rows])
        inside = torch.ones(18)
        inside[0] = inside[-1] = 0.0
        planes = torch.cat([depths[0, :1], depths[0], depths[0, -1:]])
        costs = [
            graphs['volume'].module(
                features[:1],
                features[1:],
                transforms[0],
                torch.tensor([3.0]),
                planes[start : start + 10],
                inside[start : start + 10],
            )
            for start in (0, 8)
        ]
        value, confidence = graphs['depth'].module(torch.cat(costs, dim=2), depths[0])
    torch.testing.assert_close(value, expected.depth, atol=2e-5, rtol=0)
    torch.testing.assert_close(confidence, expected.confidence, atol=1e-4, rtol=0)
    for graph in graphs.values():
        assert {spec.name for spec in graph.inputs} >= set(graph.examples)


BAD_REQUESTS = [
    ({'graph': 'mvsnet'}, 'no graph'),
    ({'height': 72}, '72x96'),
    ({'options': {'depths': 20}}, 'multiple of 8'),
    ({'options': {'sources': 0}}, 'above 0'),
    ({'options': {'depths': True}}, 'above 0'),
    ({'options': {'planes': 8}}, 'planes'),
]


@pytest.mark.parametrize(('change', 'text'), BAD_REQUESTS, ids=lambda value: str(value)[:40])
def test_graphs_that_cannot_be_are_refused(state, change, text):
    request = {'graph': 'volume', 'height': 64, 'width': 96, 'options': {}, 'state': state}
    with pytest.raises(RecipeError, match=text):
        exportable(**{**request, **change})


def test_bad_shapes_are_refused(network):
    images, transforms, depths = some_inputs()
    with pytest.raises(ShapeError, match='multiples of 32'):
        network(images[..., :-1], transforms, depths)
    with pytest.raises(ShapeError, match='multiple of 8'):
        network(images, transforms, depths[:, :-1])
    with pytest.raises(ShapeError, match='at least 2'):
        network(images[:, :1], transforms[:, :0], depths)
    with pytest.raises(ShapeError, match='one transform'):
        network(images, transforms[:, :1], depths)


def test_synthetic_weights_are_the_same_everywhere(state):
    again = synthetic_state(3)
    assert all(torch.equal(state[key], again[key]) for key in state)
    other = synthetic_state(4)
    assert not torch.equal(state['feature.feature.weight'], other['feature.feature.weight'])
