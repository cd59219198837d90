"""``depth-ros train``: starts, refuses to overwrite, resumes, restarts, begins with weights."""

from __future__ import annotations

import re
import shlex

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.cli.main import main
from depth_ros.training.metrics import read_metrics
from depth_ros.training.recipe import TrainRecipe, find_recipe, find_schedule, recipes
from tests.kit.shared_data import REPOSITORY
from tests.kit.small_stereo import SMALL_TASK

SMALL = TrainRecipe(
    name='small',
    task=SMALL_TASK,
    batch_size=2,
    validation_samples=8,
)


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.setitem(recipes(), 'small', SMALL)
    before = torch.get_num_threads()

    def run(*words, steps=2):
        words = ('train', 'small', '--out', tmp_path / 'run', '--steps', steps, *words)
        return main([str(word) for word in (*words, '--threads', 1)])

    yield run
    torch.set_num_threads(before)


def test_a_run_leaves_weights_metrics_and_curve(train, tmp_path, capsys):
    assert train() == 0
    assert '4 samples seen' in capsys.readouterr().out
    assert load_checkpoint(tmp_path / 'run' / 'weights.safetensors')
    (row,) = read_metrics(tmp_path / 'run' / 'metrics.csv')
    assert float(row['val_epe']) > 0.0
    assert train('--restart') == 0  # one row alone makes no curve
    assert (tmp_path / 'run' / 'curve.png').stat().st_size > 1000


def test_a_run_needs_a_folder_of_its_own(capsys, tmp_path):
    assert main(['train', 'crestereo_tiny']) == 2
    assert '--out runs/crestereo_tiny' in capsys.readouterr().err


def test_a_run_is_not_overwritten_unasked(train, capsys):
    assert train() == 0
    assert train() == 2
    message = capsys.readouterr().err
    assert '--resume' in message and '--restart' in message
    assert train('--restart') == 0
    assert '8 samples seen' in capsys.readouterr().out
    assert train('--resume', steps=6) == 0  # a longer schedule is no other recipe
    assert '16 samples seen' in capsys.readouterr().out


def test_a_run_begins_with_given_weights(train, tmp_path):
    assert train() == 0
    first = tmp_path / 'run' / 'weights.safetensors'
    other = ('--out', tmp_path / 'other', '--learning-rate', '1e-12', '--weights', first)
    assert train(*other) == 0
    old, new = (load_checkpoint(path) for path in (first, tmp_path / 'other' / first.name))
    assert old.keys() == new.keys()
    name = 'update.gates.weight'
    torch.testing.assert_close(new[name], old[name], atol=1e-6, rtol=0)


def test_a_smaller_batch_for_a_smaller_machine(train, capsys):
    assert train('--batch-size', 1, '--workers', 2) == 0
    assert '2 samples seen' in capsys.readouterr().out
    assert train('--resume', steps=3) == 2, 'the batch is part of the recipe'
    assert 'made by another recipe' in capsys.readouterr().err
    assert train('--resume', '--batch-size', 1, '--workers', 1, steps=3) == 0


@pytest.mark.parametrize('option', ['--steps', '--batch-size', '--workers', '--learning-rate'])
def test_nothing_cannot_be_asked_for(train, option, capsys):
    assert train(option, 0) == 2
    assert f'{option} must be above 0, got 0' in capsys.readouterr().err


def test_weights_of_another_network_are_refused(train, tmp_path, capsys):
    torch.save({'a.weight': torch.zeros(2)}, tmp_path / 'other.pth')
    assert train('--weights', tmp_path / 'other.pth') == 2
    assert 'crestereo_tiny' in capsys.readouterr().err


COMMAND = re.compile(
    r'depth-ros (train|evaluate (RECIPE|crestereo_tiny|mvsnet|loftr_tiny)) [^\[]*'
)
CARDS = sorted((REPOSITORY / 'docs' / 'training').glob('*.md'))
SHOWN = [
    line
    for card in CARDS
    for line in card.read_text(encoding='utf-8').splitlines()
    if re.match(
        r'depth-ros (train|evaluate (RECIPE|crestereo_tiny|mvsnet|loftr_tiny)) [^\[]*$', line
    )
]


@pytest.mark.parametrize('line', SHOWN)
def test_commands_that_the_cards_show_are_understood(line, monkeypatch):
    """By the real parser; names in capitals stand for any recipe and any of its stages."""
    seen = []
    for module in ('train', 'evaluate.recipe'):
        monkeypatch.setattr(f'depth_ros.cli.{module}.run', lambda args: seen.append(args) or 0)
    line = line.replace('RECIPE', 'crestereo_tiny').replace('NAME', 'close')
    assert main(shlex.split(line, comments=True)[1:]) == 0
    recipe = find_recipe(vars(seen[0]).get('recipe') or seen[0].task)
    assert not seen[0].stage or find_schedule(recipe, seen[0].stage)


def test_help_tells_of_the_stages(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['train', '--help'])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert '--stage' in said and '--resume' in said
