"""``depth-ros evaluate`` where torch runs: the card of crestereo_tiny, and training recipes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='the card and recipes need torch')

from depth_ros.cli.main import main
from depth_ros.files.share import share_path
from depth_ros.training.judge import JudgeSettings, judge_weights
from depth_ros.training.recipe import TrainRecipe, find_schedule, recipes
from depth_ros.training.trainer import RunSettings, Trainer, save_weights
from tests.kit.shared_data import shared_path
from tests.kit.small_stereo import SMALL_TASK
from tests.kit.stereo_pairs import textured_pair, write_motorcycle

SMALL = TrainRecipe(
    name='small',
    task=SMALL_TASK,
    batch_size=2,
    validation_samples=8,
    mixed=False,
)


@pytest.fixture(autouse=True)
def _own_threads_and_recipe(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(recipes(), 'small', SMALL)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    path = tmp_path / 'small.safetensors'
    save_weights(SMALL.task.weights(SMALL.task.build()), path)
    return path


def evaluate(*words: object) -> int:
    return main(['evaluate', *map(str, words), '--threads', '1'])


def test_a_recipe_judges_weights_as_its_training_does(weights, tmp_path, capsys):
    file = tmp_path / 'figures.json'
    assert evaluate('small', '--weights', weights, '--json', file) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == '| small | small.safetensors |'
    assert [line.split()[1] for line in lines[2:]] == list(SMALL.task.validation_metrics)
    found = {row['metric']: row['value'] for row in json.loads(file.read_text())}
    trainer = Trainer(SMALL, RunSettings(out=tmp_path / 'run', weights=weights, threads=1))
    from depth_ros.training.photos import photo_folders

    folders = JudgeSettings().folders
    assert not folders.photos
    expected = SMALL.task.validate(
        trainer.average,
        type(folders)(photos=photo_folders()),
        samples=8,
        device='cpu',
        mixed=trainer.mixed,
    )
    assert found == pytest.approx(expected, rel=1e-5)


def test_samples_and_mixed_precision_change_the_figures(weights):
    plain = judge_weights(SMALL, weights, JudgeSettings(threads=1))
    more = judge_weights(SMALL, weights, JudgeSettings(threads=1, samples=16))
    mixed = judge_weights(SMALL, weights, JudgeSettings(threads=1, is_mixed=True))
    assert plain == judge_weights(SMALL, weights, JudgeSettings(threads=1))
    assert plain != more
    assert plain != mixed and plain == pytest.approx(mixed, rel=0.1)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (('small',), '--weights'),
        (('small', '--weights', 'absent.safetensors'), 'absent.safetensors'),
        (('smal', '--weights', 'x'), 'crestereo_tiny_hinted, loftr_indoor'),
        (('smal', '--weights', 'x'), 'stereo, mono, multiview, match'),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(words, said, capsys):
    assert evaluate(*words) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and said in error


def test_weights_of_another_network_and_no_samples_are_refused(weights, tmp_path, capsys):
    torch.save({'a.weight': torch.zeros(2)}, tmp_path / 'other.pth')
    assert evaluate('small', '--weights', tmp_path / 'other.pth') == 2
    assert 'crestereo_tiny' in capsys.readouterr().err
    assert evaluate('small', '--weights', weights, '--samples', 0) == 2
    assert 'samples must be 1 or more' in capsys.readouterr().err
    assert evaluate('small', '--weights', weights, '--photos', tmp_path) == 2
    assert 'expected photographs' in capsys.readouterr().err


def test_data_that_a_recipe_lacks_is_named(tmp_path, capsys):
    task = recipes()['monodepth2'].task
    path = tmp_path / 'mono.safetensors'
    save_weights(task.weights(task.build()), path)
    assert evaluate('monodepth2', '--weights', path) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and '--data' in error


def test_photographs_that_are_missing_are_told(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('depth_ros.training.photos.PACKAGE_FOLDERS', {})
    assert evaluate('small', '--weights', weights) == 0
    assert 'no photographs found' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('recipe', 'stage', 'metric', 'limit'),
    [
        ('crestereo_tiny', 'fine', 'val_epe', 4.4),
        ('mvsnet', 'coarse', 'val_abs_rel', 0.22),
    ],
)
def test_shipped_weights_are_as_good_as_measured(recipe, stage, metric, limit):
    """A few samples of the fixed sets: 3.67 px and 0.15."""
    path = share_path(f'weights/{recipe}.safetensors')
    figures = judge_weights(
        find_schedule(recipes()[recipe], stage), path, JudgeSettings(threads=1, samples=16)
    )
    assert figures[metric] < limit


def test_the_card_is_measured_in_torch(tmp_path, capsys):
    write_motorcycle(tmp_path, textured_pair(16))
    assert evaluate('stereo', '--data', tmp_path, '--size', 'native', '--size', '64x96') == 0
    table = capsys.readouterr().out.splitlines()
    methods = [line.split(' | ')[1] for line in table[2:6]]
    assert methods == [
        'sgbm raw', 'sgbm filled', 'crestereo_tiny padded', 'crestereo_tiny 64x96',
    ]  # fmt: skip
    assert float(table[4].split(' | ')[2]) < 3.0


def test_the_card_has_its_figures_on_shared_pairs(capsys):
    """2.70 px and 26.2 % on Motorcycle at 240x320."""
    data = shared_path('data/middlebury_motorcycle').parent
    assert evaluate('stereo', '--data', data, '--size', '240x320') == 0
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if '| motorcycle | crestereo' in line
    ]
    epe_px, bad_2 = map(float, line.split(' | ')[2:4])
    assert epe_px < 2.9 and bad_2 < 28.0
