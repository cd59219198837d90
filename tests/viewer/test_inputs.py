"""Messages to a viewer frame: clouds and depth of any layout, stamps, and bad input."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.camera import ideal_camera
from depth_ros.errors import ImageError, InputError
from depth_ros.geometry.depth import organised_cloud
from depth_ros.messages.sensors import fill_camera_info, fill_point_cloud
from depth_ros.viewer import inputs as viewer_inputs
from depth_ros.viewer.inputs import (
    MAX_TEXT_LINES,
    NUM_LEFT_KEPT,
    Role,
    ViewerInputs,
    decode_cloud,
    decode_depth,
    detail_lines,
)
from depth_ros.viewer.page import DEFAULT_POINT_SIZE_M, unpack_cloud
from tests.kit import message_doubles as doubles

HEIGHT, WIDTH = 12, 16
CAMERA = ideal_camera(fx=20.0, fy=20.0, cx=7.5, cy=5.5, height=HEIGHT, width=WIDTH)
FLOAT32, FLOAT64, UINT32 = 7, 8, 6
POINT = np.array([1.5, -2.25, 3.0], np.float32)
ORANGE = (255, 128, 7)


def point_field(**values: Any) -> SimpleNamespace:
    return SimpleNamespace(**values)


def random_rgb() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def ramp_depth() -> np.ndarray:
    depth = np.linspace(1.0, 3.0, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    depth[0, 0], depth[0, 2], depth[2, 0] = np.nan, np.inf, -np.inf
    return depth


def cloud_message(cloud: np.ndarray) -> SimpleNamespace:
    message = doubles.point_cloud()
    fill_point_cloud(message, cloud, point_field)
    return message


def one_point(
    *, layout: dict[str, str], color: int | None = 0x00FF8007, big: bool = False
) -> SimpleNamespace:
    """A cloud of one point; ``layout`` gives NumPy's type of each field, in order."""
    order = '>' if big else '<'
    dtype = np.dtype([(name, order + kind) for name, kind in layout.items()])
    point = np.zeros(1, dtype)
    point['x'], point['y'], point['z'] = POINT
    for name in ('rgb', 'rgba'):
        if name in layout:
            bits = np.array([color], order + 'u4')
            point[name] = bits.view(dtype[name])
    kinds = {'f4': FLOAT32, 'f8': FLOAT64, 'u4': UINT32}
    fields = [
        point_field(name=name, offset=dtype.fields[name][1], datatype=kinds[kind], count=1)
        for name, kind in layout.items()
    ]
    return SimpleNamespace(
        **{
            **vars(doubles.point_cloud()),
            'height': 1,
            'width': 1,
            'fields': fields,
            'is_bigendian': big,
            'point_step': dtype.itemsize,
            'row_step': dtype.itemsize,
            'data': array('B', point.tobytes()),
        }
    )


# Clouds


@pytest.mark.parametrize('stride', [1, 2, 5])
def test_published_cloud_comes_back(stride: int) -> None:
    cloud = organised_cloud(ramp_depth(), random_rgb(), CAMERA)
    decoded = decode_cloud(cloud_message(cloud), stride=stride)
    expected = cloud[::stride, ::stride]
    np.testing.assert_array_equal(decoded[..., :3], expected[..., :3])
    np.testing.assert_array_equal(
        decoded.view(np.uint32)[..., 3], np.ascontiguousarray(expected).view(np.uint32)[..., 3]
    )


def test_unpacked_points_are_finite_and_have_their_own_colours() -> None:
    depth, rgb = ramp_depth(), random_rgb()
    points, colors = unpack_cloud(organised_cloud(depth, rgb, CAMERA))
    is_known = np.isfinite(depth)
    np.testing.assert_array_equal(points[:, 2], depth[is_known])
    np.testing.assert_array_equal(colors, rgb[is_known])


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
    points, colors = unpack_cloud(decode_cloud(one_point(layout=layout, big=big), stride=3))
    np.testing.assert_array_equal(points, POINT[np.newaxis])
    np.testing.assert_array_equal(colors, [ORANGE])


def test_colour_bits_of_a_nan_survive() -> None:
    layout = {'x': 'f4', 'y': 'f4', 'z': 'f4', 'rgb': 'f4'}
    cloud = decode_cloud(one_point(layout=layout, color=0xFFFF8007))
    assert unpack_cloud(cloud)[1].tolist() == [list(ORANGE)]


def test_cloud_without_colour_is_grey() -> None:
    _, colors = unpack_cloud(decode_cloud(one_point(layout={'x': 'f4', 'y': 'f4', 'z': 'f4'})))
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


# Depth


def test_depth_in_metres_keeps_every_value() -> None:
    message = doubles.image_of(ramp_depth(), '32FC1', padding=3)
    np.testing.assert_array_equal(decode_depth(message), ramp_depth())


