"""Full-size CREStereo: its loss, both kinds of pairs, resume, export of what was trained."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import InputError, RecipeError, WeightsError
from depth_ros.models.crestereo.network import CreStereo, exportable
from depth_ros.scenes.layered.samples import SampleSettings, batches
from depth_ros.training.crestereo.losses import flow_sequence_loss
from depth_ros.training.crestereo.networks import FullStereo
from depth_ros.training.crestereo.pairs import DrawnPairs, SetPairs
from depth_ros.training.crestereo.task import StereoTask
from depth_ros.training.datasets.crestereo_set import find_pairs, read_pair
from depth_ros.training.recipe import TrainRecipe, find_recipe
from depth_ros.training.task import DataFolders
from depth_ros.training.trainer import RunSettings, Trainer

SAMPLES = SampleSettings(
    scene_height=32, scene_width=64, height=32, width=64, max_disparity=12.0, chunk=2, textures=4
)
SMALL = TrainRecipe(
    name='small',
    task=StereoTask(network=FullStereo(iterations=2), pairs=DrawnPairs(samples=SAMPLES)),
    steps=2,
    batch_size=1,
    mixed=False,
    learning_rate=1e-3,
    validation_samples=8,
)
CROPS = SetPairs(height=32, width=64, max_disparity=40.0)


pytestmark = pytest.mark.usefixtures('one_thread')


def run(folder: Path, recipe: TrainRecipe = SMALL, **changes: object) -> Trainer:
    base = RunSettings(out=folder, log_every=1, save_every=1, validate_every=100)
    trainer = Trainer(recipe, replace(base, **changes))
    trainer.run(lambda progress: None)
    return trainer


def test_loss_of_a_sequence_counted_by_hand() -> None:
    truth = torch.tensor([[[[2.0, torch.nan]]]])
    first = torch.tensor([[[[5.0, 50.0]], [[1.0, 70.0]]]])  # |3| and |1|: mean 2
    last = torch.tensor([[[[2.5, 0.0]], [[0.0, 9.0]]]])  # |0.5| and |0|: mean 0.25
    assert float(flow_sequence_loss([first, last], truth)) == pytest.approx(0.9 * 2.0 + 0.25)


def test_loss_of_a_sequence_has_the_right_gradient() -> None:
    torch.manual_seed(0)
    truth = torch.randn(1, 1, 2, 3, dtype=torch.float64)
    truth[0, 0, 0, 0] = torch.nan
    found = [torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: flow_sequence_loss([a, b], truth), found)


def test_last_of_the_sequence_is_what_inference_gives() -> None:
    torch.manual_seed(1)
    network = CreStereo()
    left, right = 255.0 * torch.rand(2, 1, 3, 32, 64)
    with torch.no_grad():
        whole = network(left, right, iterations=4)
        sequence = network.sequence(left, right, iterations=4)
    assert len(sequence) == 2 + 2 + 4
    assert all(one.shape == whole.shape for one in sequence)
    torch.testing.assert_close(sequence[-1], whole)
    assert float((sequence[0] - whole).abs().max()) > 1e-3


def test_mixed_precision_leaves_flows_in_float32() -> None:
    torch.manual_seed(1)
    network = CreStereo()
    left, right = 255.0 * torch.rand(2, 1, 3, 32, 64)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        sequence = network.sequence(left, right, iterations=2)
    assert {one.dtype for one in sequence} == {torch.float32}


def test_resume_ends_with_the_same_bits_and_exports(tmp_path: Path) -> None:
    whole = run(tmp_path / 'whole')
    killed = run(tmp_path / 'killed', stop_after=1)
    assert killed.step == 1
    resumed = run(tmp_path / 'killed')
    mine, theirs = whole.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    state = load_checkpoint(tmp_path / 'whole' / 'weights.safetensors')
    graph = exportable(
        graph='crestereo', height=32, width=64, options={'iterations': 2}, state=state
    )
    sample = next(batches(SAMPLES, [], batch_size=1))
    left, right = torch.from_numpy(sample.left), torch.from_numpy(sample.right)
    with torch.no_grad():
        exported = graph.module(left, right)
        planes = [image.permute(0, 3, 1, 2).float().flip(1) for image in (left, right)]
        trained = whole.average.sequence(*planes, iterations=2)[-1][:, 0]
    torch.testing.assert_close(exported, trained, atol=1e-4, rtol=1e-4)
    again = Trainer(SMALL, RunSettings(out=tmp_path / 'again', weights=tmp_path / 'whole' /
                                       'weights.safetensors'))  # fmt: skip
    assert all(torch.equal(value, state[key]) for key, value in again.network.state_dict().items())


def test_one_sample_is_learnt_by_heart(tmp_path: Path) -> None:
    recipe = replace(SMALL, steps=30, learning_rate=5e-4, warm_up=0.2)
    trainer = Trainer(recipe, RunSettings(out=tmp_path))
    sample = next(batches(SAMPLES, [], batch_size=1))
    errors = [trainer.train_step(sample)['train_epe'] for _ in range(recipe.steps)]
    assert errors[0] > 1.5
    assert np.mean(errors[-3:]) < 0.4 * errors[0]


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({'a.weight': torch.zeros(2)}, tmp_path / 'other.pth')
    with pytest.raises(WeightsError):
        SMALL.task.begin_with(SMALL.task.build(), tmp_path / 'other.pth')


def write_pair(folder: Path, name: str, *, shift: int = 6, seed: int = 0) -> None:
    """A fronto-parallel picture: 6 px of disparity, unknown in the left view's first columns."""
    folder.mkdir(parents=True, exist_ok=True)
    wide = cv2.GaussianBlur(
        np.random.default_rng(seed).normal(size=(48, 96 + shift, 3)), (5, 5), 2
    )
    wide = np.clip(128.0 + 60.0 * wide / wide.std(), 0.0, 255.0).astype(np.uint8)
    cv2.imwrite(str(folder / f'{name}_left.jpg'), wide[:, :96])
    cv2.imwrite(str(folder / f'{name}_right.jpg'), wide[:, shift:])
    disparity = np.full((48, 96), round(shift * 32), np.uint16)
    disparity[:, :4] = 0
    for side in ('left', 'right'):
        cv2.imwrite(str(folder / f'{name}_{side}.disp.png'), disparity)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for part, name in (('tree', 'a'), ('tree/0', 'b'), ('hole', 'c'), ('shapenet', 'd')):
        write_pair(tmp_path / 'set' / part, name, seed=ord(name))
    return tmp_path / 'set'


