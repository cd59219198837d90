"""The live stereo node feeds a costmap: obstacles, free rays and a scan, in another process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import LaserScan, PointCloud2

from depth_ros.geometry.rigid import BODY_FROM_OPTICAL
from depth_ros.messages.clouds import decode_cloud
from tests.kit.costmap import LETHAL, ObstacleLayer, Source
from tests.kit.live_node import (
    FX,
    HEIGHT,
    SECOND_NS,
    WIDTH,
    NodeProcess,
    Robot,
    camera_info,
    image,
    robot,
    running,
    stamp_of,
)
from tests.kit.nodes.told_stereo_node import told

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.told_stereo_node'
EYE_M = 0.4
BASE_FROM_CAMERA = BODY_FROM_OPTICAL.copy()
BASE_FROM_CAMERA[:3, 3] = (0.0, 0.0, EYE_M)
OPTIONS = (
    '-p',
    'diagnostics_period_s:=0.1',
    '-p',
    f'navigation.base_from_camera:=0 0 {EYE_M} -0.5 0.5 -0.5 0.5',
    '-p',
    'navigation.stride:=1',
)
APART = ('-r', '__ns:=/apart')
"""The stage's node hears the same names."""

TOPICS = {
    'points/obstacles': PointCloud2,
    'points/clearing': PointCloud2,
    'scan': LaserScan,
    'points': PointCloud2,
}
FLOOR = np.full((HEIGHT, WIDTH), np.inf, np.float32)
ROWS = np.arange(HEIGHT) - (HEIGHT - 1) / 2
FLOOR[ROWS > 0] = (EYE_M * FX / ROWS[ROWS > 0])[:, np.newaxis]


@dataclass
class Stage:
    node: NodeProcess
    robot: Robot

    def show(self, depth: np.ndarray, *topics: str) -> list[Any]:
        """Let the camera see a depth and give what comes out of it on each topic."""
        self.robot.spin(0.05)
        left = image(told(depth), 'rgb8')
        for _ in range(10):
            stamp = self.robot.send_pair(left=left)
            if self.robot.spin_until(lambda stamp=stamp: all(self.came(topics, stamp)), 2.0):
                return self.came(topics, stamp)
        raise AssertionError(f'nothing on {topics}: {self.robot.diagnostics}\n{self.node.log()}')

    def came(self, topics: tuple[str, ...], stamp: int) -> list[Any]:
        return [self.robot.output(topic, stamp) for topic in topics]


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp('navigation')
    with running(folder, *OPTIONS, module=SCRIPT) as node, robot(outputs=TOPICS) as driver:
        driver.connect()
        driver.send_infos()
        yield Stage(node, driver)


