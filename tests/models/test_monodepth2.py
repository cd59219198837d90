"""Monodepth2: official names, strict loading, export forms, made-up weights, engines."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

import torch

from depth_ros.engines.build import open_graphs
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.errors import EngineError, RecipeError, ShapeError, WeightsError
from depth_ros.models.monodepth2.network import (
    exportable,
    load_depth,
    load_pose,
    synthetic_state,
)
from depth_ros.models.monodepth2.network_depth import DepthNetwork
from depth_ros.models.monodepth2.network_pose import PoseNetwork
from depth_ros.models.monodepth2.network_resnet import LAYOUTS
from depth_ros.tensors import TensorSpec, check_tensors
from tests.kit.shared_data import shared_path

PARTS = [
    pytest.param(18, 'encoder', DepthNetwork, id='resnet18-encoder'),
    pytest.param(18, 'depth', DepthNetwork, id='resnet18-depth'),
    pytest.param(18, 'pose_encoder', PoseNetwork, id='resnet18-pose_encoder'),
    pytest.param(18, 'pose', PoseNetwork, id='resnet18-pose'),
    pytest.param(50, 'encoder', DepthNetwork, id='resnet50-encoder'),
    pytest.param(50, 'depth', DepthNetwork, id='resnet50-depth'),
]


@pytest.fixture(scope='module')
def state():
    return synthetic_state(3)


@pytest.fixture(scope='module')
def deep():
    return synthetic_state(0, num_layers=50)


@pytest.fixture(scope='module')
def network(state):
    return load_depth(state)


def texture(seed=0, *, height=64, width=96, num_images=1):
    """Smooth colourful noise, (N, H, W, 3) uint8."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.random((num_images, 3, height // 16, width // 16)))
    fine = torch.nn.functional.interpolate(coarse, size=(height, width), mode='bilinear')
    return np.ascontiguousarray((255 * fine).byte().permute(0, 2, 3, 1).numpy())


