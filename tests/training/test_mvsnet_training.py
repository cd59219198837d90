"""Training MVSNet: loss, samples, the same depth as inference gives, resume, one sample learnt."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.camera import ideal_camera
from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import WeightsError
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_vector
from depth_ros.models.base import Prepared
from depth_ros.models.mvsnet.model import MvsnetModel
from depth_ros.models.mvsnet.network import MvsNet, exportable, synthetic_state
from depth_ros.models.mvsnet.projection import STRIDE, relative_transforms
from depth_ros.models.mvsnet.slabs import Sampling, depth_hypotheses
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.scenes.stacked import stack
from depth_ros.training.mvsnet import rooms
from depth_ros.training.mvsnet import task as task_module
from depth_ros.training.mvsnet.batch import (
    MvsBatch,
    PosedImage,
    RangeSettings,
    draw_hypotheses,
    make_sample,
)
from depth_ros.training.mvsnet.forward import (
    MvsnetForward,
    depth_loss,
    hypothesis_position,
    masked_l1,
    predict,
    valid_pixels,
)
from depth_ros.training.mvsnet.rooms import RoomViews, take_sample
from depth_ros.training.mvsnet.task import MvsNetTask
from depth_ros.training.recipe import TrainRecipe, find_recipe
from depth_ros.training.task import DataFolders
from depth_ros.training.trainer import RunSettings, Trainer
from tests.kit.resumed_training import assert_same_bits

SMALL_VIEWS = RoomViews(
    room=RoomSettings(textures=4, density=0.1, floating=1.0),
    scene_height=80,
    scene_width=112,
    height=64,
    width=96,
    views=3,
    sources=(1, 2),
    source_chances=(0.5, 0.5),
    depths=(8, 16),
    chunk=2,
    scenes_per_room=2,
    reuse=3,
)
SMALL = TrainRecipe(
    name='small_mvsnet',
    task=MvsNetTask(views=SMALL_VIEWS, refinement=True),
    steps=3,
    batch_size=2,
    mixed=False,
    validation_samples=4,
)


pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def batch() -> MvsBatch:
    views = replace(SMALL_VIEWS, sources=(2,), source_chances=(1.0,), depths=(16,))
    return next(views.source(DataFolders()).batches(batch_size=2))


def test_positions_count_intervals_in_depth_or_in_inverse_depth() -> None:
    depths = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 1.25, 5 / 3, 2.5, 5.0]])
    is_inverse = torch.tensor([False, True])
    truth = torch.tensor([[[1.0, 5.0, 2.5]], [[1.0, 5.0, 2.5]]])
    position = hypothesis_position(truth, depths, is_inverse)
    torch.testing.assert_close(position[0, 0], torch.tensor([0.0, 4.0, 1.5]))
    torch.testing.assert_close(position[1, 0], torch.tensor([0.0, 4.0, 3.0]))
    for index, sampling in enumerate((Sampling.LINEAR, Sampling.INVERSE)):
        even = torch.from_numpy(depth_hypotheses(0.7, 6.0, 9, sampling)).float()
        found = hypothesis_position(even[None, None], even[None], is_inverse[index : index + 1])
        torch.testing.assert_close(found[0, 0], torch.arange(9.0), atol=1e-4, rtol=0)


def test_loss_is_the_masked_l1_of_both_maps() -> None:
    truth = torch.tensor([[[1.0, float('nan'), 9.0, 3.0]]])
    valid = valid_pixels(truth, 8)
    assert valid.tolist() == [[[True, False, False, True]]]
    initial = torch.tensor([[[2.0, 7.0, 7.0, 3.5]]], requires_grad=True)
    refined = torch.tensor([[[1.5, 7.0, 7.0, 3.0]]])
    assert masked_l1(initial, truth, valid).item() == pytest.approx(0.75)
    assert depth_loss(initial, None, truth, valid).item() == pytest.approx(0.75)
    loss = depth_loss(initial, refined, truth, valid)
    assert loss.item() == pytest.approx(0.75 + 0.25)
    loss.backward()
    assert initial.grad.tolist() == [[[0.5, 0.0, 0.0, 0.5]]], 'unknown depth pulls at nothing'
    nothing = torch.zeros_like(valid)
    assert masked_l1(initial, truth, nothing).item() == 0.0


def test_loss_has_the_right_gradient() -> None:
    torch.manual_seed(0)
    depths = torch.linspace(1.0, 4.0, 8, dtype=torch.float64)[None]
    is_inverse = torch.tensor([True])
    truth = hypothesis_position(
        torch.rand(1, 3, 4, dtype=torch.float64) * 4 + 0.5, depths, is_inverse
    )
    valid = valid_pixels(truth, 8)
    assert 0 < int(valid.sum()) < 12
    initial = (7 * torch.rand(1, 3, 4, dtype=torch.float64)).requires_grad_()
    depth = (1.2 + 2 * torch.rand(1, 3, 4, dtype=torch.float64)).requires_grad_()

    def value(initial, depth):
        return depth_loss(initial, hypothesis_position(depth, depths, is_inverse), truth, valid)

    assert torch.autograd.gradcheck(value, (initial, depth))


def test_transforms_are_those_of_inference() -> None:
    k = np.array([[80.0, 0.0, 40.2], [0.0, 82.0, 30.4], [0.0, 0.0, 1.0]])
    poses = [
        rigid(rotation_from_vector(np.array(turn)), np.array(step))
        for turn, step in (
            ((0.1, 0.2, -0.1), (0.3, 0.1, 1.0)),
            ((0.15, 0.1, 0.0), (0.5, 0.0, 1.1)),
            ((0.1, 0.3, 0.1), (0.1, -0.2, 0.9)),
        )
    ]
    image, truth = np.zeros((64, 96, 3), np.uint8), np.ones((16, 24), np.float32)
    views = [PosedImage(image=image, k=k, camera_from_world=pose) for pose in poses]
    sample = stack([make_sample(views, truth, np.linspace(1.0, 2.0, 8), Sampling.LINEAR)])
    camera = ideal_camera(fx=80.0, fy=82.0, cx=40.2, cy=30.4, height=64, width=96)
    relative = np.stack([poses[0] @ inverse(pose) for pose in poses[1:]])
    expected = relative_transforms(camera, [camera, camera], relative)
    np.testing.assert_allclose(sample.transforms[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('seed', range(4))
def test_truth_and_transforms_join_the_same_points_of_two_views(monkeypatch, seed: int) -> None:
    """The depth of a reference pixel must lead to that point's colour in the source."""

    def plain(rng, views, **settings):
        return [np.clip(view, 0, 255).astype(np.uint8) for view in views]

    monkeypatch.setattr(rooms, 'shoot_views', plain)
    settings = replace(SMALL_VIEWS, seed=seed)
    scenes = rooms._scenes(settings, [], 0, 0)
    for rng, scene in islice(scenes, 3):
        sample = stack([take_sample(rng, settings, scene, sources=1, depths=8)])
        reference, source = sample.images[0].astype(float)
        truth = sample.truth[0]
        y, x = np.mgrid[: truth.shape[0], : truth.shape[1]].astype(float)
        m = sample.transforms[0, 0]
        points = [(row[0] * x + row[1] * y + row[2]) * truth + row[3] for row in m]
        column = np.rint(STRIDE * points[0] / points[2]).astype(int)
        row = np.rint(STRIDE * points[1] / points[2]).astype(int)
        inside = (column >= 0) & (column < 96) & (row >= 0) & (row < 64) & (points[2] > 0)
        assert inside.mean() > 0.25
        error = np.abs(source[row[inside], column[inside]] - reference[::4, ::4][inside])
        wrong = np.abs(
            source[row[inside], column[inside]] - reference[::4, ::4][::-1, ::-1][inside]
        )
        assert np.median(error) < 8.0
        assert np.median(error) < 0.5 * np.median(wrong)


