"""Agreement by chance: random matches, clusters, and views that do belong together."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.geometry.coincidence import is_coincidence, log10_false_alarms


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def spread(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform((0, 0), (640, 480), (count, 2))


def test_half_of_many_matches_are_no_coincidence(rng):
    first, second = spread(rng, 200), spread(rng, 200)
    assert not is_coincidence(first, second, np.arange(200) < 100, threshold_px=1.5)


def test_a_few_of_many_are_one(rng):
    first, second = spread(rng, 200), spread(rng, 200)
    assert is_coincidence(first, second, np.arange(200) < 15, threshold_px=1.5)


def test_a_cluster_counts_as_one_match(rng):
    first = np.concatenate([spread(rng, 30), rng.uniform(300, 310, (100, 2))])
    is_inlier = np.arange(130) >= 20
    second = spread(rng, 130)
    assert is_inlier.sum() == 110
    assert is_coincidence(first, second, is_inlier, threshold_px=1.5)


def test_ten_of_ten_against_the_formula():
    """n = k = 10: log10(3 * C(10, 7) * p^3)."""
    first = np.linspace((0.0, 0.0), (640.0, 480.0), 10)
    p = 2.0 * 800.0 / (640.0 * 480.0)
    expected = np.log10(3 * 120) + 3 * np.log10(p)
    found = log10_false_alarms(first, first, np.ones(10, bool), threshold_px=1.0)
    assert found == pytest.approx(expected)
