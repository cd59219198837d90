"""Bad input against the live node: a counter, one warning with cause and fix, and it lives on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from tests.kit.live_node import (
    DISPARITY_PX,
    FX,
    HEIGHT,
    SECOND_NS,
    WIDTH,
    NodeProcess,
    Robot,
    camera_info,
    floats,
    image,
    jpeg,
    mono8,
    pixels,
    robot,
    running,
)

pytestmark = pytest.mark.ros
NUM_REPEATS = 3


@dataclass
class Stage:
    node: NodeProcess
    robot: Robot


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One node process for all cases but those that need other start parameters."""
    arguments = ['sgbm.num_disparities:=32', 'input_depth:=10', 'diagnostics_period_s:=0.1']
    arguments += ['sync_queue_size:=3']
    options = [word for argument in arguments for word in ('-p', argument)]
    with running(tmp_path_factory.mktemp('bad'), *options) as node, robot() as driver:
        driver.connect()
        yield Stage(node, driver)


def broken_image(side: str = 'left', **changes: Any) -> Callable[[Robot], None]:
    def send(driver: Robot) -> None:
        message = mono8(side)
        for name, value in changes.items():
            setattr(message, name, value)
        driver.send_pair(**{side: message})

    return send


def other_size(driver: Robot) -> None:
    driver.send_pair(right=image(pixels('right')[:100, :100].copy(), 'mono8'))


def with_info(side: str, **changes: Any) -> Callable[[Robot], None]:
    def send(driver: Robot) -> None:
        driver.send_infos(**{side: camera_info(side, **changes)})
        driver.spin(0.05)
        driver.send_pair()

    return send


def swapped_infos(driver: Robot) -> None:
    driver.send_infos(left=camera_info('right'), right=camera_info('left'))
    driver.spin(0.05)
    driver.send_pair()


def far_apart(driver: Robot) -> None:
    driver.send_pair()
    stamp = driver.next_stamp()
    message = mono8('left')
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND_NS)
    driver.send('left/image_raw', message)
    later = mono8('right')
    stamp += SECOND_NS // 50
    later.header.stamp.sec, later.header.stamp.nanosec = divmod(stamp, SECOND_NS)
    driver.send('right/image_raw', later)


def repeated(driver: Robot) -> None:
    stamp = driver.send_pair()
    driver.send_pair(stamp_ns=stamp)


def going_back(driver: Robot) -> None:
    driver.send_pair()
    driver.send_pair(stamp_ns=driver.clock_ns - 3 * SECOND_NS)


def zero_stamp(driver: Robot) -> None:
    driver.send_pair(stamp_ns=0)


def right_stops(driver: Robot) -> None:
    for _ in range(5):
        message = mono8('left')
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(
            driver.next_stamp(), SECOND_NS
        )
        driver.send('left/image_raw', message)


NAN_K = [float('nan'), 0.0, 80.0, 0.0, FX, 60.0, 0.0, 0.0, 1.0]


@dataclass(frozen=True)
class Case:
    """What is sent, which counter it moves, and words that the warning must have."""

    send: Callable[[Robot], None]
    counter: str
    reason: str
    words: tuple[str, ...]


