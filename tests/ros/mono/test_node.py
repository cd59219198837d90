"""The live mono node: metres only where their scale is known, bad input, balanced statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_ros.ros.mono.topics import relative_picture
from tests.kit.live_node import (
    NodeProcess,
    Robot,
    camera_info,
    centred,
    floats,
    image,
    jpeg,
    robot,
    running,
    set_stamp,
)
from tests.kit.mono_doubles import FLOOR_M, HEIGHT, UNIT_M, WIDTH, room_depth, room_image

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.truth_mono_node'
OPTIONS = ('-p', 'diagnostics_period_s:=0.1', '-p', 'input_depth:=10')
METRIC: dict[str, type] = {
    'depth/image': Image,
    'depth/camera_info': CameraInfo,
    'points': PointCloud2,
    'scale': DiagnosticArray,
}
OUTPUTS = {
    'relative_depth/image': Image,
    'relative_depth/color': Image,
    'relative_depth/camera_info': CameraInfo,
    'rectified/image': Image,
    'rectified/camera_info': CameraInfo,
    'confidence': Image,
    **METRIC,
}
NUM_REPEATS = 3


@dataclass
class Stage:
    node: NodeProcess
    robot: Robot

    def set(self, **values: object) -> None:
        result = self.robot.set_parameters(**values)
        assert result.successful, result.reason

    def result(self, topic: str = 'relative_depth/image', send: Any = None) -> Any:
        return self.robot.good_pair(topic, send or (lambda: send_image(self.robot)))


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with (
        running(tmp_path_factory.mktemp('mono'), *OPTIONS, module=SCRIPT) as node,
        robot(node='mono_node', cameras=('',), outputs=OUTPUTS) as driver,
    ):
        node.wait_for('subscribed to raw images on /image_raw')
        driver.advertise('reference/depth/image', Image)
        driver.connect(num_images=1)
        yield Stage(node, driver)


def rgb() -> Image:
    return image(room_image(), 'rgb8')


def send_image(driver: Robot, message: Any = None, *, topic: str = 'image_raw') -> int:
    message = message or rgb()
    stamp = driver.next_stamp()
    set_stamp(message, stamp)
    driver.send(topic, message)
    return stamp


def send_info(driver: Robot, **changes: Any) -> None:
    driver.send('camera_info', camera_info('left', **changes))
    driver.spin(0.05)


def values_of(message: DiagnosticArray) -> dict[str, str]:
    return {item.key: item.value for item in message.status[0].values}


def test_without_camera_info_it_says_which_topic_is_missing(stage: Stage) -> None:
    """Runs first: nothing has published a camera_info yet."""
    for _ in range(NUM_REPEATS):
        send_image(stage.robot)
    assert stage.robot.wait_count('dropped_no_camera_info', NUM_REPEATS)
    (line,) = stage.node.lines_about('no_camera_info]')
    assert '/camera_info' in line and 'publish' in line
    send_info(stage.robot)
    stage.result()


def test_mode_none_publishes_relative_depth_alone_and_says_which_mode_to_set(
    stage: Stage,
) -> None:
    driver = stage.robot
    send_info(driver)
    message = stage.result()
    np.testing.assert_allclose(floats(message), room_depth() / UNIT_M, rtol=1e-4)
    assert message.header.frame_id == 'left_eye'
    driver.spin(0.3)
    for topic in METRIC.keys() - {'scale'}:
        assert driver.received[topic] == [], topic
    (status,) = stage.result('scale').status
    assert status.level == DiagnosticStatus.WARN
    assert status.message.startswith('depth is relative because scale.mode is none; set')
    info = driver.received['relative_depth/camera_info'][-1]
    assert (info.height, info.width, info.k[0]) == (HEIGHT, WIDTH, 100.0)
    picture = driver.received['rectified/image'][-1]
    assert bytes(picture.data) == room_image().tobytes()
    check_painted(driver.received['relative_depth/color'][-1], floats(message))
    lines = [line for line in stage.node.log().splitlines() if 'scale.mode is none' in line]
    assert len(lines) == 1 and 'reference_depth' in lines[0] and 'docs/mono.md' in lines[0]
    assert driver.diagnostics['scale_mode'] == 'none'


def check_painted(message: Image, depth: np.ndarray) -> None:
    """Near is red and far is blue, however small the numbers are; bgr8."""
    assert message.encoding == 'bgr8'
    painted = np.frombuffer(message.data, np.uint8).reshape(HEIGHT, WIDTH, 3).astype(int)
    low, high = np.percentile(depth, (1, 99))
    assert high < 2.0, 'RViz, which takes the limits as whole numbers, would paint two colours'
    blue, red = painted[..., 0], painted[..., 2]
    assert (red > blue)[depth <= low].all() and (blue > red)[depth >= high].all()
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) > 50


def test_depth_without_a_unit_is_painted_by_its_own_range() -> None:
    unknown = relative_picture(np.full((2, 3), np.nan, np.float32))
    assert unknown.shape == (2, 3, 3) and not unknown.any()
    flat = relative_picture(np.full((2, 3), 0.25, np.float32))
    assert flat.any(axis=-1).all(), 'one depth alone is not unknown'
    ramp = np.linspace(0.001, 0.002, 200, dtype=np.float32).reshape(1, 200).copy()
    ramp[0, 50] = np.nan
    picture = relative_picture(ramp).astype(int)
    assert not picture[0, 50].any()
    assert picture[0, 0, 0] > picture[0, 0, 2] and picture[0, -1, 2] > picture[0, -1, 0]


def test_a_mode_without_what_it_needs_is_refused(stage: Stage) -> None:
    for mode, word in (('fixed', 'scale.factor'), ('camera_height', 'scale.camera_height_m')):
        result = stage.robot.set_parameters(scale__mode=mode)
        assert not result.successful and word in result.reason, result.reason
    assert stage.robot.get_parameter('scale.mode') == 'none'


def test_fixed_scale_gives_metres_and_points(stage: Stage) -> None:
    driver = stage.robot
    stage.set(scale__factor=UNIT_M)
    stage.set(scale__mode='fixed')
    message = stage.result('depth/image')
    np.testing.assert_allclose(floats(message), room_depth(), rtol=1e-4)
    stamp = driver.clock_ns
    assert driver.spin_until(lambda: driver.output('points', stamp))
    cloud = np.frombuffer(driver.output('points', stamp).data, np.float32)
    points = cloud.reshape(HEIGHT, WIDTH, 4)
    is_kept = np.isfinite(points[..., 2])
    np.testing.assert_allclose(points[is_kept, 2], room_depth()[is_kept], rtol=1e-4)
    assert is_kept.mean() > 0.97, 'surfaces of a single row pass for flying pixels'
    np.testing.assert_allclose(
        points[10, 20, 0], (20 - 79.5) / 100.0 * room_depth()[10, 20], rtol=1e-4
    )
    assert points.view(np.uint32)[10, 20, 3] == int.from_bytes(
        room_image()[10, 20].tobytes(), 'big'
    )
    assert driver.spin_until(lambda: driver.output('scale', stamp))
    assert float(values_of(driver.output('scale', stamp))['scale_factor']) == UNIT_M
    assert driver.spin_until(lambda: driver.output('depth/camera_info', stamp))


def test_range_and_stride_change_at_run_time(stage: Stage) -> None:
    stage.set(scale__factor=UNIT_M)
    stage.set(scale__mode='fixed', cloud_stride=2)
    stage.set(max_depth_m=3.0)
    stage.robot.spin(0.3)
    depth = floats(stage.result('depth/image'))
    np.testing.assert_array_equal(np.isposinf(depth), room_depth() > 3.0)
    assert stage.result('points').width == WIDTH // 2
    stage.set(max_depth_m=float('inf'))
    stage.set(cloud_stride=1)


@pytest.mark.parametrize(('mode', 'tolerance'), [('training_rig', 1e-4), ('camera_height', 0.05)])
def test_rig_and_height_give_the_rendered_depth(stage: Stage, mode: str, tolerance: float) -> None:
    stage.set(scale__camera_height_m=FLOOR_M)
    stage.set(scale__mode=mode)
    stage.robot.spin(0.3)
    np.testing.assert_allclose(floats(stage.result('depth/image')), room_depth(), rtol=tolerance)
    values = values_of(stage.result('scale'))
    assert values['scale_mode'] == mode and values['scale_refused'] == ''
    assert float(values['scale_factor']) == pytest.approx(UNIT_M, rel=tolerance)
    assert (values['scale_spread'] != '') == (mode == 'camera_height')


def millimetres() -> Image:
    sparse = np.rint(room_depth() * 1000.0).astype(np.uint16)
    sparse[::2] = 0
    return image(sparse, '16UC1')


def half_size_metres() -> Image:
    return image(np.ascontiguousarray(room_depth()[::2, ::2]), '32FC1')


def send_both(driver: Robot, reference: Image, *, age_s: float = 0.02) -> int:
    """Send metric depth a moment before the image."""
    set_stamp(reference, driver.clock_ns + 50_000_000 - round(age_s * 1e9))
    driver.send('reference/depth/image', reference)
    driver.spin(0.05)
    return send_image(driver)


@pytest.mark.parametrize('make', [millimetres, half_size_metres])
def test_reference_depth_gives_the_rendered_depth(stage: Stage, make: Callable[[], Image]) -> None:
    stage.set(scale__mode='reference_depth')
    assert stage.robot.spin_until(
        lambda: stage.robot.publishers['reference/depth/image'].get_subscription_count()
    )

    def send() -> int:
        return send_both(stage.robot, make())

    np.testing.assert_allclose(floats(stage.result('depth/image', send)), room_depth(), rtol=0.02)
    values = values_of(stage.result('scale', send))
    assert float(values['scale_factor']) == pytest.approx(UNIT_M, rel=0.02)


def test_an_old_or_unreadable_reference_gives_no_metres_and_is_named(stage: Stage) -> None:
    driver = stage.robot
    stage.set(scale__mode='reference_depth')
    driver.clock_ns += 10_000_000_000
    before = len(driver.received['depth/image'])
    stage.result(send=lambda: send_both(driver, millimetres(), age_s=1.0))
    assert values_of(stage.result('scale'))['scale_refused'] == 'stale_reference'
    assert len(driver.received['depth/image']) == before
    (line,) = stage.node.lines_about('stale_reference]')
    assert 'scale.max_stamp_difference_s' in line
    message = stage.result('scale', lambda: send_both(driver, image(room_image(), 'rgb8')))
    assert values_of(message)['scale_refused'] == 'no_reference'
    (line,) = stage.node.lines_about('reference_image]')
    assert '16UC1' in line
    stage.set(scale__mode='none')
    stage.result()


def broken(**changes: Any) -> Callable[[Robot], None]:
    def send(driver: Robot) -> None:
        message = rgb()
        for name, value in changes.items():
            setattr(message, name, value)
        send_image(driver, message)

    return send


def other_size(driver: Robot) -> None:
    send_image(driver, image(np.zeros((100, 101, 3), np.uint8), 'rgb8'))


def with_info(**changes: Any) -> Callable[[Robot], None]:
    def send(driver: Robot) -> None:
        send_info(driver, **changes)
        send_image(driver)

    return send


BAD: dict[str, tuple[Callable[[Robot], None], str, tuple[str, ...]]] = {
    'unknown encoding': (broken(encoding='foo8'), 'encoding', ("'foo8'", 'mono8')),
    'step shorter than the row': (broken(step=WIDTH), 'step', ('160', '480')),
    'zero size': (broken(height=0, width=0, step=0), 'size', ('0x0', 'check')),
    'truncated': (broken(height=HEIGHT + 5), 'data_length', ('truncated',)),
    'size of another camera': (other_size, 'calibration_size', ('160x120', '101x100')),
    'uncalibrated': (
        with_info(k=[0.0] * 9),
        'calibration_values',
        ('K of the calibration', 'calibrate'),
    ),
    'unknown distortion': (with_info(distortion_model='fov'), 'distortion_model', ("'fov'",)),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_input_is_counted_named_and_survived(stage: Stage, name: str) -> None:
    send, reason, words = BAD[name]
    driver = stage.robot
    before = driver.count(f'dropped_{reason}')
    for _ in range(NUM_REPEATS):
        send(driver)
        driver.spin(0.05)
    assert driver.wait_count(f'dropped_{reason}', before + 1), driver.diagnostics
    lines = stage.node.lines_about(f'{reason}]')
    assert any(all(word in line for word in words) for line in lines), lines
    send_info(driver)
    stage.result()
    assert stage.node.process.poll() is None


def grey() -> Image:
    return image(np.ascontiguousarray(room_image()[..., 1]), 'mono8')


def grey_16() -> Image:
    return image(room_image()[..., 1].astype(np.uint16) * 257, 'mono16')


def big_endian_16() -> Image:
    message = image((room_image()[..., 1].astype(np.uint16) * 257).astype('>u2'), 'mono16')
    message.is_bigendian = 1
    return message


@pytest.mark.parametrize('make', [grey, grey_16, big_endian_16])
def test_grey_and_16_bit_images(stage: Stage, make: Callable[[], Image]) -> None:
    send_info(stage.robot)
    picture = stage.result('rectified/image', lambda: send_image(stage.robot, make()))
    shown = np.frombuffer(picture.data, np.uint8).reshape(HEIGHT, WIDTH, 3)
    assert np.array_equal(shown, np.repeat(room_image()[..., 1:2], 3, axis=2))


@pytest.mark.parametrize('size', [(97, 131), (160, 120), (5, 7)])
def test_odd_portrait_and_tiny_images(stage: Stage, size: tuple[int, int]) -> None:
    height, width = size
    send_info(stage.robot, **centred(height, width))
    message = stage.result(
        send=lambda: send_image(stage.robot, image(np.full((*size, 3), 90, np.uint8), 'bgr8'))
    )
    assert (message.height, message.width) == size
    assert np.isfinite(floats(message)).all()
    send_info(stage.robot)
    stage.result()


def test_made_up_weights_are_refused_a_scale(stage: Stage) -> None:
    """The double's ``tio_depth`` is untrained; the running model goes on."""
    send_info(stage.robot)
    stage.set(scale__factor=UNIT_M)
    stage.set(scale__mode='fixed')
    result = stage.robot.set_parameters(model='tio_depth')
    assert not result.successful and 'made-up weights' in result.reason
    stage.set(scale__mode='none')
    stage.set(model='tio_depth')
    result = stage.robot.set_parameters(scale__mode='fixed')
    assert not result.successful and 'made-up weights' in result.reason
    stage.result()
    assert stage.robot.spin_until(
        lambda: '[synthetic:1]' in stage.robot.diagnostics['engine_description']
    )
    stage.set(model='monodepth2')


