"""Mono end to end without ROS: rendered truth through the real model, every scale mode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.camera import camera_from_calibration, scaled_camera
from depth_ros.errors import CalibrationError, ParameterError
from depth_ros.frames import MonoFrame
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode, ScaleSettings
from depth_ros.tasks.mono.values import MonoWanted
from tests.kit.mono_doubles import (
    CAMERA,
    FLOOR_M,
    HEIGHT,
    RIG,
    UNIT_M,
    WIDTH,
    open_truth,
    room_depth,
    room_image,
    truth_pipeline,
)

STAMP_NS = 5_000_000_000


def frame(**changes) -> MonoFrame:
    values = {'image': room_image(), 'camera': CAMERA, 'stamp_ns': STAMP_NS, **changes}
    return MonoFrame(**values)


def settings(mode: ScaleMode, **values) -> MonoSettings:
    return MonoSettings(scale=ScaleSettings(mode=mode, **values))


def reference(depth: np.ndarray, camera=CAMERA, *, age_ns: int = 0) -> DepthResult:
    return DepthResult(
        depth=depth, camera=camera, stamp_ns=STAMP_NS - age_ns, scale=DepthScale.METRIC
    )


def test_without_a_scale_depth_is_relative_and_says_what_to_set() -> None:
    output = open_truth(MonoSettings()).process(frame())
    assert output.depth is None
    assert output.relative.scale is DepthScale.RELATIVE
    np.testing.assert_allclose(output.relative.depth, room_depth() / UNIT_M, rtol=1e-4)
    assert output.scaled is not None and 'scale.mode' in output.scaled.reason
    assert output.valid_fraction == 1.0
    assert set(output.stages_s) == {'rectify', 'preprocess', 'infer', 'postprocess', 'scale'}


@pytest.mark.parametrize(
    'given',
    [
        settings(ScaleMode.FIXED, factor=UNIT_M),
        settings(ScaleMode.TRAINING_RIG),
        settings(ScaleMode.CAMERA_HEIGHT, camera_height_m=FLOOR_M),
        settings(ScaleMode.REFERENCE_DEPTH),
    ],
    ids=lambda given: given.scale.mode.value,
)
def test_every_mode_gives_the_rendered_depth_in_metres(given: MonoSettings) -> None:
    sparse = room_depth()
    sparse[np.arange(HEIGHT) % 4 > 0] = np.nan
    output = open_truth(given).process(frame(), reference=reference(sparse))
    assert output.depth is not None and output.depth.scale is DepthScale.METRIC
    assert output.depth.stamp_ns == STAMP_NS
    is_estimated = given.scale.mode is ScaleMode.CAMERA_HEIGHT
    np.testing.assert_allclose(
        output.depth.depth, room_depth(), rtol=0.03 if is_estimated else 1e-3
    )


def test_nothing_is_scaled_for_nobody() -> None:
    given = settings(ScaleMode.CAMERA_HEIGHT, camera_height_m=FLOOR_M)
    output = open_truth(given).process(frame(), wanted=MonoWanted(depth=False))
    assert output.scaled is None and output.depth is None


def test_range_applies_to_metres_only() -> None:
    given = replace(settings(ScaleMode.FIXED, factor=UNIT_M), min_depth_m=2.0, max_depth_m=4.0)
    output = open_truth(given).process(frame())
    assert output.depth is not None
    truth = room_depth()
    np.testing.assert_array_equal(np.isneginf(output.depth.depth), truth < 2.0)
    np.testing.assert_array_equal(np.isposinf(output.depth.depth), truth > 4.0)
    assert np.isfinite(output.relative.depth).all()


def test_made_up_weights_never_give_metres() -> None:
    untrained = replace(settings(ScaleMode.FIXED, factor=2.0), model='tio_depth')
    with pytest.raises(ParameterError, match='made-up weights'):
        open_truth(untrained)
    processor = open_truth(MonoSettings(model='tio_depth'))
    assert processor.is_untrained
    with pytest.raises(ParameterError, match='made-up weights'):
        processor.set_settings(untrained)
    assert processor.settings.scale.mode is ScaleMode.NONE
    assert processor.process(frame()).depth is None


def test_a_rig_that_no_recipe_states_is_refused() -> None:
    with pytest.raises(ParameterError, match='training_rig'):
        MonoProcessor(truth_pipeline(), settings(ScaleMode.TRAINING_RIG))


def test_scale_changes_while_running_and_other_settings_need_another_processor() -> None:
    processor = open_truth(MonoSettings())
    changed = settings(ScaleMode.FIXED, factor=2.0)
    processor.check_settings(changed)
    assert processor.settings == MonoSettings(), 'checking changes nothing'
    processor.set_settings(changed)
    output = processor.process(frame())
    assert output.depth is not None
    np.testing.assert_allclose(output.depth.depth, 2.0 / UNIT_M * room_depth(), rtol=1e-4)
    with pytest.raises(ParameterError, match='open_mono'):
        processor.set_settings(replace(changed, path='mono'))


def distorted_camera():
    return camera_from_calibration(
        k=CAMERA.k,
        d=np.array([0.3, 0.1, 0.0, 0.0, 0.0]),
        distortion_model='plumb_bob',
        r=np.eye(3),
        p=CAMERA.p,
        height=HEIGHT,
        width=WIDTH,
        frame_id='left_eye',
    )


def test_raw_images_are_rectified_and_what_they_do_not_show_is_unknown() -> None:
    processor = open_truth(settings(ScaleMode.FIXED, factor=UNIT_M))
    raw = processor.process(frame(camera=distorted_camera()))
    assert not np.array_equal(raw.frame.image, room_image())
    assert not raw.frame.camera.d.any()
    outside = np.isnan(raw.relative.depth)
    assert 0.0 < outside.mean() < 0.5 and outside[0, 0]
    assert raw.depth is not None
    np.testing.assert_array_equal(np.isnan(raw.depth.depth), outside)
    taken = processor.process(frame(camera=distorted_camera(), is_rectified=True))
    assert np.array_equal(taken.frame.image, room_image())
    assert np.isfinite(taken.relative.depth).all()


@pytest.mark.parametrize('size', [(HEIGHT + 1, WIDTH + 3), (7, 5), (1, 1), (WIDTH, HEIGHT)])
def test_odd_tiny_and_portrait_images_keep_their_size(size: tuple[int, int]) -> None:
    camera = scaled_camera(CAMERA, height=size[0], width=size[1])
    image = np.full((*size, 3), 128, np.uint8)
    output = open_truth(settings(ScaleMode.TRAINING_RIG)).process(
        frame(image=image, camera=camera)
    )
    assert output.depth is not None and output.depth.depth.shape == size
    factor = RIG.metres_per_unit / RIG.focal_over_width * camera.fx / camera.width
    assert output.scaled is not None and output.scaled.factor == pytest.approx(factor)
    assert np.isfinite(output.depth.depth).all()


def test_an_image_of_another_size_than_its_calibration_is_refused() -> None:
    with pytest.raises(CalibrationError, match='160x120'):
        frame(image=np.zeros((100, 100, 3), np.uint8))


def test_names_that_do_not_exist_are_refused_with_those_that_do() -> None:
    with pytest.raises(ParameterError, match='monodepth2'):
        open_mono(MonoSettings(model='sgbm'))
    with pytest.raises(ParameterError, match='refine, mono'):
        open_mono(MonoSettings(model='tio_depth', path='stereo'))
    with pytest.raises(ParameterError, match='needs factor above 0'):
        open_mono(settings(ScaleMode.FIXED))