def test_hypotheses_enclose_the_truth_unless_cut() -> None:
    truth = np.random.default_rng(0).uniform(1.0, 3.0, (20, 20)).astype(np.float32)
    truth[0] = np.nan
    settings = RangeSettings(cut=0.0)
    kinds = set()
    for seed in range(20):
        depths, sampling = draw_hypotheses(np.random.default_rng(seed), truth, 16, settings)
        assert len(depths) == 16 and (np.diff(depths) > 0).all()
        assert 0.39 < depths[0] <= 1.01 and 2.99 <= depths[-1] < 5.5
        kinds.add(sampling)
    assert kinds == set(Sampling)
    cut = RangeSettings(cut=1.0, closest=1.0, farthest=1.0)
    depths, _ = draw_hypotheses(np.random.default_rng(3), truth, 16, cut)
    assert depths[0] > 1.0 and depths[-1] < 3.0


def test_batch_n_depends_on_seed_and_n_only() -> None:
    source = SMALL_VIEWS.source(DataFolders())
    whole = list(islice(source.batches(batch_size=2), 5))
    for first in (1, 4):
        again = next(source.batches(batch_size=2, first=first))
        for name in MvsBatch.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(again, name), getattr(whole[first], name))
    other = next(source.batches(batch_size=2, stream=1))
    assert other.truth.shape != whole[0].truth.shape or (other.truth != whole[0].truth).any()
    assert {batch.images.shape[1] for batch in whole} == {2, 3}
    assert {batch.depths.shape[1] for batch in whole} == {8, 16}
    for batch in whole:
        assert batch.images.dtype == np.uint8 and batch.images.shape[2:] == (64, 96, 3)
        assert batch.truth.shape == (2, 16, 24) and np.isfinite(batch.truth).all()
        assert batch.transforms.shape == (2, batch.images.shape[1] - 1, 3, 4)


