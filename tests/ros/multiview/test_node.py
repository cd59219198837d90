"""The live multi-view node: depth of keyframes, one cloud, poses that fail, services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_srvs.srv import Trigger

from depth_ros.files.cloud import read_ply
from depth_ros.geometry.depth import flat_cloud
from depth_ros.geometry.rigid import quaternion_from_rotation
from depth_ros.messages.clouds import decode_cloud, fill_point_cloud
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
)
from tests.kit.multiview_doubles import HEIGHT, SCENE, START_NS, WIDTH, pose_at, view_at

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.truth_multiview_node'
OPTIONS = (
    *('-p', 'diagnostics_period_s:=0.1', '-p', 'input_depth:=50', '-p', 'map_period_s:=0.0'),
    *('-p', 'depth.max_m:=8.0', '-p', 'output_depth:=50'),
)
OUTPUTS = {
    'depth/image': Image,
    'depth/camera_info': CameraInfo,
    'confidence': Image,
    'points': PointCloud2,
    'rectified/image': Image,
    'fused/points': PointCloud2,
}
FRAME_NS = 50_000_000


@dataclass
class Stage:
    """The node, its driver, and the time of the walk."""

    node: NodeProcess
    robot: Robot
    clock_ns: int = START_NS

    def walk(self, count: int, *, poses: bool = True, pause_s: float = 0.03) -> list[int]:
        """Send images with their poses; poses come later than images, as they do."""
        stamps = []
        for _ in range(count):
            self.clock_ns += FRAME_NS
            stamps.append(self.clock_ns)
            self.send_image(self.clock_ns)
            if poses:
                self.send_odometry(self.clock_ns)
            self.robot.spin(pause_s)
        return stamps

    def send_image(self, stamp: int, pixels: np.ndarray | None = None) -> None:
        values = view_at(stamp).image if pixels is None else pixels
        message = image(values, 'rgb8')
        set_stamp(message, stamp)
        self.robot.send('image_raw', message)

    def send_odometry(self, stamp: int, pose: np.ndarray | None = None) -> None:
        message = Odometry(child_frame_id='left_eye')
        message.header.frame_id = 'odom'
        fill_pose(message.pose.pose, pose_at(stamp) if pose is None else pose)
        set_stamp(message, stamp)
        self.robot.send('odometry', message)

    def settle(self) -> dict[str, str]:
        """Wait until everything sent is accounted for; give the statistics."""
        count = self.robot.count

        def is_quiet() -> bool:
            parts = ('keyframes', 'passed_over', 'refused_images', 'waiting')
            return count('received') == sum(map(count, parts)) and count('in_flight') == 0

        self.robot.spin(0.3)
        assert self.robot.spin_until(is_quiet), self.robot.diagnostics
        counts: list[int] = []
        while counts != self._num_received():
            counts = self._num_received()
            self.robot.spin(0.4)
        return self.robot.diagnostics

    def _num_received(self) -> list[int]:
        return [len(messages) for messages in self.robot.received.values()]

    def call(self, name: str) -> Any:
        client = self.robot.node.create_client(Trigger, f'multiview_node/{name}')
        return self.robot._call(client, Trigger.Request())

    def fresh(self) -> None:
        assert self.call('reset').success
        self.clock_ns += 10_000_000_000
        for messages in self.robot.received.values():
            messages.clear()


def fill_pose(message: Any, pose: np.ndarray) -> None:
    message.position.x, message.position.y, message.position.z = map(float, pose[:3, 3])
    q = quaternion_from_rotation(pose[:3, :3])
    message.orientation.x, message.orientation.y = float(q[0]), float(q[1])
    message.orientation.z, message.orientation.w = float(q[2]), float(q[3])


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp('multiview')
    options = (*OPTIONS, '-p', f'map_file:={folder / "map.ply"}')
    with (
        running(folder, *options, module=SCRIPT) as node,
        robot(node='multiview_node', cameras=('',), outputs=OUTPUTS) as driver,
    ):
        node.wait_for('subscribed to raw images on /image_raw')
        driver.advertise('odometry', Odometry, 50)
        driver.advertise('range/points', PointCloud2)
        driver.connect(num_images=2)
        driver.send('camera_info', camera_info('left'))
        driver.spin(0.2)
        yield Stage(node, driver)


def distance_to_scene(points: np.ndarray, stamp: int) -> np.ndarray:
    """Give the relative depth error of world points seen from one place of the walk."""
    pose = pose_at(stamp)
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    z = local[:, 2]
    x = np.rint(100.0 * local[:, 0] / z + (WIDTH - 1) / 2).astype(int)
    y = np.rint(100.0 * local[:, 1] / z + (HEIGHT - 1) / 2).astype(int)
    inside = (z > 0.1) & (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
    truth = view_at(stamp).depth[y[inside], x[inside]]
    return np.abs(z[inside] - truth) / truth


def test_an_empty_map_is_not_saved(stage: Stage) -> None:
    answer = stage.call('save_map')
    assert not answer.success and 'keep_map' in answer.message


def test_keyframes_get_the_depth_of_their_own_stamp(stage: Stage) -> None:
    stage.fresh()
    stamps = stage.walk(20)
    stage.settle()
    depths = stage.robot.received['depth/image']
    assert len(depths) >= 6
    for message in depths:
        stamp = stamp_of(message)
        assert stamp in stamps and message.header.frame_id == 'left_eye'
        found, truth = floats(message), view_at(stamp).depth
        known = np.isfinite(found)
        assert known.mean() > 0.9
        np.testing.assert_allclose(found[known], truth[known], rtol=1e-5)
    infos = stage.robot.received['depth/camera_info']
    assert stage.robot.spin_until(lambda: len(infos) >= len(depths)), 'a calibration is missing'
    assert [stamp_of(item) for item in infos] == [stamp_of(item) for item in depths]
    assert (infos[0].k[0], infos[0].width) == (100.0, WIDTH)
    confidence = floats(stage.robot.received['confidence'][-1])
    np.testing.assert_array_equal(confidence > 0.5, np.isfinite(floats(depths[-1])))


def test_the_fused_cloud_lies_on_the_room_and_is_saved(stage: Stage) -> None:
    stage.fresh()
    stage.walk(24)
    statistics = stage.settle()
    messages = stage.robot.received['fused/points']
    assert messages and messages[-1].header.frame_id == 'odom'
    points = decode_cloud(messages[-1])[0, :, :3]
    assert len(points) == int(statistics['fused_points']) > 5000
    error = distance_to_scene(points.astype(float), stage.clock_ns)
    assert np.median(error) < 0.01
    answer = stage.call('save_map')
    assert answer.success and str(len(points)) in answer.message
    saved, colors = read_ply(Path(answer.message.split(' written to ')[1]))
    assert len(saved) == len(colors) == len(points)
    np.testing.assert_allclose(np.sort(saved[:, 0]), np.sort(points[:, 0]), atol=1e-6)


def test_reset_forgets_cloud_and_keyframes(stage: Stage) -> None:
    stage.fresh()
    stage.walk(20)
    assert int(stage.settle()['fused_points']) > 0
    assert 'forgotten' in stage.call('reset').message
    stage.robot.spin(0.3)
    assert stage.robot.diagnostics['fused_points'] == '0'


def test_a_camera_that_stands_still_gives_one_keyframe(stage: Stage) -> None:
    stage.fresh()
    before = stage.settle()
    still = pose_at(stage.clock_ns)
    for _ in range(10):
        stage.clock_ns += FRAME_NS
        stage.send_image(stage.clock_ns)
        stage.send_odometry(stage.clock_ns, still)
        stage.robot.spin(0.02)
    after = stage.settle()
    assert int(after['keyframes']) - int(before['keyframes']) == 1
    assert stage.robot.received['depth/image'] == []


def test_images_without_poses_are_refused_by_name(stage: Stage) -> None:
    stage.fresh()
    before = stage.robot.count('dropped_no_pose')
    stage.walk(25, poses=False, pause_s=0.01)
    assert stage.robot.wait_count('dropped_no_pose', before + 4)
    (line,) = stage.node.lines_about('no_pose]')
    assert 'max_pose_wait_s' in line
    stage.walk(3)
    stage.settle()


def test_a_pose_that_jumps_starts_afresh(stage: Stage) -> None:
    stage.fresh()
    stage.walk(12)
    stage.settle()
    before = stage.robot.count('dropped_pose_jump')
    stage.clock_ns += FRAME_NS
    jumped = pose_at(stage.clock_ns)
    jumped[0, 3] += 50.0
    stage.send_image(stage.clock_ns)
    stage.send_odometry(stage.clock_ns, jumped)
    assert stage.robot.wait_count('dropped_pose_jump', before + 1)
    assert 'max_jump_ratio' in stage.node.lines_about('pose_jump]')[0]
    num_depths = len(stage.robot.received['depth/image'])
    stage.walk(16)
    stage.settle()
    assert len(stage.robot.received['depth/image']) > num_depths


def test_a_pose_of_nan_is_told_and_not_used(stage: Stage) -> None:
    stage.fresh()
    stage.send_odometry(stage.clock_ns + 1, np.diag([1.0, 1.0, 1.0, 1.0]) * np.nan)
    assert stage.robot.spin_until(lambda: stage.node.lines_about('pose_values]'))
    stage.walk(14)
    stage.settle()
    assert stage.robot.received['depth/image']


def test_an_image_of_another_size_is_refused(stage: Stage) -> None:
    stage.fresh()
    stage.clock_ns += FRAME_NS
    before = stage.robot.count('refused_images')
    stage.send_image(stage.clock_ns, np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8))
    stage.send_odometry(stage.clock_ns)
    assert stage.robot.wait_count('refused_images', before + 1)
    stage.walk(12)
    stage.settle()
    assert stage.robot.received['depth/image']


def test_poses_of_another_frame_need_the_extrinsic(stage: Stage) -> None:
    stage.fresh()
    before = stage.robot.count('dropped_no_extrinsic')
    for _ in range(3):
        stage.clock_ns += FRAME_NS
        message = Odometry(child_frame_id='base_link')
        message.header.frame_id = 'odom'
        fill_pose(message.pose.pose, pose_at(stage.clock_ns))
        set_stamp(message, stage.clock_ns)
        stage.robot.send('odometry', message)
        stage.send_image(stage.clock_ns)
        stage.robot.spin(0.05)
    assert stage.robot.wait_count('dropped_no_extrinsic', before + 1)
    line = stage.node.lines_about('no_extrinsic]')[0]
    assert 'base_link' in line and 'base_from_camera' in line


def test_the_search_follows_another_sensors_cloud(stage: Stage) -> None:
    stage.fresh()
    changed = stage.robot.set_parameters(depth__source='cloud')
    assert changed.successful, changed.reason
    publisher = stage.robot.publishers['range/points']
    assert stage.robot.spin_until(publisher.get_subscription_count)
    points = np.tile((0.0, 0.0, 3.0), (100, 1))
    message = PointCloud2()
    fill_point_cloud(message, flat_cloud(points, np.zeros((100, 3), np.uint8)), PointField)
    message.header.frame_id = 'left_eye'
    publisher.publish(message)
    assert stage.robot.wait_count('received_range', 1)
    stage.walk(14)
    stage.settle()
    found = floats(stage.robot.received['depth/image'][-1])
    known = found[np.isfinite(found)]
    assert known.min() > 2.4 and known.max() < 3.7
    assert stage.robot.set_parameters(depth__source='fixed').successful


def test_a_range_that_is_reversed_is_refused(stage: Stage) -> None:
    result = stage.robot.set_parameters(depth__min_m=9.0)
    assert not result.successful and 'depth.max_m' in result.reason


def test_the_books_balance_at_the_end(stage: Stage) -> None:
    """Runs last: the node is stopped."""
    assert stage.node.stop() == 0
    report = stage.node.report()
    parts = ('keyframes', 'passed_over', 'refused_images', 'waiting')
    assert report['received'] == sum(report[name] for name in parts)
    assert report['outputs'] > 50 and int(report['fused_maps']) >= 0
    assert {'infer', 'fuse'} <= set(report['stages_ms'])


def test_poses_on_their_own_topic_and_an_extrinsic(tmp_path: Path) -> None:
    options = (*OPTIONS, '-p', 'pose_source:=pose', '-p', 'reference:=newest')
    options = (*options, '-p', 'base_from_camera:="0.0 0.0 0.5 0 0 0 1"')
    with (
        running(tmp_path, *options, module=SCRIPT) as node,
        robot(node='multiview_node', cameras=('',), outputs=OUTPUTS) as driver,
    ):
        node.wait_for('poses: pose')
        driver.advertise('pose', PoseStamped, 50)
        driver.connect(num_images=2)
        driver.send('camera_info', camera_info('left'))
        driver.spin(0.2)
        walk = Stage(node, driver)
        back = np.eye(4)
        back[2, 3] = -0.5
        for _ in range(16):
            walk.clock_ns += FRAME_NS
            walk.send_image(walk.clock_ns)
            message = PoseStamped()
            message.header.frame_id = 'map'
            fill_pose(message.pose, pose_at(walk.clock_ns) @ back)
            set_stamp(message, walk.clock_ns)
            driver.send('pose', message)
            driver.spin(0.03)
        walk.settle()
        cloud = driver.received['fused/points'][-1]
        assert cloud.header.frame_id == 'map'
        points = decode_cloud(cloud)[0, :, :3].astype(float)
        assert np.median(distance_to_scene(points, walk.clock_ns)) < 0.01


@pytest.mark.parametrize(
    ('option', 'says'),
    [
        ('pose_source:=tf', 'tf2_ros'),
        ('base_from_camera:="1 2 3"', 'qx qy qz qw'),
        ('depth.min_m:=20.0', 'depth.max_m'),
        ('fusion.window:=2', 'min_views'),
        ('num_sources:=1', 'min_sources'),
    ],
)
def test_start_values_that_cannot_work_stop_the_node(
    tmp_path: Path, option: str, says: str
) -> None:
    if says == 'tf2_ros':
        try:
            import tf2_ros  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip('tf2_ros is installed here')
    with running(tmp_path, '-p', option, module=SCRIPT) as node:
        assert node.process.wait(20.0) != 0
    assert says in node.log()


def test_the_scene_is_what_the_double_says() -> None:
    assert SCENE.shapes and np.isfinite(view_at(START_NS).depth).mean() > 0.9
