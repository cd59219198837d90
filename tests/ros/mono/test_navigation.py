"""The live mono node feeds costmaps only in metres, and slots into the tutorial's names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from sensor_msgs.msg import Image, LaserScan, PointCloud2

from depth_ros.geometry.rigid import BODY_FROM_OPTICAL
from depth_ros.messages.clouds import decode_cloud
from tests.kit.live_node import NodeProcess, Robot, robot, running, set_stamp
from tests.kit.live_node import camera_info as info_of
from tests.kit.live_node import image as image_of
from tests.kit.mono_doubles import FLOOR_M, UNIT_M, room_image

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.truth_mono_node'
OUTPUTS = {
    'points/obstacles': PointCloud2,
    'points/clearing': PointCloud2,
    'scan': LaserScan,
    'pipeline/points': PointCloud2,
    'relative_depth/image': Image,
}
OPTIONS = (
    '-p',
    'diagnostics_period_s:=0.1',
    '-p',
    f'navigation.base_from_camera:=0 0 {FLOOR_M} -0.5 0.5 -0.5 0.5',
    '-p',
    'navigation.stride:=1',
    '-r',
    'points:=pipeline/points',
)
FOR_COSTMAPS = ('points/obstacles', 'points/clearing', 'scan')


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, Robot]]:
    folder = tmp_path_factory.mktemp('mono_navigation')
    with (
        running(folder, *OPTIONS, module=SCRIPT) as node,
        robot(node='mono_node', cameras=('',), outputs=OUTPUTS) as driver,
    ):
        node.wait_for('subscribed to raw images')
        driver.connect(num_images=1)
        yield node, driver


def send(driver: Robot) -> int:
    driver.send('camera_info', info_of('left'))
    message, stamp = image_of(room_image(), 'rgb8'), driver.next_stamp()
    set_stamp(message, stamp)
    driver.send('image_raw', message)
    return stamp


def test_nothing_without_metres_then_the_room_as_it_is(stage: tuple[NodeProcess, Robot]) -> None:
    _, driver = stage
    driver.good_pair('relative_depth/image', lambda: send(driver))
    driver.spin(0.3)
    assert all(driver.received[topic] == [] for topic in FOR_COSTMAPS)
    driver.set_parameters(scale__factor=UNIT_M, scale__mode='fixed')
    scan = driver.good_pair('scan', lambda: send(driver))
    stamp = driver.clock_ns
    assert driver.spin_until(lambda: driver.output('points/obstacles', stamp), 5.0)
    assert driver.output('pipeline/points', stamp).height == 120, "the tutorial's name"
    obstacles = decode_cloud(driver.output('points/obstacles', stamp))[0, :, :3]
    places = obstacles @ BODY_FROM_OPTICAL[:3, :3].T + (0.0, 0.0, FLOOR_M)
    assert len(places) > 100
    assert places[:, 2].min() >= 0.1 - 1e-3 and places[:, 2].max() <= 2.0 + 1e-3
    ranges = np.array(scan.ranges)
    known = np.isfinite(ranges)
    assert known.sum() > len(ranges) // 2
    nearest = np.hypot(places[:, 0], places[:, 1]).min()
    assert np.nanmin(ranges) == pytest.approx(nearest, abs=0.1)