def test_training_sees_the_depth_that_the_plain_network_gives(batch) -> None:
    torch.manual_seed(1)
    network = MvsNet().eval()
    linear = replace(batch, is_inverse=np.zeros(2, bool))
    with torch.no_grad():
        found = predict(network, linear)
        images = torch.from_numpy(linear.images).permute(0, 1, 4, 2, 3) / 255
        plain = network(
            images, torch.from_numpy(linear.transforms), torch.from_numpy(linear.depths)
        )
    torch.testing.assert_close(found.depth, plain.depth, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.initial, plain.index, rtol=1e-4, atol=1e-3)
    assert found.refined is None and found.best is found.initial


def test_refined_depth_is_the_networks_own(batch) -> None:
    torch.manual_seed(2)
    network = MvsNet(with_refinement=True).eval()
    with torch.no_grad():
        found = predict(network, batch)
        initial = predict(_without_refinement(network), batch)
        depths = torch.from_numpy(batch.depths)
        expected = network.refine_network(
            torch.from_numpy(batch.images[:, 0]).permute(0, 3, 1, 2) / 255,
            initial.depth,
            depth_range=(depths[:, 0], depths[:, -1]),
        )
    torch.testing.assert_close(found.depth, expected, rtol=1e-5, atol=1e-5)
    assert found.best is found.refined
    assert float((found.refined - found.initial).abs().max()) > 0.01


def _without_refinement(network: MvsNet) -> MvsNet:
    plain = MvsNet().eval()
    state = {k: v for k, v in network.state_dict().items() if not k.startswith('refine')}
    plain.load_state_dict(state)
    return plain


@pytest.fixture(scope='module')
def trained(tmp_path_factory, batch) -> Path:
    """Weights after one step."""
    folder = tmp_path_factory.mktemp('trained')
    trainer = Trainer(SMALL, RunSettings(out=folder, threads=1))
    trainer.train_step(batch)
    trainer.save()
    return folder / 'weights.safetensors'


