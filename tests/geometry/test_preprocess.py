"""Fitting a frame to an engine and undoing it; the mirrored pair."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.errors import ParameterError, ShapeError
from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.preprocess import (
    Fit,
    fit_from_name,
    fit_size,
    mirrored,
    mirrored_map,
    place_image,
    resize_image,
    unplace_disparity,
    unplace_map,
)

SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(frame=SIZES, engine=SIZES, fit=st.sampled_from(Fit))
@settings(max_examples=60, deadline=None)
def test_every_size_fits_and_comes_back(frame, engine, fit):
    placement = fit_size(frame, engine, fit=fit)
    assert placement.placed_height <= engine[0] and placement.placed_width <= engine[1]
    image = np.full((*frame, 3), 77, np.uint8)
    placed = place_image(image, placement)
    assert placed.shape == (*engine, 3) and placed.dtype == np.uint8
    assert (placed == 77).all()
    back = unplace_map(np.full(engine, 2.5, np.float32), placement)
    assert back.shape == frame and back.dtype == np.float32
    np.testing.assert_allclose(back, 2.5, rtol=1e-6)


@pytest.mark.parametrize('frame', [(244, 324), (239, 320), (256, 336)])
def test_padding_keeps_every_pixel_and_is_undone_exactly(frame):
    rng = np.random.default_rng(0)
    placement = fit_size(frame, (256, 336), fit=Fit.PAD)
    image = rng.integers(0, 256, (*frame, 3), dtype=np.uint8)
    placed = place_image(image, placement)
    assert np.array_equal(placed[: frame[0], : frame[1]], image)
    assert (placed[frame[0] :] == placed[frame[0] - 1]).all()
    assert (placed[:, frame[1] :] == placed[:, frame[1] - 1 : frame[1]]).all()
    values = rng.random((256, 336), np.float32)
    assert np.array_equal(unplace_disparity(values, placement), values[: frame[0], : frame[1]])


def test_padding_keeps_the_aspect_of_a_larger_frame():
    placement = fit_size((480, 640), (256, 320), fit=Fit.PAD)
    assert (placement.placed_height, placement.placed_width) == (240, 320)
    assert placement.disparity_scale == 2.0


def test_a_frame_of_the_engines_size_is_not_copied_but_its_map_is():
    placement = fit_size((64, 96), (64, 96), fit=Fit.RESIZE)
    image = np.zeros((64, 96, 3), np.uint8)
    assert place_image(image, placement) is image
    values = np.zeros((64, 96), np.float32)
    assert not np.shares_memory(unplace_map(values, placement), values)


@pytest.mark.parametrize(
    ('frame', 'engine'),
    [((60, 80), (120, 160)), ((120, 160), (60, 80)), ((90, 150), (60, 80)), ((100, 75), (64, 96))],
)
def test_resizing_is_half_pixel_right(frame, engine):
    """A ramp keeps its value at each pixel's place: x' = (x + 0.5) * s - 0.5."""
    placement = fit_size(frame, engine, fit=Fit.RESIZE)
    y, x = np.meshgrid(np.arange(engine[0]), np.arange(engine[1]), indexing='ij')
    ramp = ((y + 0.5) * frame[0] / engine[0] + (x + 0.5) * frame[1] / engine[1]).astype(np.float32)
    back = unplace_map(ramp, placement)
    y, x = np.meshgrid(np.arange(frame[0]), np.arange(frame[1]), indexing='ij')
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(back[inner], (y + x + 1.0)[inner], atol=2e-3)


def test_a_disparity_survives_the_way_there_and_back():
    """Column coordinates painted into both images: what is d apart at engine size is d * s."""
    frame, engine = (48, 120), (32, 80)
    placement = fit_size(frame, engine, fit=Fit.RESIZE)
    columns = np.broadcast_to(np.arange(120, dtype=np.uint8)[None, :, None], (*frame, 3))
    left, right = place_image(columns, placement), place_image(columns + np.uint8(9), placement)
    difference = (right.astype(np.float32) - left)[..., 0]
    assert (difference == 9).all()
    engine_disparity = np.full(engine, 9 * 80 / 120, np.float32)
    np.testing.assert_allclose(unplace_disparity(engine_disparity, placement), 9.0, rtol=1e-6)


def test_unknown_stays_unknown_and_near_it():
    values = np.ones((20, 20), np.float32)
    values[10, 10] = np.nan
    back = unplace_map(values, fit_size((40, 40), (20, 20), fit=Fit.RESIZE))
    unknown = np.argwhere(np.isnan(back))
    assert len(unknown) >= 4
    assert abs(unknown - 20.5).max() <= 2.0


def test_wrong_sizes_are_named():
    placement = fit_size((48, 64), (32, 64), fit=Fit.RESIZE)
    with pytest.raises(ShapeError, match='48 rows and 64 columns'):
        place_image(np.zeros((32, 64, 3), np.uint8), placement)
    with pytest.raises(ShapeError, match='32 rows and 64 columns'):
        unplace_map(np.zeros((48, 64), np.float32), placement)
    with pytest.raises(ShapeError, match='positive'):
        fit_size((0, 64), (32, 64), fit=Fit.PAD)
    with pytest.raises(ParameterError, match='stretch'):
        fit_from_name('stretch')
    assert fit_from_name('pad') is Fit.PAD


def shifted_pair(height=60, width=120):
    """A pair by its right view: disparity 4, and 9 in a box left of the middle."""
    rng = np.random.default_rng(1)
    disparity = np.full((height, width), 4)
    disparity[20:45, 25:60] = 9
    right = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    left = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    for nearness in (4, 9):
        rows, columns = np.nonzero(disparity == nearness)
        inside = columns + nearness < width
        rows, columns = rows[inside], columns[inside]
        left[rows, columns + nearness] = right[rows, columns]
    side = {'fx': 100.0, 'fy': 100.0, 'cy': 29.5, 'height': height, 'width': width}
    camera = stereo_camera(
        ideal_camera(cx=50.0, frame_id='left', **side),
        ideal_camera(cx=53.0, tx=-20.0, frame_id='right', **side),
    )
    return RectifiedStereo(left=left, right=right, camera=camera, stamp_ns=5), disparity


def block_match(frame):
    """Left disparity by the smallest sum of absolute differences."""
    left, right = frame.left.astype(np.float32), frame.right.astype(np.float32)
    costs = []
    for shift in range(16):
        cost = np.full(left.shape[:2], 1e6, np.float32)
        difference = abs(left[:, shift:] - right[:, : right.shape[1] - shift]).sum(axis=2)
        cost[:, shift:] = difference
        costs.append(cv2.blur(cost, (5, 5)))
    return np.argmin(costs, axis=0)


def test_the_mirrored_pair_gives_the_right_views_disparity():
    frame, right_disparity = shifted_pair()
    found = mirrored_map(block_match(mirrored(frame)))
    visible = np.zeros(found.shape, bool)
    visible[4:-4, 4:-20] = True
    edges = cv2.dilate(cv2.Canny(right_disparity.astype(np.uint8) * 20, 10, 50), np.ones((13, 25)))
    visible &= edges == 0
    assert visible.mean() > 0.3
    assert (found[visible] == right_disparity[visible]).all()
    assert (found[visible] == 9).any()


def test_the_mirrored_camera_keeps_baseline_and_infinity():
    frame, _ = shifted_pair()
    other = mirrored(frame)
    assert other.stamp_ns == 5
    assert other.camera.baseline_m == frame.camera.baseline_m == pytest.approx(0.2)
    assert other.camera.cx_offset_px == frame.camera.cx_offset_px == -3.0
    assert other.camera.left.cx == 119 - 53.0
    twice = mirrored(other)
    assert np.array_equal(twice.left, frame.left) and np.array_equal(twice.right, frame.right)
    assert np.array_equal(twice.camera.left.p, frame.camera.left.p)
    assert np.array_equal(twice.camera.right.p, frame.camera.right.p)
    assert other.left.flags.c_contiguous


@given(size=SIZES, target=SIZES)
@settings(max_examples=40, deadline=None)
def test_an_image_is_stretched_to_any_size(size, target):
    image = np.full((*size, 3), (10, 100, 200), np.uint8)
    stretched = resize_image(image, target)
    assert stretched.shape == (*target, 3) and stretched.flags.c_contiguous
    assert np.abs(stretched.astype(int) - (10, 100, 200)).max() <= 1


def test_stretching_keeps_pixels_where_half_pixel_rules_put_them():
    """A ramp along a growing and a shrinking axis stays that ramp: x -> (x + 0.5) s - 0.5."""
    ramp = np.broadcast_to(np.arange(40, dtype=np.uint8)[None, :, None] * 4, (40, 40, 3))
    for axis in (0, 1):
        image = np.ascontiguousarray(ramp if axis else ramp.transpose(1, 0, 2))
        for length in (20, 80):
            size = (10, length) if axis else (length, 10)
            found = resize_image(image, size)[..., 0].astype(float).mean(axis=1 - axis)
            expected = 4 * ((np.arange(length) + 0.5) * 40 / length - 0.5)
            assert np.abs(found - expected)[2:-2].max() < 0.75


def test_an_image_of_the_right_size_stays_itself():
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert resize_image(image, (9, 7)) is image
    assert np.array_equal(resize_image(image[:, ::-1], (9, 7)), image[:, ::-1])
