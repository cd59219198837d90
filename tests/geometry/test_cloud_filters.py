"""Filters and bounds of clouds: what flies goes, what is a surface stays."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.geometry.cloud_bounds import MAX_DENSE_CELLS, evenly, fitting_stride, voxel_centres
from depth_ros.geometry.cloud_filters import (
    FAR_PX,
    NEAR_PX,
    STEEPER,
    inverse_depth,
    without_flying_pixels,
    without_outliers,
)

STEP = 0.02
ROWS, COLUMNS = np.mgrid[0:60, 0:80].astype(np.float32)


def cut(depth: np.ndarray) -> np.ndarray:
    return without_flying_pixels(depth.astype(np.float32), max_step=STEP)


def alone(depth: np.ndarray, *, min_neighbors: int = 3) -> np.ndarray:
    return without_outliers(depth.astype(np.float32), min_neighbors=min_neighbors, num_sigmas=3.0)


def ramp(width_px: int) -> np.ndarray:
    """Give 1 m beside 4 m, smeared in inverse depth over some pixels between them."""
    inverse = np.interp(COLUMNS, [39, 40 + width_px], [1.0, 0.25])
    return 1.0 / inverse


@pytest.mark.parametrize('width_px', [1, 2, 3, 5, 6])
@pytest.mark.parametrize('is_turned', [False, True])
def test_pixels_between_two_surfaces_go(width_px: int, is_turned: bool) -> None:
    depth = ramp(width_px)
    kept = cut(depth.T).T if is_turned else cut(depth)
    assert np.isnan(kept[:, 40 : 40 + width_px]).all()
    assert np.isfinite(kept[:, :40]).all() and np.isfinite(kept[:, 40 + width_px :]).all()


def test_a_clean_edge_loses_nothing() -> None:
    depth = np.where(COLUMNS < 40, 1.0, 4.0)
    np.testing.assert_array_equal(cut(depth), depth)


def test_floor_and_walls_stay_up_to_the_horizon() -> None:
    """A plane is linear in inverse depth, however steep."""
    floor = 0.3 * 100.0 / (ROWS + 1.0)
    np.testing.assert_array_equal(cut(floor), floor.astype(np.float32))
    corridor = 1.0 * 100.0 / (np.abs(COLUMNS - 39.5) + 2.0)
    kept = cut(corridor)
    np.testing.assert_array_equal(kept, corridor.astype(np.float32))


def test_noise_below_the_step_stays() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.003, ROWS.shape)
    depth = 2.0 * (1.0 + noise)
    np.testing.assert_array_equal(cut(depth), depth.astype(np.float32))


def test_far_and_unknown_pass_and_what_leads_to_them_goes() -> None:
    depth = np.full((5, 12), 2.0, np.float32)
    depth[:, 6:8], depth[:, 8:] = (4.0, 8.0), np.inf
    kept = cut(depth)
    assert np.isnan(kept[:, 6:8]).all() and np.isposinf(kept[:, 8:]).all()
    holes = np.full((5, 12), np.nan, np.float32)
    assert np.isnan(cut(holes)).all()
    holes[2, 3], holes[1, 1] = 1.0, -np.inf
    np.testing.assert_array_equal(cut(holes), holes)


def flies(inverse: np.ndarray, place: int) -> bool:
    """Tell of a pixel of a row what ``without_flying_pixels`` says of it, as its words have it."""
    row, last = inverse, len(inverse) - 1
    if not 0 < place < last:
        return False
    before, after = row[place] - row[place - 1], row[place + 1] - row[place]
    step = np.maximum(np.minimum(before, after), -np.maximum(before, after))
    if not step > row[place] * np.float32(STEP):
        return False
    ends = [
        (max(place - FAR_PX, 0), max(place - NEAR_PX, 0)),
        (min(place + FAR_PX, last), min(place + NEAR_PX, last)),
    ]
    slopes = [abs(row[far] - row[near]) / (FAR_PX - NEAR_PX) for far, near in ends]
    return not np.minimum(abs(before), abs(after)) <= STEEPER * np.fmax(*slopes)


@pytest.mark.parametrize('is_turned', [False, True])
def test_every_pixel_is_judged_as_the_definition_says(is_turned: bool) -> None:
    random = np.random.default_rng(5)
    depth = (3.0 * random.lognormal(0.0, 0.03, (30, 40))).astype(np.float32)
    depth[random.random(depth.shape) < 0.1] *= 2.0
    for value in (np.nan, np.inf, -np.inf):
        depth[random.random(depth.shape) < 0.03] = value
    depth = depth.T if is_turned else depth
    inverse = inverse_depth(depth)
    with np.errstate(invalid='ignore'):
        expected = [
            [
                flies(inverse[row], column) or flies(inverse[:, column], row)
                for column in range(depth.shape[1])
            ]
            for row in range(depth.shape[0])
        ]
    assert 50 < np.sum(expected) < 600
    np.testing.assert_array_equal(cut(depth), np.where(expected, np.float32(np.nan), depth))


@pytest.mark.parametrize('shape', [(1, 1), (1, 9), (2, 2), (9, 1)])
def test_small_images_pass(shape: tuple[int, int]) -> None:
    depth = np.full(shape, 2.0, np.float32)
    np.testing.assert_array_equal(cut(depth), depth)
    assert alone(depth).shape == shape


def test_nothing_is_done_where_nothing_is_asked() -> None:
    depth = ramp(2).astype(np.float32)
    assert without_flying_pixels(depth, max_step=0.0) is depth
    assert without_outliers(depth, min_neighbors=0, num_sigmas=3.0) is depth


def test_what_stands_alone_goes() -> None:
    depth = np.full((40, 40), 3.0, np.float32)
    depth[10, 10] = 1.0
    depth[20, 20:22] = 1.0
    depth[30:34, 30:34] = 1.0
    kept = alone(depth)
    assert np.isnan(kept[10, 10]) and np.isnan(kept[20, 20:22]).all()
    assert np.isfinite(kept[30:34, 30:34]).all(), 'a thing of 4x4 pixels'
    assert np.isnan(kept).sum() == 3


def test_an_image_of_one_plane_is_no_outlier() -> None:
    floor = 0.3 * 100.0 / (ROWS + 1.0)
    kept = alone(floor, min_neighbors=3)
    assert np.isfinite(kept).mean() > 0.99
    assert np.isnan(alone(np.full((8, 8), np.nan))).all()


def test_a_thing_keeps_its_edge_beside_unknown() -> None:
    depth = np.full((20, 20), np.nan, np.float32)
    depth[5:15, 5:15] = 2.0
    assert np.isfinite(alone(depth, min_neighbors=3)).sum() == 100


def test_inverse_depth_of_special_values() -> None:
    depth = np.array([[2.0, np.inf, np.nan, -np.inf, 0.0, -3.0]], np.float32)
    expected = [[0.5, 0.0, np.nan, np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(inverse_depth(depth), np.array(expected, np.float32))


def test_one_point_a_cube_in_the_middle_of_its_points() -> None:
    points = np.array([[0.01, 0.01, 0.01], [0.03, 0.03, 0.03], [-0.01, 0.0, 0.0]], np.float32)
    centres, first = voxel_centres(points, points, size_m=0.05)
    order = np.argsort(centres[:, 0])
    np.testing.assert_allclose(centres[order], [[-0.01, 0, 0], [0.02, 0.02, 0.02]], atol=1e-6)
    assert first[order].tolist() == [2, 0]


def test_boxes_too_large_to_count_give_the_same() -> None:
    random = np.random.default_rng(0)
    near = random.uniform(0.0, 2.0, (2000, 3)).astype(np.float32)
    far = np.vstack([near, [[500.0, 500.0, 500.0]]]).astype(np.float32)
    assert MAX_DENSE_CELLS < (500 / 0.1) ** 3
    dense, sparse = (voxel_centres(points, points, size_m=0.1) for points in (near, far))
    np.testing.assert_allclose(sparse[0][:-1], dense[0], atol=1e-6)
    np.testing.assert_array_equal(sparse[1][:-1], dense[1])


def test_numbers_are_bounded_evenly() -> None:
    taken = np.arange(1000)[evenly(1000, 10)]
    assert len(taken) == 10 and taken[0] == 0 and taken[-1] == 999
    assert len(np.arange(5)[evenly(5, 10)]) == 5 and len(np.arange(5)[evenly(5, 0)]) == 5


@pytest.mark.parametrize(
    ('max_points', 'stride'), [(0, 1), (307200, 1), (307199, 2), (76800, 2), (100, 59)]
)
def test_stride_is_raised_until_the_points_fit(max_points: int, stride: int) -> None:
    found = fitting_stride((480, 640), stride=1, max_points=max_points)
    assert found == stride
    assert fitting_stride((480, 640), stride=7, max_points=0) == 7


@pytest.mark.parametrize('size_px', [1, 2, 20])
def test_what_is_too_near_stays_whatever_is_around_it(size_px: int) -> None:
    """Unknown in its place would be taken for a free way by a scan."""
    for around in (2.0, np.inf, np.nan):
        depth = np.full((60, 80), around, np.float32)
        depth[20 : 20 + size_px, 30 : 30 + size_px] = -np.inf
        np.testing.assert_array_equal(alone(depth), depth)
        np.testing.assert_array_equal(cut(depth), depth)


def test_a_region_beyond_range_stays_and_a_speck_of_it_goes() -> None:
    """A speck beyond range in a wall would clear through the wall."""
    depth = np.full((60, 80), 2.0, np.float32)
    depth[:, 40:] = np.inf
    np.testing.assert_array_equal(alone(depth), depth)
    speck = np.full((60, 80), np.nan, np.float32)
    speck[30, 40] = np.inf
    assert np.isnan(alone(speck)).all()
