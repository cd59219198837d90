"""The live stereo node with hints of other sensors: a network that repeats what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image, PointCloud2, PointField

from depth_ros.messages.clouds import fill_point_cloud
from depth_ros.models.registry import hinted_models
from tests.kit.echo_hints import UNTOLD_PX
from tests.kit.live_node import (
    BASELINE_M,
    DEPTH_M,
    FX,
    HEIGHT,
    SECOND_NS,
    WIDTH,
    Robot,
    floats,
    image,
    robot,
    running,
    set_stamp,
)

pytestmark = pytest.mark.ros
OPTIONS = {
    'model': hinted_models()[0],
    'hints': 'depth_topic',
    'pose_source': 'odometry',
    'left_from_depth': '0 -0.1 0.05 0 0 0 1',
    'diagnostics_period_s': '0.1',
    'input_depth': '10',
}
SENSOR_M = np.array([0.0, -0.1, 0.05])
UNTOLD_M = FX * BASELINE_M / UNTOLD_PX
INSIDE = np.s_[20:-20, 30:-10]
OUTPUTS = {'depth/image': Image, '/diagnostics': DiagnosticArray}


@pytest.fixture(scope='module')
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    words = [word for name, value in OPTIONS.items() for word in ('-p', f'{name}:={value}')]
    folder = tmp_path_factory.mktemp('node')
    with (
        running(
            folder,
            *words,
            module='tests.kit.nodes.echo_stereo_node',
            has_known_matcher=False,
        ) as node,
        robot(outputs=OUTPUTS) as driver,
    ):
        node.wait_for('hints are made of /hints/points')
        driver.log = node.lines_about
        driver.advertise('hints/points', PointCloud2)
        driver.advertise('odometry', Odometry)
        driver.connect(num_images=4)
        driver.send_infos()
        yield driver


def wall(z_m: float) -> np.ndarray:
    """Points of a wall across the left camera's axis, in the frame of the scanner."""
    x, y = np.meshgrid(np.linspace(-1.5, 1.5, 151), np.linspace(-1.2, 1.2, 61))
    points = np.stack([x, y, np.full_like(x, z_m)], axis=-1)
    return (points - SENSOR_M).astype(np.float32)


def cloud(points: np.ndarray, stamp_ns: int) -> PointCloud2:
    message = PointCloud2()
    fill_point_cloud(message, np.dstack([points, np.zeros_like(points[..., 0])]), PointField)
    message.header.frame_id = 'scanner'
    set_stamp(message, stamp_ns)
    return message


def pose(z_m: float, stamp_ns: int) -> Odometry:
    """Pose of the left camera: axes of the world as its own."""
    message = Odometry(child_frame_id='left_eye')
    message.header.frame_id = 'odom'
    message.pose.pose.position.z, message.pose.pose.orientation.w = z_m, 1.0
    set_stamp(message, stamp_ns)
    return message


def depth_with(
    driver: Robot,
    points: np.ndarray | None,
    *,
    age_ns: int = 0,
    positions_m: tuple[float, float] = (0.0, 0.0),
) -> float:
    """Send a cloud, poses at its stamp and at the pair's, and a pair; give the depth inside."""

    def send() -> int:
        stamp = driver.next_stamp()
        for z_m, at in zip(positions_m, (stamp - max(age_ns, 1), stamp), strict=True):
            driver.send('odometry', pose(z_m, at))
        if points is not None:
            driver.send('hints/points', cloud(points, stamp - age_ns))
        driver.spin(0.15)
        return driver.send_pair(stamp_ns=stamp)

    message: Any = driver.good_pair(send=send)
    return float(np.nanmedian(floats(message)[INSIDE]))


def depth_when_told(expected_m: float, depth: Callable[[], float]) -> float:
    """Send until the depth is the expected one; give the last.

    A best-effort reader that has not found this publisher yet misses the first of them.
    """
    for _ in range(5):
        found_m = depth()
        if found_m == pytest.approx(expected_m, rel=0.01):
            break
    return found_m


