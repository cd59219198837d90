"""Fine-tuning without truth: labels, losses, judgement, loop, store, every kind of network."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='fine-tuning needs torch')

from depth_ros.camera import ideal_camera
from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import DepthRosError, InputError, ParameterError, WeightsError
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.geometry.preprocess import mirrored_map
from depth_ros.models.crestereo import network as crestereo_full
from depth_ros.models.crestereo_tiny import network as tiny_network
from depth_ros.models.crestereo_tiny import network_hinted
from depth_ros.models.crestereo_tiny.network import TinyPredictions
from depth_ros.models.crestereo_tiny.network_error import ErrorHead
from depth_ros.models.tio_depth import network as tio_network
from depth_ros.training.finetune.error_scale import recalibrate
from depth_ros.training.finetune.figures import Figures, gain, judge, sharpness
from depth_ros.training.finetune.labels import label, search_width, teachers
from depth_ros.training.finetune.loop import Schedule, tune
from depth_ros.training.finetune.mono_job import load_video_network, prepare_mono
from depth_ros.training.finetune.radiometry import comparable, normalised
from depth_ros.training.finetune.session import FinetuneSettings
from depth_ros.training.finetune.stereo_job import StereoFinetuning, prepare_stereo
from depth_ros.training.finetune.stereo_loss import labelled_loss, tuning_loss
from depth_ros.training.finetune.stereo_pairs import (
    PairSplit,
    RigPair,
    evenly,
    rectified_pairs,
    split_pairs,
)
from depth_ros.training.finetune.store import TunedWeights
from depth_ros.training.finetune.students import check_size, student_of
from depth_ros.training.monodepth2.network import NetworkSize
from depth_ros.training.monodepth2.task import Monodepth2Task
from depth_ros.training.trainer import save_weights
from tests.kit import tint_rig

pytestmark = pytest.mark.usefixtures('one_thread')


def picture(seed: int, height: int = 32, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)


def rig_pair(seed: int = 0, *, covered: np.ndarray | None = None) -> RigPair:
    whole = np.ones((32, 64), bool)
    return RigPair(
        left=picture(seed),
        right=picture(seed + 1),
        covered=whole if covered is None else covered,
    )


# --- figures -------------------------------------------------------------------------------


BEFORE = Figures(photometric=0.20, consistency=0.60, sharpness=0.5)


def after(**changes: float) -> Figures:
    values = {'photometric': 0.20, 'consistency': 0.60, 'sharpness': 0.5, **changes}
    return Figures(**values)


def test_gain_is_the_mean_fall_of_the_errors() -> None:
    better = after(photometric=0.18, consistency=0.70)
    assert gain(BEFORE, better) == pytest.approx((0.1 + 0.25) / 2.0)
    old = replace(BEFORE, label_error=2.0)
    nearer = replace(better, label_error=1.0)
    assert gain(old, nearer) == pytest.approx((0.1 + 0.25 + 0.5) / 3.0)
    assert judge(BEFORE, better).is_better


@pytest.mark.parametrize(
    ('figures', 'why'),
    [
        (after(), r'gain is \+0.0 %'),
        (after(photometric=0.199), r'gain is \+0.3 %'),
        (after(photometric=0.21, consistency=0.99), 'photometric error rose by 5.0 %'),
        (after(photometric=0.15, consistency=0.50), 'inconsistency rose by 25.0 %'),
        (after(photometric=0.15, consistency=0.70, sharpness=0.3), 'softer'),
        (after(photometric=math.nan), 'no numbers'),
        (after(photometric=0.15, baseline=0.14), 'standing still'),
    ],
)
def test_what_is_not_better_is_refused_with_a_reason(figures: Figures, why: str) -> None:
    verdict = judge(BEFORE, figures)
    assert not verdict.is_better
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(verdict.objection)


def test_a_single_camera_is_judged_by_photometric_error_alone() -> None:
    old = Figures(photometric=0.2, consistency=math.nan, sharpness=math.nan, baseline=0.3)
    new = Figures(photometric=0.1, consistency=math.nan, sharpness=math.nan, baseline=0.3)
    assert judge(old, new).gain == pytest.approx(0.5)
    assert judge(old, new).is_better


def test_sharpness_of_a_step_a_ramp_and_a_plane() -> None:
    step = np.zeros((8, 40), np.float32)
    step[:, 20:] = 10.0
    ramp = np.tile(np.clip((np.arange(40) - 17.0) * 10.0 / 6.0, 0.0, 10.0), (8, 1))
    assert sharpness(step) == pytest.approx(1.0)
    # The window in the middle of the ramp sees all six steps, those beside it fewer.
    assert 1.0 / 6.0 < sharpness(ramp.astype(np.float32)) < 0.5
    assert sharpness(100.0 * step) == pytest.approx(1.0)
    assert math.isnan(sharpness(np.full((8, 40), 3.0, np.float32)))


# --- pairs ---------------------------------------------------------------------------------


def test_held_out_pairs_are_stretches_of_time() -> None:
    pairs = [rig_pair(seed) for seed in range(20)]
    split = split_pairs(pairs)
    assert [pairs.index(pair) for pair in split.held_out] == [6, 7, 16, 17]
    assert len(split.train) == 16
    assert evenly(10, 4) == [0, 2, 5, 7] and evenly(3, 4) == [0, 1, 2]
    with pytest.raises(InputError, match='got 7'):
        split_pairs(pairs[:7])


def test_mirrored_pair_has_the_cameras_swapped() -> None:
    pair = rig_pair()
    mirror = pair.mirrored()
    np.testing.assert_array_equal(mirror.left, pair.right[:, ::-1])
    np.testing.assert_array_equal(mirror.mirrored().left, pair.left)


def test_raw_frames_are_rectified_and_brought_to_size() -> None:
    numbers = {'fx': 60.0, 'fy': 60.0, 'cx': 31.5, 'cy': 15.5, 'height': 32, 'width': 64}
    cameras = ideal_camera(**numbers), ideal_camera(**numbers, tx=-6.0)
    frames = [
        MonoFrame(image=picture(seed), camera=camera, stamp_ns=0)
        for seed, camera in enumerate(cameras)
    ]
    (pair,) = rectified_pairs([StereoFrame(left=frames[0], right=frames[1])], (16, 32))
    assert pair.left.shape == pair.right.shape == (16, 32, 3)
    assert pair.covered.shape == (16, 32) and pair.covered.all()


def test_normalisation_takes_gain_and_offset_of_each_channel_away() -> None:
    image = (60.0 + 0.3 * picture(3)).astype(np.float32)
    other = image * np.array([0.3, 0.6, 1.2], np.float32) + np.array([5.0, 0.0, -20.0], np.float32)
    np.testing.assert_allclose(normalised(image), normalised(other), atol=1e-2)
    planes = [torch.from_numpy(one).permute(2, 0, 1)[None] for one in (image, other)]
    torch.testing.assert_close(comparable(planes[0]), comparable(planes[1]), atol=1e-4, rtol=0)
    assert np.isfinite(normalised(np.zeros((4, 4, 3), np.uint8))).all()


# --- labels --------------------------------------------------------------------------------


def constant(value: float):
    return lambda left, right: np.full(left.shape[:2], value, np.float32)


def test_labels_are_what_three_matchers_agree_on() -> None:
    found = label(rig_pair(), [constant(4.0), constant(4.2), constant(4.4), constant(9.0)])
    for one in found:
        # Matches of the first columns lie outside the other image.
        assert not one.is_believed[:, :4].any()
        assert one.is_believed[:, 5:].all()
        np.testing.assert_allclose(one.disparity[:, 10:], 4.3, atol=1e-5)
    np.testing.assert_array_equal(found[1].pair.left, mirrored_map(found[0].pair.right))


def test_two_against_two_is_no_label() -> None:
    found = label(rig_pair(), [constant(4.0), constant(4.2), constant(9.0), constant(9.2)])
    assert found[0].share == 0.0 and (found[0].disparity == 0.0).all()


def test_what_rectification_left_black_has_no_label() -> None:
    covered = np.ones((32, 64), bool)
    covered[:8] = False
    found = label(rig_pair(covered=covered), [constant(2.0)] * 3)
    assert not found[0].is_believed[:8].any() and found[0].is_believed[8:, 3:].all()


def test_resized_teachers_give_pixels_of_the_pair() -> None:
    sizes: list[tuple[int, int]] = []

    def quarter(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        sizes.append(left.shape[:2])
        return np.full(left.shape[:2], left.shape[1] / 4.0, np.float32)

    matchers = teachers(quarter, multiple=16, num_disparities=16)
    pair = rig_pair()
    found = [matcher(pair.left, pair.right) for matcher in matchers[:5]]
    assert sizes == [(32, 64)] * 3 + [(48, 96), (32, 48)]
    assert all(one.shape == (32, 64) for one in found)
    np.testing.assert_allclose(np.stack(found), 16.0, atol=1e-4)


def test_search_width_covers_what_the_network_finds() -> None:
    assert search_width([np.full((4, 320), 50.0)]) == 64
    assert search_width([np.zeros((4, 320))]) == 16
    assert search_width([np.full((4, 64), 500.0)]) == 32


# --- losses --------------------------------------------------------------------------------


def test_labelled_loss_counted_by_hand() -> None:
    wanted = torch.tensor([[[[2.0, 99.0]]]])
    counts = torch.tensor([[[[1.0, 0.0]]]])
    predictions = TinyPredictions(
        coarse=[(1, torch.tensor([[[[5.0, 7.0]]]]))], full=torch.tensor([[[[2.5, 0.0]]]])
    )
    assert float(labelled_loss(predictions, wanted, counts)) == pytest.approx(0.9 * 3.0 + 0.5)


def test_tuning_loss_has_the_right_gradient() -> None:
    torch.manual_seed(0)
    left, right = 40.0 + 150.0 * torch.rand(2, 1, 3, 4, 8, dtype=torch.float64)
    wanted = 1.0 + torch.rand(1, 1, 4, 8, dtype=torch.float64)
    believed = torch.rand(1, 1, 4, 8) > 0.3
    full = (wanted + 0.4).requires_grad_(True)
    coarse = (wanted - 0.7).requires_grad_(True)

    def loss(full: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        found = TinyPredictions(coarse=[(1, coarse)], full=full)
        return tuning_loss(found, left, right, wanted, believed)

    assert torch.autograd.gradcheck(loss, (full, coarse), atol=1e-4)


def test_no_label_at_all_gives_a_finite_loss() -> None:
    zero = torch.zeros(1, 1, 8, 16)
    image = torch.full((1, 3, 8, 16), 90.0)
    found = TinyPredictions(full=torch.ones(1, 1, 8, 16))
    assert torch.isfinite(tuning_loss(found, image, image, zero, zero > 0))


# --- networks ------------------------------------------------------------------------------


STATES = {
    'crestereo_tiny': (tiny_network.synthetic_state, 32),
    'crestereo_tiny_hinted': (network_hinted.synthetic_state, 32),
    'crestereo': (crestereo_full.synthetic_state, 32),
    'tio_depth': (tio_network.synthetic_state, 64),
}


@pytest.mark.parametrize('name', STATES)
def test_every_student_learns_and_gives_weights_that_load_again(name: str, tmp_path: Path) -> None:
    make, height = STATES[name]
    path = tmp_path / 'w.safetensors'
    save_weights(make(1), path)
    student = student_of(name)
    network = student.load(path).requires_grad_(True)
    pair = RigPair(
        left=picture(0, height, 64),
        right=picture(1, height, 64),
        covered=np.ones((height, 64), bool),
    )
    labelled = label(pair, [constant(3.0)] * 3)
    job = StereoFinetuning(student=student, labelled=labelled, held_out=labelled[:1], batch_size=1)
    loss = job.loss(network, np.random.default_rng(0))
    loss.backward()
    gradients = [value.grad for value in network.parameters() if value.grad is not None]
    assert torch.isfinite(loss) and all(torch.isfinite(value).all() for value in gradients)
    assert sum(float(value.abs().sum()) for value in gradients) > 0.0
    save_weights(job.weights(network), path)
    assert load_checkpoint(path).keys() == {
        key for key in network.state_dict() if not key.endswith('num_batches_tracked')
    }
    student.load(path)
    figures = job.judge(network)
    assert 0.0 <= figures.consistency <= 1.0 and 0.0 < figures.photometric < 1.0
    assert 0.0 <= figures.label_error <= 5.0


def test_a_network_that_takes_hints_learns_with_sgbm_and_without_and_labels_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[torch.Tensor | None] = []

    def predict(network, left, right, hint):
        told.append(hint)
        return TinyPredictions(full=torch.full_like(left[:, :1], 4.0))

    student = replace(student_of('crestereo_tiny_hinted'), predict=predict)
    left, network = picture(0, 64, 256), torch.nn.Identity()
    pair = RigPair(left=left, right=np.roll(left, -4, 1), covered=np.ones((64, 256), bool))
    split = PairSplit(train=[pair] * 2, held_out=[pair])
    job = prepare_stereo(student, network, split, lambda phase, share: None, batch_size=1)
    assert told and all(hint is None for hint in told), 'SGBM is asked itself'
    told.clear()
    for seed in range(24):
        job.loss(network, np.random.default_rng(seed))
    known = [hint[0, 0][hint[0, 1] == 1.0] for hint in told]
    assert 10 < sum(bool(len(one)) for one in known) < 24
    assert all(float((one - 4.0).abs().median()) < 0.5 for one in known if len(one))
    told.clear()
    job.judge(network)
    assert all(hint is not None and hint[:, 1].any() for hint in told)


class TellingNetwork(torch.nn.Module):
    """Errs by so many px and tells a scale; its head can be scaled."""

    def __init__(self, error_px: float) -> None:
        super().__init__()
        self.error_px, self.error = error_px, ErrorHead()

    def predict(self, left, right, hint):
        scale = self.error.leave.bias.mean().expand_as(left[:, :1])
        return TinyPredictions(
            full=torch.full_like(left[:, :1], 9 + self.error_px), log_scale=scale
        )


def test_the_told_error_follows_what_fine_tuning_changed() -> None:
    student = student_of('crestereo_tiny_hinted')
    image = picture(0, 32, 64)
    pair = RigPair(left=image, right=image, covered=np.ones((32, 64), bool))
    held_out = label(pair, [constant(9.0)] * 3)[:1]
    before, after = TellingNetwork(0.8), TellingNetwork(0.2)
    was = float(after.error.leave.bias.mean())
    assert recalibrate(student, before, after, held_out) == pytest.approx(0.25, rel=1e-4)
    assert float(after.error.leave.bias.mean()) == pytest.approx(was + np.log(0.25), rel=1e-4)
    assert recalibrate(student, TellingNetwork(0.0), after, held_out) is None
    assert recalibrate(student_of('crestereo_tiny'), before, after, held_out) is None
    after.error = None
    assert recalibrate(student, before, after, held_out) is None


def test_sizes_that_a_network_cannot_take_are_refused() -> None:
    check_size('crestereo_tiny', (64, 160))
    with pytest.raises(ParameterError, match='multiples of 16'):
        check_size('crestereo_tiny', (60, 160))
    with pytest.raises(ParameterError, match='from 64'):
        check_size('tio_depth', (32, 64))
    with pytest.raises(ParameterError, match='crestereo_tiny'):
        FinetuneSettings(model='sgbm', weights=Path('w'), size=(64, 64))
    with pytest.raises(ParameterError, match='minutes'):
        FinetuneSettings(model='crestereo', weights=Path('w'), size=(64, 64), minutes=0.0)


def test_shuffled_pairs_get_hardly_any_labels(tmp_path: Path) -> None:
    student = student_of('crestereo_tiny')
    network = student.load(Path(__file__).parents[2] / 'weights' / 'crestereo_tiny.safetensors')
    whole = np.ones((tint_rig.HEIGHT, tint_rig.WIDTH), bool)
    pairs = [
        RigPair(left=pair.left, right=pair.right, covered=whole)
        for pair in tint_rig.shuffled(tint_rig.film(6, seed=4))
    ]
    told: list[float | None] = []
    with pytest.raises(InputError, match='same moment') as caught:
        prepare_stereo(
            student,
            network,
            PairSplit(train=pairs[:3], held_out=pairs[3:]),
            lambda phase, share: told.append(share),
        )
    assert caught.value.reason == 'unmatched'
    assert told[-1] == 1.0


# --- loop ----------------------------------------------------------------------------------


class Parabola:
    """A job whose best network has the value 1; it is judged by how far off it is."""

    facts: dict[str, str] = {}
    notes: dict[str, int] = {}

    def __init__(self, *, is_useless: bool = False, breaks: bool = False) -> None:
        self.is_useless, self.breaks = is_useless, breaks

    def loss(self, network, rng):
        rng.random()
        if self.breaks:
            return network.value * math.nan
        return (network.value - 1.0) ** 2

    def judge(self, network):
        off = abs(float(network.value.detach()) - 1.0)
        error = 0.9 if self.is_useless else off
        return Figures(photometric=error, consistency=math.nan, sharpness=1.0)


class OneValue(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))


def schedule(**changes: float) -> Schedule:
    values = {'budget_s': 1e9, 'steps': 40, 'learning_rate': 0.05, **changes}
    return Schedule(**values)


def test_loop_ends_with_the_best_network_and_leaves_the_first_alone() -> None:
    first, seen = OneValue(), []
    outcome = tune(first, Parabola(), schedule(learning_rate=0.04), seen.append)
    assert float(first.value.detach()) == 0.0
    assert abs(float(outcome.network.value) - 1.0) < 0.4
    assert outcome.steps == 40 and not outcome.ended_early
    assert outcome.before.photometric == 1.0 and outcome.after.photometric < 0.4
    assert [step for step, _ in outcome.history] == list(range(4, 41, 4))
    assert seen[-1].share == 1.0 and seen[-1].gain == max(found for _, found in outcome.history)


def test_loop_ends_early_where_nothing_gets_better() -> None:
    outcome = tune(OneValue(), Parabola(is_useless=True), schedule(), lambda _: None)
    assert outcome.ended_early
    # The first judgement, after step 4, stays the best. Three later the rate is brought down:
    # 16 steps of 40 become 70 % of the schedule, and its rest takes 12 more steps or 13.
    assert 28 <= outcome.steps <= 29
    assert len(outcome.history) == 7


def test_loop_ends_when_the_time_is_over() -> None:
    now = iter(range(1000))
    outcome = tune(
        OneValue(),
        Parabola(),
        schedule(budget_s=60.0, steps=10**6),
        lambda progress: None,
        clock=lambda: float(next(now)),
    )
    assert 1 <= outcome.steps < 60
    assert outcome.history


def test_a_loss_that_is_no_number_is_told() -> None:
    with pytest.raises(DepthRosError, match='lower --learning-rate'):
        tune(OneValue(), Parabola(breaks=True), schedule(), lambda _: None)


# --- store ---------------------------------------------------------------------------------


def state(value: float) -> dict[str, torch.Tensor]:
    return {'a': torch.full((2,), value)}


def test_weights_are_set_aside_and_come_back(tmp_path: Path) -> None:
    shipped = tmp_path / 'shipped.safetensors'
    save_weights(state(0.0), shipped)
    store = TunedWeights(tmp_path / 'mine')
    for value in (1.0, 2.0, 3.0):
        parent = store.path if store.path.is_file() else shipped
        assert store.keep(state(value), parent, {'gain': value}) == store.path
    record = json.loads(store.path.with_suffix('.json').read_text())
    assert record['gain'] == 3.0 and record['parent']['file'] == 'finetuned.safetensors'
    for value in (2.0, 1.0):
        assert store.roll_back() == store.path
        assert torch.equal(load_checkpoint(store.path)['a'], state(value)['a'])
        assert json.loads(store.path.with_suffix('.json').read_text())['gain'] == value
    assert store.parent_in_use() == 'shipped.safetensors'
    assert store.roll_back() is None and not store.path.exists()
    with pytest.raises(WeightsError, match='no fine-tuned weights'):
        store.roll_back()
    assert load_checkpoint(shipped)


# --- a single camera -----------------------------------------------------------------------


SLIM = NetworkSize(widths=(8, 16, 16, 16))


@pytest.fixture
def video_weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    task = Monodepth2Task(size=SLIM, height=64, width=96)
    path = tmp_path / 'video.safetensors'
    save_weights(task.weights(task.build()), path, task.notes())
    return path


def video(count: int, *, pause_after: int = -1) -> list[MonoFrame]:
    """A camera that glides along a wall."""
    wide = np.random.default_rng(0).integers(0, 255, (64, 96 + 3 * count, 3)).astype(np.uint8)
    camera = ideal_camera(fx=80.0, fy=80.0, cx=47.5, cy=31.5, height=64, width=96)
    return [
        MonoFrame(
            image=np.ascontiguousarray(wide[:, 3 * index : 3 * index + 96]),
            camera=camera,
            stamp_ns=100 * index + (10_000 if 0 <= pause_after < index else 0),
            is_rectified=True,
        )
        for index in range(count)
    ]


def test_video_becomes_samples_that_never_cross_a_pause(video_weights: Path) -> None:
    task, _ = load_video_network(video_weights, (64, 96))
    whole = prepare_mono(task, video(30), count=30, max_frames=100, batch_size=2)
    assert len(whole.held_out) == 6 and len(whole.train) == 28 - 6 - 2
    frames = video(30)
    np.testing.assert_array_equal(whole.train[0].views[0], frames[1].image)
    np.testing.assert_array_equal(whole.train[0].views[1], frames[0].image)
    broken = prepare_mono(task, video(30, pause_after=9), count=30, max_frames=100, batch_size=2)
    assert len(broken.train) + len(broken.held_out) == len(whole.train) + len(whole.held_out) - 2
    few = prepare_mono(task, video(60), count=60, max_frames=20, batch_size=2)
    assert len(few.train) + len(few.held_out) == 20 - 2
    with pytest.raises(InputError, match='got 4'):
        prepare_mono(task, video(6), count=6, max_frames=100, batch_size=2)


def test_video_network_is_told_by_its_weights_and_learns(video_weights: Path) -> None:
    task, network = load_video_network(video_weights, (64, 96))
    assert task.size == SLIM
    job = prepare_mono(task, video(20), count=20, max_frames=20, batch_size=1)
    figures = job.judge(network)
    assert figures.photometric > 0.0 and figures.baseline > 0.0
    assert math.isnan(figures.consistency)
    loss = job.loss(network.requires_grad_(True), np.random.default_rng(0))
    loss.backward()
    assert torch.isfinite(loss)
    assert job.notes['height'] == 64
    row = job.tiles(network, network)[0]
    assert [tile.title for tile in row] == ['image', 'inverse depth before', 'inverse depth after']


def test_weights_without_a_pose_network_cannot_learn_from_video(tmp_path: Path) -> None:
    save_weights(state(1.0), tmp_path / 'a.safetensors')
    with pytest.raises(WeightsError, match='pose network'):
        load_video_network(tmp_path / 'a.safetensors', (64, 96))