CASES: dict[str, Case] = {
    'unknown encoding': Case(
        broken_image(encoding='foo8'), 'dropped_encoding', 'encoding', ("'foo8'", 'mono8', 'left')
    ),
    'step shorter than the row': Case(
        broken_image(step=WIDTH - 1), 'dropped_step', 'step', ('159', '160', 'set step')
    ),
    'zero size': Case(
        broken_image(height=0, width=0, step=0), 'dropped_size', 'size', ('0x0', 'check')
    ),
    'truncated image': Case(
        broken_image('right', height=HEIGHT + 5),
        'dropped_data_length',
        'data_length',
        ('right', 'truncated'),
    ),
    'mismatched sizes': Case(
        other_size,
        'dropped_calibration_size',
        'calibration_size',
        ('right', '160x120', '100x100', 'give the calibration'),
    ),
    'right camera_info of another resolution': Case(
        with_info('right', height=2 * HEIGHT, width=2 * WIDTH),
        'dropped_calibration_resolution',
        'calibration_resolution',
        ('K[0,2]', '320x240', 'scale fx'),
    ),
    'NaN in K': Case(
        with_info('left', k=NAN_K),
        'dropped_calibration_values',
        'calibration_values',
        ('/left/camera_info', 'K', 'calibrate'),
    ),
    'zero K': Case(
        with_info('left', k=[0.0] * 9),
        'dropped_calibration_values',
        'calibration_values',
        ('calibrate',),
    ),
    'zero P of the right camera': Case(
        with_info('right', p=[0.0] * 12),
        'dropped_baseline_missing',
        'baseline_missing',
        ('P[0, 3]', 'baseline_m'),
    ),
    'swapped cameras': Case(
        swapped_infos, 'dropped_baseline_sign', 'baseline_sign', ('-0.1', 'swapped')
    ),
    'unknown distortion model': Case(
        with_info('left', distortion_model='fov'),
        'dropped_distortion_model',
        'distortion_model',
        ("'fov'", 'plumb_bob'),
    ),
    'stamps far apart': Case(
        far_apart, 'unpaired_no_partner', 'no_partner_left', ('20.000 ms', 'max_stamp_difference')
    ),
    'repeated stamps': Case(
        repeated, 'refused_repeated_stamp', 'repeated_stamp', ('repeats', 'publish each')
    ),
    'stamps going back': Case(
        going_back, 'refused_stamp_back', 'stamp_back', ('went back by 3', 'in order')
    ),
    'zero stamps': Case(zero_stamp, 'refused_zero_stamp', 'zero_stamp', ('stamp 0', 'must stamp')),
    'right camera stops': Case(
        right_stops, 'unpaired_queue_full', 'queue_full_left', ('right camera',)
    ),
}


def test_without_camera_info_it_says_which_topic_is_missing(stage: Stage) -> None:
    """Runs first: nothing has published a camera_info yet."""
    for _ in range(NUM_REPEATS):
        stage.robot.send_pair()
    assert stage.robot.wait_count('dropped_no_camera_info', NUM_REPEATS)
    (line,) = stage.node.lines_about('no_camera_info]')
    assert '/left/camera_info' in line and 'publish' in line
    stage.robot.send_infos()
    stage.robot.good_pair()


@pytest.mark.parametrize('name', CASES)
def test_bad_input_is_counted_named_and_survived(stage: Stage, name: str) -> None:
    case, driver = CASES[name], stage.robot
    driver.send_infos()
    driver.good_pair()
    before, lines_before = (
        driver.count(case.counter),
        len(stage.node.lines_about(f'{case.reason}]')),
    )
    for _ in range(NUM_REPEATS):
        case.send(driver)
        driver.spin(0.05)
    assert driver.wait_count(case.counter, before + 1), driver.diagnostics
    lines = stage.node.lines_about(f'{case.reason}]')
    assert len(lines) <= lines_before + 1, 'the warning is not throttled'
    assert any(all(word in line for word in case.words) for line in lines), lines
    driver.send_infos()
    driver.spin(0.05)
    depth = floats(driver.good_pair())
    assert np.nanmedian(depth) == pytest.approx(FX * 0.1 / DISPARITY_PX, rel=0.01)
    assert stage.node.process.poll() is None


def test_a_looping_bag_goes_on_after_one_refused_pair(stage: Stage) -> None:
    driver = stage.robot
    driver.send_infos()
    driver.good_pair()
    resets = driver.count('resets')
    driver.clock_ns -= 100 * SECOND_NS
    driver.good_pair()
    assert driver.wait_count('resets', resets + 1)
    assert 'bag loop' in stage.node.lines_about('reset')[0]


def test_one_camera_stopping_and_coming_back(stage: Stage) -> None:
    driver = stage.robot
    driver.send_infos()
    right_stops(driver)
    driver.spin(0.2)
    driver.good_pair()


