"""TiO-Depth's NumPy side: fitting to the engine and back, without any runtime."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.errors import ParameterError, ShapeError
from depth_ros.frames import MonoFrame, RectifiedStereo
from depth_ros.geometry.depth import disparity_to_depth
from depth_ros.models.registry import model_entry
from depth_ros.models.tio_depth.model import TioMonoModel, TioStereoModel
from depth_ros.results import DepthScale
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tensors import Task
from tests.kit.stub_engine import StubEngine

FX, BASELINE_M = 90.0, 0.2


def camera(height, width, *, tx=0.0):
    return ideal_camera(
        fx=FX, fy=FX, cx=width / 2, cy=height / 2, tx=tx, height=height, width=width
    )


def noise(height, width, *, seed=2):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pair_of(height, width):
    return RectifiedStereo(
        left=noise(height, width),
        right=noise(height, width, seed=3),
        camera=stereo_camera(camera(height, width), camera(height, width, tx=-FX * BASELINE_M)),
        stamp_ns=12,
    )


def image_of(height, width):
    image = noise(height, width)
    return MonoFrame(image=image, camera=camera(height, width), stamp_ns=12, is_rectified=True)


def run_stereo(frame, disparity):
    model = TioStereoModel(engine_height=disparity.shape[0], engine_width=disparity.shape[1])
    engine = StubEngine(disparity)
    return Pipeline(model, {'stereo': engine}).run(frame).result, engine


def run_mono(frame, disparity, **settings):
    height, width = disparity.shape
    model = TioMonoModel(engine_height=height, engine_width=width, **settings)
    engine = StubEngine(disparity)
    return Pipeline(model, {model.graphs[0]: engine}).run(frame).result, engine


@pytest.mark.parametrize('size', [(120, 200), (61, 47), (200, 90), (64, 96), (5, 3)])
def test_stereo_gives_frame_pixels_and_metres_of_the_users_rig(size):
    frame = pair_of(*size)
    result, engine = run_stereo(frame, np.full((64, 96), 6.0))
    assert set(engine.fed) == {'left', 'right'}
    for image in engine.fed.values():
        assert image.shape == (1, 64, 96, 3) and image.dtype == np.uint8
        assert image.flags.c_contiguous
    scale = size[1] / 96
    assert result.disparity.shape == size and result.disparity.dtype == np.float32
    np.testing.assert_allclose(result.disparity, 6.0 * scale, rtol=1e-6)
    assert (result.min_disparity_px, result.max_disparity_px) == (2.0 * scale, 300.0 * scale)
    assert result.stamp_ns == 12 and result.camera is frame.camera
    depth = disparity_to_depth(result.disparity, frame.camera)
    np.testing.assert_allclose(depth, FX * BASELINE_M / (6.0 * scale), rtol=1e-5)


def test_the_engine_gets_left_as_left():
    frame = pair_of(64, 96)
    _, engine = run_stereo(frame, np.full((64, 96), 6.0))
    assert np.array_equal(engine.fed['left'][0], frame.left)
    assert np.array_equal(engine.fed['right'][0], frame.right)


def test_numbers_that_are_none_become_nan():
    disparity = np.full((64, 96), 8.0)
    disparity[0, :3] = [np.nan, np.inf, -np.inf]
    result, _ = run_stereo(pair_of(64, 96), disparity)
    assert np.isnan(result.disparity[0, :3]).all() and np.isnan(result.disparity).sum() == 3
    disparity[1, :2] = [0.0, -1.0]
    result, _ = run_mono(image_of(64, 96), disparity)
    assert np.isnan(result.depth[0, :3]).all() and np.isnan(result.depth[1, :2]).all()
    assert np.isfinite(result.depth).sum() == 64 * 96 - 5


@pytest.mark.parametrize('size', [(120, 200), (61, 47), (200, 90), (64, 96)])
@pytest.mark.parametrize('path', ['refine', 'mono'])
def test_mono_depth_is_relative_and_becomes_metres_by_rig_and_focal_length(size, path):
    """The training rig (0.54 m, 0.58 widths) sees Z at disparity 0.54 * 0.58 * width / Z."""
    width, z_m = 96, 7.5
    disparity = np.full((64, width), 0.54 * 0.58 * width / z_m)
    frame = image_of(*size)
    result, engine = run_mono(frame, disparity, path=path, focal_over_width=0.58)
    assert engine.fed['image'].shape == (1, 64, 96, 3)
    assert result.scale is DepthScale.RELATIVE and result.depth.shape == size
    assert result.depth.dtype == np.float32
    training_camera = result.depth * 0.54
    np.testing.assert_allclose(training_camera, z_m, rtol=1e-5)
    metres = 0.54 * result.depth * (FX / size[1]) / 0.58
    np.testing.assert_allclose(metres, z_m * (FX / size[1]) / 0.58, rtol=1e-5)


def test_bad_settings_and_outputs_are_refused():
    for model in (TioStereoModel, TioMonoModel):
        with pytest.raises(ParameterError, match='positive'):
            model(engine_height=0, engine_width=96)
    with pytest.raises(ParameterError, match='refine'):
        TioMonoModel(engine_height=64, engine_width=96, path='stereo')
    for focal in (0.0, float('nan')):
        with pytest.raises(ParameterError, match='focal_over_width'):
            TioMonoModel(engine_height=64, engine_width=96, focal_over_width=focal)
    pipeline = Pipeline(
        TioStereoModel(engine_height=32, engine_width=32),
        {'stereo': StubEngine(np.zeros((64, 96)))},
    )
    with pytest.raises(ShapeError, match='disparity'):
        pipeline.run(pair_of(64, 96))


def test_each_task_has_its_factory_and_its_graph():
    for task, factory, graphs in (
        (Task.STEREO, TioStereoModel, ('stereo',)),
        (Task.MONO, TioMonoModel, ('refine',)),
    ):
        entry = model_entry('tio_depth', task)
        assert entry.load(task) is factory
        assert entry.services[task].graphs[0] == graphs[0]
        assert entry.load(task)(engine_height=64, engine_width=96).graphs == graphs
