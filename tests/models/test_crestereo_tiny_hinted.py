"""The network with hints: none changes nothing, right ones help, wrong ones are left out."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the network needs torch')

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import ParameterError, WeightsError
from depth_ros.files.share import share_path
from depth_ros.models.crestereo_tiny.network import tiny_network
from depth_ros.models.crestereo_tiny.network_hint_agreement import belief, share_nearby, votes
from depth_ros.models.crestereo_tiny.network_hint_planes import (
    HintPlane,
    full_plane,
    hint_pyramid,
)
from depth_ros.models.crestereo_tiny.network_hinted import (
    CreStereoTinyHinted,
    exportable,
    hinted_network,
    is_of_error,
    is_of_hint,
    synthetic_state,
)
from depth_ros.scenes.layered.samples import SampleSettings, batches

HEIGHT, WIDTH = 96, 192
SAMPLES = SampleSettings(
    scene_height=HEIGHT, scene_width=WIDTH, height=HEIGHT, width=WIDTH, max_disparity=40.0,
    chunk=1, textures=12, grainy=1.0, texels=(0.7, 1.2), bare=0.0, noise=(0.2, 0.5), row_shift=0.0,
)  # fmt: skip


def plain_state() -> dict:
    return load_checkpoint(share_path('weights/crestereo_tiny.safetensors'))


def begun() -> CreStereoTinyHinted:
    """Return the network as its training begins: the shipped weights, gates by rule."""
    network = CreStereoTinyHinted()
    own = network.state_dict()
    added = {key: own[key] for key in own if is_of_hint(key)}
    network.load_state_dict({**own, **plain_state(), **added})
    return network.eval().requires_grad_(False)


def drawn() -> tuple:
    """Return a pair (1, 3, H, W) and its disparity (1, 1, H, W)."""
    batch = next(batches(SAMPLES, [], batch_size=1))
    images = [
        torch.from_numpy(image).permute(0, 3, 1, 2).float() for image in (batch.left, batch.right)
    ]
    return *images, torch.from_numpy(batch.disparity)[:, None]


def hint_of(disparity, trust: float = 1.0):
    return torch.cat((disparity, torch.full_like(disparity, trust)), 1)


def test_without_a_hint_it_is_the_network_without_hints() -> None:
    left, right, _ = drawn()
    plain = tiny_network(plain_state(), iterations=2)
    torch.testing.assert_close(begun()(left, right), plain(left, right), atol=1e-4, rtol=0)


def test_a_right_hint_helps_and_a_wrong_one_is_left_out() -> None:
    left, right, truth = drawn()
    network = begun()
    alone = network(left, right)
    right_hint = network(left, right, hint_of(truth))
    assert (right_hint - truth).abs().mean() < 0.6 * (alone - truth).abs().mean()
    for wrong in (truth + 12.0, truth.flip(2) + 9.0):
        torch.testing.assert_close(network(left, right, hint_of(wrong)), alone, atol=1e-4, rtol=0)


def test_a_cell_takes_the_most_trusted_pixel_and_mixes_nothing() -> None:
    disparity, trust = torch.full((1, 1, 16, 16), -1.0), torch.zeros(1, 1, 16, 16)
    disparity[..., 0, 0], trust[..., 0, 0] = 8.0, 0.5
    disparity[..., 1, 1], trust[..., 1, 1] = 4.0, 1.0
    disparity[..., 9, 9], trust[..., 9, 9] = 12.0, 0.2
    planes = hint_pyramid(full_plane(torch.cat((disparity, trust), 1)))
    assert float(planes[2].disparity[0, 0, 0, 0]) == 2.0
    assert float(planes[4].disparity[0, 0, 0, 0]) == 1.0
    assert float(planes[4].trust[0, 0, 2, 2]) == pytest.approx(0.2)
    assert float(planes[16].disparity[0, 0, 0, 0]) == pytest.approx(4.0 / 16)
    assert not planes[4].known[0, 0, 3, 3]


def test_the_pixel_at_the_centre_of_a_cell_comes_first() -> None:
    disparity = torch.arange(16.0).reshape(1, 1, 1, 16).repeat(1, 1, 16, 1)
    planes = hint_pyramid(full_plane(hint_of(disparity)))
    assert float(planes[8].disparity[0, 0, 0, 0]) == pytest.approx(4.0 / 8)
    assert float(planes[4].disparity[0, 0, 0, 1]) == pytest.approx(6.0 / 4)


@pytest.mark.parametrize(('shift', 'believed'), [(0.0, 1.0), (0.4, 1.0), (2.0, 0.0)])
def test_clear_matches_vote(shift: float, believed: float) -> None:
    best = torch.rand(1, 1, 8, 8) * 5.0
    plane = HintPlane(disparity=best + shift, trust=torch.ones_like(best))
    score = torch.full_like(best, 0.9)
    assert float(belief(*votes(best, score, plane))) == pytest.approx(believed)


def test_what_has_moved_loses_its_votes_nearby() -> None:
    best = torch.full((1, 1, 24, 24), 3.0)
    wrong = best.clone()
    wrong[..., 12:] += 4.0
    plane = HintPlane(disparity=wrong, trust=torch.ones_like(best))
    near = share_nearby(*votes(best, torch.ones_like(best), plane))
    assert float(near[0, 0, 12, 2]) > 0.9 and float(near[0, 0, 12, 22]) < 0.1


def test_a_hint_nobody_can_check_is_left_out() -> None:
    best = torch.zeros(1, 1, 8, 8)
    plane = HintPlane(disparity=best, trust=torch.zeros_like(best))
    assert float(belief(*votes(best, torch.ones_like(best), plane))) == 0.0


def test_graph_takes_the_pair_and_the_hint() -> None:
    state = synthetic_state(1)
    made = exportable(graph='crestereo', height=64, width=96, options={}, state=state)
    assert [(spec.name, spec.shape) for spec in made.inputs] == [
        ('left', (1, 64, 96, 3)),
        ('right', (1, 64, 96, 3)),
        ('hint', (1, 2, 64, 96)),
    ]
    hint = made.examples['hint']
    assert hint.shape == (1, 2, 64, 96) and hint.dtype == np.float32
    image = torch.zeros(1, 64, 96, 3, dtype=torch.uint8)
    disparity, sigma = made.module(image, image, torch.from_numpy(hint))
    assert [spec.name for spec in made.outputs] == ['disparity', 'sigma']
    assert disparity.shape == sigma.shape == (1, 64, 96)
    assert (sigma > 0).all()


def test_weights_without_an_error_head_still_load_and_tell_none() -> None:
    state = {key: value for key, value in synthetic_state(1).items() if not is_of_error(key)}
    made = exportable(graph='crestereo', height=64, width=96, options={}, state=state)
    assert [spec.name for spec in made.outputs] == ['disparity']
    image, hint = torch.zeros(1, 64, 96, 3, dtype=torch.uint8), made.examples['hint']
    assert len(made.module(image, image, torch.from_numpy(hint))) == 1


def test_weights_without_hints_are_refused_with_the_model_to_use() -> None:
    with pytest.raises(WeightsError, match='use model crestereo_tiny'):
        hinted_network(plain_state(), iterations=2)
    with pytest.raises(ParameterError, match="ask for 'crestereo'"):
        exportable(graph='other', height=64, width=64, options={}, state=synthetic_state(1))
