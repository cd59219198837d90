"""Monodepth2's NumPy side: fitting to the engines and back, without any runtime."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import ParameterError, ShapeError
from depth_ros.frames import ImagePair, MonoFrame
from depth_ros.messages.images import decode_image
from depth_ros.models.monodepth2.model import (
    Monodepth2Model,
    Monodepth2Pose,
    depth_from_disparity,
    motion_matrix,
)
from depth_ros.results import DepthScale
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.message_doubles import image_of


class StubEngine:
    """An engine that gives prepared outputs and keeps what it was fed."""

    def __init__(self, **outputs):
        self.outputs = {
            name: np.asarray(value, np.float32)[np.newaxis] for name, value in outputs.items()
        }
        self.fed = {}

    def infer(self, tensors):
        self.fed = dict(tensors)
        return self.outputs

    def close(self):
        pass


def frame_of(image):
    height, width = image.shape[:2]
    camera = ideal_camera(
        fx=90.0, fy=90.0, cx=width / 2, cy=height / 2, height=height, width=width
    )
    return MonoFrame(image=image, camera=camera, stamp_ns=12, is_rectified=True)


def noise(height, width, seed=2):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def run_model(frame, disparity):
    disparity = np.asarray(disparity, np.float32)
    height, width = disparity.shape
    engine = StubEngine(disparity=disparity)
    model = Monodepth2Model(engine_height=height, engine_width=width)
    return Pipeline(model, {'depth': engine}).run(frame).result, engine


SIZES = [(1, 1), (1, 300), (37, 53), (480, 640), (640, 480), (64, 96), (200, 33), (719, 1281)]


@pytest.mark.parametrize(('height', 'width'), SIZES)
def test_any_size_comes_back_as_it_was(height, width):
    """Odd, tiny and portrait frames; the engine's image is of its own size."""
    frame = frame_of(noise(height, width))
    result, engine = run_model(frame, np.full((64, 96), 0.5))
    fed = engine.fed['image']
    assert fed.shape == (1, 64, 96, 3) and fed.dtype == np.uint8 and fed.flags.c_contiguous
    assert result.depth.shape == (height, width) and result.depth.dtype == np.float32
    np.testing.assert_allclose(result.depth, 1 / (0.01 + 9.99 * 0.5), rtol=1e-6)
    assert result.scale is DepthScale.RELATIVE
    assert result.stamp_ns == 12 and result.camera is frame.camera


def test_an_image_of_the_engines_size_is_fed_as_it_is():
    frame = frame_of(noise(64, 96))
    result, engine = run_model(frame, np.linspace(0, 1, 64 * 96).reshape(64, 96))
    assert np.array_equal(engine.fed['image'][0], frame.image)
    assert result.depth.max() == pytest.approx(100.0) and result.depth.min() == pytest.approx(0.1)


def test_a_pattern_too_fine_for_the_engine_becomes_grey_not_false_stripes():
    """Height shrinks while width grows, as for a portrait frame: each axis by its own rule."""
    stripes = np.zeros((640, 48, 3), np.uint8)
    stripes[::2] = 255
    _, engine = run_model(frame_of(stripes), np.full((64, 96), 0.5))
    assert np.abs(engine.fed['image'].astype(int) - 127).max() <= 1


def test_the_map_lies_over_the_frame():
    disparity = np.zeros((64, 96))
    disparity[:32, :48] = 1.0
    result, _ = run_model(frame_of(noise(128, 192)), disparity)
    assert (result.depth[:62, :94] == np.float32(0.1)).all()
    assert (result.depth[66:] > 99.9).all() and (result.depth[:, 98:] > 99.9).all()


def test_grey_cameras():
    grey = np.random.default_rng(1).integers(0, 256, (64, 96), dtype=np.uint8)
    message = image_of(grey, 'mono8')
    frame = frame_of(decode_image(message))
    _, engine = run_model(frame, np.full((64, 96), 0.5))
    for channel in range(3):
        assert np.array_equal(engine.fed['image'][0, :, :, channel], grey)


def test_what_is_no_disparity_is_unknown():
    values = np.float32([0.0, 1.0, -0.1, 1.1, np.nan, np.inf])
    depth = depth_from_disparity(values)
    np.testing.assert_allclose(depth[:2], [100.0, 0.1], rtol=1e-6)
    assert np.isnan(depth[2:]).all() and depth.dtype == np.float32


@pytest.mark.parametrize('kind', [Monodepth2Model, Monodepth2Pose])
def test_bad_sizes_and_outputs_are_refused(kind):
    with pytest.raises(ParameterError, match='positive'):
        kind(engine_height=0, engine_width=96)
    model = kind(engine_height=32, engine_width=32)
    engine = StubEngine(disparity=np.zeros((64, 96)), axis_angle=[0.0], translation=[0.0])
    frame = ImagePair(first=noise(9, 9), second=noise(9, 9))
    with pytest.raises(ShapeError):
        Pipeline(model, {model.graphs[0]: engine}).run(
            frame if kind is Monodepth2Pose else frame_of(noise(9, 9))
        )


def test_motion_between_two_images():
    quarter = np.pi / 2
    engine = StubEngine(axis_angle=[0.0, 0.0, quarter], translation=[1.0, 2.0, 3.0])
    model = Monodepth2Pose(engine_height=64, engine_width=96)
    first, second = noise(50, 70), noise(101, 33, seed=3)
    pipeline = Pipeline(model, {'pose': engine})
    motion = pipeline.run(ImagePair(first=first, second=second)).result
    assert {name: image.shape for name, image in engine.fed.items()} == {
        'first': (1, 64, 96, 3),
        'second': (1, 64, 96, 3),
    }
    assert not np.array_equal(engine.fed['first'], engine.fed['second'])
    expected = [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(motion.second_from_first, expected, atol=1e-7)
    np.testing.assert_allclose(
        motion.first_from_second @ motion.second_from_first, np.eye(4), atol=1e-12
    )


def test_no_motion_is_the_identity():
    np.testing.assert_array_equal(motion_matrix(np.zeros(3, np.float32), np.zeros(3)), np.eye(4))
