"""The live stereo node: known answers on every topic, parameters at run time, clean exits."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from diagnostic_msgs.msg import DiagnosticStatus
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from tests.kit.live_node import (
    BASELINE_M,
    DEPTH_M,
    DISPARITY_PX,
    FX,
    HEIGHT,
    OUTPUTS,
    SECOND_NS,
    WIDTH,
    NodeProcess,
    Robot,
    camera_info,
    centred,
    floats,
    image,
    mono8,
    pixels,
    robot,
    running,
    set_stamp,
    wait_until,
)

pytestmark = pytest.mark.ros
OPTIONS = ('-p', 'sgbm.num_disparities:=32', '-p', 'diagnostics_period_s:=0.1')
SEARCHED = np.s_[8:-8, 24:-8]
"""Pixels whose whole search range lies in the image, blocks included."""


@dataclass
class Stage:
    node: NodeProcess
    robot: Robot


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp('node')
    options = (*OPTIONS, '-p', 'input_depth:=10')
    with running(folder, *options) as node, robot(outputs=list(OUTPUTS)) as driver:
        driver.connect()
        driver.send_infos()
        yield Stage(node, driver)


@pytest.fixture(scope='module')
def outputs(stage: Stage) -> dict[str, Any]:
    """Every topic's message for one pair."""
    stamp = stage.robot.clock_ns
    for _ in range(5):
        stamp = stage.robot.send_pair()
        if stage.robot.spin_until(
            lambda stamp=stamp: all(stage.robot.output(topic, stamp) for topic in OUTPUTS), 3.0
        ):
            break
    return {topic: stage.robot.output(topic, stamp) for topic in OUTPUTS}


def test_every_topic_carries_stamp_and_frame_of_the_left_image(outputs: dict[str, Any]) -> None:
    for topic, message in outputs.items():
        assert message is not None, topic
        assert message.header.frame_id == 'left_eye', topic
        assert message.header.stamp == outputs['depth/image'].header.stamp


def test_depth_of_a_plane_is_f_b_over_d(outputs: dict[str, Any]) -> None:
    depth = floats(outputs['depth/image'])[SEARCHED]
    assert np.isfinite(depth).mean() > 0.95
    assert np.nanmax(np.abs(depth - DEPTH_M)) < 0.02


def test_disparity_image_has_every_field_right(outputs: dict[str, Any]) -> None:
    message = outputs['disparity']
    disparity = floats(message.image)
    assert (message.f, message.t) == (pytest.approx(FX), pytest.approx(BASELINE_M))
    assert message.min_disparity == 0.0
    assert message.max_disparity == 31.0
    assert message.delta_d == pytest.approx(1 / 16)
    assert message.image.header == message.header
    window = message.valid_window
    assert (window.height, window.x_offset + window.width) == (HEIGHT, WIDTH)
    is_known = disparity >= message.min_disparity
    assert set(np.unique(disparity[~is_known])) <= {message.min_disparity - 1.0}
    assert np.allclose(disparity[SEARCHED][is_known[SEARCHED]], DISPARITY_PX, atol=0.2)


def test_points_lie_on_the_plane_and_carry_the_pixels_colour(outputs: dict[str, Any]) -> None:
    message = outputs['points']
    assert (message.height, message.width) == (HEIGHT, WIDTH)
    assert (message.point_step, message.row_step) == (16, 16 * WIDTH)
    assert [entry.name for entry in message.fields] == ['x', 'y', 'z', 'rgb']
    cloud = np.frombuffer(message.data, np.float32).reshape(HEIGHT, WIDTH, 4)
    depth = floats(outputs['depth/image'])
    assert not np.isinf(cloud[..., :3]).any()
    is_left_out = np.isnan(cloud[..., 2])
    assert is_left_out[~np.isfinite(depth)].all()
    assert is_left_out[np.isfinite(depth)].mean() < 0.02, 'flying pixels'
    row, column = np.argwhere(np.isfinite(depth[40:80, 60:100]))[0] + (40, 60)
    x, y, z, _ = cloud[row, column]
    assert x == pytest.approx((column - (WIDTH - 1) / 2) / FX * z, abs=1e-5)
    assert y == pytest.approx((row - (HEIGHT - 1) / 2) / FX * z, abs=1e-5)
    colour = int(cloud.view(np.uint32)[row, column, 3])
    assert colour == int(pixels('left')[row, column]) * 0x010101


