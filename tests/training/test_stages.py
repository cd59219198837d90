"""Trainings in several schedules: one run goes through all, a kill anywhere changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.cli.main import main
from depth_ros.errors import RecipeError, WeightsError
from depth_ros.training.checkpoint import load_state
from depth_ros.training.crestereo.pairs import DrawnPairs
from depth_ros.training.metrics import read_metrics
from depth_ros.training.recipe import (
    Stage,
    TrainRecipe,
    find_schedule,
    recipes,
    schedules,
    shared_out,
)
from depth_ros.training.stages import run_stages
from depth_ros.training.trainer import RunSettings, Trainer, TrainingProgress
from tests.kit.small_stereo import SMALL_SAMPLES, SMALL_TASK

LATER = replace(SMALL_TASK, pairs=DrawnPairs(samples=replace(SMALL_SAMPLES, seed=9)))
TWO = TrainRecipe(
    name='two',
    task=SMALL_TASK,
    batch_size=2,
    mixed=False,
    validation_samples=8,
    stages=(
        Stage(name='near', steps=3),
        Stage(name='far', steps=2, task=LATER, learning_rate=1e-4, batch_size=1),
    ),
)


pytestmark = pytest.mark.usefixtures('one_thread')


def settings(folder: Path, **changes: object) -> RunSettings:
    base = RunSettings(out=folder, threads=1, log_every=1, save_every=1, validate_every=100)
    return replace(base, **changes)


def run(folder: Path, recipe: TrainRecipe = TWO, **changes: object) -> Trainer:
    return run_stages(schedules(recipe), settings(folder, **changes), lambda progress: None)


def assert_same_weights(first: Trainer, second: Trainer) -> None:
    for mine, theirs in ((first.network, second.network), (first.average, second.average)):
        state = theirs.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in mine.state_dict().items())


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return run(tmp_path_factory.mktemp('whole'))


def test_a_stage_says_only_what_it_changes() -> None:
    near, far = schedules(TWO)
    assert (near.name, near.stage, near.task, near.steps) == ('two', 'near', SMALL_TASK, 3)
    assert (far.stage, far.task, far.learning_rate, far.batch_size) == ('far', LATER, 1e-4, 1)
    assert far.stages == () and not far.mixed
    assert find_schedule(TWO, 'far') == far
    alone = replace(TWO, stages=())
    assert schedules(alone) == [alone]
    with pytest.raises(RecipeError, match=r"no stage 'middle'; its stages are: \['near', 'far'\]"):
        find_schedule(TWO, 'middle')
    with pytest.raises(RecipeError, match='its stages are: none'):
        find_schedule(alone, '')


def test_steps_are_shared_out_and_no_stage_goes_without() -> None:
    assert [one.steps for one in shared_out(schedules(TWO), 50)] == [30, 20]
    assert [one.steps for one in shared_out(schedules(TWO), 1)] == [1, 1]


def test_one_run_is_both_stages_by_hand(whole: Trainer, tmp_path: Path) -> None:
    near, far = schedules(TWO)
    Trainer(near, settings(tmp_path)).run(lambda progress: None)
    by_hand = Trainer(far, settings(tmp_path, restart=True))
    by_hand.run(lambda progress: None)
    assert_same_weights(whole, by_hand)
    assert whole.step == 5 and whole.samples_seen == 3 * 2 + 2 * 1
    rows = read_metrics(whole.settings.out / 'metrics.csv')
    assert [row['step'] for row in rows] == ['1', '2', '3', '4', '5']
    assert [bool(row['val_epe']) for row in rows] == [False, False, True, False, True]


@pytest.mark.parametrize('killed_after', [2, 3, 4])
def test_a_kill_within_or_between_stages_changes_nothing(
    whole: Trainer, tmp_path: Path, killed_after: int
) -> None:
    killed = run(tmp_path, stop_after=killed_after)
    assert killed.step == killed_after
    assert_same_weights(run(tmp_path), whole)
    state = load_state(tmp_path, recipe='')
    assert state is not None and (state.name, state.stage) == ('two', 'far')


def test_a_stage_alone_begins_on_the_weights_of_another(whole: Trainer, tmp_path: Path) -> None:
    near = [find_schedule(TWO, 'near')]
    first = run_stages(near, settings(tmp_path), lambda progress: None)
    assert first.step == 3 and first.is_done
    far = [find_schedule(TWO, 'far')]
    assert_same_weights(run_stages(far, settings(tmp_path), lambda progress: None), whole)
    assert run_stages(far, settings(tmp_path), lambda progress: None).step == 5, 'it is done'
    again = run_stages(far, settings(tmp_path, restart=True), lambda progress: None)
    assert again.step == 7


def test_a_run_of_another_recipe_is_not_gone_on_with(tmp_path: Path) -> None:
    run(tmp_path, stop_after=1)
    with pytest.raises(WeightsError, match='another recipe'):
        run(tmp_path, replace(TWO, name='other'))


def test_progress_is_that_of_the_whole(tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    run_stages(schedules(TWO), settings(tmp_path), told.append)
    assert [one.stage for one in told] == 3 * ['near'] + 2 * ['far']
    assert [one.share for one in told] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_time_is_shared_out_as_steps_are(tmp_path: Path) -> None:
    """A budget that is over at once: every stage takes one step, none is left out."""
    trainer = run(tmp_path, until_s=1e-6)
    assert trainer.step == 2 and trainer.recipe.stage == 'far'


def test_every_stage_has_a_name_of_its_own() -> None:
    counts = {name: len(recipe.stages) for name, recipe in recipes().items() if recipe.stages}
    assert counts == {
        'crestereo_tiny': 7,
        'crestereo_tiny_hinted': 2,
        'loftr_tiny': 2,
        'mvsnet': 2,
        'tio_depth': 3,
    }
    for name in counts:
        assert len({one.stage for one in schedules(recipes()[name])}) == counts[name]


def test_the_command_goes_through_the_stages_and_resumes(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(recipes(), 'two', TWO)
    words = ['train', 'two', '--out', str(tmp_path / 'run'), '--threads', '1']
    assert main([*words, '--stage', 'near']) == 0
    assert '6 samples seen' in capsys.readouterr().out
    assert main([*words, '--steps', '5', '--resume']) == 0
    said = capsys.readouterr().out
    assert 'far: step 5' in said and '8 samples seen' in said
    assert main([*words, '--stage', 'middle', '--resume']) == 2
    assert "['near', 'far']" in capsys.readouterr().err
    weights = str(tmp_path / 'run' / 'weights.safetensors')
    figures = ['evaluate', 'two', '--weights', weights, '--threads', '1']
    assert main(figures) == 0
    last = capsys.readouterr().out
    assert main([*figures, '--stage', 'far']) == 0
    assert capsys.readouterr().out == last
    assert main([*figures, '--stage', 'near']) == 0
    assert capsys.readouterr().out == last, 'both are validated on the same fixed set'
