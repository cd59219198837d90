"""Maps as benchmarks take them, read back by what the benchmarks' files mean."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.files.maps import read_disparity
from depth_ros.files.stereo_submission import SUBMISSIONS, Submitted

UNKNOWN = (slice(0, 2), slice(0, 3))


@pytest.fixture
def result() -> Submitted:
    disparity = np.random.default_rng(1).uniform(0.0, 200.0, (12, 16)).astype(np.float32)
    disparity[5, 5], disparity[5, 6] = 0.0, 300.0
    disparity[UNKNOWN] = np.nan
    return Submitted(name='000003_10', disparity=disparity, seconds=0.1234, method='mine')


PLACES = {
    'kitti_2012': ['000003_10.png'],
    'kitti_2015': ['disp_0/000003_10.png'],
    'eth3d': ['low_res_two_view/000003_10.pfm', 'low_res_two_view/000003_10.txt'],
    'middlebury': ['000003_10/disp0mine.pfm', '000003_10/timemine.txt'],
}


@pytest.mark.parametrize('benchmark', SUBMISSIONS)
def test_round_trip(benchmark: str, tmp_path: Path, result: Submitted) -> None:
    files = SUBMISSIONS[benchmark](tmp_path, result)
    assert [path.relative_to(tmp_path).as_posix() for path in files] == PLACES[benchmark]
    back = read_disparity(files[0])
    np.testing.assert_array_equal(np.isnan(back), np.isnan(result.disparity))
    step = 1 / 256 if files[0].suffix == '.png' else 0.0
    known = np.isfinite(back) & (result.disparity < 255.9)
    assert np.abs(back - result.disparity)[known].max() <= step
    if len(files) == 2:
        assert files[1].read_text() in ('runtime 0.123\n', '0.123\n')


def test_kitti_files_are_16_bit_of_one_channel(tmp_path: Path, result: Submitted) -> None:
    (path,) = SUBMISSIONS['kitti_2015'](tmp_path, result)
    steps = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert steps.dtype == np.uint16 and steps.ndim == 2
    assert steps[0, 0] == 0 and steps[5, 5] == 1, 'zero disparity is known'
    assert steps[5, 6] == 65535, 'what does not fit is the largest'


def test_unknown_is_infinite_in_pfm(tmp_path: Path, result: Submitted) -> None:
    path = SUBMISSIONS['eth3d'](tmp_path, result)[0]
    body = np.frombuffer(path.read_bytes().split(b'-1.0\n', 1)[1], '<f4').reshape(12, 16)[::-1]
    assert np.isinf(body[UNKNOWN]).all() and np.isinf(body).sum() == 6
