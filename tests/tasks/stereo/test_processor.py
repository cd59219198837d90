"""Stereo end to end without ROS: rendered scenes with exact depth, both kinds of model."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.camera import PinholeCamera
from depth_ros.engines import runtime
from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import EngineError, ParameterError
from depth_ros.frames import MonoFrame, RectifiedStereo, StereoFrame
from depth_ros.models.crestereo.model import CreStereoModel
from depth_ros.models.registry import DEFAULT_STEREO_MODEL
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.results import DepthScale
from depth_ros.scenes.solids import SCENES, StereoView, ideal_stereo_camera, render_stereo
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Tensors, TensorSpec
from tests.kit.callable_engine import CallableEngine

STAMP_NS = 1_234_567_890
SGBM = SgbmSettings(num_disparities=64)


def rendered(name: str = 'room', **camera: float) -> StereoView:
    return render_stereo(SCENES[name](), ideal_stereo_camera(height=240, width=320, **camera))


def as_received(view: StereoView) -> StereoFrame:
    left = MonoFrame(image=view.left.image, camera=view.camera.left, stamp_ns=STAMP_NS)
    right = MonoFrame(image=view.right.image, camera=view.camera.right, stamp_ns=STAMP_NS)
    return StereoFrame(left=left, right=right)


def test_depth_of_a_rendered_room_is_right() -> None:
    view = rendered()
    with_sgbm = open_stereo(StereoSettings(model='sgbm', sgbm=SGBM))
    output = with_sgbm.process(as_received(view), wanted=Wanted(depth=True))
    assert output.depth is not None and output.depth.scale is DepthScale.METRIC
    assert output.depth.stamp_ns == STAMP_NS
    known = np.isfinite(output.depth.depth) & ~view.left_occluded & np.isfinite(view.left.depth)
    assert known.mean() > 0.7
    error = np.abs(output.depth.depth - view.left.depth)[known] / view.left.depth[known]
    assert np.median(error) < 0.025, 'SGBM locks to whole pixels: 0.1 px of 6 px here'
    assert output.valid_fraction == pytest.approx(np.isfinite(output.disparity.disparity).mean())
    assert set(output.stages_s) == {
        'rectify',
        'preprocess',
        'infer',
        'postprocess',
        'filter',
        'depth',
    }


def test_shifted_principal_point_changes_disparity_but_not_depth() -> None:
    """Motorcycle-like rigs: depth must not depend on cx_left - cx_right."""
    plain = rendered('fronto_parallel')
    shifted = rendered('fronto_parallel', cx_offset_px=-12.0)
    outputs = [
        open_stereo(StereoSettings(model='sgbm', sgbm=SGBM)).process(as_received(view))
        for view in (plain, shifted)
    ]
    medians = [np.nanmedian(output.depth.depth) for output in outputs if output.depth]
    assert medians[1] == pytest.approx(medians[0], rel=2e-3)
    disparities = [np.nanmedian(output.disparity.disparity) for output in outputs]
    assert disparities[1] - disparities[0] == pytest.approx(-12.0, abs=0.1)


def bad_fraction(estimate: np.ndarray, truth: np.ndarray) -> float:
    known = np.isfinite(estimate)
    return float((np.abs(estimate - truth)[known] > 2.0).mean())


def test_left_right_check_drops_occluded_pixels() -> None:
    view = rendered('thin_bars')
    checked = StereoSettings(model='sgbm', sgbm=SGBM, left_right_check=True)
    output = open_stereo(checked).process(as_received(view))
    plain = open_stereo(StereoSettings(model='sgbm', sgbm=SGBM)).process(as_received(view))
    assert output.disparity.confidence is not None and plain.disparity.confidence is None
    hidden = view.left_occluded
    kept = [np.isfinite(o.disparity.disparity[hidden]).mean() for o in (plain, output)]
    wrong = [bad_fraction(o.disparity.disparity, view.left_disparity) for o in (plain, output)]
    assert kept[1] < 0.7 * kept[0]
    assert wrong[1] < 0.7 * wrong[0]
    unknown = np.isnan(output.disparity.disparity)
    assert (output.disparity.confidence[unknown] == 0).all()


def test_nothing_that_is_not_wanted_is_computed() -> None:
    output = open_stereo(StereoSettings(model='sgbm', sgbm=SGBM)).process(
        as_received(rendered()), wanted=Wanted(depth=False)
    )
    assert output.depth is None and output.disparity.confidence is None


def test_sigma_grows_with_the_square_of_depth() -> None:
    """sigma_Z = Z^2 / (f B) * sigma_d."""
    view = rendered()
    output = open_stereo(StereoSettings(model='sgbm', sgbm=SGBM, disparity_sigma_px=0.25)).process(
        as_received(view), wanted=Wanted(sigma=True)
    )
    assert output.depth is not None and output.depth.sigma is not None
    known = np.isfinite(output.depth.depth)
    expected = output.depth.depth[known] ** 2 * 0.25 / (view.camera.left.fx * 0.12)
    np.testing.assert_allclose(output.depth.sigma[known], expected, rtol=1e-4)


def test_what_rectification_leaves_black_is_unknown() -> None:
    """A rotated camera looks past the raw image at one side; no depth is invented there."""
    view = rendered()
    angle = 0.12
    turned = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )

    def turn(camera: PinholeCamera) -> PinholeCamera:
        return replace(camera, r=turned)

    frame = as_received(view)
    frame = StereoFrame(
        left=replace(frame.left, camera=turn(frame.left.camera)),
        right=replace(frame.right, camera=turn(frame.right.camera)),
    )
    output = open_stereo(StereoSettings(model='sgbm', sgbm=SGBM)).process(frame)
    black = (output.rectified.left == 0).all(axis=2)
    columns = black.all(axis=0)
    assert columns.sum() > 10
    assert np.isnan(output.disparity.disparity[:, columns]).all()


def network_processor(view: StereoView, height: int, width: int) -> StereoProcessor:
    """CREStereo's NumPy side round an engine that knows the true disparity."""
    truth = view.left_disparity[:: 240 // height, :: 320 // width] * (width / 320)

    def answer(tensors: Tensors) -> Tensors:
        return {'disparity': truth[np.newaxis].astype(np.float32)}

    image = (1, height, width, 3)
    engine = CallableEngine(
        answer,
        inputs=[TensorSpec(name=name, shape=image, dtype='uint8') for name in ('left', 'right')],
        outputs=[TensorSpec(name='disparity', shape=(1, height, width), dtype='float32')],
    )
    model = CreStereoModel(engine_height=height, engine_width=width)
    pipeline: Pipeline[RectifiedStereo, object] = Pipeline(model, {'crestereo': engine})
    return StereoProcessor(pipeline, StereoSettings(model='crestereo'))


def test_network_disparity_comes_back_in_the_frames_own_pixels() -> None:
    view = rendered('slanted')
    processor = network_processor(view, 240, 320)
    output = processor.process(as_received(view))
    np.testing.assert_allclose(output.disparity.disparity, view.left_disparity, atol=1e-4)
    half = network_processor(view, 120, 160).process(as_received(view))
    inner = half.disparity.disparity[8:-8, 8:-8] - view.left_disparity[8:-8, 8:-8]
    assert np.nanmedian(np.abs(inner)) < 0.2
    assert processor.identity.size == '240x320' and processor.identity.engine == 'callable'
    processor.close()


def test_settings_that_need_another_pipeline_are_refused() -> None:
    processor = open_stereo(StereoSettings(model='sgbm', sgbm=SGBM))
    processor.set_settings(replace(processor.settings, max_depth_m=3.0))
    with pytest.raises(ParameterError, match='open_stereo'):
        processor.set_settings(replace(processor.settings, model='crestereo'))


def test_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ParameterError, match='sgbm, crestereo'):
        open_stereo(StereoSettings(model='magic'))


