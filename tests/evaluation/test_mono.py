"""Relative depth against truth: scaled by medians, so that a factor is no error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.evaluation.data_sets import find_sets
from depth_ros.evaluation.mono import (
    FLAT,
    evaluate_set,
    flat_estimator,
    prior_estimators,
    processor_estimator,
    scaled_errors,
    spearman,
    table,
    told,
)
from depth_ros.evaluation.mono_images import MONO_SETS, MeasuredImage, iclnuim
from depth_ros.evaluation.mono_priors import MEAN, PLANE, ROW, mean_prior, plane_of, row_prior
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings
from tests.kit.mono_doubles import UNIT_M, room_depth, truth_pipeline
from tests.kit.shared_data import shared_path
from tests.kit.truth_folders import write_hololens, write_iclnuim


def test_a_factor_is_no_error() -> None:
    truth = room_depth().astype(np.float64)
    errors, scale = scaled_errors(truth / 7.0, truth)
    assert scale == pytest.approx(7.0)
    assert errors.abs_rel == pytest.approx(0.0, abs=1e-12) and errors.within_125 == 1.0


def test_the_spread_is_that_of_the_scales(tmp_path: Path) -> None:
    views = write_iclnuim(tmp_path, count=3)
    images = list(iclnuim(tmp_path / 'iclnuim_rgbd'))
    factors = iter((1.0, 2.0, 4.0))
    depths = iter(view.depth for view in views)
    row = evaluate_set('rooms', images, 'truth', lambda image: next(depths) / next(factors))
    assert row.num_images == 3 and row.abs_rel < 1e-3 and row.rmse_m < 1e-3
    assert row.scale == pytest.approx(2.0, rel=1e-3)
    assert row.scale_spread == pytest.approx(np.std([0.5, 1.0, 2.0]), rel=1e-3)
    assert '| rooms | truth | 3 | 0.000 | 0.000 | 100.0 | 1.00 | 100.0 | 2.000 | 62.4 |' in table(
        [row]
    )


def test_what_nodes_run_is_judged(tmp_path: Path) -> None:
    """The double sees the exact room, in units of its own, and the first image is of that room."""
    write_iclnuim(tmp_path, count=1)
    processor = MonoProcessor(truth_pipeline(), MonoSettings())
    images = iclnuim(tmp_path / 'iclnuim_rgbd')
    row = evaluate_set('room', images, 'double', told(processor_estimator(processor)))
    assert row.abs_rel < 2e-3 and row.density == 1.0
    assert row.scale == pytest.approx(UNIT_M, rel=1e-2)


def test_both_sets_are_read_whole(tmp_path: Path) -> None:
    views = write_hololens(tmp_path, names=['00001', '00002'])
    write_iclnuim(tmp_path, count=2)
    found = find_sets(tmp_path, MONO_SETS)
    images = [image for name in found.present for image in found.load(name)]
    assert [image.name for image in images] == ['1', '2', '00001', '00002']
    assert images[0].frame.camera.fx == pytest.approx(481.2 / 4)
    assert images[2].frame.camera.fx == pytest.approx(views[0].camera.fx)
    np.testing.assert_allclose(images[2].truth, views[0].depth, atol=6e-4)


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'no \*\.png'):
        next(iclnuim(tmp_path))
    with pytest.raises(InputError, match='holds no image'):
        evaluate_set('empty', [], 'model', lambda image: image.truth)


def shared_images(name: str) -> list[MeasuredImage]:
    item = MONO_SETS[name]
    return list(item.load(shared_path(f'data/{item.folder}')))


@pytest.mark.parametrize(
    ('name', 'count', 'size', 'median_m'),
    [('ICL-NUIM', 5, (480, 640), (1.0, 4.0)), ('HoloLens', 12, (360, 540), (1.5, 3.0))],
)
def test_shared_images_have_depth_in_metres(
    name: str, count: int, size: tuple[int, int], median_m: tuple[float, float]
) -> None:
    images = shared_images(name)
    assert len(images) == count and {image.truth.shape for image in images} == {size}
    for image in images:
        assert median_m[0] < np.nanmedian(image.truth) < median_m[1]
        assert np.isfinite(image.truth).mean() > 0.5


def test_one_depth_everywhere_is_as_bad_as_measured() -> None:
    """AbsRel 0.265 and 0.239: what a network must beat."""
    for name in MONO_SETS:
        row = evaluate_set(name, shared_images(name), FLAT, told(flat_estimator))
        assert 0.20 < row.abs_rel < 0.30 and 0.5 < row.within_125 < 0.6


def test_the_order_of_near_and_far_is_a_rank_correlation() -> None:
    truth = np.arange(1.0, 26.0).reshape(5, 5)
    assert spearman(truth**3, truth) == pytest.approx(1.0)
    assert spearman(1.0 / truth, truth) == pytest.approx(-1.0)
    # By hand: ranks 1.5 1.5 3 against 1 2 3 correlate by 1.5 / sqrt(1.5 * 2).
    assert spearman(np.array([[2.0, 2.0, 5.0]]), np.array([[1.0, 3.0, 4.0]])) == pytest.approx(
        1.5 / np.sqrt(3.0)
    )
    assert np.isnan(spearman(np.ones((2, 2)), truth[:2, :2]))
    assert np.isnan(spearman(np.full((2, 2), np.nan), truth[:2, :2]))


def test_a_plane_is_found_exactly_and_only_a_plane() -> None:
    y, x = np.mgrid[0:40, 0:60]
    plane = 1.0 / (0.2 + 0.001 * x + 0.004 * y)
    holes = plane.copy()
    holes[::3] = np.nan
    np.testing.assert_allclose(plane_of(holes), plane, rtol=1e-9)
    with pytest.raises(InputError, match='no pixel'):
        plane_of(np.full((3, 3), np.nan))


def test_priors_do_not_look_and_the_lower_image_is_nearer() -> None:
    rows, mean = row_prior((90, 120)), mean_prior((90, 120))
    assert rows.shape == mean.shape == (90, 120)
    assert np.ptp(rows, axis=1).max() == pytest.approx(0.0, abs=1e-12)
    assert (rows[85] < rows[40]).all() and np.ptp(mean[40]) > 0.1


def test_a_network_stands_beside_what_does_not_look() -> None:
    """On real rooms the oracle is better than both priors, and they than nothing in order."""
    images = shared_images('HoloLens')
    found = {
        name: evaluate_set('HoloLens', images, name, oracle)
        for name, oracle in prior_estimators().items()
    }
    assert set(found) == {FLAT, ROW, MEAN, PLANE}
    assert found[PLANE].spearman > 0.7 > found[MEAN].spearman
    assert found[PLANE].abs_rel < min(found[ROW].abs_rel, found[MEAN].abs_rel)
    assert np.isnan(found[FLAT].spearman)
