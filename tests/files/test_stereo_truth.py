"""Every layout of stereo with truth: found, named, and exact to what its files can hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.files.data_sets.stereo_truth import TRUTH_SETS, read_truth_set
from depth_ros.scenes.solids import StereoView
from tests.kit.stereo_truth_folders import LAYOUTS, plain, rendered, truth_of

STEP_PX = {'kitti_2012': 1 / 512, 'kitti_2015': 1 / 512, 'middlebury_2003': 1 / 8}
STEP_PX['middlebury_2006'] = 1 / 6
TELLS_OCCLUSION = ('kitti_2012', 'kitti_2015', 'eth3d', 'middlebury_v3', 'booster')


@pytest.fixture(scope='module')
def view() -> StereoView:
    return rendered()


@pytest.mark.parametrize('name', LAYOUTS)
def test_truth_is_that_of_the_scene(name: str, tmp_path: Path, view: StereoView) -> None:
    write, below, word = LAYOUTS[name]
    write(tmp_path, view)
    found, pairs = read_truth_set(tmp_path / below)
    assert found == word and len(pairs) == 1
    truth = pairs[0].read_truth()
    known = np.isfinite(truth)
    assert known.mean() > 0.98
    error = np.abs(truth - truth_of(view))[known]
    assert error.max() <= STEP_PX.get(name, 0.0) + 1e-5
    visible = pairs[0].read_visible()
    assert (visible is not None) == (name in TELLS_OCCLUSION)
    if visible is not None:
        np.testing.assert_array_equal(visible, ~view.left_occluded)


def test_infinity_is_unknown(tmp_path: Path, view: StereoView) -> None:
    write, below, _ = LAYOUTS['middlebury_v3']
    write(tmp_path, view)
    truth = read_truth_set(tmp_path / below)[1][0].read_truth()
    assert np.isnan(np.diag(truth)).all()


def test_a_pair_without_truth_is_a_pair(tmp_path: Path, view: StereoView) -> None:
    plain(tmp_path, view)
    (tmp_path / 'truth' / '0001.pfm').unlink()
    _, (pair,) = read_truth_set(tmp_path)
    assert pair.truth is None
    with pytest.raises(InputError, match='has no truth beside it'):
        pair.read_truth()


@pytest.mark.parametrize('layout', ['auto', *TRUTH_SETS])
def test_a_folder_without_pairs_is_told(tmp_path: Path, layout: str) -> None:
    for folder in (tmp_path, tmp_path / 'none'):
        with pytest.raises(InputError, match=r'must hold stereo pairs laid out as .*truth/NAME'):
            read_truth_set(folder, layout)