def test_a_stream_that_stops_is_named_and_comes_back(stage: Stage) -> None:
    driver = stage.robot
    stage.result()
    assert driver.spin_until(lambda: 'no image on /image_raw' in driver.status.message, 10.0)
    assert '1 publishers' in driver.status.message
    stage.result()
    assert driver.spin_until(lambda: 'no image on' not in driver.status.message)


def test_the_books_balance_after_all_that(stage: Stage) -> None:
    """Runs last: stops the node and reads its own report."""
    assert stage.node.stop() == 0
    assert 'Traceback' not in stage.node.log()
    report = stage.node.report()
    assert report['in_flight'] == 0
    assert report['received'] == report['outputs'] + sum(report['dropped'].values())
    assert report['scale_mode'] == 'none'


def test_compressed_and_rectified_input(tmp_path: Path) -> None:
    options = (*OPTIONS, '-p', 'image_transport:=compressed', '-p', 'input:=auto')
    with (
        running(tmp_path, *options, module=SCRIPT) as node,
        robot(node='mono_node', cameras=(), outputs={'relative_depth/image': Image}) as driver,
    ):
        driver.advertise('image_rect/compressed', CompressedImage)
        driver.advertise('camera_info', CameraInfo)
        node.wait_for('subscribed to rectified images on /image_rect/compressed')
        driver.connect(num_images=1)
        # Distortion that would matter: rectified images are taken as they are.
        send_info(driver, d=[0.5, 0.1, 0.0, 0.0, 0.0])

        def send() -> int:
            return send_image(driver, jpeg('left'), topic='image_rect/compressed')

        message = driver.good_pair('relative_depth/image', send)
        assert np.isfinite(floats(message)).all()
        send_image(driver, jpeg('left', keep=0.5), topic='image_rect/compressed')
        assert driver.wait_count('dropped_compressed', 1)


def test_a_start_without_weights_says_what_to_type(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    node = NodeProcess(tmp_path, '-p', 'refine:=none', module='mono_node')
    assert node.process.wait(60) == 1
    assert 'depth-ros build monodepth2' in node.log()
    assert 'Traceback' not in node.log()