def test_big_endian_16_bit_is_swapped_not_refused(stage: Stage) -> None:
    """A big-endian mono16 pair gives the same depth as the mono8 pair it was made of."""
    driver = stage.robot
    driver.send_infos()

    def big_endian(side: str) -> Image:
        message = image((pixels(side).astype('>u2') * 257).astype('>u2'), 'mono16')
        message.is_bigendian = 1
        return message

    message = driver.good_pair(
        send=lambda: driver.send_pair(left=big_endian('left'), right=big_endian('right'))
    )
    assert np.nanmedian(floats(message)) == pytest.approx(1.0, rel=0.01)


def test_an_empty_frame_id_is_named_and_the_calibrations_is_taken(stage: Stage) -> None:
    driver = stage.robot

    def nameless(side: str) -> Image:
        return image(pixels(side), 'mono8', '')

    def send() -> int:
        return driver.send_pair(left=nameless('left'), right=nameless('right'))

    driver.send_infos()
    driver.spin(0.05)
    assert driver.good_pair(send=send).header.frame_id == 'left_eye'
    left = camera_info('left')
    left.header.frame_id = ''
    driver.send_infos(left=left)
    driver.spin(0.05)
    assert driver.good_pair(send=send).header.frame_id == ''
    (line,) = stage.node.lines_about('frame_id]')
    assert 'empty' in line and 'camera driver' in line


def test_a_subscriber_that_cannot_match_is_named(stage: Stage) -> None:
    latched = QoSProfile(
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    stage.robot.node.create_subscription(Image, 'depth/image', lambda message: None, latched)
    assert stage.robot.spin_until(lambda: stage.node.lines_about('incompatible_qos'))
    (line,) = stage.node.lines_about('incompatible_qos')
    assert '/depth/image' in line and 'durability' in line and 'volatile' in line
    assert stage.robot.wait_count('incompatible_qos', 1)


def test_the_books_balance_after_all_that(stage: Stage) -> None:
    """Runs last: stops the node and reads its own report."""
    assert stage.node.stop() == 0
    report = stage.node.report()
    for side in ('left', 'right'):
        parts = ('unpaired', 'refused', 'waiting')
        total = report['paired'] + sum(report[f'{part}_{side}'] for part in parts)
        assert report[f'received_{side}'] == total
    assert report['in_flight'] == 0
    assert report['paired'] == report['outputs'] + sum(report['dropped'].values())
    assert sum(report['refused'].values()) == report['refused_left'] + report['refused_right']


def test_compressed_input_with_qos_that_cannot_match(tmp_path: Any) -> None:
    arguments = ['image_transport:=compressed', 'input_reliability:=reliable']
    arguments += ['sgbm.num_disparities:=32', 'diagnostics_period_s:=0.1', 'input_depth:=10']
    options = [word for argument in arguments for word in ('-p', argument)]
    with running(tmp_path, *options) as node, robot() as driver:
        for side in ('left', 'right'):
            driver.advertise(f'{side}/image_raw/compressed', CompressedImage)
        driver.connect()
        driver.send_infos()
        driver.good_pair(send=lambda: driver.send_pair(left=jpeg('left'), right=jpeg('right')))
        for _ in range(NUM_REPEATS):
            driver.send_pair(left=jpeg('left', keep=0.5), right=jpeg('right'))
        assert driver.wait_count('dropped_compressed', 1)
        (line,) = node.lines_about('compressed]')
        assert 'left' in line and 'truncated' in line and 'whole JPEG' in line
        driver.good_pair(send=lambda: driver.send_pair(left=jpeg('left'), right=jpeg('right')))

        offer = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        driver.advertise('left/image_raw/compressed', CompressedImage, offer)
        reason = 'incompatible_qos:/left/image_raw/compressed'
        assert driver.spin_until(lambda: node.lines_about(reason))
        (line,) = node.lines_about(reason)
        assert 'reliability' in line and 'input_reliability:=best_effort' in line
