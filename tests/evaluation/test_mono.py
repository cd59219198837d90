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
    processor_estimator,
    scaled_errors,
    table,
)
from depth_ros.evaluation.mono_images import MONO_SETS, MeasuredImage, iclnuim
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
    row = evaluate_set('rooms', images, 'truth', lambda frame: next(depths) / next(factors))
    assert row.num_images == 3 and row.abs_rel < 1e-3 and row.rmse_m < 1e-3
    assert row.scale == pytest.approx(2.0, rel=1e-3)
    assert row.scale_spread == pytest.approx(np.std([0.5, 1.0, 2.0]), rel=1e-3)
    assert '| rooms | truth | 3 | 0.000 | 0.000 | 100.0 | 100.0 | 2.000 | 62.4 |' in table([row])


def test_what_nodes_run_is_judged(tmp_path: Path) -> None:
    """The double sees the exact room, in units of its own, and the first image is of that room."""
    write_iclnuim(tmp_path, count=1)
    processor = MonoProcessor(truth_pipeline(), MonoSettings())
    images = iclnuim(tmp_path / 'iclnuim_rgbd')
    row = evaluate_set('room', images, 'double', processor_estimator(processor))
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
        evaluate_set('empty', [], 'model', lambda frame: frame.image[..., 0])


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
        row = evaluate_set(name, shared_images(name), FLAT, flat_estimator)
        assert 0.20 < row.abs_rel < 0.30 and 0.5 < row.within_125 < 0.6
