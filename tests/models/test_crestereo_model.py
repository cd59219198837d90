"""CREStereo's NumPy side: fitting to the engine and back, without any runtime."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.errors import ParameterError, ShapeError
from depth_ros.frames import RectifiedStereo
from depth_ros.models.crestereo.model import CreStereoModel
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.stub_engine import StubEngine


def frame_of(height, width, *, cx_right=None):
    rng = np.random.default_rng(2)
    side = {'fx': 90.0, 'fy': 90.0, 'cy': height / 2, 'height': height, 'width': width}
    cx = width / 2
    right = ideal_camera(cx=cx if cx_right is None else cx_right, tx=-9.0, **side)
    return RectifiedStereo(
        left=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        right=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        camera=stereo_camera(ideal_camera(cx=cx, **side), right),
        stamp_ns=12,
    )


def run_model(frame, disparity, **settings):
    height, width = disparity.shape
    model = CreStereoModel(engine_height=height, engine_width=width, **settings)
    engine = StubEngine(disparity)
    return Pipeline(model, {'crestereo': engine}).run(frame).result, engine


def test_model_resizes_there_and_back():
    frame = frame_of(120, 200)
    result, engine = run_model(frame, np.full((64, 96), 6.0))
    for image in engine.fed.values():
        assert image.shape == (1, 64, 96, 3) and image.dtype == np.uint8
        assert image.flags.c_contiguous
    assert set(engine.fed) == {'left', 'right'}
    assert result.disparity.shape == (120, 200) and result.disparity.dtype == np.float32
    np.testing.assert_allclose(result.disparity, 6.0 * 200 / 96, rtol=1e-6)
    assert result.stamp_ns == 12 and result.camera is frame.camera
    assert (result.max_disparity_px, result.num_masked_left) == (200.0, 0)


def test_model_pads_and_unpads_exactly():
    frame = frame_of(60, 90)
    disparity = np.random.default_rng(0).random((64, 96), np.float32) * 20
    result, engine = run_model(frame, disparity, fit='pad')
    assert np.array_equal(engine.fed['left'][0, :60, :90], frame.left)
    assert np.array_equal(engine.fed['right'][0, :60, :90], frame.right)
    assert np.array_equal(result.disparity, disparity[:60, :90])


def test_model_gives_nan_where_nothing_can_be():
    frame = frame_of(64, 96, cx_right=53.0)
    assert frame.camera.cx_offset_px == -5.0
    disparity = np.full((64, 96), 10.0)
    disparity[0, :8] = [-8.0, -6.9, -5.0, 0.0, 30.0, 30.1, np.nan, np.inf]
    result, _ = run_model(frame, disparity, max_disparity_px=30.0)
    unknown = np.isnan(result.disparity)
    assert unknown[0, :8].tolist() == [True, False, False, False, False, True, True, True]
    assert unknown.sum() == 4
    assert (result.min_disparity_px, result.max_disparity_px) == (-7.0, 30.0)


def test_model_refuses_bad_settings_and_outputs():
    with pytest.raises(ParameterError, match='positive'):
        CreStereoModel(engine_height=0, engine_width=96)
    with pytest.raises(ParameterError, match='max_disparity_px'):
        CreStereoModel(engine_height=64, engine_width=96, max_disparity_px=float('nan'))
    with pytest.raises(ParameterError, match='crop'):
        CreStereoModel(engine_height=64, engine_width=96, fit='crop')
    model = CreStereoModel(engine_height=32, engine_width=32)
    pipeline = Pipeline(model, {'crestereo': StubEngine(np.zeros((64, 96)))})
    with pytest.raises(ShapeError, match='disparity'):
        pipeline.run(frame_of(64, 96))
