"""Losses, schedule, checkpoints, the loop: gradients right, kills survived, one sample learnt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')


from depth_ros.errors import RecipeError, WeightsError
from depth_ros.models.crestereo_tiny.network import (
    CreStereoTiny,
    TinyPredictions,
)
from depth_ros.models.crestereo_tiny.network_correlation import (
    RowSight,
    WindowProducts,
    local_correlation,
    row_correlation,
    warp_rows,
)
from depth_ros.models.crestereo_tiny.network_upsampling import (
    upsample_convex,
)
from depth_ros.scenes.layered.samples import batches
from depth_ros.training.checkpoint import CHECKPOINT_NAME, load_state, recipe_text
from depth_ros.training.crestereo.losses import (
    at_cells,
    matching_loss,
    sequence_loss,
    small_error_loss,
    total_loss,
)
from depth_ros.training.crestereo.networks import TinyStereo
from depth_ros.training.crestereo.pairs import DrawnPairs
from depth_ros.training.crestereo.task import StereoTask, to_tensors
from depth_ros.training.metrics import MetricsLog, read_metrics
from depth_ros.training.pictures import draw_contact_sheet, draw_curve
from depth_ros.training.recipe import TrainRecipe, find_recipe, find_schedule, recipes
from depth_ros.training.step import one_cycle, run_progress
from depth_ros.training.task import DataFolders
from depth_ros.training.trainer import RunSettings, Trainer
from tests.kit.resumed_training import assert_same_bits
from tests.kit.small_stereo import SMALL_NETWORK, SMALL_SAMPLES, SMALL_TASK

SMALL = TrainRecipe(
    name='small',
    task=SMALL_TASK,
    steps=6,
    batch_size=2,
    mixed=False,
    validation_samples=8,
)


pytestmark = pytest.mark.usefixtures('one_thread')


def test_local_correlation_has_the_right_gradient() -> None:
    torch.manual_seed(0)
    reference = torch.randn(1, 4, 5, 8, dtype=torch.float64, requires_grad=True)
    padded = torch.randn(1, 6, 7, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a, b: WindowProducts.apply(a, b, 2), (reference, padded)
    )


def test_local_correlation_gives_the_same_with_and_without_gradient() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(2, 1, 8, 4, 6).unbind(0)
    plain = local_correlation(left, right, 4)
    trained = local_correlation(left.requires_grad_(), right.requires_grad_(), 4)
    torch.testing.assert_close(plain, trained)
    # The middle window, first group, written out.
    expected = (left[0, :2] * right[0, :2]).mean(0)
    torch.testing.assert_close(trained[0, 4 * 4], expected)


def test_losses_have_the_right_gradient() -> None:
    torch.manual_seed(1)
    truth = torch.rand(1, 1, 16, 32, dtype=torch.float64) * 9
    hidden = torch.rand(1, 1, 16, 32) < 0.2
    full = (torch.rand(1, 1, 16, 32, dtype=torch.float64) * 9).requires_grad_()
    coarse = (torch.rand(1, 1, 4, 8, dtype=torch.float64) * 9).requires_grad_()
    log_match = torch.randn(1, 4, 8, 8, dtype=torch.float64, requires_grad=True)

    def value(full, coarse, log_match):
        found = TinyPredictions(coarse=[(4, coarse)], full=full, log_matches=[(4, log_match)])
        return total_loss(found, truth, hidden, small_errors=3.0)

    assert torch.autograd.gradcheck(value, (full, coarse, log_match))


def test_small_errors_pull_harder_than_lost_pixels() -> None:
    truth = torch.zeros(1, 1, 16, 16)
    found = torch.full((1, 1, 16, 16), 0.5)
    found[..., 8:] = 19.0
    found.requires_grad_()
    loss = small_error_loss(found, truth)
    assert float(loss.detach()) == pytest.approx((np.log(1.5) + np.log(20.0)) / 2)
    (gradient,) = torch.autograd.grad(loss, found)
    assert float(gradient[0, 0, 0, 0] / gradient[0, 0, 0, 15]) == pytest.approx(20.0 / 1.5)


def test_the_weight_of_small_errors_is_what_is_added() -> None:
    torch.manual_seed(2)
    truth, hidden = torch.rand(1, 1, 16, 32) * 9, torch.zeros(1, 1, 16, 32, dtype=torch.bool)
    found = TinyPredictions(
        coarse=[], full=torch.rand(1, 1, 16, 32) * 9, log_matches=[(4, torch.randn(1, 4, 8, 8))]
    )
    base, more = (total_loss(found, truth, hidden, small_errors=weight) for weight in (0.0, 3.0))
    assert float(more - base) == pytest.approx(
        3.0 * float(small_error_loss(found.full, truth)), rel=1e-5
    )
    recipe = find_recipe('crestereo_tiny')
    assert find_schedule(recipe, 'close').task.network.small_errors > 0
    assert find_schedule(recipe, 'fine').task.network.small_errors == 0


def test_network_gradient_matches_finite_differences() -> None:
    torch.manual_seed(2)
    network = CreStereoTiny(SMALL_NETWORK).double().eval()
    left, right = (255 * torch.rand(2, 1, 3, 32, 64, dtype=torch.float64)).unbind(0)
    weight = network.update.squeeze.weight

    def value() -> torch.Tensor:
        # The first update only: between updates the disparity is cut off on purpose.
        return network.predict(left, right).coarse[0][1].mean()

    value().backward()
    index = np.unravel_index(int(weight.grad.abs().argmax()), weight.shape)
    analytic, step = float(weight.grad[index]), 1e-5
    with torch.no_grad():
        weight[index] += step
        above = float(value())
        weight[index] -= 2 * step
        below = float(value())
    assert abs(analytic) > 1e-9
    assert analytic == pytest.approx((above - below) / (2 * step), rel=1e-4)


def test_sequence_loss_weighs_by_gamma() -> None:
    truth = torch.zeros(1, 1, 8, 8)
    found = TinyPredictions(
        coarse=[(8, torch.full((1, 1, 1, 1), 2.0)), (4, torch.full((1, 1, 2, 2), 3.0))],
        full=torch.full((1, 1, 8, 8), 5.0),
    )
    assert float(sequence_loss(found, truth)) == pytest.approx(0.81 * 2 + 0.9 * 3 + 5)
    assert float(at_cells(torch.arange(8.0).expand(1, 1, 8, 8), 4)[0, 0, 0, 1]) == 6.0


def test_matching_loss_is_least_at_the_true_match() -> None:
    width, true = 8, 3
    disparity = torch.full((1, 1, 4, 4 * width), 4.0 * true)
    hidden = torch.zeros(1, 1, 4, 4 * width, dtype=torch.bool)

    def loss(shift: int) -> float:
        log_match = torch.full((1, 1, width, width), -20.0)
        for x in range(shift, width):
            log_match[0, 0, x, x - shift] = 0.0
        return float(matching_loss(log_match, disparity, hidden, 4))

    assert loss(true) < 1e-3
    assert min(loss(true - 1), loss(true + 1)) > 5.0
    assert float(matching_loss(torch.zeros(1, 1, 8, 8), disparity, ~hidden, 4)) == 0.0


def test_row_sight_finds_the_match_anywhere_in_the_row() -> None:
    torch.manual_seed(3)
    right = 4.0 * torch.randn(1, 64, 3, 32)
    shift = 17
    left = torch.zeros_like(right)
    left[..., shift:] = right[..., :-shift]
    sight = RowSight(left, right, (1, 2, 4))
    best, score = sight.best_match()
    torch.testing.assert_close(
        best[..., shift:], torch.full((1, 1, 3, 15), 17.0), atol=0.02, rtol=0
    )
    assert float(score[..., shift:].min()) > 0.99
    taps = sight.lookup(torch.full((1, 1, 3, 32), float(shift)))
    assert taps.shape == (1, 27, 3, 32)
    assert (taps[0, :9, :, shift + 5 :].argmax(0) == 4).all()
    moved = sight.lookup(torch.full((1, 1, 3, 32), shift + 2.0))
    torch.testing.assert_close(moved[0, 6, :, 25:], taps[0, 4, :, 25:])
    assert -0.01 < float(taps[0, 4, :, shift + 5 :].min()) <= float(taps.max()) <= 0.0


def test_a_match_that_repeats_is_no_good_match() -> None:
    torch.manual_seed(4)
    right = 4.0 * torch.randn(1, 64, 1, 16)
    right[..., 4] = right[..., 10]
    left = right.clone()
    _, score = RowSight(left, right, (1,)).best_match()
    assert float(score[0, 0, 0, 10]) < 0.8
    assert float(score[0, 0, 0, 12]) > 0.95


def test_a_cell_that_only_the_left_camera_sees_matches_badly() -> None:
    torch.manual_seed(5)
    right = 4.0 * torch.randn(1, 64, 1, 16)
    left = right.clone()
    left[..., 9] = 4.0 * torch.randn(64)[None, :, None]
    sight = RowSight(left, right, (1,))
    assert float(sight.log_match[0, 0, 9, :10].max()) < -3.0
    assert float(sight.log_match[0, 0, 12, 12]) > -0.1


def test_lookup_beyond_the_row_finds_nothing() -> None:
    sight = RowSight(torch.ones(1, 4, 1, 16), torch.ones(1, 4, 1, 16), (1, 2, 4))
    taps = sight.lookup(torch.full((1, 1, 1, 16), 500.0))
    torch.testing.assert_close(taps, torch.full_like(taps, -3.0))


def test_warp_reads_the_right_image_at_x_minus_disparity() -> None:
    ramp = torch.arange(16.0).reshape(1, 1, 16, 1).expand(1, 2, 16, 1)
    warped = warp_rows(ramp, torch.full((1, 1, 2, 16), 2.5))
    torch.testing.assert_close(warped[0, 0, 0, 3:], torch.arange(3.0, 16.0) - 2.5)
    torch.testing.assert_close(warped[0, 0, 0, :3], torch.tensor([0.0, 0.0, 0.0]))


def test_warp_equals_bilinear_sampling_with_zeros_outside() -> None:
    torch.manual_seed(2)
    right, disparity = torch.randn(2, 5, 3, 12), 20.0 * torch.rand(2, 1, 3, 12) - 4.0
    x = (torch.arange(12.0) - disparity[:, 0] + 0.5) * (2.0 / 12) - 1.0
    y = ((torch.arange(3.0) + 0.5) * (2.0 / 3) - 1.0)[None, :, None].expand_as(x)
    grid = torch.stack((x, y), -1)
    expected = torch.nn.functional.grid_sample(right, grid, align_corners=False)
    found = warp_rows(right.permute(0, 2, 3, 1), disparity)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_row_lookup_reads_every_scale_of_the_pyramid() -> None:
    torch.manual_seed(3)
    sight = RowSight(torch.randn(1, 8, 2, 10), torch.randn(1, 8, 2, 10), (1, 2, 4))
    evidence = sight.log_match.clamp(min=-24.0)
    disparity = torch.full((1, 1, 2, 10), 1.0)
    taps = sight.lookup(disparity)[0, :, 1, 6]
    for index, scale in enumerate((1, 2, 4)):
        rows = [evidence[0, 1, 6, start : start + scale].max() for start in range(0, 10, scale)]
        position = (5.0 + 0.5) / scale - 0.5
        below = int(position // 1)
        pair = [rows[k] if 0 <= k < len(rows) else torch.tensor(-24.0) for k in (below, below + 1)]
        expected = pair[0] * (1 - position % 1) + pair[1] * (position % 1)
        torch.testing.assert_close(taps[9 * index + 4], expected / 8.0)


def test_best_match_is_the_first_of_equal_peaks() -> None:
    left, right = torch.zeros(1, 4, 1, 16), torch.zeros(1, 4, 1, 16)
    left[0, 0, 0, 12] = right[0, 0, 0, 3] = right[0, 0, 0, 9] = 20.0
    best, _ = RowSight(left, right, (1,)).best_match()
    assert float(best[0, 0, 0, 12]) == pytest.approx(9.0, abs=0.01)


def test_convex_upsampling_of_a_constant_is_the_constant() -> None:
    up = upsample_convex(torch.full((1, 1, 3, 5), 2.0), torch.randn(1, 144, 3, 5))
    assert up.shape == (1, 1, 12, 20)
    torch.testing.assert_close(up, torch.full_like(up, 8.0))


def test_row_correlation_is_the_products_of_shifted_rows() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(1, 8, 3, 9), torch.randn(1, 8, 3, 9)
    padded = torch.nn.functional.pad(right, (2, 2))
    found = row_correlation(left, right, 4, 2).reshape(5, 4, 3, 9)
    for shift in range(5):
        products = (left * padded[..., shift : shift + 9]).reshape(4, 2, 3, 9).mean(1)
        torch.testing.assert_close(found[shift], products)
    learning = row_correlation(left.requires_grad_(), right, 4, 2)
    torch.testing.assert_close(learning.reshape(5, 4, 3, 9), found)


def test_one_cycle_rises_then_falls_to_nothing() -> None:
    rates = [one_cycle(p / 100, peak=1.0, warm_up=0.1) for p in range(101)]
    assert max(rates) == pytest.approx(1.0) and rates[-1] == pytest.approx(0.0, abs=1e-12)
    assert np.argmax(rates) == 10 and rates == sorted(rates[:10]) + sorted(rates[10:])[::-1]
    assert run_progress(step=5, steps=10, elapsed_s=9, budget_s=10) == 0.9
    assert run_progress(step=5, steps=10, elapsed_s=9, budget_s=None) == 0.5


def settings(folder: Path, **changes: object) -> RunSettings:
    base = RunSettings(out=folder, log_every=1, save_every=2, validate_every=100)
    return replace(base, **changes)


OTHER_TASK = replace(SMALL_TASK, pairs=DrawnPairs(samples=replace(SMALL_SAMPLES, seed=9)))


def run(folder: Path, **changes: object) -> Trainer:
    trainer = Trainer(SMALL, settings(folder, **changes))
    trainer.run(lambda progress: None)
    return trainer


def test_resume_after_a_kill_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = run(tmp_path / 'whole')
    # Killed after step 5: the checkpoint is of step 4, the metrics are one row ahead of it.
    run(tmp_path / 'killed', stop_after=5)
    resumed = run(tmp_path / 'killed')
    assert whole.step == resumed.step == SMALL.steps
    assert whole.samples_seen == resumed.samples_seen
    assert_same_bits(whole, resumed)
    rows = [read_metrics(tmp_path / name / 'metrics.csv') for name in ('whole', 'killed')]
    assert [row['step'] for row in rows[1]] == [str(n) for n in range(1, 7)]
    assert [row['loss'] for row in rows[0]] == [row['loss'] for row in rows[1]]
    assert float(rows[0][-1]['val_epe']) > 0.0


def test_warm_restart_begins_a_new_schedule_on_the_weights(tmp_path: Path) -> None:
    first = run(tmp_path)
    other = replace(SMALL, task=OTHER_TASK)
    again = Trainer(other, settings(tmp_path, restart=True))
    assert again.step == first.step and again.progress == 0.0
    old = first.network.state_dict()
    assert all(torch.equal(value, old[key]) for key, value in again.network.state_dict().items())


@dataclass(frozen=True, kw_only=True)
class LaterStage(StereoTask):
    """A stage that leaves the encoder as it is."""

    def build(self) -> CreStereoTiny:
        network = super().build()
        network.encoder.requires_grad_(False)
        return network


def test_a_stage_that_learns_other_parts_goes_on_with_the_weights(tmp_path: Path) -> None:
    first = run(tmp_path)
    stage = LaterStage(network=SMALL_TASK.network, pairs=SMALL_TASK.pairs)
    later = Trainer(replace(SMALL, task=stage), settings(tmp_path, restart=True))
    assert later.step == first.step
    later.run(lambda progress: None)
    before, after = first.network.state_dict(), later.network.state_dict()
    assert torch.equal(after['encoder.stem.0.weight'], before['encoder.stem.0.weight'])
    assert not torch.equal(after['update.motion.weight'], before['update.motion.weight'])


def test_a_stage_of_another_network_is_refused_with_the_remedy(tmp_path: Path) -> None:
    run(tmp_path)
    other = replace(SMALL, task=replace(SMALL_TASK, network=TinyStereo()))
    with pytest.raises(WeightsError, match=r'another network than small; .*--weights'):
        Trainer(other, settings(tmp_path, restart=True))


def test_new_run_can_begin_with_shipped_weights(tmp_path: Path) -> None:
    first = run(tmp_path / 'first')
    shipped = tmp_path / 'first' / 'weights.safetensors'
    again = Trainer(SMALL, settings(tmp_path / 'again', weights=shipped))
    assert again.step == 0
    mean = first.average.state_dict()
    for key, value in again.network.state_dict().items():
        assert 'num_batches' in key or torch.equal(value, mean[key])


def test_half_written_checkpoint_is_never_read(tmp_path: Path) -> None:
    trainer = run(tmp_path, stop_after=2)
    (tmp_path / CHECKPOINT_NAME).with_suffix('.partial').write_bytes(b'half')
    state = load_state(tmp_path, recipe=recipe_text(SMALL))
    assert state is not None and state.step == trainer.step


def test_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    run(tmp_path, stop_after=2)
    with pytest.raises(WeightsError, match='another recipe'):
        load_state(tmp_path, recipe=recipe_text(replace(SMALL, batch_size=4)))
    assert load_state(tmp_path / 'nothing', recipe='') is None
    with pytest.raises(RecipeError, match='crestereo_tiny'):
        find_recipe('nope')


def test_one_sample_is_learnt_by_heart(tmp_path: Path) -> None:
    recipe = replace(SMALL, steps=150, batch_size=1, learning_rate=4e-3, average=0.9)
    trainer = Trainer(recipe, settings(tmp_path))
    sample = next(batches(SMALL_SAMPLES, [], batch_size=1))
    errors = [trainer.train_step(sample)['train_epe'] for _ in range(recipe.steps)]
    assert errors[0] > 4.0
    assert np.mean(errors[-10:]) < 0.35 * errors[0]


def test_tensors_of_a_batch_have_the_shapes_the_network_takes() -> None:
    left, right, disparity, hidden, hint = to_tensors(
        next(batches(SMALL_SAMPLES, [], batch_size=2)), 'cpu'
    )
    assert left.shape == right.shape == (2, 3, 64, 128)
    assert disparity.shape == hidden.shape == (2, 1, 64, 128)
    assert hidden.dtype == torch.bool and left.dtype == torch.float32
    assert hint is None


def test_metrics_beyond_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / 'm.csv'
    log = MetricsLog(path, ('step', 'samples', 'train_epe'), last_step=0)
    for step in range(1, 5):
        log.add({'step': step, 'samples': 8 * step, 'train_epe': 10.0 / step})
    MetricsLog(path, ('step', 'samples', 'train_epe'), last_step=2)
    assert [row['step'] for row in read_metrics(path)] == ['1', '2']
    draw_curve(path, tmp_path / 'curve.png')
    assert (tmp_path / 'curve.png').stat().st_size > 1000
    assert not math.isnan(float(read_metrics(path)[1]['train_epe']))


def test_every_recipe_carries_its_name_and_names_its_metrics() -> None:
    for name, recipe in recipes().items():
        assert recipe.name == name
        assert recipe.task.train_metrics and recipe.task.validation_metrics


def test_contact_sheet_shows_the_samples(tmp_path: Path) -> None:
    draw_contact_sheet(SMALL, DataFolders(), tmp_path / 'sheet.png', samples=4)
    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    assert sheet.shape == (2 * 64, 2 * 4 * 128, 3)
    assert sheet[:, :256].std() > 10.0
