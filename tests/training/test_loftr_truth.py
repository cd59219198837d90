"""Where cells lie in the other image, which match, and what that costs: by hand and by picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from depth_ros.models.loftr.network_matching import CellMatches, DualSoftmax
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.scenes.rooms.render import room_textures
from depth_ros.training.datasets.measured_view import MeasuredView
from depth_ros.training.loftr.correspondences import (
    by_depth,
    by_homography,
    cell_grid,
    resized_points,
)
from depth_ros.training.loftr.homographies import HomographySettings, draw_plane_pair
from depth_ros.training.loftr.losses import coarse_loss, fine_loss, wrong_loss
from depth_ros.training.loftr.pairs import padded_pair
from depth_ros.training.loftr.samples import RoomPairSettings, draw_room_views, photographed
from depth_ros.training.loftr.supervision import (
    CellPairs,
    fine_pairs,
    fine_targets,
    grid_points,
    nearest_cells,
    true_cells,
    wrong_pairs,
)
from depth_ros.training.loftr.validation import MatchTally

SIZE = (64, 96)
GRID = (8, 12)
K = np.array([[100.0, 0, 47.5], [0, 100.0, 31.5], [0, 0, 1.0]])


def view(depth: float | np.ndarray = 2.0, *, x_m: float = 0.0) -> MeasuredView:
    """A camera ``x_m`` to the right of the first."""
    pose = np.eye(4)
    pose[0, 3] = x_m
    return MeasuredView(
        image=np.zeros((*SIZE, 3), np.uint8),
        depth=np.broadcast_to(np.asarray(depth, np.float32), SIZE),
        k=K,
        world_from_camera=pose,
    )


def shifted(x: float, y: float = 0.0) -> np.ndarray:
    """Places of cells whose points all move alike."""
    matrix = np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])
    return by_homography(matrix, SIZE, cell_px=8)


def tensors(*places: np.ndarray) -> list:
    return [torch.from_numpy(value)[None] for value in places]


def test_a_shift_moves_points_and_loses_those_that_leave() -> None:
    places = shifted(-20.0, 3.0)
    assert places.shape == (*GRID, 2) and places.dtype == np.float32
    np.testing.assert_allclose(places[2, 5], (20.0, 19.0))
    assert np.isinf(places[:, :3]).all() and np.isfinite(places[:-1, 3:]).all()


def test_a_point_behind_the_plane_of_the_second_camera_is_nowhere() -> None:
    flip = np.diag((1.0, 1.0, -1.0))
    assert np.isposinf(by_homography(flip, SIZE, cell_px=8)).all()


def test_depth_and_pose_give_the_disparity() -> None:
    places = by_depth(view(), view(x_m=0.1), cell_px=8, size=SIZE)
    seen = np.isfinite(places).all(-1)
    assert seen[:, 1:].all() and not seen[:, 0].any()
    np.testing.assert_allclose(
        (places - cell_grid(SIZE, 8))[seen], np.tile((-5.0, 0.0), (seen.sum(), 1)), atol=1e-4
    )


def test_hidden_unknown_and_contradicted_points_are_told_apart() -> None:
    seen = np.full(SIZE, 2.0, np.float32)
    seen[:16], seen[16:32], seen[32:48] = 1.0, 0.0, 3.0
    places = by_depth(view(), view(seen, x_m=0.1), cell_px=8, size=SIZE)
    assert np.isposinf(places[:2, 1:]).all()
    assert np.isnan(places[2:6, 1:]).all()
    assert np.isfinite(places[6:, 1:]).all()
    holes = np.full(SIZE, np.nan, np.float32)
    assert np.isnan(by_depth(view(holes), view(), cell_px=8, size=SIZE)).all()


def test_places_are_in_pixels_of_the_resized_images() -> None:
    large, small = (128, 192), (32, 48)
    places = by_depth(view(), view(x_m=0.1), cell_px=8, size=large, other_size=small)
    points = resized_points(cell_grid(large, 8), large, SIZE) - (5.0, 0.0)
    expected = resized_points(points, SIZE, small)
    seen = np.isfinite(places).all(-1)
    assert seen.mean() > 0.9
    np.testing.assert_allclose(places[seen], expected[seen], atol=1e-4)


def sampled(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = (points[..., n].astype(np.float32) for n in (0, 1))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def colour_errors(images: tuple[np.ndarray, ...], places: np.ndarray) -> np.ndarray:
    """Differences of colour between cells' points and their places in the other image."""
    smooth = [cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0) for image in images]
    seen = np.isfinite(places).all(-1)
    assert seen.mean() > 0.2
    there = sampled(smooth[1], np.where(np.isfinite(places), places, 0.0))
    return np.abs(there - smooth[0][::8, ::8]).mean(-1)[seen]