def as_planes(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def run_exportable(made, *images):
    with torch.inference_mode():
        return made.module(*map(torch.from_numpy, images))


def make(state, graph='depth', *, height=64, width=96, **options):
    return exportable(graph=graph, height=height, width=width, options=options, state=state)


@pytest.mark.parametrize(('num_layers', 'part', 'kind'), PARTS)
def test_names_and_shapes_are_those_of_the_official_files(num_layers, part, kind):
    path = shared_path(f'parity/monodepth2_resnet{num_layers}_{part}.keys.json')
    keys = json.loads(path.read_text(encoding='utf-8'))['keys']
    official = {key: tuple(value['shape']) for key, value in keys.items()}
    used = {key: shape for key, shape in official.items() if not key.startswith('encoder.fc.')}
    module = getattr(kind(LAYOUTS[num_layers]), part)
    assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == used


def test_the_classifier_of_official_encoders_is_accepted_and_unused(state, network):
    classifier = {
        f'{part}.encoder.fc.{name}': torch.full((1000, 512), 9.0)
        for part in ('encoder', 'pose_encoder')
        for name in ('weight', 'bias')
    }
    with_classifier = {**state, **classifier}
    images = as_planes(texture())
    with torch.inference_mode():
        assert torch.equal(load_depth(with_classifier)(images)[0], network(images)[0])
    load_pose(with_classifier)


def test_the_resnet_is_read_from_the_weights(deep):
    network = load_depth(deep)
    assert network.encoder.encoder.layer4[0].conv3.out_channels == 2048
    disparity = run_exportable(make(deep), texture())
    assert disparity.shape == (1, 64, 96) and torch.isfinite(disparity).all()
    assert disparity.std() > 0.01


def test_a_wrong_checkpoint_names_five_of_each(state):
    wrong = {f'x.{key}': value for key, value in state.items() if key.startswith('depth.')}
    kept = {key: value for key, value in state.items() if key.startswith('encoder.')}
    with pytest.raises(WeightsError) as error:
        load_depth({**kept, **wrong})
    text = str(error.value)
    assert '28 missing: depth.decoder.0.conv.conv.bias, ' in text
    assert '28 unexpected: x.depth.decoder.0.conv.conv.bias, ' in text
    assert text.count('and 23 more') == 2


def test_weights_of_other_networks_are_refused(state, deep):
    with pytest.raises(WeightsError, match=r'needs a ResNet-18 or ResNet-50.*encoder\.pth'):
        make({'fnet.conv1.weight': torch.zeros(1)})
    alone = {key.removeprefix('encoder.'): value for key, value in state.items()}
    with pytest.raises(WeightsError, match=r'folder of encoder\.pth and depth\.pth'):
        make({key: value for key, value in alone.items() if key.startswith('encoder.')})
    mixed = {key: value for key, value in deep.items() if not key.startswith('depth.')}
    mixed.update({key: value for key, value in state.items() if key.startswith('depth.')})
    with pytest.raises(WeightsError, match=r'of another shape: depth\.decoder\.0'):
        make(mixed)


def test_weights_without_pose_network_serve_depth_alone(state):
    stereo = {key: value for key, value in state.items() if not key.startswith('pose')}
    make(stereo)
    with pytest.raises(WeightsError, match=r'no pose network.*pose_encoder\.pth'):
        make(stereo, 'pose')
    with pytest.raises(WeightsError, match=r'107 missing: pose\.net\.0\.bias'):
        make({**stereo, 'pose_encoder.encoder.layer1.0.conv2.weight': torch.zeros(1)}, 'pose')


@pytest.mark.parametrize('shape', [(1, 3, 64, 80), (1, 3, 72, 96), (1, 1, 64, 96), (1, 3, 0, 64)])
def test_images_that_cannot_run_are_refused(network, shape):
    with pytest.raises(ShapeError, match='multiples of 32'):
        network(torch.zeros(shape))


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'graph': 'features'}, 'no graph'),
        ({'scale': 1}, 'no options'),
        ({'height': 80}, 'multiples of 32'),
        ({'width': 32}, 'at least 64'),
    ],
)
def test_recipes_that_cannot_be_served_are_refused(state, changes, text):
    with pytest.raises(RecipeError, match=text):
        make(state, **changes)


def test_a_batch_is_its_items_and_scales_have_their_sizes(network):
    images = as_planes(texture(num_images=2))
    with torch.inference_mode():
        both = network(images, num_scales=4)
        each = [network(images[i : i + 1], num_scales=4) for i in range(2)]
    assert [tuple(item.shape) for item in both] == [(2, 1, 64 >> s, 96 >> s) for s in range(4)]
    for scale, together in enumerate(both):
        torch.testing.assert_close(
            together, torch.cat([e[scale] for e in each]), atol=1e-5, rtol=0
        )


def test_the_depth_graph_takes_rgb_rows(network, state):
    made, images = make(state), texture(5)
    check_tensors({'image': images}, made.inputs, what='inputs')
    disparity = run_exportable(made, images)
    check_tensors({'disparity': disparity.numpy()}, made.outputs, what='outputs')
    assert made.outputs == (TensorSpec(name='disparity', shape=(1, 64, 96), dtype='float32'),)
    with torch.inference_mode():
        expected = network(as_planes(images))[0][:, 0]
    torch.testing.assert_close(disparity, expected, atol=1e-6, rtol=0)
    swapped = run_exportable(made, np.ascontiguousarray(images[..., ::-1]))
    assert (disparity - swapped).abs().mean() > 0.01
    assert not made.module.training


def test_the_pose_graph_takes_two_images_in_order(state):
    made = make(state, 'pose')
    first, second = texture(1), texture(2)
    motion = dict(
        zip(('axis_angle', 'translation'), run_exportable(made, first, second), strict=True)
    )
    check_tensors({key: value.numpy() for key, value in motion.items()}, made.outputs, what='pose')
    with torch.inference_mode():
        axis_angle, translation = load_pose(state)(as_planes(first), as_planes(second))
    torch.testing.assert_close(motion['axis_angle'], axis_angle[:, 0, 0], atol=1e-6, rtol=0)
    torch.testing.assert_close(motion['translation'], translation[:, 0, 0], atol=1e-6, rtol=0)
    backwards = run_exportable(made, second, first)
    assert (backwards[1] - motion['translation']).abs().max() > 1e-4


