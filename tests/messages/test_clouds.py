"""Clouds of any layout are read, and what is filled is right on the wire."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.camera import ideal_camera
from depth_ros.errors import ImageError, InputError
from depth_ros.geometry.depth import organised_cloud, points_of_cloud
from depth_ros.messages.clouds import decode_cloud, fill_point_cloud
from tests.kit import message_doubles as doubles
from tests.kit.cloud_messages import (
    CAMERA,
    ORANGE,
    POINT,
    cloud_message,
    one_point,
    point_field,
    ramp_depth,
    random_rgb,
)


def test_point_cloud_on_the_wire() -> None:
    camera = ideal_camera(fx=10.0, fy=20.0, cx=1.0, cy=0.5, height=2, width=3)
    depth = np.array([[1.0, 2.0, np.nan], [np.inf, -np.inf, 4.0]], np.float32)
    rgb = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) + 200
    message = doubles.point_cloud()
    fill_point_cloud(message, organised_cloud(depth, rgb, camera), point_field)
    read = doubles.over_the_wire(message, 'sensor_msgs/msg/PointCloud2')
    assert (read.height, read.width, read.point_step, read.row_step) == (2, 3, 16, 48)
    assert (read.is_bigendian, read.is_dense) == (False, False)
    layout = [(field.name, field.offset, field.datatype, field.count) for field in read.fields]
    assert layout == [('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('rgb', 12, 7, 1)]
    points = read.data.view('<f4').reshape(2, 3, 4)
    np.testing.assert_allclose(points[0, 0, :3], [-0.1, -0.025, 1.0], rtol=1e-6)
    np.testing.assert_allclose(points[1, 2, :3], [0.4, 0.1, 4.0], rtol=1e-6)
    assert np.isnan(points[[0, 1, 1], [2, 0, 1], :3]).all()
    colors = read.data.reshape(2, 3, 16)[..., 12:]
    np.testing.assert_array_equal(colors[..., :3], rgb[..., ::-1])
    assert not colors[..., 3].any()


@pytest.mark.parametrize('rows', [12, 7, 1, 0])
def test_a_message_is_filled_again_in_its_own_memory(rows: int) -> None:
    """What was in it before is gone, and a cloud of the same size lies where the last one lay."""
    cloud = organised_cloud(ramp_depth(), random_rgb(), CAMERA)
    message = cloud_message(cloud)
    data = message.data
    place = data.buffer_info()[0]
    fill_point_cloud(message, cloud[:rows][::-1], point_field)
    fresh = cloud_message(np.ascontiguousarray(cloud[:rows][::-1]))
    assert message.data is data and message.height == rows
    assert message.data.tobytes() == fresh.data.tobytes()
    assert rows < len(cloud) or data.buffer_info()[0] == place


@pytest.mark.parametrize('stride', [1, 2, 5])
def test_published_cloud_comes_back(stride: int) -> None:
    cloud = organised_cloud(ramp_depth(), random_rgb(), CAMERA)
    decoded = decode_cloud(cloud_message(cloud), stride=stride)
    expected = cloud[::stride, ::stride]
    np.testing.assert_array_equal(decoded[..., :3], expected[..., :3])
    np.testing.assert_array_equal(
        decoded.view(np.uint32)[..., 3], np.ascontiguousarray(expected).view(np.uint32)[..., 3]
    )


@pytest.mark.parametrize(
    'layout',
    [
        {'x': 'f4', 'y': 'f4', 'z': 'f4', 'rgb': 'f4'},
        {'x': 'f4', 'y': 'f4', 'z': 'f4', 'rgba': 'u4'},
        {'intensity': 'f4', 'rgb': 'u4', 'z': 'f4', 'ring': 'f8', 'y': 'f4', 'x': 'f4'},
    ],
)
@pytest.mark.parametrize('big', [False, True])
def test_fields_are_found_wherever_they_lie(layout: dict[str, str], big: bool) -> None:
    points, colors = points_of_cloud(decode_cloud(one_point(layout=layout, big=big), stride=3))
    np.testing.assert_array_equal(points, POINT[np.newaxis])
    np.testing.assert_array_equal(colors, [ORANGE])


def test_colour_bits_of_a_nan_survive() -> None:
    layout = {'x': 'f4', 'y': 'f4', 'z': 'f4', 'rgb': 'f4'}
    cloud = decode_cloud(one_point(layout=layout, color=0xFFFF8007))
    assert points_of_cloud(cloud)[1].tolist() == [list(ORANGE)]


def test_cloud_without_colour_is_grey() -> None:
    _, colors = points_of_cloud(decode_cloud(one_point(layout={'x': 'f4', 'y': 'f4', 'z': 'f4'})))
    assert colors.tolist() == [[192, 192, 192]]


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'fields': []}, 'encoding'),
        ({'point_step': 8}, 'encoding'),
        ({'point_step': 0}, 'encoding'),
        ({'height': 0}, 'size'),
        ({'width': 0}, 'size'),
        ({'row_step': 15}, 'step'),
        ({'row_step': 0}, 'step'),
        ({'data': array('B', [1, 2, 3])}, 'data_length'),
        ({'data': array('B')}, 'data_length'),
        ({'height': 2**31}, 'data_length'),
        ({'width': 2**31}, 'step'),
    ],
)
def test_broken_cloud_is_refused(changes: dict[str, Any], reason: str) -> None:
    message = one_point(layout={'x': 'f4', 'y': 'f4', 'z': 'f4', 'rgb': 'f4'})
    vars(message).update(changes)
    with pytest.raises(ImageError) as error:
        decode_cloud(message)
    assert error.value.reason == reason


def test_cloud_of_doubles_is_refused() -> None:
    with pytest.raises(ImageError, match='float32 x, y and z'):
        decode_cloud(one_point(layout={'x': 'f8', 'y': 'f8', 'z': 'f8'}))


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(0, 5),
    width=st.integers(0, 5),
    point_step=st.integers(0, 40),
    row_step=st.integers(0, 200),
    num_bytes=st.integers(0, 400),
    offset=st.integers(-8, 60),
    stride=st.integers(1, 7),
)
def test_any_numbers_give_a_cloud_or_a_reason(
    height: int,
    width: int,
    point_step: int,
    row_step: int,
    num_bytes: int,
    offset: int,
    stride: int,
) -> None:
    message = one_point(layout={'x': 'f4', 'y': 'f4', 'z': 'f4', 'rgb': 'f4'})
    message.height, message.width = height, width
    message.point_step, message.row_step = point_step, row_step
    message.data = array('B', bytes(num_bytes))
    message.fields[2].offset = offset
    try:
        cloud = decode_cloud(message, stride=stride)
    except InputError:
        return
    rows = -(-height // stride) if height > 1 else 1
    assert cloud.shape == (rows, -(-width // stride), 4)