def test_data_set_is_found_and_read_in_pixels(data: Path) -> None:
    stems = find_pairs([data])
    assert [str(stem.relative_to(data)) for stem in stems] == [
        'hole/c', 'shapenet/d', 'tree/0/b', 'tree/a',
    ]  # fmt: skip
    assert find_pairs([data / 'hole']) == [data / 'hole' / 'c']
    pair = read_pair(stems[0])
    assert pair.left.shape == (48, 96, 3) and pair.left.dtype == np.uint8
    assert np.isnan(pair.disparity[:, :4]).all() and (pair.disparity[:, 4:] == 6.0).all()
    bgr = cv2.imread(str(data / 'hole' / 'c_left.jpg'))
    np.testing.assert_array_equal(pair.left, bgr[..., ::-1])


def test_crops_keep_images_and_disparity_together(data: Path) -> None:
    folders = DataFolders(data=(data,))
    source = CROPS.source(folders)
    for batch in islice(source.batches(batch_size=2), 4):
        assert batch.left.shape == (2, 32, 64, 3) and batch.left.dtype == np.uint8
        known = np.isfinite(batch.disparity)
        assert known.mean() > 0.8
        assert batch.is_occluded[~known].all()
        for index in range(2):
            shift = float(np.nanmedian(batch.disparity[index]))
            assert 0.6 * 6.0 <= shift <= 6.0
            assert not batch.is_occluded[index, :, 20:].any() or not known[index].all()
            left = batch.left[index].astype(float).mean(-1)
            right = batch.right[index].astype(float).mean(-1)
            step = round(shift)
            matched = np.corrcoef(left[:, step:].ravel(), right[:, : 64 - step].ravel())[0, 1]
            still = np.corrcoef(left.ravel(), right.ravel())[0, 1]
            assert matched > still + 0.3


def test_crops_go_on_where_they_were_left(data: Path) -> None:
    source = CROPS.source(DataFolders(data=(data,)))
    whole = list(islice(source.batches(batch_size=1), 3))
    later = next(source.batches(batch_size=1, first=2))
    np.testing.assert_array_equal(whole[2].left, later.left)
    np.testing.assert_array_equal(whole[2].disparity, later.disparity)


def test_held_out_pairs_are_not_trained_on(data: Path) -> None:
    folders = DataFolders(data=(data,))
    assert data / 'hole' / 'c' not in CROPS.source(folders).stems
    one, again = CROPS.validation(folders, 8), CROPS.validation(folders, 8)
    assert len(one) == 1
    np.testing.assert_array_equal(one[0].left, again[0].left)


def test_training_on_a_data_set_folder(data: Path, tmp_path: Path) -> None:
    recipe = replace(SMALL, task=replace(SMALL.task, pairs=CROPS), steps=1)
    trainer = run(tmp_path / 'run', recipe, folders=DataFolders(data=(data,)))
    assert trainer.step == 1
    found = trainer._validate()
    assert np.isfinite(found['val_epe']) and found['val_epe'] > 0.0
    assert recipe.task.tiles(next(CROPS.source(DataFolders(data=(data,))).batches(batch_size=1)))


def test_what_is_wrong_with_a_data_set_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='--data FOLDER'):
        CROPS.source(DataFolders())
    with pytest.raises(RecipeError, match='no data folder'):
        CROPS.source(DataFolders(data=(tmp_path / 'nowhere',)))
    with pytest.raises(RecipeError, match='tree, shapenet'):
        CROPS.source(DataFolders(data=(empty(tmp_path),)))
    (data / 'hole' / 'c_right.jpg').unlink()
    with pytest.raises(InputError, match='c_right'):
        read_pair(data / 'hole' / 'c')
    cv2.imwrite(str(data / 'tree' / 'a_left.disp.png'), np.zeros((48, 96), np.uint8))
    with pytest.raises(InputError, match='16-bit'):
        read_pair(data / 'tree' / 'a')
    cv2.imwrite(str(data / 'shapenet' / 'd_left.disp.png'), np.zeros((8, 96), np.uint16))
    with pytest.raises(InputError, match='one size'):
        read_pair(data / 'shapenet' / 'd')


def empty(folder: Path) -> Path:
    (folder / 'empty').mkdir()
    return folder / 'empty'


def test_shipped_recipes_name_what_they_read() -> None:
    assert isinstance(find_recipe('crestereo').task.pairs, DrawnPairs)
    full = find_recipe('crestereo_dataset').task.pairs
    assert (full.height, full.width, full.max_disparity) == (384, 512, 256.0)
