"""Distances between clouds: against brute force, known answers, and clouds that are empty."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.errors import ParameterError
from tests.kit.cloud_accuracy import cloud_errors, nearest_distances, thin_cloud

NEAR = {'max_distance_m': 0.105, 'threshold_m': 0.025}


def brute_force(points, others, max_distance_m):
    ways = np.linalg.norm(points[:, None] - others[None], axis=2).min(axis=1)
    return np.where(ways <= max_distance_m, ways, np.inf)


@pytest.mark.parametrize('spread', [0.02, 0.3, 3.0])
@pytest.mark.parametrize('center', [0.0, -7.7])
def test_nearest_points_are_those_of_brute_force(spread, center):
    random = np.random.default_rng(7)
    points = center + random.normal(0.0, spread, (400, 3))
    others = center + random.normal(0.0, spread, (300, 3))
    found = nearest_distances(points, others, max_distance_m=0.25)
    np.testing.assert_allclose(found, brute_force(points, others, 0.25), rtol=1e-12)
    is_far = np.isinf(found)
    assert is_far.any() == (spread > 0.1) and not is_far.all()


def test_the_order_of_points_is_kept_over_many_chunks(monkeypatch):
    monkeypatch.setattr('tests.kit.cloud_accuracy._CHUNK', 7)
    random = np.random.default_rng(1)
    points, others = random.random((50, 3)), random.random((40, 3))
    found = nearest_distances(points, others, max_distance_m=1.0)
    np.testing.assert_allclose(found, brute_force(points, others, 1.0))


def test_points_that_are_nowhere_find_nothing_and_are_not_found():
    points = np.array([[0.0, 0.0, 0.0], [np.nan, 0.0, 0.0], [1e30, 0.0, 0.0]])
    found = nearest_distances(points, points, max_distance_m=1.0)
    assert found.tolist() == [0.0, np.inf, np.inf]


def grid(step=0.01, *, z=0.0):
    x, y = np.meshgrid(np.arange(0.0, 1.0, step), np.arange(0.0, 1.0, step))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], axis=1)


def test_a_plane_beside_the_truth():
    errors = cloud_errors(grid(z=0.005), grid(), **NEAR)
    assert errors.accuracy_m == pytest.approx(0.005) == errors.completeness_m
    assert errors.overall_m == pytest.approx(0.005)
    assert (errors.precision, errors.recall, errors.f_score) == (1.0, 1.0, 1.0)
    assert (errors.outlier_share, errors.missing_share) == (0.0, 0.0)
    far = cloud_errors(grid(z=0.05), grid(), **NEAR)
    assert far.accuracy_median_m == pytest.approx(0.05)
    assert (far.precision, far.recall, far.f_score) == (0.0, 0.0, 0.0)


def test_half_a_plane_is_accurate_and_not_complete():
    half = grid()
    half = half[half[:, 0] < 0.495]
    errors = cloud_errors(half, grid(), **NEAR)
    assert errors.accuracy_m == 0.0 and errors.precision == 1.0
    assert errors.recall == pytest.approx(0.52)
    assert errors.f_score == pytest.approx(2.0 * 0.52 / 1.52)
    assert errors.missing_share == pytest.approx(0.4)
    assert errors.completeness_m > 0.005


def test_outliers_are_a_share_and_not_in_the_mean():
    found = np.concatenate([grid(), grid(0.1, z=5.0)])
    errors = cloud_errors(found, grid(), **NEAR)
    assert errors.accuracy_m == 0.0
    assert errors.outlier_share == pytest.approx(100 / 10_100)


def test_no_points_at_all():
    errors = cloud_errors(np.empty((0, 3)), grid(0.1), **NEAR)
    assert np.isnan(errors.accuracy_m) and np.isnan(errors.precision)
    assert (errors.recall, errors.missing_share, errors.f_score) == (0.0, 1.0, 0.0)


def test_thinning_leaves_one_point_a_cube():
    thin = thin_cloud(np.concatenate([grid(0.01), grid(0.01, z=0.001)]), 0.1)
    assert len(thin) == 100
    cells = np.floor(thin / 0.1 + 1e-9)
    assert len(np.unique(cells, axis=0)) == 100


@pytest.mark.parametrize(('bound', 'threshold'), [(0.0, 0.0), (0.1, 0.2), (np.inf, 0.1)])
def test_distances_that_make_no_sense_are_refused(bound, threshold):
    with pytest.raises(ParameterError, match='threshold_m'):
        cloud_errors(grid(0.1), grid(0.1), max_distance_m=bound, threshold_m=threshold)