@pytest.mark.parametrize('sampling', ['linear', 'inverse'])
def test_trained_weights_give_the_same_depth_through_the_engines(
    trained: Path, batch, sampling: str
) -> None:
    """Weights on disk, the three exported graphs, and inference's own geometry."""
    state = load_checkpoint(trained)
    options = {'depths': 16, 'sources': 2, 'slab': 8}
    engines = {
        graph: _Graph(exportable(graph=graph, height=64, width=96, options=options, state=state))
        for graph in ('features', 'volume', 'depth')
    }
    model = MvsnetModel(
        engine_height=64,
        engine_width=96,
        num_depths=16,
        num_sources=2,
        num_slab_depths=8,
        sampling=sampling,
    )
    own = replace(batch, is_inverse=np.array([sampling == 'inverse'] * 2))
    own = replace(own, depths=_spread(own, Sampling(sampling)))
    prepared = model.preprocess(_frame(own))
    prepared.context.transforms[:] = own.transforms[0]
    outputs = model.infer(engines, Prepared(feeds=prepared.feeds, context=prepared.context))
    network = MvsNet(with_refinement=True).eval()
    MvsNetTask(refinement=True).begin_with(network, trained)
    with torch.no_grad():
        found = predict(_without_refinement(network), own)
    np.testing.assert_allclose(outputs['depth'], found.depth[0].numpy(), rtol=2e-4)


class _Graph:
    """A graph as an engine."""

    def __init__(self, exported) -> None:
        self.exported = exported

    def infer(self, tensors):
        feeds = [torch.from_numpy(np.ascontiguousarray(tensors[s.name])) for s in self.inputs]
        with torch.no_grad():
            values = self.exported.module(*feeds)
        values = values if isinstance(values, tuple) else (values,)
        names = [spec.name for spec in self.exported.outputs]
        return {name: value.numpy() for name, value in zip(names, values, strict=True)}

    @property
    def inputs(self):
        return self.exported.inputs


def _spread(batch: MvsBatch, sampling: Sampling) -> np.ndarray:
    ends = batch.depths[:, [0, -1]].astype(float)
    rows = [depth_hypotheses(*row, batch.depths.shape[1], sampling) for row in ends]
    return np.stack(rows).astype(np.float32)


def _frame(batch: MvsBatch) -> MultiViewFrame:
    """Give the first sample's images; the cameras' geometry is put in by the test."""
    camera = ideal_camera(fx=90.0, fy=90.0, cx=47.5, cy=31.5, height=64, width=96)
    views = [
        MonoFrame(image=image, camera=camera, stamp_ns=1, is_rectified=True)
        for image in batch.images[0]
    ]
    return MultiViewFrame(
        reference=views[0],
        sources=tuple(views[1:]),
        reference_from_source=np.stack([np.eye(4)] * 2),
        depth_min_m=float(batch.depths[0, 0]),
        depth_max_m=float(batch.depths[0, -1]),
    )


def run(folder: Path, **changes: object) -> Trainer:
    settings = RunSettings(out=folder, log_every=1, save_every=1, validate_every=100)
    trainer = Trainer(SMALL, replace(settings, **changes))
    trainer.run(lambda progress: None)
    return trainer


def test_resume_after_a_kill_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = run(tmp_path / 'whole')
    run(tmp_path / 'killed', stop_after=1)
    resumed = run(tmp_path / 'killed')
    assert whole.step == resumed.step == SMALL.steps
    assert_same_bits(whole, resumed)


def test_one_sample_is_learnt_by_heart(tmp_path: Path, batch) -> None:
    recipe = replace(
        SMALL, task=MvsNetTask(views=SMALL_VIEWS), steps=70, batch_size=2, learning_rate=5e-3
    )
    trainer = Trainer(recipe, RunSettings(out=tmp_path))
    errors = [trainer.train_step(batch) for _ in range(recipe.steps)]
    first, last = errors[0]['train_intervals'], errors[-1]['train_intervals']
    assert first > 2.0 and last < 0.3 * first
    assert errors[-1]['train_within_1'] > errors[0]['train_within_1'] + 20.0


