"""The service ``finish``, and a range cloud that nobody can place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image, PointCloud2, PointField

from depth_ros.geometry.depth import flat_cloud
from depth_ros.messages.clouds import fill_point_cloud
from tests.kit.live_node import Robot, floats, robot, running, stamp_of
from tests.kit.multiview_doubles import CAMERA, START_NS, pose_at, view_at
from tests.kit.multiview_replay import call, is_done, send

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.truth_multiview_node'
OPTIONS = (
    'diagnostics_period_s:=0.1',
    'input_reliability:=reliable',
    'depth.max_m:=8.0',
    'num_sources:=4',
)
STEP_NS, WAITING = 100_000_000, 2


def walk(us: Robot, numbers: range, *, num_before: int = 0) -> None:
    for count, number in enumerate(numbers, num_before + 1):
        stamp = START_NS - 300_000_000 + STEP_NS * number
        send(us, pose_at(stamp), CAMERA.k, view_at(stamp).image, stamp)
        assert us.spin_until(lambda count=count: is_done(us, count)), us.diagnostics


def test_the_end_of_a_drive_leaves_no_keyframe_without_depth(tmp_path: Path) -> None:
    options = [word for option in OPTIONS for word in ('-p', option)]
    outputs = {'depth/image': Image}
    with (
        running(tmp_path, *options, module=SCRIPT) as node,
        robot(node='multiview_node', cameras=('',), outputs=outputs) as us,
    ):
        node.wait_for('subscribed to')
        us.advertise('odometry', Odometry, 10)
        us.connect(num_images=2)
        depths = us.received['depth/image']
        walk(us, range(6))
        assert us.count('keyframes') == 6 and len(depths) == 6 - WAITING
        answer = call(us, 'multiview_node/finish')
        assert answer.success and answer.message.startswith('2 keyframes')
        assert us.spin_until(lambda: len(depths) == 6)
        assert call(us, 'multiview_node/finish').message.startswith('0 keyframes')
        walk(us, range(12, 16), num_before=6)
        us.spin(0.2)
        stamps = [stamp_of(message) for message in depths]
        assert len(stamps) == 10 - WAITING and np.all(np.diff(stamps) > 0)


def test_a_range_cloud_in_an_unknown_frame_is_told_and_not_used(tmp_path: Path) -> None:
    options = (*OPTIONS, 'depth.source:=cloud', 'reference:=newest')
    words = [word for option in options for word in ('-p', option)]
    outputs = {'depth/image': Image}
    with (
        running(tmp_path, *words, module=SCRIPT) as node,
        robot(node='multiview_node', cameras=('',), outputs=outputs) as us,
    ):
        node.wait_for('subscribed to')
        us.advertise('odometry', Odometry, 10)
        us.advertise('range/points', PointCloud2, 10)
        us.connect(num_images=3)
        message = PointCloud2()
        points = np.tile((0.0, 0.0, 3.0), (100, 1))
        fill_point_cloud(message, flat_cloud(points, np.zeros((100, 3), np.uint8)), PointField)
        message.header.frame_id = 'lidar'
        us.send('range/points', message)
        assert us.wait_count('received_range', 1)
        walk(us, range(5))
        us.spin(0.2)
        (line,) = node.lines_about('range_frame]')
        assert "'lidar'" in line and "'camera_optical_frame'" in line
        depth = floats(us.received['depth/image'][-1])
        assert np.nanmax(depth) > 4.0, 'the whole range is searched'