@pytest.mark.parametrize('order', ['<', '>'])
def test_depth_in_millimetres_becomes_metres(order: str) -> None:
    values = np.array([[0, 1], [1500, 65535]], order + 'u2')
    depth = decode_depth(doubles.image_of(values, '16UC1', is_bigendian=int(order == '>')))
    np.testing.assert_allclose(depth, [[np.nan, 0.001], [1.5, 65.535]], rtol=1e-6)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'encoding': 'rgb8'}, 'encoding'),
        ({'height': 0}, 'size'),
        ({'step': 3}, 'step'),
        ({'data': array('B', [0])}, 'data_length'),
    ],
)
def test_broken_depth_is_refused(changes: dict[str, Any], reason: str) -> None:
    message = doubles.image_of(ramp_depth(), '32FC1')
    vars(message).update(changes)
    with pytest.raises(ImageError) as error:
        decode_depth(message)
    assert error.value.reason == reason


# Frames


def stamped(message: Any, stamp_ns: int) -> Any:
    message.header = doubles.header()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    return message


def left_message(shade: int, stamp_ns: int) -> Any:
    image = np.full((HEIGHT, WIDTH, 3), shade, np.uint8)
    return stamped(doubles.image_of(image, 'rgb8'), stamp_ns)


def depth_message(stamp_ns: int = 0, *, scale: float = 1.0) -> Any:
    return stamped(doubles.image_of(ramp_depth() * np.float32(scale), '32FC1'), stamp_ns)


def diagnostics(name: str, *, level: Any = b'\x00', count: int = 1) -> SimpleNamespace:
    values = [SimpleNamespace(key=f'key{index}', value=str(index)) for index in range(count)]
    status = SimpleNamespace(level=level, name=name, message='14.9 Hz', values=values)
    return SimpleNamespace(status=[status])


def full_inputs(*, stride: int = 2) -> ViewerInputs:
    inputs = ViewerInputs(stride=stride, expected=(Role.LEFT, Role.DEPTH))
    info = doubles.camera_info()
    fill_camera_info(info, CAMERA)
    inputs.keep(Role.LEFT, left_message(77, 5))
    inputs.keep(Role.DEPTH, depth_message(5))
    inputs.keep(Role.CAMERA, info)
    cloud = organised_cloud(ramp_depth(), random_rgb(), CAMERA)
    inputs.keep(Role.POINTS, cloud_message(cloud))
    inputs.keep(Role.DIAGNOSTICS, diagnostics('/stereo_node'))
    return inputs


def test_frame_has_every_part() -> None:
    frame = full_inputs().make_frame()
    assert frame.left is not None and frame.left.min() == frame.left.max() == 77
    known = np.isfinite(ramp_depth()[::2, ::2])
    assert frame.points is not None and frame.colors is not None
    np.testing.assert_array_equal(frame.points[:, 2], ramp_depth()[::2, ::2][known])
    np.testing.assert_array_equal(frame.colors, random_rgb()[::2, ::2][known])
    assert frame.camera is not None and frame.camera.fx == 20.0
    middle = float(np.median(frame.points[:, 2]))
    assert frame.point_size_m == pytest.approx(2 * middle / 20.0)  # stride z / fx
    assert frame.picture is not None
    assert frame.picture[0, 0].tolist() == [0, 0, 0]  # NaN is unknown: black
    assert frame.picture[-1, -1].argmax() != frame.picture[1, 1].argmax()  # far is not near
    assert frame.picture_label.startswith('depth, red 1')
    assert frame.headline == '/stereo_node: OK 14.9 Hz'
    assert frame.text.splitlines() == ['/stereo_node', f'  {"key0":<20} 0']
    assert set(frame.rates) == {'left/image_raw', 'depth/image'}
    assert frame.rates['depth/image'] > 0


def test_nothing_seen_gives_an_empty_frame() -> None:
    frame = ViewerInputs(stride=2).make_frame()
    parts = (frame.left, frame.picture, frame.points, frame.camera)
    assert parts == (None, None, None, None)
    assert (frame.headline, frame.text, dict(frame.rates)) == ('', '', {})


def test_left_image_is_that_of_the_depth() -> None:
    inputs = ViewerInputs(stride=2)
    for number in range(NUM_LEFT_KEPT + 3):
        inputs.keep(Role.LEFT, left_message(10 + number, stamp_ns=number))
    inputs.keep(Role.DEPTH, depth_message(NUM_LEFT_KEPT))
    left = inputs.make_frame().left
    assert left is not None and left[0, 0, 0] == 10 + NUM_LEFT_KEPT
    inputs.keep(Role.DEPTH, depth_message(0))  # that one is gone: the newest will do
    left = inputs.make_frame().left
    assert left is not None and left[0, 0, 0] == 10 + NUM_LEFT_KEPT + 2


