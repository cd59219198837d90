"""The live odometry node: rendered RGB-D and stereo in, poses and states out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('tests.kit.built_interfaces')

from geometry_msgs.msg import QuaternionStamped, Vector3Stamped
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, inverse, rigid, rotation_from_quaternion
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros_interfaces.msg import OdometryStatus
from tests.kit.live_node import NodeProcess, Robot, image, robot, running, set_stamp, stamp_of
from tests.kit.odometry_sequences import Shot, Shots, shots

pytestmark = pytest.mark.ros
OUTPUTS = {
    'odometry': Odometry,
    'path': PathMessage,
    'odometry/status': OdometryStatus,
    'direction': Vector3Stamped,
    'rotation': QuaternionStamped,
}
OPTIONS = (
    *('-p', 'source:=rgbd', '-p', 'model:=orb', '-p', 'base_frame:=base_link'),
    *('-p', "base_from_camera:='0.2 0 0.5 -0.5 0.5 -0.5 0.5'"),
    *('-p', 'silence_s:=0.7', '-p', 'max_gap_s:=1.5', '-p', 'diagnostics_period_s:=0.1'),
    *('-p', 'lost_after_frames:=3', '-p', 'input_depth:=5', '-p', 'output_depth:=50'),
    *('-p', 'max_speed_m_s:=3.0', '-p', 'input_reliability:=reliable'),
)
NUM_FRAMES = 60
TOLERANCE_M = 0.02
INITIALISING, TRACKING = OdometryStatus.INITIALISING, OdometryStatus.TRACKING
DEGRADED, LOST = OdometryStatus.DEGRADED, OdometryStatus.LOST
BASE_FROM_CAMERA = rigid(BODY_FROM_OPTICAL[:3, :3], np.array([0.2, 0.0, 0.5]))


@dataclass
class Stage:
    node: NodeProcess
    robot: Robot
    shots: Shots

    def send(
        self,
        shot: Shot,
        *,
        values: np.ndarray | None = None,
        depth: np.ndarray | None = None,
        wait: bool = True,
    ) -> int:
        """Send an image with depth; give its stamp once its status has come."""
        stamp = self.robot.next_stamp()
        info = CameraInfo()
        fill_camera_info(info, shot.view.camera)
        info.header.frame_id = 'camera_optical_frame'
        self.robot.send('camera_info', info)
        pixels = shot.view.image if values is None else values
        metres = shot.view.depth if depth is None else depth
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        millimetres = np.rint(1e3 * np.nan_to_num(metres)).astype(np.uint16)
        for topic, message in (
            ('image_raw', image(grey, 'mono8', 'camera_optical_frame')),
            ('depth/image', image(millimetres, '16UC1', 'camera_optical_frame')),
        ):
            set_stamp(message, stamp)
            self.robot.send(topic, message)
        if wait:
            assert self.robot.spin_until(lambda: self.status(stamp) is not None), self.node.log()
        return stamp

    def status(self, stamp: int) -> Any:
        return self.robot.output('odometry/status', stamp)

    def track(self, shot: Shot, **options: Any) -> Any:
        return self.status(self.send(shot, **options))

    def pose(self, stamp: int) -> np.ndarray | None:
        self.robot.spin_until(lambda: self.robot.output('odometry', stamp), 0.5)
        message = self.robot.output('odometry', stamp)
        if message is None:
            return None
        p, q = message.pose.pose.position, message.pose.pose.orientation
        rotation = rotation_from_quaternion([q.x, q.y, q.z, q.w])
        return rigid(rotation, np.array([p.x, p.y, p.z]))

    def reset(self) -> Any:
        client = self.robot.node.create_client(Trigger, 'odometry_node/reset')
        return self.robot._call(client, Trigger.Request())

    def start_at(self, index: int) -> None:
        """Reset and track from a frame on."""
        assert self.reset().success
        assert self.track(self.shots[index]).state == INITIALISING
        assert self.track(self.shots[index]).state == TRACKING


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp('odometry')
    with (
        running(folder, *OPTIONS, module='odometry_node') as node,
        robot(node='odometry_node', cameras=('',), outputs=OUTPUTS) as driver,
    ):
        driver.advertise('depth/image', Image)
        driver.connect(num_images=2)
        stage = Stage(node, driver, shots('room', NUM_FRAMES))
        warm_up(stage)
        yield stage


def warm_up(stage: Stage) -> None:
    """Send until the first frame comes through: discovery takes a while."""
    for _ in range(20):
        stamp = stage.send(stage.shots[0], wait=False)
        if stage.robot.spin_until(lambda stamp=stamp: stage.status(stamp), 0.5):
            return
    raise AssertionError(stage.node.log())


def truth(stage: Stage, index: int, origin: int) -> np.ndarray:
    moved = inverse(stage.shots[origin].pose) @ stage.shots[index].pose
    return BASE_FROM_CAMERA @ moved @ inverse(BASE_FROM_CAMERA)


def test_poses_of_the_base_follow_the_truth(stage: Stage) -> None:
    stage.start_at(0)
    for index in range(1, 12):
        stamp = stage.send(stage.shots[index])
        pose = stage.pose(stamp)
        assert pose is not None, stage.status(stamp)
        error = np.linalg.norm(pose[:3, 3] - truth(stage, index, 0)[:3, 3])
        assert error < TOLERANCE_M
    message = stage.robot.output('odometry', stamp)
    assert (message.header.frame_id, message.child_frame_id) == ('odom', 'base_link')
    covariance = np.array(message.pose.covariance).reshape(6, 6)
    assert np.linalg.eigvalsh(covariance).min() > 0.0
    step = inverse(truth(stage, 10, 0)) @ truth(stage, 11, 0)
    linear = message.twist.twist.linear
    # Frames are 50 ms apart by their stamps.
    np.testing.assert_allclose([linear.x, linear.y, linear.z], step[:3, 3] / 0.05, atol=0.15)
    assert len(stage.robot.received['path'][-1].poses) >= 11
    assert stage.robot.received['direction'] == []


def test_status_says_how_well_it_goes(stage: Stage) -> None:
    stage.start_at(3)
    status = stage.track(stage.shots[4])
    assert (status.state, status.reason, status.frontend) == (TRACKING, '', 'orb')
    assert status.is_metric and status.num_inliers > 100
    assert status.inlier_fraction > 0.8 and 0.0 < status.residual_px < 1.5
    assert stamp_of_time(status.last_pose_stamp) == stamp_of(status)


def test_a_stream_that_stops_is_lost_and_no_old_pose_is_published_as_new(stage: Stage) -> None:
    stage.start_at(0)
    last = stage.send(stage.shots[1])
    num_poses = len(stage.robot.received['odometry'])
    assert stage.robot.spin_until(
        lambda: stage.robot.received['odometry/status'][-1].state == LOST, 5.0
    ), stage.node.log()
    status = stage.robot.received['odometry/status'][-1]
    assert 'no usable frame' in status.reason and status.num_lost == 1
    assert stamp_of_time(status.last_pose_stamp) == last
    assert len(stage.robot.received['odometry']) == num_poses
    assert stage.track(stage.shots[2]).state == DEGRADED, 'a find waits to be confirmed'
    stamp = stage.send(stage.shots[3])
    assert stage.status(stamp).state == TRACKING
    pose = stage.pose(stamp)
    assert pose is not None
    assert np.linalg.norm(pose[:3, 3] - truth(stage, 3, 0)[:3, 3]) < TOLERANCE_M


def test_a_teleported_camera_does_not_jump_silently(stage: Stage) -> None:
    stage.start_at(0)
    far = NUM_FRAMES // 2
    states = []
    for _ in range(3):
        stamp = stage.send(stage.shots[far])
        states.append(stage.status(stamp).state)
        assert stage.pose(stamp) is None, stage.status(stamp)
    assert states == [DEGRADED, DEGRADED, LOST]


def test_dark_frames_are_named_and_cost_nothing_but_themselves(stage: Stage) -> None:
    stage.start_at(0)
    for expected in (DEGRADED, DEGRADED, LOST):
        stamp = stage.send(stage.shots[1], values=stage.shots[1].view.image // 64)
        status = stage.status(stamp)
        assert status.state == expected and 'dark' in status.reason
        assert stage.pose(stamp) is None
    assert stage.track(stage.shots[1]).state == DEGRADED
    assert stage.track(stage.shots[1]).state == TRACKING


def test_blank_images_and_missing_depth_are_named(stage: Stage) -> None:
    assert stage.reset().success
    shot = stage.shots[0]
    status = stage.track(shot, values=np.full_like(shot.view.image, 128))
    assert status.state == INITIALISING and 'blank' in status.reason
    status = stage.track(shot, depth=np.full_like(shot.view.depth, np.nan))
    assert status.state == INITIALISING and 'depth' in status.reason


def test_depth_of_another_resolution_gives_the_same_path(stage: Stage) -> None:
    stage.start_at(0)
    shot = stage.shots[2]
    stamp = stage.send(shot, depth=shot.view.depth[::2, ::2].copy())
    assert stage.status(stamp).state == TRACKING


def test_depth_of_another_view_is_refused_with_the_remedy(stage: Stage) -> None:
    stage.send(stage.shots[0], depth=stage.shots[0].view.depth[::2].copy(), wait=False)
    assert stage.robot.wait_count('dropped_depth_size', 1), stage.robot.diagnostics
    (line,) = stage.node.lines_about('depth_size]')
    assert 'register' in line


def test_reset_starts_a_new_origin_and_an_empty_path(stage: Stage) -> None:
    stage.start_at(0)
    for index in (1, 2, 3):
        stage.send(stage.shots[index])
    response = stage.reset()
    assert response.success and 'origin' in response.message
    assert stage.track(stage.shots[5]).state == INITIALISING
    stamp = stage.send(stage.shots[6])
    pose = stage.pose(stamp)
    assert pose is not None
    assert np.linalg.norm(pose[:3, 3] - truth(stage, 6, 5)[:3, 3]) < TOLERANCE_M
    assert stage.robot.spin_until(lambda: len(stage.robot.received['path'][-1].poses) == 1)


def test_thresholds_change_while_it_runs_and_contradictions_are_refused(stage: Stage) -> None:
    stage.start_at(0)
    assert stage.robot.set_parameters(good_inliers=5000).successful
    assert stage.robot.spin_until(lambda: True)
    assert stage.track(stage.shots[1]).state == DEGRADED
    assert stage.robot.set_parameters(good_inliers=40).successful
    assert stage.track(stage.shots[2]).state == TRACKING
    refused = stage.robot.set_parameters(min_inliers=60)
    assert not refused.successful and 'good_inliers' in refused.reason


def test_without_tf2_msgs_the_node_says_that_there_is_no_transform(stage: Stage) -> None:
    try:
        import tf2_msgs.msg  # noqa: F401
    except ImportError:
        assert 'tf2_msgs is not installed' in stage.node.log()
    else:
        assert 'tf2_msgs is not installed' not in stage.node.log()


def send_pair(driver: Robot, index: int) -> int:
    path = shots('room', NUM_FRAMES).path
    pair, stamp = path.stereo(index), driver.next_stamp()
    eyes = (('left', pair.left, path.camera.left), ('right', pair.right, path.camera.right))
    for side, pixels, camera in eyes:
        info = CameraInfo()
        fill_camera_info(info, camera)
        driver.send(f'{side}/camera_info', info)
        message = image(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 'mono8', 'left_eye')
        set_stamp(message, stamp)
        driver.send(f'{side}/image_raw', message)
    return stamp


def test_stereo_topics_give_the_pose_of_the_camera_itself(tmp_path: Path) -> None:
    options = ('-p', 'input_reliability:=reliable', '-p', 'max_gap_s:=60.0')
    with (
        running(tmp_path, *options, '-p', 'silence_s:=60.0', module='odometry_node') as node,
        robot(node='odometry_node', outputs=OUTPUTS) as driver,
    ):
        driver.connect(num_images=2)
        stage = Stage(node, driver, shots('room', NUM_FRAMES))
        for _ in range(20):
            stamp = send_pair(driver, 0)
            if driver.spin_until(lambda stamp=stamp: stage.status(stamp), 0.5):
                break
        for index in (0, 1, 2):
            stamp = send_pair(driver, index)
            assert driver.spin_until(lambda stamp=stamp: stage.status(stamp)), node.log()
        pose = stage.pose(stamp)
        assert pose is not None, stage.status(stamp)
        moved = inverse(stage.shots[0].pose) @ stage.shots[2].pose
        expected = BODY_FROM_OPTICAL @ moved
        assert np.linalg.norm(pose[:3, 3] - expected[:3, 3]) < TOLERANCE_M
        assert driver.output('odometry', stamp).child_frame_id == 'left_eye'


def test_the_books_of_image_and_depth_balance(stage: Stage) -> None:
    """Refused and waiting messages were in no column."""
    driver = stage.robot
    message = image(np.zeros((4, 4), np.uint8), 'mono8', 'camera_optical_frame')
    before = driver.count('refused_zero_stamp')
    driver.send('image_raw', message)
    assert driver.wait_count('refused_zero_stamp', before + 1)
    values = {name: int(value) for name, value in driver.diagnostics.items() if value.isdigit()}
    for side in ('', '_depth'):
        parts = ('unpaired', 'refused', 'waiting')
        assert values[f'received{side}'] == values['paired'] + sum(
            values[f'{part}{side}'] for part in parts
        )
    assert values['refused'] >= 1


def test_one_camera_publishes_directions_and_no_odometry(tmp_path: Path) -> None:
    options = ('-p', 'source:=mono', '-p', 'input_reliability:=reliable', '-p', 'max_gap_s:=60.0')
    # The other tests' node is still alive and listens to the same names.
    options = (*options, '-r', '__ns:=/lone')
    with (
        running(tmp_path, *options, module='odometry_node') as node,
        robot(namespace='lone', node='odometry_node', cameras=('',), outputs=OUTPUTS) as driver,
    ):
        driver.advertise('depth/image', Image)
        driver.connect(num_images=1)
        stage = Stage(node, driver, shots('corridor', 40))
        warm_up(stage)
        for index in (0, 1, 2):
            stamp = stage.send(stage.shots[index])
        status = stage.status(stamp)
        assert status.state == TRACKING and not status.is_metric
        assert 'no metres' in status.reason and 'no metres' in node.log()
        assert driver.spin_until(lambda: driver.output('direction', stamp))
        vector = driver.output('direction', stamp).vector
        assert vector.z > 0.95, 'the camera walks forward'
        assert driver.spin_until(lambda: driver.output('rotation', stamp))
        assert driver.received['odometry'] == [] and driver.received['path'] == []


def stamp_of_time(stamp: Any) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