def test_made_up_weights_are_deterministic(state):
    again = synthetic_state(3)
    assert again.keys() == state.keys()
    for key, value in state.items():
        torch.testing.assert_close(again[key], value, atol=1e-6, rtol=1e-6)
    name = 'encoder.encoder.conv1.weight'
    assert not torch.equal(synthetic_state(4)[name], state[name])


@pytest.mark.parametrize('seed', [0, 1])
def test_made_up_weights_give_a_picture(seed):
    """Varied, smooth and made of the image: what the demo without official weights shows."""
    made = make(synthetic_state(seed), height=128, width=320)
    images = [texture(number, height=128, width=320) for number in (0, 1)]
    one, other = (run_exportable(made, image)[0].numpy() for image in images)
    for disparity in (one, other):
        assert np.isfinite(disparity).all()
        low, high = np.percentile(disparity, [5, 95])
        assert high - low > 0.1 and disparity.std() > 0.04
        assert np.abs(np.diff(disparity, axis=1)).mean() < 0.15 * disparity.std()
    assert np.abs(one - other).mean() > 0.5 * one.std()
    for value in (0, 255):
        flat = run_exportable(made, np.full((1, 128, 320, 3), value, np.uint8))
        assert torch.isfinite(flat).all()


ENGINES = [
    ('torch', 'f32', 1e-6),
    ('openvino', 'f32', 1e-4),
    ('onnxruntime', 'f32', 1e-4),
    ('openvino', 'bf16', 0.05),
]


@pytest.fixture(scope='module')
def official_folder(tmp_path_factory, state):
    """A folder as published: four files, classifiers, and the size beside the encoder."""
    folder = tmp_path_factory.mktemp('weights') / 'mono+stereo_640x192'
    folder.mkdir()
    for part in ('encoder', 'depth', 'pose_encoder', 'pose'):
        prefix = f'{part}.'
        content = {
            key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)
        }
        if 'encoder' in part:
            content['encoder.fc.weight'] = torch.ones(1000, 512)
            content['encoder.fc.bias'] = torch.ones(1000)
        if part == 'encoder':
            content.update(height=64, width=96, use_stereo=True)
        torch.save(content, folder / f'{part}.pth')
    return folder


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    """Exports are made once for all runtimes."""
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    return EngineCache(tmp_path_factory.mktemp('cache'))


@pytest.mark.parametrize(('runtime', 'precision', 'tolerance'), ENGINES)
def test_engines_of_an_official_folder_agree_with_torch(
    official_folder, cache, state, runtime, precision, tolerance
):
    if missing := RUNTIMES[runtime].missing():
        pytest.skip(missing)
    choice = EngineChoice(
        runtime=runtime, precision=precision, weights=str(official_folder), num_threads=1
    )
    try:
        engines = open_graphs('monodepth2', choice, cache=cache)
    except EngineError as error:
        if precision == 'f32':
            raise
        pytest.skip(str(error))
    first, second = texture(7), texture(8)
    with engines['depth'] as depth, engines['pose'] as pose:
        assert depth.inputs[0].shape == (1, 64, 96, 3), 'the size that encoder.pth names'
        assert depth.info.is_stereo_trained and pose.info.is_stereo_trained
        disparity = depth.infer({'image': first})['disparity']
        expected = run_exportable(make(state), first).numpy()
        assert np.abs(disparity - expected).max() < tolerance
        motion = pose.infer({'first': first, 'second': second})
        for found, wanted in zip(
            (motion['axis_angle'], motion['translation']),
            run_exportable(make(state, 'pose'), first, second),
            strict=True,
        ):
            assert np.abs(found - wanted.numpy()).max() < tolerance