def test_confidence_and_sigma(outputs: dict[str, Any]) -> None:
    confidence, sigma = floats(outputs['confidence']), floats(outputs['depth/sigma'])
    assert confidence.min() >= 0.0 and confidence.max() <= 1.0
    assert np.median(confidence[SEARCHED]) > 0.8
    expected = DEPTH_M**2 / (FX * BASELINE_M) * 0.5
    assert np.nanmedian(sigma) == pytest.approx(expected, rel=0.05)


def test_colour_picture_is_bgr8_and_black_where_unknown(outputs: dict[str, Any]) -> None:
    message = outputs['disparity/color']
    assert message.encoding == 'bgr8'
    picture = np.frombuffer(message.data, np.uint8).reshape(HEIGHT, WIDTH, 3)
    is_known = floats(outputs['disparity'].image) >= 0
    assert not picture[~is_known].any()
    assert picture[is_known].any(axis=-1).all()


def test_rectified_images_and_calibrations(outputs: dict[str, Any]) -> None:
    for side in ('left', 'right'):
        message = outputs[f'rectified/{side}/image']
        assert message.encoding == 'rgb8'
        rgb = np.frombuffer(message.data, np.uint8).reshape(HEIGHT, WIDTH, 3)
        assert np.array_equal(rgb[..., 0], pixels(side))
    depth_info = outputs['depth/camera_info']
    assert (depth_info.height, depth_info.width) == (HEIGHT, WIDTH)
    assert list(depth_info.r) == np.eye(3).ravel().tolist()
    assert not any(depth_info.d)
    assert depth_info.p[3] == 0.0
    right = outputs['rectified/right/camera_info']
    assert right.p[3] == pytest.approx(-FX * BASELINE_M)


def test_diagnostics_say_what_runs_and_how_fast(stage: Stage) -> None:
    driver = stage.robot
    driver.good_pair()
    assert driver.wait_count('outputs', 2)
    values = driver.diagnostics
    assert (values['model'], values['engine'], values['input']) == ('sgbm', 'opencv', 'raw')
    assert 0.5 < float(values['valid_fraction']) <= 1.0
    for stage_name in ('decode', 'rectify', 'infer', 'depth', 'publish', 'total'):
        assert float(values[f'{stage_name}_p50_ms']) <= float(values[f'{stage_name}_p99_ms'])
    assert driver.status.name == 'stereo_node: state'