def test_weights_with_and_without_refinement_can_be_begun_with(tmp_path: Path) -> None:
    plain, full = MvsNetTask(), MvsNetTask(refinement=True)
    published = tmp_path / 'published.ckpt'
    torch.save({'model': synthetic_state(3)}, published)
    network, refined = plain.build(), full.build()
    residual = refined.refine_network.conv1.conv.weight.clone()
    plain.begin_with(network, published)
    full.begin_with(refined, published)
    expected = synthetic_state(3)['feature.conv0.conv.weight']
    assert torch.equal(network.feature.conv0.conv.weight, expected)
    assert torch.equal(refined.feature.conv0.conv.weight, expected)
    assert torch.equal(refined.refine_network.conv1.conv.weight, residual)
    both = tmp_path / 'refined.ckpt'
    torch.save({'model': dict(full.weights(refined))}, both)
    plain.begin_with(network, both)
    torch.save({'model': {'feature.conv0.conv.weight': expected}}, both)
    with pytest.raises(WeightsError, match='missing'):
        plain.begin_with(network, both)


def test_metrics_have_known_values(monkeypatch) -> None:
    truth = torch.tensor([[[2.0, 4.0, 1.0, float('nan')]]])
    found = MvsnetForward(
        depth=torch.tensor([[[2.0, 5.0, 1.5, 3.0]]]),
        initial=torch.tensor([[[1.0, 4.5, 5.0, 3.0]]]),
        refined=None,
        truth_depth=truth,
        truth=torch.tensor([[[1.0, 3.0, 0.5, float('nan')]]]),
        valid=torch.tensor([[[True, True, True, False]]]),
    )
    monkeypatch.setattr(task_module, 'predict', lambda *args, **kwargs: found)
    values = task_module.validate(torch.nn.Identity(), [None], device='cpu', mixed=None)
    assert values['val_intervals'] == pytest.approx((0.0 + 1.5 + 4.5) / 3)
    assert values['val_abs_rel'] == pytest.approx((0.0 + 0.25 + 0.5) / 3)
    assert values['val_within_1'] == pytest.approx(100 / 3)
    assert values['val_within_3'] == pytest.approx(200 / 3)


def test_validation_is_fixed_and_none_of_the_training_samples() -> None:
    first = SMALL_VIEWS.validation(DataFolders(), 4)
    rooms._validation_set.cache_clear()
    again = SMALL_VIEWS.validation(DataFolders(), 4)
    np.testing.assert_array_equal(first[0].images, again[0].images)
    assert first[0].images.shape[:2] == (4, 3) and first[0].depths.shape[1] == 32
    train = next(SMALL_VIEWS.source(DataFolders()).batches(batch_size=2))
    assert not any(np.array_equal(a, b) for a in train.truth for b in first[0].truth)


def test_recipes_build_what_inference_loads() -> None:
    shipped = find_recipe('mvsnet').task
    network = shipped.build()
    assert sum(value.numel() for value in network.parameters()) == 338_129
    assert set(shipped.weights(network)) == set(synthetic_state(0))
    assert any(
        key.startswith('refine') for key in find_recipe('mvsnet_refined').task.build().state_dict()
    )


def test_tiles_have_one_width_whatever_the_number_of_sources() -> None:
    source, task = SMALL_VIEWS.source(DataFolders()), MvsNetTask(views=SMALL_VIEWS)
    rows = [
        np.hstack(row)
        for batch in islice(source.batches(batch_size=2), 4)
        for row in task.tiles(batch)
    ]
    assert {row.shape for row in rows} == {(64, 5 * 96, 3)}
    assert next(source.batches(batch_size=3)).images.shape[0] == 3