def warnings_of(driver: Robot, words: str, send: Callable[[], object]) -> bool:
    """Send until the state warns with these words."""
    for _ in range(5):
        driver.received['/diagnostics'].clear()
        send()
        if driver.spin_until(lambda: any(words in text for text in warned(driver)), 2.0):
            return True
    return False


def warned(driver: Robot) -> list[str]:
    arrays = driver.received['/diagnostics']
    states = (status for array in arrays for status in array.status if ': state' in status.name)
    return [state.message for state in states if state.level == DiagnosticStatus.WARN]


def used(driver: Robot) -> float:
    return float(driver.diagnostics.get('hint_used', 'nan'))


def test_points_of_the_scene_are_told(driver: Robot) -> None:
    found_m = depth_when_told(DEPTH_M, lambda: depth_with(driver, wall(DEPTH_M)))
    assert found_m == pytest.approx(DEPTH_M, rel=0.01)
    assert driver.spin_until(lambda: used(driver) > 0.9), driver.diagnostics
    assert 'hint_left_out' not in driver.diagnostics


@pytest.mark.parametrize('z_m', [0.7 * DEPTH_M, 1.4 * DEPTH_M])
def test_points_of_another_scene_are_not_told(driver: Robot, z_m: float) -> None:
    assert depth_with(driver, wall(z_m)) == pytest.approx(UNTOLD_M, rel=0.01)
    assert driver.spin_until(lambda: used(driver) == 0.0), driver.diagnostics
    assert 'the pair speaks against them' in driver.log('hint_refuted')[0]
    assert driver.status.level == DiagnosticStatus.WARN
    assert driver.diagnostics['hint_left_out'] in driver.status.message


def test_points_that_are_nothing_are_told_of(driver: Robot) -> None:
    nothing = np.full((1, 4, 3), np.nan, np.float32)
    assert depth_with(driver, nothing) == pytest.approx(UNTOLD_M, rel=0.01)
    words = 'they hold no depth above 0'
    assert driver.spin_until(lambda: words in driver.diagnostics.get('hint_left_out', ''))


def test_old_points_are_not_told(driver: Robot) -> None:
    driver.clock_ns += 5 * SECOND_NS
    old = depth_with(driver, wall(DEPTH_M), age_ns=SECOND_NS)
    assert old == pytest.approx(UNTOLD_M, rel=0.01)
    assert 'more than max_hint_age_s' in driver.log('stale_hint')[0]
    words = 'more than max_hint_age_s (0.2): no hint'
    assert warnings_of(driver, words, lambda: depth_with(driver, None))
    assert 'hint_used' not in driver.diagnostics


def test_points_are_moved_by_odometry_to_the_pair(driver: Robot) -> None:
    """The rig came 20 cm nearer to the wall since it was measured."""
    driver.clock_ns += SECOND_NS
    points, age_ns = wall(DEPTH_M + 0.2), SECOND_NS // 10
    told = depth_with(driver, points, age_ns=age_ns, positions_m=(0.0, 0.2))
    assert told == pytest.approx(DEPTH_M, rel=0.01)


def test_the_words_change_while_it_runs(driver: Robot) -> None:
    assert driver.set_parameters(hints='none').successful
    assert depth_with(driver, wall(DEPTH_M)) == pytest.approx(UNTOLD_M, rel=0.01)
    refused = driver.set_parameters(hints='lidar')
    assert not refused.successful and 'depth_topic sgbm' in refused.reason
    assert driver.set_parameters(hints='depth_topic sgbm').successful
    assert depth_with(driver, wall(0.7 * DEPTH_M)) == pytest.approx(DEPTH_M, rel=0.02)


def test_the_result_before_is_told_unless_the_rig_has_jumped(driver: Robot) -> None:
    assert driver.set_parameters(hints='depth_topic previous').successful
    assert depth_with(driver, wall(DEPTH_M)) == pytest.approx(DEPTH_M, rel=0.01)
    driver.clock_ns += 5 * SECOND_NS
    assert depth_with(driver, None) == pytest.approx(DEPTH_M, rel=0.01), 'the cloud is too old'
    jumped = depth_with(driver, None, positions_m=(0.0, 5.0))
    assert jumped == pytest.approx(UNTOLD_M, rel=0.01)