def test_depth_range_and_stride_change_at_run_time(stage: Stage) -> None:
    driver = stage.robot
    assert driver.set_parameters(max_depth_m=0.5, cloud_stride=2).successful
    depth = floats(driver.good_pair())
    assert np.isposinf(depth[SEARCHED]).mean() > 0.9
    assert driver.set_parameters(max_depth_m=10, min_depth_m=2.0).successful
    assert np.isneginf(floats(driver.good_pair())[SEARCHED]).mean() > 0.9
    cloud = driver.received['points'][-1]
    assert (cloud.height, cloud.width) == (HEIGHT // 2, WIDTH // 2)
    restored = driver.set_parameters(max_depth_m=float('inf'), min_depth_m=0.0, cloud_stride=1)
    assert restored.successful, restored.reason


def test_matcher_is_swapped_between_frames(stage: Stage) -> None:
    driver = stage.robot
    assert driver.set_parameters(sgbm__num_disparities=16).successful
    driver.good_pair()
    assert driver.spin_until(
        lambda: driver.good_pair('disparity').max_disparity == pytest.approx(15.0), 5.0
    )
    assert driver.set_parameters(sgbm__num_disparities=32).successful
    assert stage.node.process.poll() is None


def test_settings_that_leave_out_every_pixel_are_told(stage: Stage) -> None:
    driver = stage.robot
    assert driver.set_parameters(valid_region='0 0 0.01 0.01').successful
    try:
        for _ in range(3):
            driver.send_pair()
            driver.spin_until(lambda: 'nothing_known' in driver.diagnostics, 2.0)
        told = driver.diagnostics['nothing_known']
        assert "valid_region '0 0 0.01 0.01' shows none of it" in told
        assert told in driver.status.message
        assert driver.status.level == DiagnosticStatus.WARN
        assert len(stage.node.lines_about('nothing_known')) == 1, 'throttled'
    finally:
        assert driver.set_parameters(valid_region='').successful
    assert np.isfinite(floats(driver.good_pair())).any()
    assert driver.spin_until(lambda: 'nothing_known' not in driver.diagnostics)


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('cloud_stride', 0, ('cloud_stride', '1', '64')),
        ('cloud_stride', 1.5, ('cloud_stride', 'integer')),
        ('engine', 'magic', ('engine', 'openvino')),
        ('size', 'big', ('HEIGHTxWIDTH',)),
        ('sgbm__block_size', 4, ('odd',)),
        ('min_depth_m', float('nan'), ('min_depth_m',)),
        ('image_transport', 'compressed', ('read at start only', 'restart')),
        ('max_depht_m', 1.0, ("did you mean 'max_depth_m'?",)),
    ],
)
def test_bad_parameters_are_refused_with_a_reason(
    stage: Stage, name: str, value: object, words: tuple[str, ...]
) -> None:
    ros_name = name.replace('__', '.')
    before = stage.robot.get_parameter(ros_name)
    result = stage.robot.set_parameters(**{name: value})
    assert not result.successful
    assert all(word in result.reason for word in words), result.reason
    assert stage.robot.get_parameter(ros_name) == before
    stage.robot.good_pair()


def test_a_model_that_cannot_be_opened_is_refused_and_the_old_one_goes_on(stage: Stage) -> None:
    """A checkpoint that does not exist: refused at once, or set back when opening fails later."""
    driver = stage.robot
    assert driver.set_parameters(weights='/nowhere/weights.pth').successful
    result = driver.set_parameters(model='crestereo')
    if result.successful:
        assert driver.spin_until(lambda: 'change refused' in stage.node.log())
    else:
        assert '/nowhere/weights.pth' in result.reason
    assert driver.spin_until(lambda: driver.get_parameter('model') == 'sgbm')
    assert driver.set_parameters(weights='').successful
    driver.good_pair()
    assert driver.diagnostics['model'] == 'sgbm'


def test_a_mask_of_another_shape_than_the_cameras_is_refused(stage: Stage, tmp_path: Path) -> None:
    mask = tmp_path / 'mask.png'
    cv2.imwrite(str(mask), np.full((40, 300), 255, np.uint8))
    stage.robot.good_pair()
    result = stage.robot.set_parameters(mask=str(mask))
    assert not result.successful and 'the mask is 300x40 and the rectified' in result.reason
    assert stage.robot.get_parameter('mask') == ''
    stage.robot.good_pair()


def test_nothing_is_computed_without_a_subscriber(tmp_path: Path) -> None:
    with running(tmp_path, *OPTIONS, '-r', '__ns:=/quiet') as node:
        with robot(namespace='/quiet', outputs=['depth/camera_info']) as driver:
            driver.connect()
            driver.send_infos()
            for _ in range(50):
                driver.send_pair()
                driver.spin(0.1)
                if driver.count('dropped_no_subscriber') >= 3:
                    break
            assert driver.wait_count('dropped_no_subscriber', 3)
            assert driver.count('outputs') == 0
        assert node.stop() == 0


