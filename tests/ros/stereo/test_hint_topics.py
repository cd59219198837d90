"""The live stereo node with hints of other sensors: a network that repeats what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2, PointField

from depth_ros.messages.clouds import fill_point_cloud
from depth_ros.models.registry import hinted_models
from tests.kit.echo_hints import UNTOLD_PX
from tests.kit.live_node import (
    BASELINE_M,
    DEPTH_M,
    FX,
    SECOND_NS,
    Robot,
    floats,
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
        robot(outputs=['depth/image']) as driver,
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


def test_points_of_the_scene_are_told(driver: Robot) -> None:
    assert depth_with(driver, wall(DEPTH_M)) == pytest.approx(DEPTH_M, rel=0.01)


@pytest.mark.parametrize('z_m', [0.7 * DEPTH_M, 1.4 * DEPTH_M])
def test_points_of_another_scene_are_not_told(driver: Robot, z_m: float) -> None:
    assert depth_with(driver, wall(z_m)) == pytest.approx(UNTOLD_M, rel=0.01)


def test_old_points_are_not_told(driver: Robot) -> None:
    driver.clock_ns += 5 * SECOND_NS
    old = depth_with(driver, wall(DEPTH_M), age_ns=SECOND_NS)
    assert old == pytest.approx(UNTOLD_M, rel=0.01)
    assert 'more than max_hint_age_s' in driver.log('stale_hint')[0]


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