def depth_image(shape: tuple[int, int], frame_id: str) -> Image:
    return image(np.full(shape, DEPTH_M, np.float32), '32FC1', frame_id)


def test_depth_that_cannot_be_placed_or_is_of_another_shape_is_told_of(
    tmp_path: Path,
) -> None:
    changed = {'pose_source': 'none', 'left_from_depth': '', 'depth_topic': 'image'}
    options = {**OPTIONS, **changed}
    words = [w for name, value in options.items() if value for w in ('-p', f'{name}:={value}')]
    module = 'tests.kit.nodes.echo_stereo_node'
    with (
        running(tmp_path, *words, module=module, has_known_matcher=False) as node,
        robot(outputs=OUTPUTS) as driver,
    ):
        node.wait_for('hints are made of /hints/depth/image')
        driver.advertise('hints/depth/image', Image)
        driver.connect(num_images=3)
        driver.send_infos()

        def send(message: Image) -> int:
            stamp = driver.next_stamp()
            set_stamp(message, stamp)
            driver.send('hints/depth/image', message)
            driver.spin(0.15)
            return driver.send_pair(stamp_ns=stamp)

        placed = depth_image((HEIGHT, WIDTH), 'left_eye')

        def depth() -> float:
            told: Any = driver.good_pair(send=lambda: send(placed))
            return float(np.nanmedian(floats(told)[INSIDE]))

        assert depth_when_told(DEPTH_M, depth) == pytest.approx(DEPTH_M, rel=0.01)
        elsewhere = depth_image((HEIGHT, WIDTH), 'nobody_knows')
        why = "in frame 'nobody_knows' and the left image in 'left_eye'"
        assert warnings_of(driver, why, lambda: send(elsewhere))
        tall = depth_image((2 * HEIGHT, WIDTH), 'left_eye')
        assert warnings_of(driver, f'depth is {WIDTH}x{2 * HEIGHT} but', lambda: send(tall))
        for reason in ('no_hint_mount', 'hint_depth_size'):
            assert len(node.lines_about(reason)) == 1, 'throttled'


def test_a_silent_sensor_is_a_warning_until_no_hint_needs_it(tmp_path: Path) -> None:
    options = {**OPTIONS, 'hints': 'depth_topic sgbm', 'input_timeout_s': '1.5'}
    words = [word for name, value in options.items() for word in ('-p', f'{name}:={value}')]
    module = 'tests.kit.nodes.echo_stereo_node'
    with (
        running(tmp_path, *words, module=module, has_known_matcher=False) as node,
        robot(outputs=OUTPUTS) as driver,
    ):
        node.wait_for('hints are made of /hints/points')
        driver.advertise('hints/points', PointCloud2)
        driver.connect(num_images=2)
        driver.send_infos()
        silent = ('no measured depth on /hints/points', 'no pose on /odometry')

        def pairs_until(done: Callable[[], bool]) -> bool:
            return any(driver.send_pair() and driver.spin_until(done, 0.2) for _ in range(60))

        def is_told() -> bool:
            return all(any(text in told for told in warned(driver)) for text in silent)

        assert pairs_until(is_told), node.log()
        topics = {status.name: status.level for status in statuses(driver)}
        assert topics['stereo_node: /hints/points topic status'] == DiagnosticStatus.WARN
        assert driver.set_parameters(hints='auto').successful

        def is_quiet_now() -> bool:
            driver.received['/diagnostics'].clear()
            driver.spin_until(lambda: len(driver.received['/diagnostics']) > 2)
            named = ' '.join(f'{status.name} {status.message}' for status in statuses(driver))
            return bool(named) and 'hints/points' not in named and 'odometry' not in named

        assert pairs_until(is_quiet_now)
        assert driver.set_parameters(hints='depth_topic sgbm').successful
        driver.advertise('odometry', Odometry)
        told = depth_when_told(DEPTH_M, lambda: depth_with(driver, wall(DEPTH_M)))
        assert told == pytest.approx(DEPTH_M, rel=0.02), 'subscribed again'


def statuses(driver: Robot) -> list[DiagnosticStatus]:
    return [status for array in driver.received['/diagnostics'] for status in array.status]
