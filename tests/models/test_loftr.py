"""LoFTR's network beyond the goldens: containers, variants, masks, sizes, optimal transport."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

import torch

from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.errors import RecipeError, ShapeError, WeightsError
from depth_ros.models.layers.network_attention import position_table
from depth_ros.models.loftr import network_student
from depth_ros.models.loftr.network import VARIANTS, exportable, load_loftr, synthetic_state
from depth_ros.models.loftr.network_matching import log_transport
from tests.kit.match_scenes import shifted_views
from tests.kit.shared_data import shared_path

HEIGHT, WIDTH = 64, 96
SHIFT = (24, 16)


@pytest.fixture(scope='module')
def state():
    return synthetic_state(0)


@pytest.fixture(scope='module')
def network(state):
    return load_loftr(VARIANTS['indoor_ds'], state)


def as_batch(*greys):
    return torch.from_numpy(np.stack(greys)[:, None]).float() / 255


def pair(seed, height=HEIGHT, width=WIDTH):
    return [as_batch(view) for view in shifted_views(seed, height, width, SHIFT)]


def run(network, first, second, **more):
    with torch.inference_mode():
        return network(first, second, **more)


def num_right(matches):
    """How many coarse matches are moved by exactly the shift."""
    moved = matches.second_coarse - matches.first_coarse
    return int((moved == -torch.tensor(SHIFT).float()).all(dim=1).sum())


def found(matches, item=0):
    chosen = matches.cells.item == item
    cells = zip(
        matches.cells.first[chosen].tolist(), matches.cells.second[chosen].tolist(), strict=True
    )
    return dict(cells), matches.second[chosen]


def test_a_shift_is_found(network):
    matches = run(network, *pair(1))
    assert num_right(matches) > 20 and num_right(matches) > 0.6 * len(matches.second)


def test_a_batch_gives_what_single_pairs_give(network):
    singles = [pair(seed) for seed in (1, 2)]
    batch = run(network, *(torch.cat(side) for side in zip(*singles, strict=True)))
    for item, single in enumerate(singles):
        cells, points = found(run(network, *single))
        batch_cells, batch_points = found(batch, item)
        assert batch_cells == cells
        torch.testing.assert_close(batch_points, points, atol=1e-3, rtol=0)
    assert (batch.cells.item.diff() >= 0).all()


def test_images_may_differ_in_size(network):
    first, second = pair(1)
    matches = run(network, first, second[:, :, :, :80])
    assert len(matches.second) > 20
    assert matches.second_coarse[:, 0].max() < 80
    columns = 80 // 8
    row = torch.div(matches.cells.second, columns, rounding_mode='floor')
    assert (matches.second_coarse[:, 1] == 8 * row).all()


def test_padding_is_not_matched_and_does_not_matter(network):
    first, second = pair(1)
    mask = torch.ones(1, HEIGHT // 8, WIDTH // 8)
    mask[:, :, 9:] = 0
    blank, noise = second.clone(), second.clone()
    blank[:, :, :, 72:] = 0
    # A margin of the backbone's reach stays equal, all else of the padding is different.
    for other in (blank, noise):
        matches = run(network, first, other, second_mask=mask)
        assert len(matches.second) > 10
        assert (matches.second_coarse[:, 0] < 72).all()
    whole = run(network, first, second)
    assert (whole.second_coarse[:, 0] >= 72).any()


def test_borders_follow_the_mask(state):
    network = load_loftr(VARIANTS['outdoor_ds'], state)
    first, second = pair(1)
    mask = torch.ones(1, HEIGHT // 8, WIDTH // 8)
    mask[:, 7:] = 0
    mask[:, :, 10:] = 0
    points = run(network, first, second, first_mask=mask, second_mask=torch.ones_like(mask))
    assert len(points.first)
    assert (points.first >= 16).all()
    assert points.first[:, 0].max() < 64 and points.first[:, 1].max() < 40
    assert points.second_coarse[:, 0].max() < 80 and points.second_coarse[:, 1].max() < 48


def test_scales_are_per_axis(network):
    first, second = pair(1)
    plain = run(network, first, second)
    scales = torch.tensor([[2.0, 0.5]]), torch.tensor([[3.0, 4.0]])
    scaled = run(network, first, second, first_scale=scales[0], second_scale=scales[1])
    torch.testing.assert_close(scaled.first, plain.first * scales[0])
    torch.testing.assert_close(scaled.second, plain.second * scales[1])


def test_no_matches_are_no_error(state):
    sure = replace(VARIANTS['indoor_ds'], threshold=1.0)
    matches = run(load_loftr(sure, state), *pair(1))
    assert len(matches.cells.confidence) == len(matches.second) == 0
    assert matches.expectation.shape == (0, 3)


def test_wrong_sizes_are_refused(network):
    image = torch.zeros(1, 1, 60, 96)
    with pytest.raises(ShapeError, match='multiples of 8'):
        network(image, image)
    with pytest.raises(ShapeError, match='grey'):
        network(torch.zeros(1, 3, 64, 96), torch.zeros(1, 3, 64, 96))


def test_the_position_table_is_part_of_the_variant():
    tables = [
        position_table(256, 4, 6, has_fixed_positions=fixed, like=torch.zeros(1))
        for fixed in (False, True)
    ]
    for table, second_frequency in zip(tables, (np.exp(-2), 1e4 ** (-2 / 128)), strict=True):
        assert table.shape == (1, 256, 4, 6)
        # Positions start at 1; four channels have frequency 1, the next four the second one.
        assert table[0, 0, 2, 3].item() == pytest.approx(np.sin(4))
        assert table[0, 3, 2, 3].item() == pytest.approx(np.cos(3))
        assert table[0, 4, 2, 3].item() == pytest.approx(np.sin(4 * second_frequency), abs=1e-6)
    assert [VARIANTS[name].has_fixed_positions for name in VARIANTS] == [
        False, False, True, False, False,
    ]  # fmt: skip


def test_official_containers_load(state, tmp_path):
    wrapped = {f'matcher.{name}': value for name, value in state.items()}
    wrapped['matcher.pos_encoding.pe'] = torch.zeros(1, 256, 256, 256)
    path = tmp_path / 'outdoor_ds.ckpt'
    torch.save({'state_dict': wrapped}, path)
    loaded = load_loftr(VARIANTS['outdoor_ds'], load_checkpoint(path))
    assert torch.equal(
        loaded.state_dict()['backbone.conv1.weight'], state['backbone.conv1.weight']
    )


def test_a_file_of_another_kind_is_refused(state):
    with pytest.raises(WeightsError, match='bin_score'):
        load_loftr(VARIANTS['outdoor_ot'], state)
    with pytest.raises(WeightsError, match='bin_score'):
        load_loftr(VARIANTS['outdoor_ds'], {**state, **OT})
    with pytest.raises(WeightsError, match='missing'):
        load_loftr(VARIANTS['outdoor_ds'], {'backbone.conv1.weight': torch.zeros(128, 1, 7, 7)})


@pytest.mark.parametrize(
    'change, match',
    [
        ({'graph': 'fine'}, 'no graph'),
        ({'height': 60}, 'multiples of 8'),
        ({'options': {'variant': 'mars_ds'}}, 'no variant'),
        ({'options': {'matches': 0}}, 'matches'),
        ({'options': {'matches': True}}, 'matches'),
        ({'options': {'depth': 3}}, 'options'),
    ],
)
def test_a_graph_that_cannot_be_is_refused(state, change, match):
    asked = {'graph': 'loftr', 'height': 64, 'width': 96, 'options': {}, 'state': state}
    with pytest.raises(RecipeError, match=match):
        exportable(**{**asked, **change})


OT = {'coarse_matching.bin_score': torch.tensor(1.0)}


def plain_sinkhorn(scores, bin_score, num_iterations):
    """Sinkhorn as Cuturi (2013) has it: scale rows and columns of exp(scores) in turns."""
    rows, columns = scores.shape
    padded = np.full((rows + 1, columns + 1), bin_score)
    padded[:rows, :columns] = scores
    kernel = np.exp(padded)
    row_mass, column_mass = np.r_[np.ones(rows), columns], np.r_[np.ones(columns), rows]
    v = np.ones(columns + 1)
    for _ in range(num_iterations):
        u = row_mass / (kernel @ v)
        v = column_mass / (kernel.T @ u)
    return u[:, None] * kernel * v[None, :]


@pytest.mark.parametrize('num_iterations', [1, 3, 100])
def test_sinkhorn_is_sinkhorn(num_iterations):
    scores = np.random.default_rng(0).normal(0, 2, (6, 9))
    wanted = plain_sinkhorn(scores, 0.7, num_iterations)
    bin_score = torch.tensor(0.7, dtype=torch.float64)
    log_plan = log_transport(torch.from_numpy(scores)[None], bin_score, num_iterations)
    np.testing.assert_allclose(log_plan[0].exp().numpy(), wanted, rtol=1e-9)
    np.testing.assert_allclose(wanted.sum(axis=0), np.r_[np.ones(9), 6], rtol=1e-9)


def test_a_known_transport_problem():
    """Each row has one column worth much more than all else, one row has none at all."""
    partner = [2, 0, 3, 1]
    scores = torch.zeros(1, 5, 4)
    for row, column in enumerate(partner):
        scores[0, row, column] = 60.0
    plan = log_transport(scores, torch.tensor(20.0), 500)[0].exp()
    for row, column in enumerate(partner):
        assert plan[row, column] > 0.99
    assert plan[4, 4] > 0.99, 'a row without partner goes to the bin'
    torch.testing.assert_close(plan.sum(dim=1)[:5], torch.ones(5), atol=2e-3, rtol=0)
    torch.testing.assert_close(plan.sum(dim=0)[:4], torch.ones(4), atol=1e-5, rtol=0)


def test_the_transport_variant_runs(state):
    """Random features are less alike than trained ones, hence the lower threshold."""
    variant = replace(VARIANTS['indoor_ot'], threshold=0.02)
    network = load_loftr(variant, {**state, **OT})
    matches = run(network, *pair(1))
    assert num_right(matches) > 20 and num_right(matches) > 0.6 * len(matches.second)
    assert matches.cells.confidence.max() <= 1


def test_the_student_is_strict():
    path = shared_path('weights/loftr_coarse/LoFTR_teacher.pt')
    weights = load_checkpoint(path)
    asked = {'graph': 'loftr', 'height': 64, 'width': 96, 'options': {}}
    network_student.exportable(**asked, state=weights)
    for change in ({'backbone.conv1.weight': None}, {'backbone.extra': torch.zeros(1)}):
        broken = {
            name: value for name, value in {**weights, **change}.items() if value is not None
        }
        with pytest.raises(WeightsError):
            network_student.exportable(**asked, state=broken)
    with pytest.raises(RecipeError, match='multiples of 16'):
        network_student.exportable(**{**asked, 'height': 72}, state=weights)


def test_the_student_gives_its_published_export_s_numbers():
    runtime = pytest.importorskip('onnxruntime', reason='ONNX Runtime is not installed')
    folder = shared_path('weights/loftr_coarse')
    session = runtime.InferenceSession(folder / 'LoFTR_teacher.onnx')
    views = shifted_views(3, 480, 640, (48, 32))
    feeds = {f'img{index}': as_batch(view).numpy() for index, view in enumerate(views)}
    wanted = session.run(['1026'], feeds)[0]
    exported = network_student.exportable(
        graph='loftr', height=480, width=640, options={},
        state=load_checkpoint(folder / 'LoFTR_teacher.pt'),
    )  # fmt: skip
    with torch.inference_mode():
        confidence = exported.module.network(*map(as_batch, views)).numpy()
    assert wanted.max() > 0.1
    np.testing.assert_allclose(confidence, wanted, atol=1e-4)