def wall(depth_m: float, *, half_width_px: int = 60) -> np.ndarray:
    """Give the floor with a wall of 1 m height on it."""
    depth = FLOOR.copy()
    middle = slice(WIDTH // 2 - half_width_px, WIDTH // 2 + half_width_px)
    top, bottom = ((EYE_M - height) * FX / depth_m for height in (1.0, 0.0))
    rows = (top <= ROWS) & (bottom >= ROWS)
    depth[rows, middle] = depth_m
    return depth


def in_base(cloud: PointCloud2) -> np.ndarray:
    if not cloud.width:
        return np.zeros((0, 3))
    points = decode_cloud(cloud)[0, :, :3]
    return points @ BASE_FROM_CAMERA[:3, :3].T + BASE_FROM_CAMERA[:3, 3]


def test_a_wall_appears_moves_and_disappears(stage: Stage) -> None:
    wide = {'max_obstacle_height': 2.0, 'obstacle_max_range': 6.0, 'raytrace_max_range': 6.0}
    sources = {
        'points/obstacles': Source(clearing=True, **wide),
        'points/clearing': Source(marking=False, clearing=True, **wide),
    }
    layer = ObstacleLayer(sources)
    marked = []
    for depth in (FLOOR, wall(2.0), wall(3.0), FLOOR, np.full_like(FLOOR, np.nan)):
        clouds = stage.show(depth, *sources)
        for topic, cloud in zip(sources, clouds, strict=True):
            assert cloud.header.frame_id == 'left_eye', 'rays begin at the camera'
            layer.observe(topic, in_base(cloud), BASE_FROM_CAMERA[:3, 3])
        layer.update()
        marked.append(sorted(set(np.flatnonzero((layer.costs == LETHAL).any(axis=0)))))
    assert marked == [[], [60], [80], [], []]


def test_clouds_are_bounded_and_have_no_nan(stage: Stage) -> None:
    obstacles, clearing = stage.show(wall(2.0), 'points/obstacles', 'points/clearing')
    for cloud in (obstacles, clearing):
        assert cloud.height == 1 and cloud.is_dense and 0 < cloud.width <= 20_000
        assert np.isfinite(decode_cloud(cloud)[..., :3]).all()
    points = in_base(obstacles)
    assert points[:, 2].min() >= 0.1 and points[:, 2].max() <= 2.0
    np.testing.assert_allclose(points[:, 0], 2.0, atol=1e-3)
    ends = in_base(clearing)
    far = np.hypot(ends[:, 0], ends[:, 1])
    assert far.max() == pytest.approx(5.0, abs=0.02)
    assert ends[:, 2].min() >= 0.1 - 1e-3


def test_nothing_is_said_of_unknown_depth(stage: Stage) -> None:
    nothing = np.full_like(FLOOR, np.nan)
    obstacles, clearing, scan = stage.show(nothing, 'points/obstacles', 'points/clearing', 'scan')
    assert (obstacles.width, clearing.width) == (0, 0)
    assert np.isnan(scan.ranges).all()


def test_scan_follows_rep_117(stage: Stage) -> None:
    depth = wall(2.0, half_width_px=20)
    depth[:, :30] = np.nan
    (scan,) = stage.show(depth, 'scan')
    assert scan.header.frame_id == 'base_link'
    assert scan.range_max == pytest.approx(5.0) and scan.range_min == 0.0
    ranges = np.array(scan.ranges)
    angles = scan.angle_min + scan.angle_increment * np.arange(len(ranges))
    assert angles[-1] == pytest.approx(scan.angle_max, abs=1e-5)
    assert (scan.angle_min, scan.angle_max) == pytest.approx((-0.672, 0.672), abs=0.01)
    ahead = np.abs(angles) < math.atan(18 / FX)
    np.testing.assert_allclose(ranges[ahead] * np.cos(angles[ahead]), 2.0, atol=0.02)
    left = angles > math.atan(52 / FX)
    assert np.isnan(ranges[left]).all(), 'unknown'
    right = angles < -math.atan(22 / FX)
    assert np.isposinf(ranges[right]).all(), 'free'


def test_parameters_change_while_running(stage: Stage) -> None:
    stage.robot.set_parameters(navigation__max_range_m=1.5)
    try:
        obstacles, clearing = stage.show(wall(2.0), 'points/obstacles', 'points/clearing')
        assert obstacles.width == 0
        ends = in_base(clearing)
        assert np.hypot(ends[:, 0], ends[:, 1]).max() == pytest.approx(1.5, abs=0.02)
        stage.robot.set_parameters(navigation__max_range_m=5.0, navigation__ground='kept')
        (obstacles,) = stage.show(wall(2.0), 'points/obstacles')
        assert in_base(obstacles)[:, 2].min() < 0.05, 'the floor is kept'
        stage.robot.set_parameters(navigation__ground='removed', navigation__max_points=50)
        obstacles, clearing = stage.show(wall(2.0), 'points/obstacles', 'points/clearing')
        assert (obstacles.width, clearing.width) == (50, 50)
    finally:
        stage.robot.set_parameters(
            navigation__max_range_m=5.0, navigation__ground='removed', navigation__max_points=20000
        )
    refused = stage.robot.set_parameters(navigation__base_from_camera='1 2 3')
    assert not refused.successful and 'x y z qx qy qz qw' in refused.reason
    refused = stage.robot.set_parameters(navigation__min_height_m=3.0)
    assert not refused.successful and 'navigation.max_height_m' in refused.reason


def test_a_scans_frame_that_nobody_knows_costs_the_scan_alone(stage: Stage) -> None:
    stage.robot.set_parameters(navigation__scan_frame='mast')
    try:
        obstacles, clearing = stage.show(wall(2.0), 'points/obstacles', 'points/clearing')
        assert obstacles.width > 0 and clearing.width > 0
        stage.node.wait_for('[no_scan_frame]')
        line = stage.node.lines_about('no_scan_frame')[0]
        for words in ("'mast'", "'base_link'", 'navigation.scan_frame', 'scan is left out'):
            assert words in line
    finally:
        stage.robot.set_parameters(navigation__scan_frame='')
    (scan,) = stage.show(wall(2.0), 'scan')
    assert scan.header.frame_id == 'base_link'


def test_an_odd_mount_is_told_once_and_frames_have_names(stage: Stage) -> None:
    straight = f'0 0 {EYE_M} -0.5 0.5 -0.5 0.5'
    assert stage.node.lines_about('odd_mount') == []
    stage.robot.set_parameters(navigation__base_from_camera=f'0 0 {EYE_M} 0 0 0 1')
    try:
        for _ in range(3):
            stage.show(FLOOR, 'points/clearing')
        (line,) = stage.node.lines_about('odd_mount')
        assert 'ceiling' in line and '-0.5 0.5 -0.5 0.5' in line
    finally:
        stage.robot.set_parameters(navigation__base_from_camera=straight)
    for frame in ('', '/base_link', 'base link'):
        refused = stage.robot.set_parameters(navigation__base_frame=frame)
        assert not refused.successful and 'navigation.base_frame must be' in refused.reason


def test_flying_pixels_are_left_out_of_points_by_default(stage: Stage) -> None:
    depth = np.full_like(FLOOR, 4.0)
    depth[:, :80], depth[:, 80:82] = 1.0, (2.0, 3.0)
    (cloud,) = stage.show(depth, 'points')
    assert (cloud.height, cloud.width) == (HEIGHT, WIDTH)
    z = decode_cloud(cloud)[..., 2]
    assert np.isnan(z[:, 80:82]).all()
    assert np.isfinite(z[:, [79, 82]]).all(), 'both surfaces keep their last pixels'
    stage.robot.set_parameters(cloud__max_edge_step=0.0)
    (cloud,) = stage.show(depth, 'points')
    assert np.isfinite(decode_cloud(cloud)[..., 2]).all()
    stage.robot.set_parameters(cloud__max_edge_step=0.02, cloud__max_points=5000)
    (cloud,) = stage.show(depth, 'points')
    assert (cloud.height, cloud.width) == (HEIGHT // 2, WIDTH // 2)
    stage.robot.set_parameters(cloud__max_points=0)


def test_rates_are_bounded_by_stamps(stage: Stage) -> None:
    stage.robot.set_parameters(navigation__max_rate_hz=5.0)
    try:
        stage.show(wall(2.0), 'points')
        begin = stage.robot.clock_ns
        for _ in range(20):
            stage.show(wall(2.0), 'points')
        took_s = (stage.robot.clock_ns - begin) / SECOND_NS
        scans = [one for one in stage.robot.received['scan'] if stamp_of(one) > begin]
        assert abs(len(scans) - 5.0 * took_s) <= 1.0
    finally:
        stage.robot.set_parameters(navigation__max_rate_hz=0.0)


def test_a_place_that_nobody_tells_is_a_warning_and_the_rest_goes_on(tmp_path: Path) -> None:
    options = ('-p', 'diagnostics_period_s:=0.1', *APART)
    with (
        running(tmp_path, *options, module=SCRIPT) as node,
        robot(namespace='/apart', outputs=TOPICS) as driver,
    ):
        driver.connect()
        driver.send_infos()
        lone = Stage(node, driver)
        lone.show(FLOOR, 'points')
        assert driver.received['points/obstacles'] == []
        node.wait_for('[no_base_frame]')
        line = node.lines_about('no_base_frame')[0]
        for words in ("'left_eye'", "'base_link'", 'navigation.base_from_camera', 'tf2_ros'):
            assert words in line
        assert driver.spin_until(lambda: 'left_out' in driver.diagnostics)
        assert "'base_link'" in driver.diagnostics['left_out']
        status = driver.status
        assert status.level == DiagnosticStatus.WARN
        assert status.message == driver.diagnostics['left_out'], (
            'what doctor tells as node-warning'
        )


def test_verged_rigs_are_told_what_not_to_combine(tmp_path: Path) -> None:
    """What PointCloudNode makes of our disparity and both camera_info is off by cx's offset."""
    right = camera_info('right')
    right.p[2] -= 2.0
    with (
        running(tmp_path, *APART, module=SCRIPT) as node,
        robot(namespace='/apart', outputs={'points': PointCloud2}) as driver,
    ):
        driver.connect()
        driver.send_infos(right=right)
        Stage(node, driver).show(FLOOR, 'points')
        Stage(node, driver).show(FLOOR, 'points')
    (line,) = node.lines_about('verged')
    assert '2.00 px' in line and 'camera_info' in line
