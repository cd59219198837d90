"""What the left image does not show is unknown: borders, masks, and what files call useless."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import ImageError, ParameterError
from depth_ros.files.calibration import read_stereo_calibration
from depth_ros.files.image import read_rgb
from depth_ros.frames import EVERYTHING, RectifiedStereo, UsefulPart
from depth_ros.geometry.content import border_mask
from depth_ros.geometry.depth import disparity_to_depth
from depth_ros.geometry.shown import useful_disparity
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render_stereo
from depth_ros.tasks.call import stereo_frame
from depth_ros.tasks.stereo.processor import open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tasks.stereo.shown import Shown
from tests.kit.echo_hints import UNTOLD_PX, echo_processor
from tests.kit.shared_data import shared_path

HEIGHT, WIDTH = 120, 160
RIG = ideal_stereo_camera(height=HEIGHT, width=WIDTH)


@pytest.fixture(scope='module')
def pair() -> RectifiedStereo:
    view = render_stereo(SCENES['room'](), RIG)
    return RectifiedStereo(left=view.left.image, right=view.right.image, camera=RIG)


def found(pair: RectifiedStereo, **settings: object) -> np.ndarray:
    """Give where a matcher that knows everything is believed."""
    with echo_processor(
        StereoSettings(model='crestereo_tiny_hinted', hints='none', **settings),  # type: ignore[arg-type]
        [],
        height=HEIGHT,
        width=WIDTH,
    ) as stereo:
        disparity = stereo.process_rectified(pair).disparity.disparity
    assert set(np.unique(disparity[np.isfinite(disparity)])) <= {UNTOLD_PX}
    return np.isfinite(disparity)


def with_border(pair: RectifiedStereo) -> RectifiedStereo:
    left = pair.left.copy()
    left[:, :30] = 0
    return replace(pair, left=left)


def test_everything_is_shown_unless_somebody_says_otherwise(pair: RectifiedStereo) -> None:
    assert found(pair).all()


def test_black_borders_are_unknown(pair: RectifiedStereo) -> None:
    known = found(with_border(pair))
    assert not known[:, :30].any() and known[:, 40:].all()
    assert found(with_border(pair), unknown_black_borders=False).all()


def test_a_black_thing_within_the_image_is_known(pair: RectifiedStereo) -> None:
    left = pair.left.copy()
    left[40:80, 60:100] = 0
    assert found(replace(pair, left=left)).all()


def test_a_black_thing_at_the_edge_is_known(pair: RectifiedStereo) -> None:
    """A dark cupboard at the right, from the top to the middle: no border."""
    left = pair.left.copy()
    left[:60, 120:] = 0
    assert found(replace(pair, left=left)).all()


def test_black_corners_are_unknown_if_most_are(pair: RectifiedStereo) -> None:
    left = pair.left.copy()
    wedge = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) < 30
    for corner in (wedge, wedge[::-1], wedge[:, ::-1], wedge[::-1, ::-1]):
        left[corner] = 0
    known = found(replace(pair, left=left))
    assert not known[0, 0] and not known[-1, -1] and known[60].all() and known[:, 80].all()


@pytest.mark.parametrize('name', ['desk', 'donkey_toy', 'toy', 'stairs', 'living_room'])
def test_dark_furniture_of_real_pairs_is_no_border(name: str) -> None:
    image = read_rgb(shared_path(f'data/oakd_stereo/{name}_left.png'))
    assert border_mask(image) is None


def test_a_filled_hole_does_not_fill_the_border(pair: RectifiedStereo) -> None:
    assert not found(with_border(pair), fill_holes=True)[:, :30].any()


@pytest.mark.parametrize('factor', [1, 2])
def test_a_mask_of_any_resolution(pair: RectifiedStereo, tmp_path: Path, factor: int) -> None:
    """The robot's bonnet covers the lower quarter."""
    path = tmp_path / 'mask.png'
    mask = np.full((factor * HEIGHT, factor * WIDTH), 255, np.uint8)
    mask[factor * 90 :] = 0
    cv2.imwrite(str(path), mask)
    known = found(pair, mask=str(path))
    assert known[:90].all() and not known[90:].any()


def test_a_mask_of_another_shape_is_refused(pair: RectifiedStereo, tmp_path: Path) -> None:
    path = tmp_path / 'mask.png'
    cv2.imwrite(str(path), np.full((90, 160), 255, np.uint8))
    with pytest.raises(ImageError, match='mask is 160x90 and the rectified left image 160x120'):
        found(pair, mask=str(path))