def test_namespace_rectified_input_and_remapped_names(tmp_path: Path) -> None:
    options = ('-r', '__ns:=/front', '-r', 'left/image_rect:=/rig/l', '-p', 'input:=auto')
    with running_undecided(tmp_path, *OPTIONS, *options) as node:
        node.wait_for('nobody publishes')
        assert not wait_until(lambda: 'subscribed to' in node.log(), 1.0)
        with robot(namespace='/front', cameras=()) as driver:
            for topic in ('/rig/l', 'right/image_rect'):
                driver.advertise(topic, Image)
            for side in ('left', 'right'):
                driver.advertise(f'{side}/camera_info', CameraInfo)
            node.wait_for('subscribed to rectified images on /rig/l and /front/right/image_rect')
            driver.connect()
            # Distortion that would matter: rectified images are taken as they are.
            distorted = {'d': [0.5, 0.1, 0.0, 0.0, 0.0]}
            driver.send_infos(
                left=camera_info('left', **distorted), right=camera_info('right', **distorted)
            )

            def send() -> int:
                stamp = driver.next_stamp()
                driver.repeat_infos()
                for side, topic in (('left', '/rig/l'), ('right', 'right/image_rect')):
                    message = mono8(side)
                    set_stamp(message, stamp)
                    driver.send(topic, message)
                return stamp

            depth = floats(driver.good_pair(send=send))[SEARCHED]
            assert np.nanmedian(depth) == pytest.approx(DEPTH_M, rel=0.01)
            assert driver.status.name == 'front/stereo_node: state'


def running_undecided(folder: Path, *arguments: str) -> Any:
    """Start a node without waiting for its subscriptions."""
    return running(folder, *arguments, module='stereo_node', is_subscribing=False)


def test_sim_time(tmp_path: Path) -> None:
    """Paused sim time stops neither the work nor diagnostics; their stamp is sim time."""
    with running(tmp_path, *OPTIONS, '-p', 'use_sim_time:=true'), robot() as driver:
        clock = driver.node.create_publisher(Clock, '/clock', 10)
        driver.connect()
        driver.send_infos()
        driver.good_pair()
        now = Clock()
        now.clock.sec = 4242

        def is_sim_time() -> bool:
            clock.publish(now)
            return driver.status_stamp_s == 4242

        assert driver.spin_until(is_sim_time)
        driver.good_pair()


@pytest.mark.parametrize('signals', [1, 3])
def test_interrupt_ends_cleanly_however_often_it_comes(tmp_path: Path, signals: int) -> None:
    with running(tmp_path, *OPTIONS) as node:
        assert node.stop(signals=signals) == 0
        assert 'Traceback' not in node.log()
        assert 'stopped after 0 outputs: no complete input came' in node.log()
        assert node.report()['outputs'] == 0


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (['report_file:=/proc/nowhere/r.json'], ('report_file', 'no file can be written')),
        (['qos_overrides./points.publisher.depth:=0'], ('qos_overrides./points', '1..1000')),
        (['cloud_stride:=0'], ('cloud_stride', '1..64')),
        (['model:=crestereo', 'weights:=/nowhere/w.pth'], ('cannot start', '/nowhere/w.pth')),
    ],
)
def test_a_bad_start_says_why_and_exits_with_one(
    tmp_path: Path, options: list[str], words: tuple[str, ...]
) -> None:
    node = NodeProcess(tmp_path, *(word for option in options for word in ('-p', option)))
    assert node.process.wait(60) == 1
    assert all(word in node.log() for word in words), node.log()
    assert 'Traceback' not in node.log()