def test_both_views_of_a_plane_show_one_colour_at_matching_places() -> None:
    rng = np.random.default_rng(5)
    photo = cv2.GaussianBlur(rng.uniform(0, 255, (300, 400, 3)).astype(np.float32), (0, 0), 3.0)
    photo = cv2.normalize(photo, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    settings = HomographySettings(procedural=0.0)
    for _ in range(4):
        pair = draw_plane_pair(rng, settings, [photo], height=SIZE[0], width=SIZE[1])
        errors = colour_errors(pair.images, pair.places[0])
        wrong = colour_errors(pair.images, np.roll(pair.places[0], 1, axis=1))
        assert np.median(errors) < 6.0 < np.median(wrong)
        assert np.median(colour_errors(pair.images[::-1], pair.places[1])) < 6.0


def test_two_views_of_a_room_show_one_colour_at_matching_places() -> None:
    rng = np.random.default_rng(6)
    pool = room_textures(rng, [], 6)
    settings = RoomPairSettings(rooms=RoomSettings(textures=6, min_contrast=0.5), views=3)
    views = draw_room_views(rng, settings, pool, height=96, width=128)
    size = (96, 128)
    for first, second in ((views[0], views[1]), (views[2], views[0])):
        places = by_depth(first, second, cell_px=8, size=size)
        errors = colour_errors((first.image, second.image), places)
        assert np.median(errors) < 4.0
    back = by_depth(views[1], views[0], cell_px=8, size=size)
    truth = true_cells(*tensors(by_depth(views[0], views[1], cell_px=8, size=size), back))
    assert len(truth.first) > 20


def test_padding_is_black_and_matches_nothing() -> None:
    white = np.full(SIZE, 255, np.uint8)
    pair = padded_pair((white, white), (shifted(8.0), shifted(-8.0)), valid=((64, 96), (48, 96)))
    assert pair.first.all() and not pair.second[48:].any() and pair.second[:48].all()
    assert pair.first_mask.all() and pair.second_mask.sum() == 6 * 12
    assert np.isposinf(pair.first_to_second[6:]).all()
    assert np.isnan(pair.second_to_first[6:]).all()
    assert np.isfinite(pair.first_to_second[:6, :-1]).all()


def test_other_light_changes_images_apart() -> None:
    image = np.full((32, 32, 3), 120.0, np.float32)
    means = []
    for own_light in (0.0, 1.0):
        rng = np.random.default_rng(1)
        shots = [photographed(rng, (image, image), own_light=own_light) for _ in range(30)]
        assert shots[0][0].shape == (32, 32) and shots[0][0].dtype == np.uint8
        means.append(np.mean([abs(a.mean() - b.mean()) for a, b in shots]))
    assert means[1] > 1.5 * means[0]


def test_true_cells_are_each_others_nearest() -> None:
    truth = true_cells(*tensors(shifted(8.0), shifted(-8.0)))
    assert len(truth.item) == 8 * 11
    assert (truth.second == truth.first + 1).all()
    assert not (truth.first % 12 == 11).any()
    # Shrunk by half, four cells share one: each may match once.
    half = np.diag((0.5, 0.5, 1.0))
    there = by_homography(half, SIZE, cell_px=8)
    back = by_homography(np.linalg.inv(half), SIZE, cell_px=8)
    truth = true_cells(*tensors(there, back))
    assert len(truth.item) == 4 * 6 == len(set(truth.second.tolist()))


def test_a_place_beyond_the_grid_or_unknown_has_no_cell() -> None:
    places = np.full((*GRID, 2), np.nan, np.float32)
    places[0, 0], places[0, 1], places[0, 2] = (17.0, 11.0), (95.0, 0.0), (np.inf, np.inf)
    cells = nearest_cells(torch.from_numpy(places)[None], GRID)[0]
    assert cells[0] == 12 + 2
    assert (cells[1:] == -1).all()


def test_wrong_pairs_are_far_from_the_truth_or_hidden() -> None:
    there = np.full((*GRID, 2), np.nan, np.float32)
    there[0, 0], there[0, 1] = (40.0, 24.0), (np.inf, np.inf)
    unknown = np.full((*GRID, 2), np.nan, np.float32)
    wrong = wrong_pairs(*tensors(there, unknown))[0]
    near = ~wrong[0].reshape(GRID)
    assert near.sum() == 9 and near[2:5, 4:7].all()
    assert wrong[1].all() and not wrong[2:].any()
    mirrored = wrong_pairs(*tensors(unknown, there))[0]
    assert torch.equal(mirrored, wrong.T)


def test_fine_targets_are_shares_of_the_window() -> None:
    there = torch.from_numpy(shifted(10.0, -1.0))[None]
    pairs = CellPairs(torch.zeros(1).long(), torch.tensor([25]), torch.tensor([26]))
    torch.testing.assert_close(fine_targets(pairs, there, GRID), torch.tensor([[0.5, -0.25]]))
    assert grid_points(GRID, there)[26].tolist() == [16.0, 16.0]


def long(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64)


def found_cells(first: list[int], second: list[int]) -> CellMatches:
    zeros = torch.zeros(len(first))
    return CellMatches(zeros.long(), long(first), long(second), zeros)


def test_found_matches_are_padded_with_true_ones() -> None:
    there, back = tensors(shifted(10.0), shifted(-10.0))
    truth = true_cells(there, back)
    # Two right, one a cell off (out of reach), one whose point leaves the image.
    found = found_cells([1, 2, 3, 11], [2, 3, 5, 11])
    torch.manual_seed(0)
    pairs, target = fine_pairs(found, truth, there, GRID, limit=6, min_true=4)
    assert len(pairs.item) == 6
    assert sorted(pairs.first[:2].tolist()) == [1, 2]
    assert (pairs.second == pairs.first + 1).all()
    torch.testing.assert_close(target, torch.tensor([[0.5, 0.0]]).expand(6, 2))
    torch.manual_seed(0)
    again, _ = fine_pairs(found, truth, there, GRID, limit=6, min_true=4)
    assert torch.equal(again.first, pairs.first)
    none = CellPairs(*(torch.zeros(0).long() for _ in range(3)))
    pairs, target = fine_pairs(found_cells([], []), none, there, GRID, limit=6, min_true=4)
    assert target.shape == (0, 2)


def pairs_of(first: list[int], second: list[int]) -> CellPairs:
    return CellPairs(torch.zeros(len(first)).long(), long(first), long(second))


def test_coarse_loss_is_the_mean_of_minus_log() -> None:
    confidence = torch.tensor([[[0.5, 0.1], [0.2, 0.25]]])
    truth = pairs_of([0, 1], [0, 1])
    loss = coarse_loss(confidence.log(), truth)
    assert float(loss) == pytest.approx((np.log(2) + np.log(4)) / 2)
    focal = coarse_loss(confidence.log(), truth, focus=2.0)
    assert float(focal) == pytest.approx((0.25 * np.log(2) + 0.5625 * np.log(4)) / 2)
    assert float(coarse_loss(confidence.log(), pairs_of([], []))) == 0.0


def test_wrong_loss_counts_confidence_where_nothing_matches() -> None:
    confidence = torch.tensor([[[0.5, 0.1], [0.2, 0.25]]])
    wrong = torch.tensor([[[False, True], [True, False]]])
    loss = wrong_loss(confidence.log(), wrong)
    assert float(loss) == pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2)
    focal = wrong_loss(confidence.log(), wrong, focus=1.0)
    assert float(focal) == pytest.approx(-(0.1 * np.log(0.9) + 0.2 * np.log(0.8)) / 2)
    assert float(wrong_loss(torch.full((1, 2, 2), 0.0), wrong)) < 20.0