def test_a_mask_of_another_shape_is_refused_as_soon_as_the_shape_is_known(
    pair: RectifiedStereo, tmp_path: Path
) -> None:
    path = tmp_path / 'mask.png'
    cv2.imwrite(str(path), np.full((90, 160), 255, np.uint8))
    with open_stereo(model='sgbm') as stereo:
        masked = replace(stereo.settings, mask=str(path))
        stereo.check_settings(masked)
        stereo.process_rectified(pair)
        for refuse in (stereo.check_settings, stereo.set_settings):
            with pytest.raises(ParameterError, match='mask is 160x90 and the rectified'):
                refuse(masked)
        assert not stereo.settings.mask, 'nothing was taken over'
        stereo.process_rectified(pair)


def test_a_mask_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match='mask must be an image of the rectified left image'):
        Shown(StereoSettings(mask=str(tmp_path / 'none.png')))
    with open_stereo(model='sgbm') as stereo, pytest.raises(ParameterError, match='mask must be'):
        stereo.set_settings(replace(stereo.settings, mask=str(tmp_path / 'none.png')))


def test_outside_of_the_valid_region_nothing_is_known(pair: RectifiedStereo) -> None:
    known = found(pair, valid_region='0.25, 0 1 0.5')
    assert known[:60, 40:].all() and known.sum() == 60 * 120


@pytest.mark.parametrize('text', ['0 0 1', '0 0 1 2', '0.5 0 0.5 1', 'a b c d', '0 0 1 nan'])
def test_regions_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match='valid_region must be'):
        StereoSettings(valid_region=text)


@pytest.mark.parametrize('text', ['1', '5 1', '-1 2', '1 inf'])
def test_ranges_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match='useful_depth_m must be'):
        StereoSettings(useful_depth_m=text)


def test_useless_depth_is_unknown_and_not_beyond() -> None:
    depths = np.float32([0.9, 1.1, 4.9, 5.1, 100.0])
    disparity = (RIG.left.fx * RIG.baseline_m / depths)[None]
    kept = useful_disparity(disparity, RIG, UsefulPart(depth_range_m=(1.0, 5.0)))
    assert np.isfinite(kept[0]).tolist() == [False, True, True, False, False]
    assert not np.isinf(disparity_to_depth(kept, RIG)).any()
    same = useful_disparity(disparity, RIG, EVERYTHING)
    np.testing.assert_array_equal(same, disparity)


@pytest.mark.parametrize('is_calibrated', [False, True])
def test_depth_nearer_than_the_useful_range_is_too_near_and_farther_is_unknown(
    pair: RectifiedStereo, is_calibrated: bool
) -> None:
    """Unknown could be taken for a free way; disparity is unknown in both."""
    told_m = RIG.left.fx * RIG.baseline_m / UNTOLD_PX
    ranges = {-np.inf: (1.1 * told_m, 9.0 * told_m), np.nan: (0.1 * told_m, 0.9 * told_m)}
    for expected, (near_m, far_m) in ranges.items():
        text, seen = f'{near_m:g} {far_m:g}', pair
        if is_calibrated:
            useful = UsefulPart(depth_range_m=(near_m, far_m))
            text, seen = '', replace(pair, useful=useful)
        settings = StereoSettings(
            model='crestereo_tiny_hinted', hints='none', useful_depth_m=text, fill_holes=True
        )
        with echo_processor(settings, [], height=HEIGHT, width=WIDTH) as stereo:
            output = stereo.process_rectified(with_border(seen))
        assert output.depth is not None
        depth = output.depth.depth
        np.testing.assert_array_equal(depth[:, 40:], np.float32(expected))
        assert np.isnan(depth[:, :30]).all(), 'nothing is shown there'
        assert np.isnan(output.disparity.disparity).all()


def test_the_oak_file_says_what_is_useful() -> None:
    calibration = read_stereo_calibration(
        [shared_path('data/oakd_stereo/stereodemo_calibration.json')]
    )
    image = np.zeros((480, 640, 3), np.uint8)
    useful = stereo_frame(image, image, calibration).useful
    assert useful == UsefulPart(region=(0.0, 0.0417, 0.9547, 1.0), depth_range_m=(1.0, 5.0))
