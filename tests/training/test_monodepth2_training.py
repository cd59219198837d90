"""Training Monodepth2: depth learnt from one moment alone, weights that run, kills survived."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.checkpoints.read import read_checkpoint
from depth_ros.errors import RecipeError, WeightsError
from depth_ros.models.monodepth2.network import exportable, synthetic_state
from depth_ros.models.monodepth2.network_resnet import LAYOUTS, ResnetEncoder
from depth_ros.scenes.rooms.draw import RoomSettings, draw_room
from depth_ros.scenes.rooms.paths import (
    draw_intrinsics,
    draw_viewpoint,
    video_path,
)
from depth_ros.scenes.rooms.render import render_view, room_textures
from depth_ros.scenes.stacked import stack
from depth_ros.training.datasets.triples import Triple, plain
from depth_ros.training.metrics import read_metrics
from depth_ros.training.monodepth2.losses import (
    WarpedViews,
    reprojection_error,
    to_views,
    unmoved_error,
)
from depth_ros.training.monodepth2.network import NetworkSize, VideoNetwork
from depth_ros.training.monodepth2.recipes import RECIPES
from depth_ros.training.monodepth2.reprojection import CameraMotion
from depth_ros.training.monodepth2.room_video import ClipSettings, filmed
from depth_ros.training.monodepth2.task import Monodepth2Task
from depth_ros.training.monodepth2.validation import validate
from depth_ros.training.monodepth2.video import FolderVideo, KittiVideo, RoomVideo
from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.task import DataFolders
from depth_ros.training.trainer import RunSettings, Trainer, save_weights
from tests.kit.resumed_training import assert_same_bits

SIZE = 64
SMALL = NetworkSize(widths=(8, 16, 32, 64))
ROOMS = RoomVideo(clips=ClipSettings(rooms=RoomSettings(textures=4), frames=4, chunk=1, reuse=1))
TASK = Monodepth2Task(video=ROOMS, size=SMALL, height=SIZE, width=SIZE)
RECIPE = TrainRecipe(
    name='small', task=TASK, steps=4, batch_size=1, mixed=False, weight_decay=0.0,
    validation_samples=1, average=0.9,
)  # fmt: skip


pytestmark = pytest.mark.usefixtures('one_thread')


def texture() -> np.ndarray:
    rng = np.random.default_rng(1)
    total = np.full((SIZE, SIZE + 64, 3), 128.0, np.float32)
    for cell, strength in ((4, 90.0), (12, 30.0)):
        shape = (-(-SIZE // cell), -(-(SIZE + 64) // cell), 3)
        noise = rng.uniform(-strength, strength, shape).astype(np.float32)
        total += cv2.resize(noise, (SIZE + 64, SIZE), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def floor() -> Triple:
    """A textured plane that a camera moves along sideways: 0.4 px a step above, 2 px below."""
    picture = texture()
    shift = np.linspace(0.4, 2.0, SIZE)[:, np.newaxis]
    columns, rows = np.arange(SIZE)[np.newaxis], np.arange(SIZE, dtype=np.float32)[:, np.newaxis]

    def view(step: int) -> np.ndarray:
        x = (columns + 32 + step * shift).astype(np.float32)
        return cv2.remap(picture, x, np.repeat(rows, SIZE, 1), cv2.INTER_LINEAR)

    return Triple(
        views=np.stack((view(0), view(-1), view(1))),
        intrinsics=np.array([[80.0, 0.0, 31.5], [0.0, 80.0, 31.5], [0.0, 0.0, 1.0]]),
        depth=np.repeat((2.0 / shift).astype(np.float32), SIZE, 1),
    )


def measured(network: VideoNetwork, batch) -> dict[str, float]:
    return validate(network, [batch], metres_per_unit=5.4, device='cpu', mixed=nullcontext)


def test_depth_is_learnt_from_one_moment_without_truth(tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=48, learning_rate=4e-4, warm_up=0.05)
    trainer = Trainer(recipe, RunSettings(out=tmp_path))
    batch = stack([plain(floor())])
    before = measured(trainer.network, batch)
    rows = [trainer.train_step(batch) for _ in range(recipe.steps)]
    after = measured(trainer.average, batch)
    assert before['val_abs_rel'] > 0.3 and before['val_photometric'] > 0.07
    assert rows[-1]['train_photometric'] < 0.1 * rows[0]['train_photometric']
    assert rows[-1]['train_kept'] > 0.95
    assert after['val_photometric'] < 0.3 * after['val_unmoved']
    assert after['val_abs_rel'] < 0.18


def pair(disparity: int = 3) -> Triple:
    """A wall seen by a pair, 0.54 m apart: the right camera shows it ``disparity`` px left."""
    picture = texture()
    target, partner = picture[:, 20 : 20 + SIZE], picture[:, 20 + disparity :][:, :SIZE]
    return Triple(
        views=np.stack((target, target, target, partner)),
        intrinsics=np.array([[60.0, 0.0, 31.5], [0.0, 60.0, 31.5], [0.0, 0.0, 1.0]]),
        partner_x_m=-0.54,
    )


@pytest.mark.parametrize('is_flipped', [False, True])
def test_a_stereo_partner_gives_the_scale(is_flipped: bool) -> None:
    triple = pair().flipped() if is_flipped else pair()
    network = TASK.build()
    _, views = to_views(
        network,
        stack([plain(triple)]),
        metres_per_unit=5.4,
        device='cpu',
        mixed=nullcontext,
        num_scales=1,
    )
    assert len(views.sources) == len(views.source_from_target) == 3
    # Only the partner: 60 px * 0.54 m / 3 px = 10.8 m, which are 2 units.
    alone = replace(
        views, sources=views.sources[2:], source_from_target=views.source_from_target[2:]
    )
    disparity = torch.full((1, 1, SIZE, SIZE), (1 / 2.0 - 0.01) / 9.99)
    error = reprojection_error(disparity, alone)[..., 5:-5]
    assert float(error.mean()) < 1e-4
    assert float(reprojection_error(1.5 * disparity, alone)[..., 5:-5].mean()) > 0.02
    assert float(unmoved_error(alone).mean()) > 0.05


def test_trained_weights_run_in_the_inference_network(tmp_path: Path) -> None:
    trainer = Trainer(RECIPE, RunSettings(out=tmp_path))
    trainer.train_step(stack([plain(floor())]))
    trainer.save()
    checkpoint = read_checkpoint(tmp_path / 'weights.safetensors')
    assert checkpoint.extras == {'height': SIZE, 'width': SIZE, 'use_stereo': False}
    state = checkpoint.state
    image = torch.from_numpy(floor().views[:2])
    size = {'height': SIZE, 'width': SIZE, 'options': {}}
    depth = exportable(graph='depth', state=state, **size)
    pose = exportable(graph='pose', state=state, **size)
    planes = image.permute(0, 3, 1, 2).float() / 255
    network = trainer.average.eval()
    with torch.no_grad():
        expected = network.disparities(planes[:1], num_scales=1)[0][:, 0]
        torch.testing.assert_close(depth.module(image[:1]), expected, atol=1e-5, rtol=1e-4)
        angle, translation = pose.module(image[1:], image[:1])
        before_from_target, _ = network.motions(planes[:1], planes[1:], planes[1:])
    target_from_before = before_from_target.inverse()
    torch.testing.assert_close(translation, target_from_before.translation, atol=1e-6, rtol=1e-3)
    assert 0.0 < float(angle.norm()) < 0.1


def test_full_size_weights_have_the_official_names() -> None:
    weights = RECIPES['monodepth2'].task.weights(RECIPES['monodepth2'].task.build())
    official = synthetic_state(0)
    assert {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in official.items()}


def test_resume_after_a_kill_ends_with_the_same_bits(tmp_path: Path) -> None:
    def run(name: str, stop_after: int | None = None) -> Trainer:
        settings = RunSettings(
            out=tmp_path / name, log_every=1, save_every=2, stop_after=stop_after
        )
        trainer = Trainer(RECIPE, settings)
        trainer.run(lambda progress: None)
        return trainer

    whole = run('whole')
    run('killed', stop_after=3)
    resumed = run('killed')
    assert_same_bits(whole, resumed)
    rows = [read_metrics(tmp_path / name / 'metrics.csv') for name in ('whole', 'killed')]
    assert [row['loss'] for row in rows[0]] == [row['loss'] for row in rows[1]]
    assert float(rows[0][-1]['val_abs_rel']) > 0.0


def save(state, path: Path) -> Path:
    save_weights(state, path)
    return path


def test_training_begins_with_published_weights(tmp_path: Path) -> None:
    source = VideoNetwork(SMALL)
    for part in ('encoder', 'depth', 'pose_encoder', 'pose'):
        network = source.pose_network if 'pose' in part else source.depth_network
        state = getattr(network, part).state_dict()
        if part.endswith('encoder'):
            state['encoder.fc.weight'] = torch.zeros(10, 64)
        torch.save({**state, 'height': 64}, tmp_path / f'{part}.pth')
    network = TASK.build()
    TASK.begin_with(network, tmp_path)
    wanted = source.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in network.state_dict().items())


def test_weights_without_pose_network_leave_it_as_it_was(tmp_path: Path) -> None:
    source, network = VideoNetwork(SMALL), TASK.build()
    before = {key: value.clone() for key, value in network.pose_network.state_dict().items()}
    path = save(source.depth_network.state_dict(), tmp_path / 'depth.safetensors')
    TASK.begin_with(network, path)
    head = 'depth.decoder.10.conv.weight'
    found = network.depth_network.state_dict()[head]
    assert torch.equal(found, source.depth_network.state_dict()[head])
    assert all(torch.equal(v, before[k]) for k, v in network.pose_network.state_dict().items())


def test_encoders_begin_with_a_classifier(tmp_path: Path) -> None:
    classifier = ResnetEncoder(SMALL.layout(18)).encoder
    state = {
        **classifier.state_dict(),
        'fc.weight': torch.zeros(10, 64),
        'fc.bias': torch.zeros(10),
    }
    network = TASK.build()
    TASK.begin_with(network, save(state, tmp_path / 'resnet18.safetensors'))
    depth, pose = network.depth_network.encoder, network.pose_network.pose_encoder
    assert torch.equal(depth.encoder.conv1.weight, classifier.conv1.weight)
    assert torch.equal(pose.encoder.layer4[1].conv2.weight, classifier.layer4[1].conv2.weight)
    # The same image twice gives what one gave.
    image = torch.rand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        one = depth.encoder.conv1(image)
        two = pose.encoder.conv1(torch.cat((image, image), 1))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('key', ['encoder.encoder.conv1.weight', 'fnet.conv1.weight'])
def test_weights_of_another_network_are_refused(tmp_path: Path, key: str) -> None:
    path = save({key: torch.zeros(4, 3, 7, 7)}, tmp_path / 'other.safetensors')
    with pytest.raises(WeightsError, match='not those of DepthNetwork'):
        TASK.begin_with(TASK.build(), path)


def test_room_samples_are_the_same_again_and_agree_with_their_depth() -> None:
    source = TASK.source(DataFolders())
    stream = source.batches(batch_size=1)
    batches = [next(stream) for _ in range(3)]
    again = next(source.batches(batch_size=1, first=2))
    np.testing.assert_array_equal(again.views, batches[2].views)
    assert again.depth.shape == (1, SIZE, SIZE) and float(again.depth.min()) > 0.1
    held = ROOMS.held_out(DataFolders(), (SIZE, SIZE), 2)
    assert len(held) == 2 and not np.array_equal(held[0].views, held[1].views)
    np.testing.assert_array_equal(held[0].seen, held[0].views[:, :3])
    tiles = TASK.tiles(again)
    assert [tile.shape for tile in tiles[0]] == [(SIZE, SIZE, 3)] * 4


def test_a_clip_is_filmed_by_one_camera() -> None:
    views = [np.full((32, 32, 3), 100.0, np.float32)] * 2
    first, second = (shot.astype(float) for shot in filmed(np.random.default_rng(3), views))
    np.testing.assert_allclose(first.mean((0, 1)), second.mean((0, 1)), atol=0.5)
    assert abs(first.mean() - 100.0) > 3.0 and 0.1 < np.abs(first - second).mean() < 4.0


def test_true_depth_and_motion_of_a_room_explain_its_frames() -> None:
    rng, size = np.random.default_rng(10), {'height': SIZE, 'width': SIZE}
    pool = room_textures(rng, [], 4)
    room, k = draw_room(rng, RoomSettings(textures=4)), draw_intrinsics(rng, **size)
    start = draw_viewpoint(rng, room, k, **size)
    path = video_path(rng, room, start.camera_from_world, frames=3, step_m=0.15)
    shots = [render_view(room, k, pose, pool=pool, **size) for pose in path]
    images = [torch.from_numpy(shot.image / 255.0).permute(2, 0, 1)[None] for shot in shots]
    motions = [torch.from_numpy(path[n] @ np.linalg.inv(path[1])).float()[None] for n in (0, 2)]
    views = WarpedViews(
        target=images[1],
        sources=[images[0], images[2]],
        source_from_target=[
            CameraMotion(motion[:, :3, :3], motion[:, :3, 3]) for motion in motions
        ],
        intrinsics=torch.from_numpy(k).float()[None],
    )
    disparity = (1.0 / torch.from_numpy(shots[1].depth)[None, None] - 0.01) / 9.99
    found, unmoved = reprojection_error(disparity, views), unmoved_error(views)
    # Not less: drawn textures have details finer than a pixel.
    assert float(found.mean()) < 0.3 * float(unmoved.mean())
    for factor in (0.95, 1.05):
        wrong = reprojection_error(factor * disparity, views)
        assert float(wrong.mean()) > 1.05 * float(found.mean())
    assert float((found < unmoved).float().mean()) > 0.75


def test_own_video_is_trained_on_its_beginning_and_measured_on_its_end(tmp_path: Path) -> None:
    (tmp_path / 'calibration.json').write_text(
        '{"fx": 80, "fy": 80, "cx0": 31.5, "cx1": 31.5, "cy": 31.5, "baseline_meters": 1,'
        ' "width": 64, "height": 64}',
        encoding='utf-8',
    )
    for number in range(40):
        assert cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((64, 64, 3), number, np.uint8))
    video, folders = FolderVideo(), DataFolders(data=(tmp_path,))
    source = video.source(folders, (SIZE, SIZE), 1)
    assert sorted(int(item.target.stem) for item in source.readers) == list(range(1, 23))
    held = video.held_out(folders, (SIZE, SIZE), 3)
    assert [int(batch.views[0, 0, 0, 0, 0]) for batch in held] == [33, 35, 37]
    row = replace(TASK, video=video).validate(
        TASK.build(), folders, samples=1, device='cpu', mixed=nullcontext
    )
    assert set(row) == {'val_photometric', 'val_unmoved'}


@pytest.mark.parametrize('video', [KittiVideo(), FolderVideo()])
def test_recipes_of_real_video_ask_for_it(video, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='--data'):
        replace(TASK, video=video).source(DataFolders())
    with pytest.raises(RecipeError, match='--data'):
        replace(TASK, video=video).source(DataFolders(data=(tmp_path / 'none',)))


def test_only_a_stereo_partner_gives_metres() -> None:
    notes = {name: recipe.task.notes() for name, recipe in RECIPES.items()}
    assert [name for name, note in notes.items() if note['use_stereo']] == ['monodepth2_stereo']


def test_recipes_name_themselves_and_use_known_networks() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.name == name and recipe.task.size.num_layers in LAYOUTS
        assert recipe.task.height % 32 == recipe.task.width % 32 == 0
