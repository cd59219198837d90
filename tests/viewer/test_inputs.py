"""Messages to a viewer frame: clouds and depth of any layout, stamps, and bad input."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from depth_ros.geometry.depth import organised_cloud
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.viewer import inputs as viewer_inputs
from depth_ros.viewer.inputs import MAX_TEXT_LINES, NUM_LEFT_KEPT, Role, ViewerInputs, detail_lines
from depth_ros.viewer.page import DEFAULT_POINT_SIZE_M
from tests.kit import message_doubles as doubles
from tests.kit.cloud_messages import (
    CAMERA,
    HEIGHT,
    WIDTH,
    cloud_message,
    ramp_depth,
    random_rgb,
)


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


def test_colours_follow_the_scene_unless_they_are_to_stay() -> None:
    inputs = full_inputs()
    first = inputs.make_frame(keeps_colors=True).picture_label
    farther = full_inputs()._newest[Role.DEPTH]
    depth = 10.0 * np.frombuffer(farther.data, np.float32)
    farther.data = depth.tobytes()
    inputs.keep(Role.DEPTH, farther)
    assert inputs.make_frame(keeps_colors=True).picture_label == first
    assert inputs.make_frame().picture_label != first


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
