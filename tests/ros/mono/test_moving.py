"""The live mono node of a moving camera: metres from its poses alone, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.kit.child_environment import python_path

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.messages.clouds import decode_cloud
from tests.kit.live_node import (
    NodeProcess,
    Robot,
    camera_info,
    floats,
    image,
    robot,
    running,
    set_stamp,
    stamp_of,
    wait_until,
)
from tests.kit.multiview_doubles import HEIGHT, START_NS, WIDTH, pose_at, view_at
from tests.kit.multiview_replay import fill_pose

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.moving_mono_node'
OPTIONS = (
    *('-p', 'diagnostics_period_s:=0.1', '-p', 'input_depth:=50', '-p', 'output_depth:=50'),
    *('-p', 'keyframes.max_depth_m:=8.0'),
)
OUTPUTS: dict[str, type] = {
    'depth/image': Image,
    'depth/camera_info': CameraInfo,
    'depth/sigma': Image,
    'depth/source': Image,
    'points': PointCloud2,
    'relative_depth/image': Image,
}
FRAME_NS = 50_000_000


@dataclass
class Walk:
    """The node, its driver, and the time of the walk."""

    node: NodeProcess
    robot: Robot
    clock_ns: int = START_NS

    def go(
        self, count: int, *, poses: bool = True, child: str = 'left_eye', length: float = 1.0
    ) -> list[int]:
        """Send images, each before its pose, and wait for what comes of them."""
        stamps = []
        for _ in range(count):
            self.clock_ns += FRAME_NS
            stamps.append(self.clock_ns)
            message = image(view_at(self.clock_ns).image, 'rgb8')
            set_stamp(message, self.clock_ns)
            self.robot.send('image_raw', message)
            if poses:
                odometry = Odometry(child_frame_id=child)
                odometry.header.frame_id = 'odom'
                fill_pose(odometry.pose.pose, pose_at(self.clock_ns))
                odometry.pose.pose.orientation.w *= length
                set_stamp(odometry, self.clock_ns)
                self.robot.send('odometry', odometry)
            self.robot.spin(0.05)
        return stamps

    def until_metres(self) -> int:
        """Walk on until an image of from now on has depth; give its stamp."""
        start, received = self.clock_ns, self.robot.received['depth/image']
        for _ in range(100):
            self.go(1)
            self.robot.spin_until(lambda: self.robot.count('in_flight') == 0, 0.5)
            later = [stamp_of(message) for message in received if stamp_of(message) > start]
            if later:
                return later[0]
        raise AssertionError(f'{self.robot.diagnostics} {self.node.log()}')

    def output(self, topic: str, stamp: int) -> object:
        return self.robot.output(topic, stamp)


@pytest.fixture(scope='module')
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with (
        running(tmp_path_factory.mktemp('moving_mono'), *OPTIONS, module=SCRIPT) as node,
        robot(node='mono_node', cameras=('',), outputs=OUTPUTS) as driver,
    ):
        node.wait_for('subscribed to raw images on /image_raw')
        driver.advertise('odometry', Odometry, 50)
        driver.connect(num_images=2)
        driver.send('camera_info', camera_info('left'))
        driver.spin(0.2)
        yield Walk(node, driver)


def test_before_any_pose_nothing_metric_comes_out_and_the_node_says_why(walk: Walk) -> None:
    """Runs first: no odometry has come yet, and no image waits for it."""
    walk.go(4, poses=False)
    assert walk.robot.spin_until(lambda: walk.robot.count('outputs') >= 3)
    assert walk.robot.received['depth/image'] == []
    assert walk.robot.spin_until(lambda: walk.robot.diagnostics.get('refine_refused') == 'no_pose')
    (line,) = walk.node.lines_about('no_pose]')
    assert 'odometry' in line and 'refine' in line
    assert walk.robot.diagnostics['mono_network'] == 'none'
    assert walk.robot.diagnostics['scale_refused'] == 'no_pose'
    assert walk.robot.status.level == DiagnosticStatus.WARN
    assert 'no pose' in walk.robot.status.message


def test_images_with_poses_have_metres_sigma_and_source(walk: Walk) -> None:
    walk.until_metres()
    walk.go(6)
    stamp = walk.until_metres()
    depth = floats(walk.output('depth/image', stamp))
    truth = view_at(stamp).depth
    known = np.isfinite(depth)
    error = np.abs(depth - truth)[known] / truth[known]
    assert known.mean() > 0.6
    assert np.median(error) < 0.02 and (error > 0.1).mean() < 0.05
    driver = walk.robot
    for topic in ('depth/sigma', 'depth/source', 'points', 'depth/camera_info'):
        assert driver.spin_until(lambda topic=topic: walk.output(topic, stamp)), topic
    sigma = floats(walk.output('depth/sigma', stamp))
    assert np.array_equal(np.isfinite(sigma), known) and (sigma[known] > 0).all()
    message = walk.output('depth/source', stamp)
    source = np.frombuffer(message.data, np.uint8).reshape(HEIGHT, WIDTH)
    assert message.encoding == 'mono8' and np.array_equal(source == 1, known)
    assert set(np.unique(source)) <= {0, 1}
    z = decode_cloud(walk.output('points', stamp))[..., 2]
    kept = np.isfinite(z)
    np.testing.assert_allclose(z[kept], depth[kept])
    # Pixels that fly between two surfaces are no points.
    assert 0.7 * known.sum() < kept.sum() < known.sum()
    assert float(driver.diagnostics['keyframe_age_s'] or 'nan') <= 1.0


def test_there_is_no_relative_depth_without_a_network(walk: Walk) -> None:
    assert walk.robot.received['relative_depth/image'] == []


def test_poses_that_stop_end_the_metres_and_not_the_node(walk: Walk) -> None:
    walk.until_metres()
    stamps = walk.go(30, poses=False)
    driver = walk.robot
    driver.spin(0.5)
    last = {stamp_of(message) for message in driver.received['depth/image']}
    assert not last & set(stamps)
    assert driver.spin_until(lambda: driver.diagnostics['refine_refused'] == 'no_pose')
    stamp = walk.until_metres()
    assert stamp > stamps[-1]


@pytest.mark.parametrize(
    ('fault', 'reason'), [({'length': 1e200}, 'pose_values'), ({'child': 'base'}, 'no_extrinsic')]
)
def test_without_a_pose_the_scale_gives_the_reason_of_the_poses(
    walk: Walk, fault: dict, reason: str
) -> None:
    for _ in range(30):
        walk.go(2, **fault)
        if walk.robot.diagnostics.get('scale_refused') == reason:
            break
    assert walk.robot.diagnostics['scale_refused'] == reason
    assert 'Warning:' not in walk.node.log(), 'nothing of NumPy'


def test_the_books_balance(walk: Walk) -> None:
    """Runs last: stops the node and reads its own report."""
    walk.go(3, poses=False)
    assert walk.node.stop() == 0, walk.node.log()
    assert 'Traceback' not in walk.node.log()
    report = walk.node.report()
    assert report['in_flight'] == 0 and report['waiting'] == 0
    assert report['received'] == report['outputs'] + sum(report['dropped'].values())
    assert report['model'] == 'mvsnet'


def test_the_node_starts_with_what_ships_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No torch, no mono weights, an empty cache: only the graphs in ``weights/``."""
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    blocked = tmp_path / 'blocked'
    blocked.mkdir()
    (blocked / 'torch.py').write_text("raise ImportError('blocked by the test')\n")
    monkeypatch.setenv('PYTHONPATH', python_path(blocked))
    options = ('-p', 'num_threads:=1')
    with running(tmp_path, *options, module='mono_node', is_subscribing=False) as node:
        # Engines are compiled and checked here, which may take long beside other work.
        assert wait_until(lambda: 'subscribed to' in node.log(), 180.0), node.log()
        log = node.log()
        assert 'monodepth2 has no weights' in log and 'keyframes' in log
        assert 'mvsnet-depth-256x320-d48' in log
        assert node.stop() == 0
    assert 'Traceback' not in node.log()
