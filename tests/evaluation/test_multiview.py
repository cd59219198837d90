"""Multi-view depth against truth: exact estimators, SGBM on a rectified neighbour, splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.evaluation.multiview import (
    evaluate_views,
    grid_errors,
    sgbm_estimator,
    table,
)
from depth_ros.evaluation.posed_views import (
    CROP,
    MULTIVIEW_SETS,
    hololens,
    rendered,
    rendered_views,
)
from depth_ros.evaluation.rectified_neighbour import sgbm_depth
from tests.kit.shared_data import shared_path
from tests.kit.truth_folders import write_hololens

NAMES = ['00069', '00070', '00071', '00072', '00073']
WHOLE = (360, 540)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp('data')
    write_hololens(data, names=NAMES, size=WHOLE)
    return data / 'hololens_mvs'


def test_truth_has_no_error_and_tenfold_depth_has_its_own() -> None:
    views = rendered('room', size=(64, 96), num_sources=1)
    sure = np.zeros(views.truth.shape, bool)
    sure[:32] = True
    row = evaluate_views(views, 'truth', lambda frame: (views.truth, sure))
    assert (row.everywhere.abs_rel, row.confident.within_125) == (0.0, 1.0)
    assert row.sure == pytest.approx(0.5)
    row = evaluate_views(views, 'tenfold', lambda frame: (10 * views.truth, ~sure))
    assert row.everywhere.abs_rel == pytest.approx(9.0)
    assert '| rendered room | tenfold | 9.0000 | 0.0 | 9.0000 | 0.0 | 50.0 |' in table([row])


def test_nothing_known_gives_dashes() -> None:
    views = rendered('room', size=(64, 96), num_sources=1)
    unknown = np.full(views.truth.shape, np.nan)
    row = evaluate_views(views, 'nothing', lambda frame: (unknown, np.isfinite(unknown)))
    assert row.sure == 0.0
    assert table([row]).endswith('| rendered room | nothing | - | - | - | - | 0.0 |')


def test_every_fourth_pixel_is_compared() -> None:
    truth, depth = np.ones((8, 8)), np.full((8, 8), 2.0)
    depth[::4, ::4] = 1.0
    errors = grid_errors(depth, truth)
    assert (errors.num_pixels, errors.abs_rel) == (4, 0.0)


@pytest.mark.parametrize('num_sources', [1, 2])
def test_sgbm_finds_the_depth_of_a_wall(num_sources: int) -> None:
    """One source lies to the left, where the pair has to be mirrored."""
    views = rendered('slanted', size=(240, 352), num_sources=num_sources)
    if num_sources == 2:
        chosen = replace(
            views.frame,
            sources=views.frame.sources[1:],
            reference_from_source=views.frame.reference_from_source[1:],
        )
        views = replace(views, frame=chosen)
    row = evaluate_views(views, 'SGBM', sgbm_estimator)
    assert row.everywhere.density > 0.5 and row.everywhere.abs_rel < 0.02
    assert row.sure == pytest.approx(row.everywhere.density)


def test_sgbm_knows_nothing_of_views_one_behind_the_other() -> None:
    views = rendered('slanted', size=(64, 96), num_sources=1)
    poses = views.frame.reference_from_source.copy()
    poses[0, :3, 3] = (0.0, 0.0, 0.3)
    frame = replace(views.frame, reference_from_source=poses)
    assert np.isnan(sgbm_depth(frame)).all()


def test_rendered_views_need_no_data() -> None:
    names = [(views.name, views.truth.shape) for views in rendered_views()]
    assert names == [(f'rendered {scene}', CROP) for scene in ('room', 'slanted', 'thin_bars')]


def test_crops_move_the_camera_with_them(folder: Path) -> None:
    centre, corner = hololens(folder), hololens(folder, crop='top_left')
    whole = hololens(folder, crop='')
    assert centre.truth.shape == corner.truth.shape == CROP and whole.truth.shape == WHOLE
    np.testing.assert_array_equal(centre.truth, whole.truth[4:356, 14:526])
    cameras = [views.frame.reference.camera for views in (whole, centre, corner)]
    assert [round(cameras[0].cx - camera.cx) for camera in cameras] == [0, 14, 0]
    assert [round(cameras[0].cy - camera.cy) for camera in cameras] == [0, 4, 0]
    np.testing.assert_allclose(
        centre.frame.reference_from_source[:, 0, 3], [-0.24, -0.12, 0.12, 0.24]
    )


def test_a_missing_frame_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r'no frame 00099, only 00069'):
        hololens(folder, sources=('00070', '00099'))


def test_shared_splits_are_read() -> None:
    (item,) = MULTIVIEW_SETS.values()
    views = list(item.load(shared_path(f'data/{item.folder}')))
    assert [entry.name for entry in views[:2]] == [
        'hololens 71, centre crop', 'hololens 71, top left crop',
    ]  # fmt: skip
    assert len(views) == 11 and {entry.truth.shape for entry in views} == {CROP}
    assert len(views[9].frame.sources) == 2 and views[10].frame.depth_max_m == 10.0