def test_range_limits_mark_far_and_near() -> None:
    view = rendered()
    settings = StereoSettings(model='sgbm', sgbm=SGBM, min_depth_m=1.5, max_depth_m=2.5)
    output = open_stereo(settings).process(as_received(view))
    assert output.depth is not None
    depth = output.depth.depth
    finite = depth[np.isfinite(depth)]
    assert finite.min() >= 1.5 and finite.max() <= 2.5
    assert np.isposinf(depth).any()


def test_the_default_is_right_where_it_is_sure_and_no_model_is_named() -> None:
    view = rendered()
    with closing(open_stereo(StereoSettings(engine=EngineChoice(num_threads=2)))) as processor:
        output = processor.process(as_received(view))
        assert processor.identity.model == DEFAULT_STEREO_MODEL
    assert output.depth is not None and output.disparity.sigma_px is not None
    known = np.isfinite(output.disparity.disparity)
    assert known.mean() > 0.7
    seen = np.isfinite(view.left.depth) & ~view.left_occluded & known
    error = np.abs(output.depth.depth - view.left.depth)[seen] / view.left.depth[seen]
    assert np.median(error) < 0.03


def test_without_a_runtime_the_default_says_what_to_install_and_what_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, 'is_importable', lambda library: False)
    with pytest.raises(EngineError, match=r'crestereo_tiny.*pip install openvino.*to sgbm'):
        open_stereo(StereoSettings())
    with closing(open_stereo(StereoSettings(model='sgbm'))) as processor:
        assert processor.identity.model == 'sgbm'
