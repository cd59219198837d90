"""LoFTR's NumPy side: where images lie in the engine's, and points brought back exactly."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.errors import ImageError, ParameterError, ShapeError
from depth_ros.frames import ImagePair
from depth_ros.models.loftr.model import LoftrModel, unplaced_points
from depth_ros.models.registry import MODELS
from depth_ros.tensors import Task
from tests.kit.match_scenes import rgb, shifted_pair, texture

MODEL = LoftrModel(engine_height=64, engine_width=96)
CELLS = (1, 8, 12)


def nothing():
    return {
        'confidence': np.zeros(CELLS, np.float32),
        'points': np.zeros((*CELLS, 2), np.float32),
    }


def with_matches(*matches):
    """Make outputs: (row, column, x, y, confidence) each."""
    outputs = nothing()
    for row, column, x, y, confidence in matches:
        outputs['confidence'][0, row, column] = confidence
        outputs['points'][0, row, column] = x, y
    return outputs


def image_of(height, width):
    return rgb(texture(0, height, width))


def pair_of(first, second, **masks):
    return ImagePair(first=image_of(*first), second=image_of(*second), **masks)


def test_it_is_in_the_table():
    assert MODELS['loftr'].tasks == (Task.MATCHING,)
    assert MODELS['loftr'].load(Task.MATCHING) is LoftrModel


@pytest.mark.parametrize(
    'size, cells',
    [((64, 96), (8, 12)), ((128, 192), (8, 12)), ((32, 24), (8, 6)), ((10, 96), (2, 12))],
)
def test_images_fill_the_engine_and_the_rest_is_masked(size, cells):
    prepared = MODEL.preprocess(pair_of(size, (64, 96)))
    for name in ('first', 'second'):
        assert prepared.feeds[name].shape == (1, 64, 96, 1)
        assert prepared.feeds[name].dtype == np.uint8
    mask = prepared.feeds['first_mask']
    assert mask.shape == CELLS and mask.dtype == np.uint8
    wanted = np.zeros(CELLS, np.uint8)
    wanted[:, : cells[0], : cells[1]] = 1
    np.testing.assert_array_equal(mask, wanted)


@pytest.mark.parametrize('scale', [1, 2, 3])
def test_points_come_back_to_the_pixel(scale):
    """A point in the middle of a block of scale x scale pixels stays in its middle."""
    pair = pair_of((64 * scale, 96 * scale), (64, 96))
    outputs = with_matches((2, 3, 30.25, 11.5, 0.9), (0, 0, 0.0, 0.0, 0.5))
    result = MODEL.postprocess(outputs, MODEL.preprocess(pair), pair)
    middle = (scale - 1) / 2
    np.testing.assert_allclose(
        result.points_first, [(24 * scale + middle, 16 * scale + middle), (middle, middle)]
    )
    np.testing.assert_allclose(result.points_second, [(30.25, 11.5), (0, 0)])
    np.testing.assert_allclose(result.confidence, [0.9, 0.5])


def test_scaling_an_image_and_a_point_agree():
    """The brightest spot of the scaled image is where the formula says."""
    image = np.zeros((128, 192, 3), np.uint8)
    image[40:44, 100:104] = 255
    pair = ImagePair(first=image, second=image)
    prepared = MODEL.preprocess(pair)
    grey = prepared.feeds['first'][0, :, :, 0].astype(float)
    rows, columns = np.indices(grey.shape)
    centre = np.array([[(columns * grey).sum(), (rows * grey).sum()]]) / grey.sum()
    back = unplaced_points(centre, prepared.context.first)
    np.testing.assert_allclose(back, [(101.5, 41.5)], atol=1e-4)


def test_confidence_descends_and_ties_keep_their_order():
    rows = [(row, 1, 8.0, 8.0 * row, (0.3, 0.9, 0.5, 0.9)[row]) for row in range(4)]
    pair = pair_of((64, 96), (64, 96))
    result = MODEL.postprocess(with_matches(*rows), MODEL.preprocess(pair), pair)
    assert result.points_first[:, 1].tolist() == [8, 24, 16, 0]
    assert result.points_first.dtype == result.points_second.dtype == np.float32


def test_no_matches_are_no_error():
    pair = pair_of((64, 96), (64, 96))
    result = MODEL.postprocess(nothing(), MODEL.preprocess(pair), pair)
    assert result.points_first.shape == result.points_second.shape == (0, 2)
    assert result.confidence.shape == (0,)


def test_points_refined_out_of_the_image_are_dropped():
    pair = pair_of((64, 96), (32, 48))
    outputs = with_matches((0, 1, 97.0, 5.0, 0.9), (1, 1, 5.0, -3.0, 0.8), (2, 1, 5.0, 5.0, 0.7))
    result = MODEL.postprocess(outputs, MODEL.preprocess(pair), pair)
    np.testing.assert_allclose(result.confidence, [0.7])


def test_masks_hold_for_both_images():
    left = np.zeros((128, 192), np.bool_)
    left[:, :96] = True
    pair = pair_of((128, 192), (128, 192), first_mask=left, second_mask=left)
    prepared = MODEL.preprocess(pair)
    for name in ('first_mask', 'second_mask'):
        assert prepared.feeds[name][0, :, :6].all() and not prepared.feeds[name][0, :, 6:].any()
    outputs = with_matches((1, 1, 46.0, 8.0, 0.9), (2, 1, 49.0, 8.0, 0.8))
    result = MODEL.postprocess(outputs, prepared, pair)
    np.testing.assert_allclose(result.confidence, [0.9])


@pytest.mark.parametrize('size', [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_the_smallest_images_are_taken(size):
    pair = pair_of(size, size)
    prepared = MODEL.preprocess(pair)
    assert prepared.feeds['first_mask'][0, 0, 0] == 1
    result = MODEL.postprocess(with_matches((0, 0, 0.0, 0.0, 0.9)), prepared, pair)
    assert (result.points_first < size[::-1]).all() and (result.points_first >= -0.5).all()


def test_an_engine_of_another_size_is_refused():
    pair = pair_of((64, 96), (64, 96))
    small = {**nothing(), 'confidence': np.zeros((1, 4, 4), np.float32)}
    with pytest.raises(ShapeError, match='confidence'):
        MODEL.postprocess(small, MODEL.preprocess(pair), pair)
    for size in ((60, 96), (0, 96)):
        with pytest.raises(ParameterError, match='multiples'):
            LoftrModel(engine_height=size[0], engine_width=size[1])


@pytest.mark.parametrize(
    'mask',
    [np.ones((64, 95), bool), np.ones((64, 96, 1), bool), np.ones((64, 96), np.float32)],
    ids=['size', 'axes', 'type'],
)
def test_wrong_masks_are_refused(mask):
    with pytest.raises(ImageError, match='first mask') as error:
        pair_of((64, 96), (64, 96), first_mask=mask)
    assert error.value.reason == 'mask'


def test_grey_or_empty_images_are_refused():
    fine = shifted_pair(0, 64, 96).first
    for wrong in (fine[:, :, 0], fine[:0], fine.astype(np.float32)):
        with pytest.raises(ImageError, match='second image'):
            ImagePair(first=fine, second=wrong)