def test_fine_loss_trusts_sure_windows_and_leaves_their_sureness_alone() -> None:
    found = torch.tensor([[0.5, 0.0, 0.4], [0.0, 1.0, 0.8]], requires_grad=True)
    target = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    loss = fine_loss(found, target)
    # Variances 0.04 and 0.16: weights 25 and 6.25, scaled to 1.6 and 0.4.
    assert float(loss.detach()) == pytest.approx((1.6 * 0.25 + 0.4 * 1.0) / 2)
    loss.backward()
    assert (found.grad[:, 2] == 0).all() and float(found.grad[0, 0]) == pytest.approx(0.8)
    assert float(fine_loss(torch.zeros(0, 3), torch.zeros(0, 2))) == 0.0
    # Sure without measure must not make the weights infinite.
    certain = fine_loss(torch.tensor([[0.1, 0.0, 0.0], [0.1, 0.0, 1.0]]), target)
    assert 0.0 < float(certain) < 0.02


def test_losses_have_the_right_gradient() -> None:
    torch.manual_seed(1)
    similarity = torch.randn(1, 4, 5, dtype=torch.float64, requires_grad=True)
    offset = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    penalty = (torch.zeros(1, 4, dtype=torch.float64), torch.zeros(1, 5, dtype=torch.float64))
    truth, wrong = pairs_of([0, 2], [1, 4]), torch.rand(1, 4, 5) < 0.5
    target = torch.rand(3, 2, dtype=torch.float64)
    deviation = torch.rand(3, 1, dtype=torch.float64) + 0.2

    def value(similarity, offset):
        log_confidence = DualSoftmax().log_confidence(0.1 * similarity, penalty)
        coarse = coarse_loss(log_confidence, truth, focus=2.0)
        coarse = coarse + wrong_loss(log_confidence, wrong, focus=2.0)
        return coarse + fine_loss(torch.cat((offset, deviation), 1), target)

    assert torch.autograd.gradcheck(value, (similarity, offset))


def test_validation_counts_what_is_known() -> None:
    from depth_ros.models.loftr.network import Matches

    there, back = tensors(shifted(10.0), shifted(-10.0))
    there[0, 0, 3] = np.nan
    cells = found_cells([1, 2, 3, 11], [2, 4, 4, 0])
    nothing = torch.zeros(4, 2)
    second = torch.tensor([[18.5, 0.0], [26.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    tally = MatchTally()
    tally.add(Matches(cells, nothing, nothing, nothing, second, torch.zeros(4, 3)), there, back)
    # Cell 3 is unknown, cell 11 leaves the image, cell 2 has the wrong cell but is 2 px off.
    assert (tally.judged, tally.right, tally.within_3px, tally.within_1px) == (3, 1, 2, 1)
    assert tally.recalled == 1 and tally.true == 8 * 10 - 1
    assert MatchTally().shares()['val_precision'] == 0.0
