"""Hints in training: their kinds, that they can be repeated, and what training begins with."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.files.share import share_path
from depth_ros.geometry.hints import dense_hint
from depth_ros.models.crestereo_tiny.network import TinyPredictions
from depth_ros.scenes.layered.samples import Batch, batches
from depth_ros.training.crestereo.hinted import HintedPairs, HintedTask, with_hints
from depth_ros.training.crestereo.hints import SHARES, SPOILED, HintMaker, HintSettings
from depth_ros.training.crestereo.losses import error_loss, left_hint_loss
from depth_ros.training.crestereo.networks import HalfStereo, HintedStereo
from depth_ros.training.crestereo.recipes import RECIPES
from depth_ros.training.recipe import find_recipe
from depth_ros.training.task import DataFolders
from tests.kit.small_stereo import SMALL_NETWORK, SMALL_SAMPLES

SETTINGS = HintSettings(max_disparity=32)
TEXTURED = replace(
    SMALL_SAMPLES, grainy=1.0, texels=(0.7, 1.2), bare=0.0, noise=(0.2, 0.5), row_shift=0.0
)


def sample() -> Batch:
    batch = next(batches(TEXTURED, [], batch_size=1))
    return Batch(
        left=batch.left[0],
        right=batch.right[0],
        disparity=batch.disparity[0],
        is_occluded=batch.is_occluded[0],
    )


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_shares_are_chances() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0)
    assert SHARES['none'] >= 0.2


@pytest.mark.parametrize('kind', sorted(SHARES))
def test_every_kind_gives_a_hint_of_the_samples_size(kind: str) -> None:
    hint = HintMaker(SETTINGS).hint(rng(), sample(), kind)
    assert hint.disparity.shape == sample().disparity.shape
    assert (hint.trust >= 0).all() and (hint.trust <= 1).all()
    assert not hint.trust[~np.isfinite(hint.disparity)].any()
    assert (hint.trust.max() == 0) == (kind == 'none')


def test_sgbm_is_mostly_right_where_it_measures() -> None:
    one = sample()
    hint = HintMaker(SETTINGS).hint(rng(), one, 'sgbm')
    measured = hint.trust == 1.0
    assert measured.mean() > 0.4
    assert (np.abs(hint.disparity - one.disparity)[measured] < 2.0).mean() > 0.7


def test_points_and_earlier_results_are_close_to_the_truth() -> None:
    one = sample()
    for kind, least in (('points', 0.6), ('previous', 0.5)):
        hint = HintMaker(SETTINGS).hint(rng(), one, kind)
        known = hint.trust > 0
        assert (np.abs(hint.disparity - one.disparity)[known] < 2.0).mean() > least, kind


def test_a_shifted_hint_is_wrong_alike_everywhere() -> None:
    right = dense_hint(np.full((8, 16), 5.0, np.float32))
    offset = SPOILED['shifted'](rng(), right).disparity - 5.0
    assert np.ptp(offset) == 0.0 and abs(offset[0, 0]) >= 2.0


def test_a_moved_object_leaves_the_rest_as_it_was() -> None:
    disparity = np.arange(40 * 60, dtype=np.float32).reshape(40, 60)
    moved = SPOILED['moved'](rng(), dense_hint(disparity))
    same = moved.disparity == disparity
    assert 0.2 < same.mean() < 1.0


def test_batches_can_be_repeated_from_any_number() -> None:
    source = HintedPairs(samples=TEXTURED, hints=SETTINGS).source(DataFolders())
    through = list(islice(source.batches(batch_size=2), 3))
    again = next(source.batches(batch_size=2, first=2))
    np.testing.assert_array_equal(through[2].hint, again.hint)
    np.testing.assert_array_equal(through[2].left, again.left)
    assert not np.array_equal(through[0].hint, through[1].hint)


def test_unknown_hints_are_below_zero_and_not_trusted() -> None:
    batch = next(batches(TEXTURED, [], batch_size=2))
    hint = with_hints(HintMaker(SETTINGS), rng(), batch, 'none').hint
    assert hint is not None and hint.shape == (2, 2, *batch.disparity.shape[1:])
    assert (hint[:, 0] < 0).all() and not hint[:, 1].any()


def test_the_network_may_see_worse_images_than_sgbm() -> None:
    worse = replace(SETTINGS, worse=1.0)
    batches_of = [
        next(HintedPairs(samples=TEXTURED, hints=one).source(DataFolders()).batches(batch_size=2))
        for one in (SETTINGS, worse)
    ]
    np.testing.assert_array_equal(batches_of[0].hint, batches_of[1].hint)
    assert not np.array_equal(batches_of[0].left, batches_of[1].left)
    difference = batches_of[0].left.astype(int) - batches_of[1].left
    assert 0.5 < np.abs(difference).mean() < 60.0


def test_training_begins_with_the_weights_without_hints() -> None:
    task = HintedTask()
    network = task.build()
    path = share_path('weights/crestereo_tiny.safetensors')
    task.begin_with(network, path)
    plain = load_checkpoint(path)
    begun = network.state_dict()
    assert all(torch.equal(begun[key], plain[key]) for key in plain)


def test_a_step_reaches_encoder_gates_and_the_last_level() -> None:
    task = HintedTask(network=HintedStereo(config=SMALL_NETWORK))
    torch.manual_seed(1)
    network = task.build().train()
    batch = next(batches(TEXTURED, [], batch_size=2))
    batch = with_hints(HintMaker(SETTINGS), rng(), batch, 'sgbm')
    task.loss(network, batch, device='cpu', mixed=nullcontext).loss.backward()
    for name in ('encoder.stem.0.weight', 'update.hint_rule.bias', 'full.leave.weight'):
        gradient = network.get_parameter(name).grad
        assert gradient is not None and gradient.abs().sum() > 0, name


def test_only_the_error_head_learns_the_error() -> None:
    task = HintedTask(network=HintedStereo(config=SMALL_NETWORK, learns_error=True))
    torch.manual_seed(1)
    network = task.build().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    batch = next(batches(TEXTURED, [], batch_size=2))
    batch = with_hints(HintMaker(SETTINGS), rng(), batch, 'sgbm')
    learnt = [value for value in network.parameters() if value.requires_grad]
    optimizer = torch.optim.SGD(learnt, lr=0.1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = task.loss(network, batch, device='cpu', mixed=nullcontext).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    after = network.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert changed and all(key.startswith('error.') for key in changed)
    assert losses[-1] < losses[0]


def test_only_the_last_step_learns_at_half_the_size() -> None:
    config = replace(SMALL_NETWORK, iterations=(0, 1, 1))
    task = HintedTask(network=HalfStereo(config=config))
    torch.manual_seed(1)
    network = task.build().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    batch = next(batches(TEXTURED, [], batch_size=2))
    batch = with_hints(HintMaker(SETTINGS), rng(), batch, 'sgbm')
    task.loss(network, batch, device='cpu', mixed=nullcontext).loss.backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    after = network.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert all(key.startswith('last.') for key in changed)
    assert {'last.leave.weight', 'last.hint_rule.bias', 'last.error_leave.weight'} <= changed


def test_training_at_half_the_size_begins_with_the_weights_with_hints() -> None:
    task = HintedTask(network=HalfStereo())
    network = task.build()
    path = share_path('weights/crestereo_tiny_hinted.safetensors')
    task.begin_with(network, path)
    begun = network.inner.state_dict()
    assert all(
        torch.equal(begun[key], value)
        for key, value in load_checkpoint(path).items()
        if not key.startswith('error.')
    )


def test_leaving_a_hint_costs_only_where_it_is_right() -> None:
    truth = torch.full((1, 1, 8, 8), 10.0)
    hint = torch.cat((truth + 0.5, torch.ones_like(truth)), 1)
    hint[..., 4:] += 3.0
    left = torch.full_like(truth, 13.0)

    def loss(found: torch.Tensor) -> float:
        return float(left_hint_loss(TinyPredictions(full=found), truth, hint))

    assert loss(truth) == loss(truth + 0.5) == 0.0
    assert loss(left) == pytest.approx(0.5 * np.log1p(2.5), rel=1e-5)
    assert float(left_hint_loss(TinyPredictions(full=left), truth, -torch.ones_like(hint))) == 0.0


def test_the_error_is_least_unlikely_at_its_own_scale() -> None:
    truth, found = torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 3.0)
    losses = [
        float(error_loss(found, torch.full_like(found, np.log(scale)), truth))
        for scale in (2.0, 3.0, 4.0)
    ]
    assert losses[1] == pytest.approx(1.0 + np.log(3.0)) and losses[1] == min(losses)


def test_matching_is_disturbed_in_training_only_and_only_with_a_hint() -> None:
    network = HintedStereo(config=SMALL_NETWORK, muddled=1.0).build().eval()
    shape = (1, 1, 64, 96)
    hint = torch.cat((torch.full(shape, 5.0), torch.ones(shape)), 1)
    torch.manual_seed(0)
    places = network._muddled_places(hint)
    assert places is not None and 0.02 < float((places > 0).float().mean()) < 0.7
    assert not network._muddled_places(torch.cat((hint[:, :1], 0 * hint[:, 1:]), 1)).any()
    with torch.no_grad():
        assert network._muddled_places(hint) is None


def test_the_recipe_is_found_by_its_name() -> None:
    recipe = find_recipe('crestereo_tiny_hinted')
    assert recipe is RECIPES['crestereo_tiny_hinted']
    assert set(recipe.task.validation_metrics) >= {'val_bad_2', 'val_bad_2_none'}
