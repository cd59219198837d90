"""SGBM: exact planes, real pairs with truth, and never worse than OpenCV alone."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from shared_data import shared_path

from depth_ros.accuracy import StereoErrors, disparity_errors
from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.errors import ParameterError
from depth_ros.frames import RectifiedStereo
from depth_ros.models.base import Task, model_entry
from depth_ros.models.sgbm.model import SgbmMode, SgbmModel, SgbmSettings
from depth_ros.pipeline import Pipeline
from depth_ros.postprocess import fill_holes, left_right_confidence, remove_speckles
from depth_ros.results import DisparityResult

SPECKLES = {'max_size_px': 100, 'max_difference_px': 2.0}


def pair_of(left: np.ndarray, right: np.ndarray) -> RectifiedStereo:
    height, width = left.shape[:2]
    numbers = {'fx': 500.0, 'fy': 500.0, 'cx': width / 2, 'cy': height / 2}
    size = {'height': height, 'width': width}
    camera = stereo_camera(
        ideal_camera(**numbers, **size), ideal_camera(**numbers, **size, tx=-50.0)
    )
    rgb = [np.ascontiguousarray(image[..., ::-1]) for image in (left, right)]
    return RectifiedStereo(left=rgb[0], right=rgb[1], camera=camera, stamp_ns=11)


def match(frame: RectifiedStereo, **settings: Any) -> DisparityResult:
    return Pipeline(SgbmModel(SgbmSettings(**settings))).run(frame).result


def texture(height: int = 80, width: int = 260) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 0.8)


def shifted_pair(disparity: int, *, width: int = 160) -> RectifiedStereo:
    """A wall: the left pixel x shows the texture at x, the right one at x + disparity."""
    wide = texture()
    return pair_of(wide[:, 50 : 50 + width], wide[:, 50 + disparity : 50 + disparity + width])


def motorcycle() -> tuple[RectifiedStereo, np.ndarray]:
    folder = shared_path('data/middlebury_motorcycle')
    images = [cv2.imread(str(folder / f'motorcycle_{side}.png')) for side in ('left', 'right')]
    return pair_of(*images), np.load(folder / 'motorcycle_disp.npz')['arr_0']


def half_aloe() -> tuple[RectifiedStereo, np.ndarray]:
    folder = shared_path('data/opencv_aloe')
    images = [cv2.imread(str(folder / name)) for name in ('aloeL.jpg', 'aloeR.jpg')]
    height, width = images[0].shape[0] // 2, images[0].shape[1] // 2
    half = [cv2.resize(i, (width, height), interpolation=cv2.INTER_AREA) for i in images]
    truth = cv2.imread(str(folder / 'aloeGT.png'), cv2.IMREAD_GRAYSCALE)[::2, ::2] / 2.0
    return pair_of(*half), np.where(truth > 0, truth, np.nan)


SETS = {'motorcycle': (motorcycle, 64), 'half_aloe': (half_aloe, 112)}


def plain_opencv(frame: RectifiedStereo, num_disparities: int) -> np.ndarray:
    """OpenCV as one would call it by hand, with its own speckle filter."""
    matcher = cv2.StereoSGBM_create(
        minDisparity=0,
        numDisparities=num_disparities,
        blockSize=5,
        P1=8 * 25,
        P2=32 * 25,
        disp12MaxDiff=1,
        preFilterCap=31,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (frame.left, frame.right)]
    disparity = matcher.compute(*grey).astype(np.float32) / 16
    return np.where(disparity < 0, np.float32(np.nan), disparity)


@pytest.mark.parametrize('mode', list(SgbmMode))
@pytest.mark.parametrize('use_color', [False, True])
def test_a_wall_has_one_disparity(mode: SgbmMode, use_color: bool) -> None:
    result = match(shifted_pair(20), num_disparities=48, mode=mode, use_color=use_color)
    inside = result.disparity[4:-4, 24:-4]
    assert np.isfinite(inside).mean() > 0.98
    assert np.nanmax(np.abs(inside - 20.0)) <= 0.25


def test_columns_that_opencv_leaves_out_are_matched() -> None:
    frame = shifted_pair(20)
    result = match(frame, num_disparities=96)
    assert np.isnan(plain_opencv(frame, 96)[:, :96]).all()
    found = result.disparity[4:-4, 24:96]
    assert np.isfinite(found).mean() > 0.98
    assert np.nanmax(np.abs(found - 20.0)) <= 0.25


@pytest.mark.parametrize('min_disparity', [-40, -16, 0, 10])
@pytest.mark.parametrize('disparity', [-12, 0, 20])
def test_no_match_lies_outside_the_right_image(disparity: int, min_disparity: int) -> None:
    result = match(shifted_pair(disparity), num_disparities=64, min_disparity=min_disparity)
    x = np.arange(160) - result.disparity
    known = np.isfinite(result.disparity)
    assert (x[known] >= 0).all()
    assert (x[known] <= 159).all()
    assert (result.disparity[known] >= min_disparity).all()
    assert (result.disparity[known] <= min_disparity + 63).all()
    if min_disparity <= disparity:
        expected = (np.arange(160) - disparity >= 4) & (np.arange(160) - disparity < 156)
        right = np.abs(result.disparity[4:-4, expected] - disparity) <= 0.25
        assert right.mean() > 0.97


def test_search_wider_than_the_image() -> None:
    result = match(shifted_pair(8, width=40), num_disparities=128)
    assert (np.abs(result.disparity[4:-4, 14:-4] - 8.0) <= 0.25).mean() > 0.9


def test_result_describes_the_search() -> None:
    frame = shifted_pair(20)
    result = match(frame, num_disparities=48, min_disparity=5)
    assert result.disparity.dtype == np.float32
    assert result.disparity.flags.c_contiguous
    assert result.disparity.shape == (80, 160)
    assert (result.min_disparity_px, result.max_disparity_px) == (5.0, 52.0)
    assert (result.step_px, result.num_masked_left) == (0.0625, 5)
    assert np.isnan(result.disparity[:, :5]).all()
    assert result.camera is frame.camera
    assert result.stamp_ns == 11
    assert result.confidence is None
    assert match(frame, num_disparities=48).num_masked_left == 0


def test_results_do_not_share_memory_with_the_next_frame() -> None:
    pipeline = Pipeline(SgbmModel(SgbmSettings(num_disparities=32)))
    first = pipeline.run(shifted_pair(20)).result.disparity
    kept = first.copy()
    second = pipeline.run(shifted_pair(6)).result.disparity
    np.testing.assert_array_equal(first, kept)
    assert np.nanmedian(second) == pytest.approx(6.0, abs=0.25)


@pytest.mark.parametrize('grey_level', [0, 128, 255])
def test_images_without_texture_do_not_crash(grey_level: int) -> None:
    flat = np.full((40, 64, 3), grey_level, np.uint8)
    assert match(pair_of(flat, flat), num_disparities=16).disparity.shape == (40, 64)


def errors(disparity: np.ndarray, truth: np.ndarray) -> StereoErrors:
    return disparity_errors(disparity, truth)


@pytest.mark.parametrize('name', list(SETS))
def test_real_pairs_lose_nothing_against_opencv(name: str) -> None:
    make, num_disparities = SETS[name]
    frame, truth = make()
    ours = remove_speckles(match(frame, num_disparities=num_disparities).disparity, **SPECKLES)
    plain = plain_opencv(frame, num_disparities)
    found, reference = errors(ours, truth), errors(plain, truth)
    assert found.epe_px <= reference.epe_px
    assert found.bad2 <= reference.bad2
    assert found.density >= reference.density + 0.03
    filled, filled_reference = errors(fill_holes(ours), truth), errors(fill_holes(plain), truth)
    assert filled.density == filled_reference.density == 1.0
    assert filled.epe_px < 0.95 * filled_reference.epe_px
    assert filled.bad2 < 0.95 * filled_reference.bad2


@pytest.mark.parametrize(
    ('name', 'epe_px', 'density', 'filled_epe_px'),
    [('motorcycle', 1.01, 0.90, 1.45), ('half_aloe', 0.94, 0.84, 1.55)],
)
def test_real_pairs_have_the_published_accuracy(
    name: str, epe_px: float, density: float, filled_epe_px: float
) -> None:
    """Measured 0.98 px on 91 % and 0.84 px on 86 %; filled 1.31 and 1.41 px."""
    make, num_disparities = SETS[name]
    frame, truth = make()
    ours = remove_speckles(match(frame, num_disparities=num_disparities).disparity, **SPECKLES)
    found = errors(ours, truth)
    assert found.epe_px < epe_px
    assert found.density > density
    assert errors(fill_holes(ours), truth).epe_px < filled_epe_px


def test_left_right_confidence_separates_right_from_wrong() -> None:
    frame, truth = motorcycle()
    left = match(frame, num_disparities=64).disparity
    swapped = pair_of(frame.right[:, ::-1, ::-1], frame.left[:, ::-1, ::-1])
    right = np.ascontiguousarray(match(swapped, num_disparities=64).disparity[:, ::-1])
    confidence = left_right_confidence(left, right)
    known = np.isfinite(left) & np.isfinite(truth)
    is_wrong = np.abs(left - truth) > 2.0
    assert confidence[known & ~is_wrong].mean() > 0.75
    assert confidence[known & is_wrong].mean() < 0.5
    trusted = errors(np.where(confidence > 0, left, np.nan), truth)
    assert trusted.bad2 < 0.8 * errors(left, truth).bad2


@pytest.mark.parametrize(
    'settings',
    [
        {'num_disparities': 0},
        {'num_disparities': 100},
        {'num_disparities': -16},
        {'block_size': 4},
        {'block_size': -1},
        {'smoothness_small': 40},
        {'smoothness_small': 0},
        {'uniqueness_percent': 101},
        {'prefilter_cap': 0},
        {'prefilter_cap': 64},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ParameterError, match=r'got .*;'):
        SgbmSettings(**settings)


def test_model_is_in_the_table_and_needs_no_engine() -> None:
    model = model_entry('sgbm', Task.STEREO).load()()
    assert model.name == 'sgbm'
    assert model.graphs == ()
    assert Pipeline(model).describe() == 'sgbm: no engine needed'
