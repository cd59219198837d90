"""The network at half the size: its last step begins as plain enlarging, and hints finish it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch', reason='the network needs torch')

from torch.nn import functional

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import ParameterError, WeightsError
from depth_ros.files.share import share_path
from depth_ros.models.crestereo_tiny.network_half import (
    INNER,
    CreStereoTinyHalf,
    exportable,
    half_network,
    synthetic_state,
)
from depth_ros.models.crestereo_tiny.network_hinted import is_of_error
from depth_ros.models.crestereo_tiny.network_last import bilinear_logits
from depth_ros.models.crestereo_tiny.network_upsampling import upsample_convex
from depth_ros.scenes.layered.samples import SampleSettings, batches

HEIGHT, WIDTH = 128, 256
SAMPLES = SampleSettings(
    scene_height=HEIGHT, scene_width=WIDTH, height=HEIGHT, width=WIDTH, max_disparity=40.0,
    chunk=1, textures=12, grainy=1.0, texels=(0.7, 1.2), bare=0.0, noise=(0.2, 0.5), row_shift=0.0,
)  # fmt: skip


def hinted_state() -> dict:
    return load_checkpoint(share_path('weights/crestereo_tiny_hinted.safetensors'))


def begun() -> CreStereoTinyHalf:
    """Return the network as its training begins."""
    network = CreStereoTinyHalf()
    inner = {key: value for key, value in hinted_state().items() if not is_of_error(key)}
    network.inner.load_state_dict(inner, strict=False)
    return network.eval().requires_grad_(False)


def drawn() -> tuple:
    """Return a pair (1, 3, H, W) and its disparity (1, 1, H, W)."""
    batch = next(batches(SAMPLES, [], batch_size=1))
    images = [
        torch.from_numpy(image).permute(0, 3, 1, 2).float() for image in (batch.left, batch.right)
    ]
    return *images, torch.from_numpy(batch.disparity)[:, None]


def hint_of(disparity):
    return torch.cat((disparity, torch.ones_like(disparity)), 1)


def test_mixing_begins_as_bilinear_enlarging() -> None:
    cells = torch.rand(1, 1, 6, 7)
    found = upsample_convex(cells, bilinear_logits()[None, :, None, None].expand(1, 36, 6, 7), 2)
    expected = 2.0 * functional.interpolate(cells, scale_factor=2.0, mode='bilinear')
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_without_a_hint_it_begins_with_the_result_of_half_the_size_enlarged() -> None:
    left, right, _ = drawn()
    network = begun()
    small = [functional.avg_pool2d(image, 2) for image in (left, right)]
    enlarged = 2.0 * functional.interpolate(
        network.inner(*small), scale_factor=2.0, mode='bilinear'
    )
    assert (network(left, right) - enlarged).abs().mean() < 0.03


def test_a_right_hint_helps_and_a_wrong_one_is_left_out() -> None:
    left, right, truth = drawn()
    network = begun()
    alone = network(left, right)
    assert (network(left, right, hint_of(truth)) - truth).abs().mean() < 0.5 * (
        alone - truth
    ).abs().mean()
    for wrong in (truth + 12.0, truth.flip(2) + 9.0):
        torch.testing.assert_close(network(left, right, hint_of(wrong)), alone, atol=1e-4, rtol=0)


def test_graph_takes_the_pair_and_the_hint_and_tells_the_error() -> None:
    made = exportable(graph='crestereo', height=64, width=96, options={}, state=synthetic_state(1))
    assert [spec.name for spec in made.inputs] == ['left', 'right', 'hint']
    image = torch.zeros(1, 64, 96, 3, dtype=torch.uint8)
    disparity, sigma = made.module(image, image, torch.from_numpy(made.examples['hint']))
    assert [spec.name for spec in made.outputs] == ['disparity', 'sigma']
    assert disparity.shape == sigma.shape == (1, 64, 96)
    assert (sigma > 0).all() and torch.isfinite(disparity).all()


def test_sides_that_cannot_be_halved_so_often_are_refused() -> None:
    with pytest.raises(ParameterError, match='multiples of 32, got 240x320; use 480x640'):
        exportable(graph='crestereo', height=240, width=320, options={}, state={})


def test_weights_of_the_network_inside_alone_are_refused() -> None:
    with pytest.raises(WeightsError, match=r'pass weights/crestereo_tiny_half\.safetensors'):
        half_network(hinted_state(), iterations=1)
    state = synthetic_state(1)
    wrong = {key: value for key, value in state.items() if key != f'{INNER}encoder.stem.0.weight'}
    with pytest.raises(WeightsError):
        half_network(wrong, iterations=1)