def test_compressed_left_image() -> None:
    jpeg = cv2.imencode('.jpg', np.full((HEIGHT, WIDTH, 3), 90, np.uint8))[1]
    message = SimpleNamespace(format='jpeg', data=array('B', jpeg.tobytes()))
    inputs = ViewerInputs(stride=2)
    inputs.keep(Role.LEFT, stamped(message, 1))
    left = inputs.make_frame().left
    assert left is not None and np.abs(left.astype(int) - 90).max() <= 2


def test_disparity_picture_is_shown_as_it_comes() -> None:
    bgr = np.full((HEIGHT, WIDTH, 3), (1, 2, 3), np.uint8)
    inputs = ViewerInputs(stride=2)
    inputs.keep(Role.DISPARITY, stamped(doubles.image_of(bgr, 'bgr8'), 1))
    frame = inputs.make_frame()
    assert frame.picture is not None and frame.picture[0, 0].tolist() == [3, 2, 1]
    assert frame.picture_label == 'disparity'


@pytest.mark.parametrize(
    ('role', 'message', 'words'),
    [
        (Role.LEFT, stamped(doubles.image(encoding='secret'), 5), "'secret'"),
        (Role.DEPTH, doubles.image(header=doubles.header(), encoding='mono8'), "'mono8'"),
        (Role.POINTS, doubles.point_cloud(), 'float32 x, y and z'),
        (Role.CAMERA, doubles.camera_info(), 'camera_info'),
    ],
)
def test_bad_part_is_named_and_the_others_are_shown(role: Role, message: Any, words: str) -> None:
    inputs = full_inputs()
    inputs.keep(role, message)
    frame = inputs.make_frame()
    parts = {
        Role.LEFT: frame.left,
        Role.DEPTH: frame.picture,
        Role.POINTS: frame.points,
        Role.CAMERA: frame.camera,
    }
    assert {name for name, part in parts.items() if part is None} == {role}
    assert words in frame.headline.splitlines()[0]


def test_point_size_needs_a_camera_and_an_organised_cloud() -> None:
    inputs = full_inputs()
    flat = organised_cloud(ramp_depth(), random_rgb(), CAMERA).reshape(1, -1, 4)
    inputs.keep(Role.POINTS, cloud_message(flat))
    assert inputs.make_frame().point_size_m == DEFAULT_POINT_SIZE_M


def test_silent_topic_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(viewer_inputs.time, 'monotonic', lambda: now[0])
    inputs = ViewerInputs(stride=2, expected=(Role.LEFT, Role.DEPTH))
    assert inputs.make_frame().headline == ''
    for _ in range(60):
        now[0] += 0.1
        inputs.keep(Role.LEFT, left_message(1, 1))
    frame = inputs.make_frame()
    assert frame.headline == 'nothing arrives on depth/image'
    assert frame.rates['left/image_raw'] == pytest.approx(10.0, abs=0.4)
    assert frame.rates['depth/image'] == 0.0
    inputs.forget()
    frame = inputs.make_frame()
    assert (frame.headline, frame.left) == ('', None)


def test_depth_colours_do_not_flicker() -> None:
    inputs = ViewerInputs(stride=2)
    labels = []
    for scale in (1.0, 1.05, 0.96, 2.0):
        inputs.keep(Role.DEPTH, depth_message(scale=scale))
        labels.append(inputs.make_frame().picture_label)
    assert labels[0] == labels[1] == labels[2] != labels[3]


def test_far_background_leaves_colours_for_the_near() -> None:
    depth = ramp_depth()
    depth[:, :4] = 50.0  # a quarter of the image is far: no percentile would do
    inputs = ViewerInputs(stride=2)
    inputs.keep(Role.DEPTH, stamped(doubles.image_of(depth, '32FC1'), 1))
    picture = inputs.make_frame().picture
    assert picture is not None
    near, middle = picture[1, -1].astype(int), picture[-1, -1].astype(int)  # 1.2 m and 3 m
    assert np.abs(near - middle).max() > 60


def test_diagnostics_of_several_nodes_are_kept_side_by_side() -> None:
    inputs = ViewerInputs(stride=2)
    inputs.keep(Role.DIAGNOSTICS, diagnostics('/camera', level=b'\x01'))
    inputs.keep(Role.DIAGNOSTICS, diagnostics('/stereo_node', level=2))
    inputs.keep(Role.DIAGNOSTICS, diagnostics('/camera', level=b'\x00'))
    lines = inputs.make_frame().headline.splitlines()
    assert lines == ['/camera: OK 14.9 Hz', '/stereo_node: ERROR 14.9 Hz']


def test_long_diagnostics_are_cut() -> None:
    lines = detail_lines(diagnostics('/talker', count=500).status)
    assert len(lines) == MAX_TEXT_LINES + 1
    assert lines[-1] == f'... {501 - MAX_TEXT_LINES} more lines'
