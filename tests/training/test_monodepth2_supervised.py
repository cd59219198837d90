"""Training a small depth network on exact depth: losses, renders kept on disk, resume, weights."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.checkpoints.read import read_checkpoint
from depth_ros.models.monodepth2.network import exportable, load_depth
from depth_ros.models.monodepth2.network_depth import DecoderLayout, DepthNetwork
from depth_ros.models.monodepth2.network_resnet import LAYOUTS
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.training.metrics import read_metrics
from depth_ros.training.monodepth2.network import NetworkSize
from depth_ros.training.monodepth2.recipes import RECIPES
from depth_ros.training.monodepth2.rendered_views import RenderSettings, ViewStore
from depth_ros.training.monodepth2.supervised_losses import (
    SupervisedWeights,
    aligned,
    gradient_loss,
    order_loss,
    ratio_loss,
    supervised_loss,
)
from depth_ros.training.monodepth2.supervised_task import SupervisedDepthTask, validate
from depth_ros.training.monodepth2.view_source import RenderedViews, ViewBatch, take_sample
from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.task import DataFolders
from depth_ros.training.trainer import RunSettings, Trainer
from tests.kit.resumed_training import assert_same_bits

VIEWS = RenderedViews(
    render=RenderSettings(
        room=RoomSettings(textures=4, density=0.1, floating=1.0),
        height=72,
        width=96,
        chunk=4,
    ),
    chunks=2,
    group=1,
    sizes=((64, 64), (64, 96)),
    chances=(0.5, 0.5),
)
TASK = SupervisedDepthTask(
    views=VIEWS,
    size=NetworkSize(widths=(8, 8, 16, 16)),
    decoder=DecoderLayout(widths=(4, 4, 8, 8, 8), has_pooled_term=True),
    height=64,
    width=64,
)
RECIPE = TrainRecipe(
    name='small', task=TASK, steps=4, batch_size=2, mixed=False, average=0.9, validation_samples=2
)


pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def batch() -> ViewBatch:
    views = replace(VIEWS, sizes=((64, 64),), chances=(1.0,))
    return next(views.source(DataFolders()).batches(batch_size=4))


def ramp() -> torch.Tensor:
    """Inverse depth that grows to the right, with a near square in the middle."""
    values = torch.linspace(0.2, 0.5, 32).expand(1, 24, 32).clone()
    values[:, 8:16, 12:20] = 1.5
    return values


def test_shape_is_compared_without_scale_and_shift_and_scale_without_unit() -> None:
    truth = ramp()
    torch.testing.assert_close(aligned(3.0 * truth + 0.7), aligned(truth))
    assert ratio_loss(3.0 * truth, truth) < 1e-6 < 0.1 < ratio_loss(truth + 0.7, truth)
    assert aligned(torch.full((2, 4, 4), 2.0)).abs().max() == 0.0


def test_loss_of_the_truth_in_another_unit_is_that_of_order_alone() -> None:
    truth, weights = ramp(), SupervisedWeights(order=0.0)
    assert supervised_loss(5.0 * truth, truth, weights) < 1e-6
    assert supervised_loss(truth.flip(2), truth, weights) > 0.3


def test_gradients_are_means_over_neighbours_and_resolutions() -> None:
    difference = torch.arange(8.0).expand(1, 8, 8)
    # 1 between neighbours at full size, 2 at half of it; nothing from row to row.
    assert gradient_loss(difference, scales=2).item() == pytest.approx((1.0 + 2.0) / 2.0)


def test_order_counts_steps_of_depth_only() -> None:
    truth = ramp()
    right, wrong = (order_loss(aligned(x), truth, step=1.5) for x in (truth, 1.0 / truth))
    assert right < 0.2 < np.log(2.0) < wrong
    even = torch.full((1, 24, 32), 0.5)
    assert order_loss(aligned(truth), even, step=1.5) == 0.0


def test_batch_n_depends_on_seed_and_n_only_and_not_on_who_rendered(tmp_path: Path) -> None:
    plain = VIEWS.source(DataFolders())
    kept = VIEWS.source(DataFolders(data=(tmp_path,)))
    # Two chunks of two batches each, so the fourth is of the second pass.
    wanted = list(islice(plain.batches(batch_size=2), 6))
    ViewStore(settings=VIEWS.render, folder=tmp_path).fill([1])
    for first in (0, 3):
        found = islice(kept.batches(batch_size=2, first=first), 6 - first)
        for mine, theirs in zip(wanted[first:], found, strict=True):
            assert np.array_equal(mine.images, theirs.images)
            assert np.array_equal(mine.inverse_depth, theirs.inverse_depth)
    assert len(list(tmp_path.iterdir())) == 2
    other = next(plain.batches(batch_size=2, stream=1))
    assert not np.array_equal(wanted[0].images, other.images)
    assert {item.images.shape for item in wanted} == {(2, 64, 64, 3), (2, 64, 96, 3)}


def test_image_and_depth_of_a_sample_are_cut_alike() -> None:
    # Depth is written into the image, so that both can be compared after cut, stretch and mirror.
    inverse = np.linspace(0.1, 2.0, 96)[None] * np.ones((72, 1)) + 0.01 * np.arange(72)[:, None]
    image = np.repeat((80.0 * inverse)[..., None], 3, -1).astype(np.uint8)
    settings = replace(VIEWS, noise=0.1)
    for seed in range(6):
        sample = take_sample(np.random.default_rng(seed), settings, image, inverse, (64, 64))
        assert sample.images.dtype == np.uint8 and sample.inverse_depth.dtype == np.float32
        grey = sample.images.astype(float).mean(-1)
        correlation = np.corrcoef(grey.ravel(), sample.inverse_depth.ravel())[0, 1]
        assert correlation > 0.95


def test_rooms_to_judge_by_are_fixed_and_never_trained_on() -> None:
    first, again = (VIEWS.held_out(DataFolders(), (64, 64), 3) for _ in range(2))
    assert len(first) == 3 and first[0].images.shape == (1, 64, 64, 3)
    assert all(np.array_equal(a.images, b.images) for a, b in zip(first, again, strict=True))
    trained = list(islice(VIEWS.source(DataFolders()).batches(batch_size=2), 4))
    depths = {float(batch.inverse_depth.max()) for batch in trained}
    assert not depths & {float(batch.inverse_depth.max()) for batch in first}


def test_a_few_images_are_learnt(batch: ViewBatch) -> None:
    torch.manual_seed(1)
    network = TASK.build()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = TASK.loss(network, batch, device='cpu', mixed=nullcontext).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    found = validate(network.train(), [batch], device='cpu', mixed=nullcontext)
    assert not network.training
    assert found['val_spearman'] > 0.3


def test_validation_has_known_values() -> None:
    truth = ramp()[:, :, :32]

    class Told(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
            return [((0.5 * truth - 0.01) / 9.99)[:, None]]

    images = np.zeros((1, *truth.shape[1:], 3), np.uint8)
    told = ViewBatch(images=images, inverse_depth=truth.numpy())
    found = validate(Told(), [told], device='cpu', mixed=nullcontext)
    assert found['val_spearman'] == pytest.approx(1.0, abs=1e-3)
    assert found['val_abs_rel'] == pytest.approx(0.0, abs=1e-3)
    assert found['val_bad_25'] == 0.0


def test_resume_after_a_kill_ends_with_the_same_bits(tmp_path: Path) -> None:
    def run(name: str, stop_after: int | None = None) -> Trainer:
        settings = RunSettings(
            out=tmp_path / name,
            folders=DataFolders(data=(tmp_path,)),
            log_every=1,
            save_every=2,
            stop_after=stop_after,
        )
        trainer = Trainer(RECIPE, settings)
        trainer.run(lambda progress: None)
        return trainer

    whole = run('whole')
    run('killed', stop_after=3)
    resumed = run('killed')
    assert_same_bits(whole, resumed)
    rows = read_metrics(tmp_path / 'whole' / 'metrics.csv')
    assert -1.0 <= float(rows[-1]['val_spearman']) <= 1.0
    checkpoint = read_checkpoint(tmp_path / 'whole' / 'weights.safetensors')
    assert checkpoint.extras['height'] == 64 and checkpoint.extras['use_stereo'] is False


def test_trained_weights_run_in_the_inference_network() -> None:
    network = TASK.build().eval()
    state = TASK.weights(network)
    images = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    graph = exportable(graph='depth', height=64, width=96, options={}, state=state).module
    with torch.no_grad():
        found = graph(images)
        wanted = network(images.float().permute(0, 3, 1, 2) / 255)[0][:, 0]
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_the_pooled_term_is_told_from_the_weights_and_absent_in_the_papers_network() -> None:
    slim = replace(LAYOUTS[18], widths=(4, 4, 4, 4))
    for layout in (DecoderLayout(), TASK.decoder):
        network = DepthNetwork(slim, layout)
        found = load_depth(network.state_dict())
        assert found.depth.has_pooled_term == layout.has_pooled_term
        assert found.state_dict().keys() == network.state_dict().keys()


def test_the_recipe_is_for_one_size_and_a_light_network() -> None:
    task = RECIPES['monodepth2_tiny'].task
    assert isinstance(task, SupervisedDepthTask)
    assert (task.height, task.width) == (96, 128)
    count = sum(value.numel() for value in task.build().parameters())
    assert 2_000_000 < count < 3_000_000
