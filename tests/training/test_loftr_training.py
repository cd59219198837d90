"""LoFTR's training: learns a pair by heart, survives a kill, gives weights that engines take."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import RecipeError, WeightsError
from depth_ros.models.loftr.network import VARIANTS, Loftr
from depth_ros.models.loftr.network_tiny import TinyLoftrConfig, exportable
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.training.loftr.homographies import HomographySettings
from depth_ros.training.loftr.losses import LossSettings
from depth_ros.training.loftr.pairs import PairBatch
from depth_ros.training.loftr.samples import PairSettings, RoomPairSettings, SyntheticPairs
from depth_ros.training.loftr.task import LoftrTask
from depth_ros.training.metrics import read_metrics
from depth_ros.training.pictures import draw_contact_sheet
from depth_ros.training.recipe import TrainRecipe, find_recipe
from depth_ros.training.task import DataFolders
from depth_ros.training.trainer import RunSettings, Trainer
from tests.kit.resumed_training import assert_same_bits

PAIRS = PairSettings(
    height=64,
    width=96,
    rooms=1,
    pairs_per_room=2,
    planes=2,
    room=RoomPairSettings(rooms=RoomSettings(textures=6, density=0.2, floating=1.0), views=2),
    plane=HomographySettings(any_turn=0.0),
    padded=0.5,
)
SMALL = TrainRecipe(
    name='small',
    task=LoftrTask(
        network=TinyLoftrConfig(widths=(8, 8, 16), fine=8, num_pairs=1),
        pairs=PAIRS,
        losses=LossSettings(fine_matches=30, min_true=10),
        known_grid=(12, 16),
    ),
    steps=4,
    batch_size=2,
    mixed=False,
    validation_samples=4,
)


pytestmark = pytest.mark.usefixtures('one_thread')


def settings(folder: Path, **changes: object) -> RunSettings:
    base = RunSettings(out=folder, log_every=1, save_every=2, validate_every=100)
    return replace(base, **changes)


def run(folder: Path, **changes: object) -> Trainer:
    trainer = Trainer(SMALL, settings(folder, **changes))
    trainer.run(lambda progress: None)
    return trainer


def equal(mine: PairBatch, theirs: PairBatch) -> bool:
    names = PairBatch.__slots__
    return all(
        np.array_equal(getattr(mine, n), getattr(theirs, n), equal_nan='to' in n) for n in names
    )


def test_batch_n_is_the_same_whatever_came_before() -> None:
    source = SyntheticPairs(settings=PAIRS)
    whole = list(islice(source.batches(batch_size=2), 4))
    late = next(source.batches(batch_size=2, first=3))
    assert equal(late, whole[3]) and not equal(late, whole[1])
    assert whole[0].first.shape == (2, 64, 96) and whole[0].first.dtype == np.uint8
    assert whole[0].first_to_second.shape == (2, 8, 12, 2)
    other = next(source.batches(batch_size=2, stream=1))
    assert not equal(other, whole[0])


def test_resume_after_a_kill_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = run(tmp_path / 'whole')
    # Killed after step 3: the checkpoint is of step 2.
    run(tmp_path / 'killed', stop_after=3)
    resumed = run(tmp_path / 'killed')
    assert whole.step == resumed.step == SMALL.steps
    assert_same_bits(whole, resumed)
    rows = [read_metrics(tmp_path / name / 'metrics.csv') for name in ('whole', 'killed')]
    assert [row['loss'] for row in rows[0]] == [row['loss'] for row in rows[1]]
    assert 0.0 <= float(rows[0][-1]['val_recall']) <= 100.0


def test_one_pair_is_learnt_by_heart(tmp_path: Path) -> None:
    recipe = replace(SMALL, steps=120, batch_size=1, learning_rate=6e-3, average=0.9)
    recipe = replace(recipe, task=replace(SMALL.task, known_grid=(0, 0)))
    trainer = Trainer(recipe, settings(tmp_path))
    plane = replace(PAIRS, rooms=0, planes=4, padded=0.0)
    pair = next(SyntheticPairs(settings=plane).batches(batch_size=1))
    rows = [trainer.train_step(pair) for _ in range(recipe.steps)]
    assert rows[0]['train_recall'] < 20.0
    assert np.mean([row['train_recall'] for row in rows[-10:]]) > 90.0
    fine = [row['train_fine_px'] for row in rows]
    assert np.mean(fine[-10:]) < 0.6 * np.mean(fine[:5])


def test_weights_of_a_step_are_what_the_engine_takes(tmp_path: Path) -> None:
    trainer = Trainer(SMALL, settings(tmp_path))
    trainer.train_step(next(SyntheticPairs(settings=PAIRS).batches(batch_size=2)))
    trainer.save()
    state = load_checkpoint(tmp_path / 'weights.safetensors')
    graph = exportable(graph='loftr', height=64, width=96, options={}, state=state)
    own = trainer.average.state_dict()
    for key, value in graph.module.network.state_dict().items():
        assert 'num_batches' in key or torch.equal(value, own[key])
    again = Trainer(SMALL, settings(tmp_path / 'again', weights=tmp_path / 'weights.safetensors'))
    mean = dict(again.network.named_parameters())
    assert all(torch.equal(value, own[key]) for key, value in mean.items())


def test_training_moves_every_parameter(tmp_path: Path) -> None:
    trainer = Trainer(SMALL, settings(tmp_path))
    batch = next(SyntheticPairs(settings=PAIRS).batches(batch_size=2))
    trainer.train_step(batch)
    still = [
        name
        for name, value in trainer.network.named_parameters()
        if value.grad is None or not value.grad.abs().sum() > 0
    ]
    assert not still


def test_a_batch_without_any_match_can_be_trained_on(tmp_path: Path) -> None:
    batch = next(SyntheticPairs(settings=PAIRS).batches(batch_size=2))
    hidden = np.full_like(batch.first_to_second, np.inf)
    batch = replace(batch, first_to_second=hidden, second_to_first=hidden)
    found = Trainer(SMALL, settings(tmp_path)).train_step(batch)
    assert np.isfinite(found['loss']) and found['train_coarse'] == 0.0


def test_full_size_recipes_build_the_published_network(tmp_path: Path) -> None:
    for name, variant in (('loftr_indoor', 'indoor_ds_new'), ('loftr_outdoor', 'outdoor_ds')):
        task = find_recipe(name).task
        network = task.build()
        assert network.variant == VARIANTS[variant]
        published = Loftr(VARIANTS[variant]).state_dict()
        assert task.weights(network).keys() == published.keys()
        with pytest.raises(RecipeError, match='--data'):
            task.source(DataFolders())
    official = {f'matcher.{key}': value for key, value in published.items()}
    torch.save({'state_dict': official}, tmp_path / 'o.ckpt')
    task.begin_with(network, tmp_path / 'o.ckpt')
    assert torch.equal(network.backbone.conv1.weight, published['backbone.conv1.weight'])
    torch.save({'a.weight': torch.zeros(2)}, tmp_path / 'other.ckpt')
    with pytest.raises(WeightsError):
        task.begin_with(network, tmp_path / 'other.ckpt')


def test_contact_sheet_shows_pairs_and_their_matches(tmp_path: Path) -> None:
    draw_contact_sheet(SMALL, DataFolders(), tmp_path / 'sheet.png', samples=2)
    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    assert sheet.shape == (64, 2 * 4 * 96, 3)
    colour = np.ptp(sheet.astype(int), axis=-1)
    assert colour[:, :192].max() == 0 and colour[:, 192:384].max() > 100