def test_a_node_that_is_told_nothing_runs_the_shipped_network(tmp_path: Path) -> None:
    """No model, no weights and no torch are named; depth is the plane's."""
    quick = ('-p', 'diagnostics_period_s:=0.1', '-p', 'num_threads:=2')
    with running(tmp_path, *quick, has_known_matcher=False), robot() as driver:
        driver.connect()
        driver.send_infos()
        depth = floats(driver.good_pair())[SEARCHED]
        assert np.isfinite(depth).mean() > 0.7
        assert np.nanmedian(depth) == pytest.approx(DEPTH_M, rel=0.02)
        assert driver.spin_until(
            lambda: driver.diagnostics.get('model') == 'crestereo_tiny_hinted'
        )


def test_crestereo_is_an_equal_model_name() -> None:
    """The parameter's choices are the table of stereo models and of runtimes."""
    from depth_ros.engines.runtime import RUNTIMES
    from depth_ros.models.registry import MODELS
    from depth_ros.ros.stereo.parameters import StereoParameters
    from depth_ros.tensors import Task

    choices = {spec.name: set(spec.choices) for spec in StereoParameters.specs()}
    assert choices['model'] == {k for k, v in MODELS.items() if Task.STEREO in v.tasks}
    assert choices['engine'] == {'auto', *RUNTIMES}


@pytest.mark.skipif(
    importlib.util.find_spec('stereodemo') is None, reason='stereodemo is not installed'
)
def test_sample_camera_with_the_photographs(tmp_path: Path) -> None:
    check_sample_camera(tmp_path, '-p', 'seconds_per_pair:=0.2', '-p', 'size:=120x160')


def test_sample_camera_with_a_scene(tmp_path: Path) -> None:
    check_sample_camera(tmp_path, '-p', 'source:=scene', '-p', 'size:=120x160')


def check_sample_camera(folder: Path, *options: str) -> None:
    """The camera's own count is what the node received, paired and answered, plus losses.

    Images are small, because the default transports lose most large ones.
    """
    namespace = ('-r', '__ns:=/sample')
    with running(folder, *OPTIONS, *namespace, '-p', 'input_depth:=10') as node:
        with robot(namespace='/sample') as driver:
            driver.connect(num_images=0)
            limit = ('-p', 'num_pairs:=10', '-p', 'wait_for_subscribers:=true')
            with running(folder, *options, *namespace, *limit, module='sample_camera') as camera:
                assert driver.spin_until(lambda: camera.process.poll() is not None)
                assert camera.process.returncode == 0, camera.log()
            assert driver.spin_until(lambda: driver.received['depth/image'])
            assert driver.received['depth/image'][0].header.frame_id.startswith('left_')
        assert node.stop() == 0
    sent, got = camera.report(), node.report()
    assert sent['sent'] == 10 == len(set(sent['stamps_ns']))
    assert got['received_left'] <= sent['sent_left']
    assert got['paired'] == got['outputs'] + sum(got['dropped'].values())
    assert got['outputs'] > 0


def test_image_sizes_may_change_with_their_calibration(stage: Stage) -> None:
    driver = stage.robot
    half = np.s_[: HEIGHT // 2, : WIDTH // 2]
    left_info = camera_info('left', **centred(HEIGHT // 2, WIDTH // 2))
    right_info = camera_info('right', **centred(HEIGHT // 2, WIDTH // 2))
    right_info.p[3] = -FX * BASELINE_M
    driver.send_infos(left=left_info, right=right_info)
    driver.spin(0.1)
    small = {side: image(np.ascontiguousarray(pixels(side)[half]), 'mono8') for side in ('left',)}
    right = image(np.ascontiguousarray(pixels('right')[half]), 'mono8')
    message = driver.good_pair(send=lambda: driver.send_pair(left=small['left'], right=right))
    assert (message.height, message.width) == (HEIGHT // 2, WIDTH // 2)
    driver.send_infos()
    driver.spin(0.1)
    driver.good_pair()
    assert driver.clock_ns > SECOND_NS
