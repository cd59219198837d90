"""TiO-Depth's stages: what learns in each, one sample learnt, resume, data, export."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import RecipeError, WeightsError
from depth_ros.models.tio_depth.network import TioDepth, exportable, load_weights
from depth_ros.models.tio_depth.network_decoder import Path as Branch
from depth_ros.models.tio_depth.network_matching import MatchingSide
from depth_ros.models.tio_depth.network_swin import SwinSizes
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.training.metrics import read_metrics
from depth_ros.training.pictures import draw_contact_sheet
from depth_ros.training.recipe import TrainRecipe, find_recipe, schedules
from depth_ros.training.step import one_cycle
from depth_ros.training.task import DataFolders
from depth_ros.training.tio_depth.pairs import (
    Changes,
    CropSettings,
    StereoPairBatch,
    TioCropSource,
    find_kitti,
)
from depth_ros.training.tio_depth.room_pairs import RoomSource, StereoRoomSettings
from depth_ros.training.tio_depth.steps import SHARES, Part, Step, part_of, with_shares
from depth_ros.training.tio_depth.task import TioTask, offset_convolutions
from depth_ros.training.tio_depth.validation import measure
from depth_ros.training.trainer import RunSettings, Trainer, save_weights
from tests.kit.resumed_training import assert_same_bits

SIZES = SwinSizes(channels=(16, 32, 64, 128), depths=(1, 1, 1, 1), heads=(1, 2, 4, 8))
ROOMS = StereoRoomSettings(
    height=32, width=64, baseline_m=0.3, rooms=RoomSettings(textures=4, density=0.1)
)
CROPS = CropSettings(full_height=40, full_width=96, height=32, width=64)
ALL = tuple(Step)


def task_of(*steps: Step) -> TioTask:
    return TioTask(steps=steps, swin=SIZES, channels=(16, 16, 16, 16), rooms=ROOMS, crops=CROPS)


def recipe_of(*steps: Step, **changes: object) -> TrainRecipe:
    recipe = TrainRecipe(
        name='small',
        task=task_of(*steps),
        steps=4,
        batch_size=1,
        learning_rate=1e-3,
        weight_decay=0.0,
        mixed=False,
        validation_samples=1,
    )
    return replace(recipe, **changes)


pytestmark = pytest.mark.usefixtures('one_thread')


def blocks(rng: np.random.Generator, low: int, high: int) -> np.ndarray:
    coarse = rng.integers(low, high, (9, 35, 3)).astype(np.uint8)
    return cv2.resize(coarse, (136, 32), interpolation=cv2.INTER_LINEAR)


def object_before_wall() -> StereoPairBatch:
    """A bright square at 12 px before a dark wall at 4 px."""
    rng = np.random.default_rng(1)
    wall, square = blocks(rng, 0, 130), blocks(rng, 120, 255)
    left, right = wall[:, 20:116].copy(), wall[:, 24:120].copy()
    left[8:, 30:80] = right[8:, 18:68] = square[8:, 30:80]
    disparity = np.full((32, 96), 4.0, np.float32)
    disparity[8:, 30:80] = 12.0
    views = {'left': left, 'right': right, 'left_seen': left, 'right_seen': right}
    stacked = {name: view[np.newaxis] for name, view in views.items()}
    return StereoPairBatch(**stacked, disparity=disparity[np.newaxis])


def random_pair() -> StereoPairBatch:
    views = np.random.default_rng(4).integers(0, 256, (4, 1, 32, 64, 3), dtype=np.uint8)
    return StereoPairBatch(
        left=views[0],
        right=views[1],
        left_seen=views[2],
        right_seen=views[3],
        disparity=np.full((1, 32, 64), np.nan, np.float32),
    )


def learnt(task: TioTask, network: TioDepth) -> dict[Part, bool]:
    """Tell which parts get gradient from a batch."""
    found = task.loss(network.train(), random_pair(), device='cpu', mixed=nullcontext)
    found.loss.backward()
    parts = dict.fromkeys(Part, False)
    for name, value in network.named_parameters():
        parts[part_of(name)] |= value.grad is not None and bool(value.grad.any())
    return parts


@pytest.mark.parametrize('step', Step)
def test_a_step_teaches_its_own_parts_only(step: Step) -> None:
    torch.manual_seed(0)
    task = task_of(step)
    network = task.build()
    assert learnt(task, network) == {part: part in SHARES[step] for part in Part}
    frozen = {
        part_of(name) for name, value in network.named_parameters() if not value.requires_grad
    }
    assert frozen == set(Part) - set(SHARES[step])


def test_shares_scale_gradients_and_leave_values_alone() -> None:
    torch.manual_seed(0)
    network = task_of(*ALL).build().eval()
    image = torch.rand(1, 3, 32, 64)
    head = network.decoder._convs[17].conv.weight

    def run() -> torch.Tensor:
        return network(image, Branch.MONO)

    whole = run()
    whole.mean().backward()
    full, head.grad = head.grad.clone(), None
    network.zero_grad()
    shared = with_shares(network, {Part.DECODER: 0.1}, run)
    shared.mean().backward()
    assert torch.equal(shared, whole)
    torch.testing.assert_close(head.grad, 0.1 * full)
    assert network.encoder.patch_embed.proj.weight.grad is None


def test_random_weights_neither_resample_nor_disturb_the_features() -> None:
    torch.manual_seed(0)
    network = task_of(*ALL).build().eval()
    assert len(offset_convolutions(network.decoder)) == 9
    assert all(not conv.conv.weight.any() for conv in offset_convolutions(network.decoder))
    block = network.decoder._convs[18]
    features = torch.rand(1, 16, 8, 12)
    with torch.no_grad():
        joined, _ = block(features, torch.rand(1, 16, 8, 12), MatchingSide.LEFT, 64)
    torch.testing.assert_close(joined, features, atol=0.1, rtol=0)


def train(
    task: TioTask, weights: dict[str, torch.Tensor] | None, steps: int
) -> tuple[TioDepth, dict[str, float]]:
    """Learn one sample, beginning with an earlier stage's weights; give the figures."""
    sample = object_before_wall()
    network = task.build().train()
    if weights is not None:
        network.load_state_dict(weights)
    moving = [value for value in network.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam(moving)
    for step in range(steps):
        optimizer.param_groups[0]['lr'] = one_cycle(step / steps, peak=1.5e-3, warm_up=0.3)
        optimizer.zero_grad()
        task.loss(network, sample, device='cpu', mixed=nullcontext).loss.backward()
        torch.nn.utils.clip_grad_norm_(moving, 1.0)
        optimizer.step()
    figures = measure(network, [sample], task.steps, device='cpu', mixed=nullcontext)
    return network, figures


def test_one_sample_is_learnt_stage_after_stage() -> None:
    torch.manual_seed(1)
    first, of_mono = train(task_of(Step.MONO), None, 70)
    assert of_mono['val_epe_mono'] < 1.0
    _, before = train(task_of(*ALL), first.state_dict(), 0)
    assert before['val_epe_distil'] > 10.0, 'the distilled branch must learn in its own stage'
    second, of_stereo = train(task_of(Step.MONO, Step.STEREO), first.state_dict(), 20)
    assert of_stereo['val_epe_stereo'] < min(1.0, before['val_epe_stereo'])
    _, of_all = train(task_of(*ALL), second.state_dict(), 20)
    assert of_all['val_epe_distil'] < 0.1 * before['val_epe_distil']
    assert of_all['val_abs_rel_distil'] < 0.5 * before['val_abs_rel_distil']
    assert 0.0 < of_all['val_photometric_stereo'] < 0.1


def run(folder: Path, recipe: TrainRecipe, **changes: object) -> Trainer:
    settings = RunSettings(out=folder, log_every=1, save_every=2, validate_every=100)
    trainer = Trainer(recipe, replace(settings, **changes))
    trainer.run(lambda progress: None)
    return trainer


def test_resume_after_a_kill_ends_with_the_same_bits(tmp_path: Path) -> None:
    recipe = recipe_of(*ALL)
    whole = run(tmp_path / 'whole', recipe)
    run(tmp_path / 'killed', recipe, stop_after=3)
    resumed = run(tmp_path / 'killed', recipe)
    assert whole.step == resumed.step == recipe.steps
    assert_same_bits(whole, resumed)
    rows = [read_metrics(tmp_path / name / 'metrics.csv') for name in ('whole', 'killed')]
    assert [row['loss'] for row in rows[0]] == [row['loss'] for row in rows[1]]
    assert float(rows[0][-1]['val_epe_distil']) > 0.0
    # The next stage begins with what this one wrote.
    shipped = tmp_path / 'whole' / 'weights.safetensors'
    again = Trainer(recipe, RunSettings(out=tmp_path / 'next', weights=shipped))
    mean = whole.average.state_dict()
    for key, value in again.network.state_dict().items():
        assert 'num_batches' in key or torch.equal(value, mean[key])


def test_published_sizes_train_and_export(tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = find_recipe('tio_depth').task
    network = task.build().train()
    moving = [value for value in network.parameters() if value.requires_grad]
    before = network.encoder.patch_embed.proj.weight.detach().clone()
    task.loss(network, random_pair(), device='cpu', mixed=nullcontext).loss.backward()
    torch.optim.SGD(moving, lr=1.0).step()
    assert not torch.equal(network.encoder.patch_embed.proj.weight, before)
    path = tmp_path / 'weights.safetensors'
    save_weights(task.weights(network), path)
    state = load_checkpoint(path)
    load_weights(TioDepth(), state)
    made = exportable(graph='refine', height=64, width=64, options={}, state=state)
    rows = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        found = made.module(rows)
        expected = network.eval()(rows.permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close(found, expected[:, 0], atol=1e-3, rtol=1e-4)


def test_an_imagenet_swin_begins_the_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = task_of(Step.MONO)
    donor = task.build().encoder.state_dict()
    classifier = {key: value for key, value in donor.items() if not key.startswith('norm')}
    extra = {'norm.weight': torch.ones(128), 'head.weight': torch.ones(10, 128)}
    extra['layers.1.blocks.0.attn_mask'] = torch.zeros(4, 49, 49)
    torch.save({'model': {**classifier, **extra}}, tmp_path / 'swin.pth')
    network = task.build()
    task.begin_with(network, tmp_path / 'swin.pth')
    found = network.encoder.state_dict()
    assert all(torch.equal(found[key], value) for key, value in classifier.items())
    del classifier['layers.0.blocks.0.mlp.fc1.weight']
    torch.save({'model': classifier}, tmp_path / 'swin.pth')
    with pytest.raises(WeightsError, match=r'mlp\.fc1\.weight'):
        task.begin_with(network, tmp_path / 'swin.pth')


def test_rooms_show_one_rig_with_exact_disparity() -> None:
    still = replace(ROOMS, changes=Changes(mirror=0.0, jitter=0.0), alike=1.0)
    source = RoomSource(pairs=still, photos=())
    batches = list(islice(source.batches(batch_size=2), 2))
    later = next(source.batches(batch_size=2, first=1))
    assert np.array_equal(batches[1].left, later.left), 'a resumed run must see the same'
    assert batches[0].disparity.shape == (2, 32, 64) and batches[0].disparity.min() > 0.0
    assert np.array_equal(batches[0].left, batches[0].left_seen)
    mirrored = replace(still, changes=Changes(mirror=1.0, jitter=1.0))
    other = next(RoomSource(pairs=mirrored, photos=()).batches(batch_size=2))
    assert np.array_equal(other.left, batches[0].right[:, :, ::-1])
    assert not np.array_equal(other.left, other.left_seen)


def test_a_rendered_pair_agrees_with_its_disparity() -> None:
    rooms = replace(
        ROOMS, height=64, width=128, burnt=0.0, alike=1.0, changes=Changes(mirror=0.5, jitter=0.0)
    )
    batch = next(RoomSource(pairs=rooms, photos=()).batches(batch_size=4))
    columns = np.arange(128)[None, None] - batch.disparity
    nearest = np.clip(columns.round().astype(int), 0, 127)
    warped = np.take_along_axis(batch.right, nearest[..., None], 2).astype(float)
    shift = np.clip(nearest - 6, 0, 127)
    wrong = np.take_along_axis(batch.right, shift[..., None], 2).astype(float)
    error, off = (np.abs(view - batch.left).mean() for view in (warped, wrong))
    assert error < 0.8 * off


def write_drive(root: Path, *, frames: int = 40, cameras: tuple[str, ...] = ('02', '03')) -> None:
    date = root / '2011_09_26'
    lines = []
    for camera, shift in (('02', 0.0), ('03', -50.0)):
        lines.append(f'P_rect_{camera}: 100 0 48 {shift} 0 100 20 0 0 0 1 0')
        lines.append(f'S_rect_{camera}: 96 40')
    date.mkdir(parents=True)
    (date / 'calib_cam_to_cam.txt').write_text('\n'.join(lines))
    rng = np.random.default_rng(0)
    for camera in cameras:
        data = date / '2011_09_26_drive_0001_sync' / f'image_{camera}' / 'data'
        data.mkdir(parents=True)
        for frame in range(frames):
            image = rng.integers(0, 256, (40, 96, 3), dtype=np.uint8)
            image[:, :, 0] = frame if camera == '02' else 100 + frame
            cv2.imwrite(str(data / f'{frame:010d}.png'), image)


def test_kitti_pairs_are_cut_alike_and_held_out(tmp_path: Path) -> None:
    write_drive(tmp_path)
    train_on = find_kitti([tmp_path], is_held_out=False)
    measured = find_kitti([tmp_path], is_held_out=True)
    assert train_on and measured and not set(train_on) & set(measured)
    assert all('image_02' in str(pair.left) for pair in train_on + measured)
    plain = replace(CROPS, scales=(1.0, 1.0), changes=Changes(mirror=0.0, jitter=0.0))
    batch = next(TioCropSource(readers=train_on, crops=plain).batches(batch_size=4))
    assert batch.left.shape == (4, 32, 64, 3) and np.isnan(batch.disparity).all()
    # The blue of each image is its frame's number.
    assert (batch.right[..., 2] == batch.left[..., 2] + 100).all()
    source = TioCropSource(readers=train_on, crops=CROPS)
    again = next(source.batches(batch_size=2, first=1))
    second = list(islice(source.batches(batch_size=2), 2))[1]
    assert np.array_equal(again.left, second.left)


def test_stages_train_on_kitti_and_measure_what_they_can(tmp_path: Path) -> None:
    write_drive(tmp_path / 'kitti')
    task = task_of(Step.MONO, Step.STEREO)
    folders = DataFolders(data=(tmp_path / 'kitti',))
    batch = next(task.source(folders).batches(batch_size=1))
    network = task.build()
    assert torch.isfinite(task.loss(network, batch, device='cpu', mixed=nullcontext).loss)
    figures = task.validate(network, folders, samples=2, device='cpu', mixed=nullcontext)
    assert set(figures) == {'val_photometric_mono', 'val_photometric_stereo'}
    draw_contact_sheet(recipe_of(Step.MONO), DataFolders(), tmp_path / 'sheet.png', samples=2)
    assert cv2.imread(str(tmp_path / 'sheet.png')).std() > 5.0


def test_a_drive_of_one_camera_is_refused(tmp_path: Path) -> None:
    write_drive(tmp_path, cameras=('02',))
    with pytest.raises(RecipeError):
        task_of(Step.MONO).source(DataFolders(data=(tmp_path,)))


def test_recipes_are_the_three_stages() -> None:
    stages = schedules(find_recipe('tio_depth'))
    for recipe, name, steps in zip(
        stages, ('mono', 'stereo', 'distil'), (ALL[:1], ALL[:2], ALL), strict=True
    ):
        assert recipe.stage == name
        assert recipe.task.steps == steps and recipe.batch_size == 8
