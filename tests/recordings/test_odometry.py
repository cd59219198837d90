"""Odometry over a recording: the poses of the Python call, in the bag and on /tf."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import depth_ros
from depth_ros.geometry.rigid import inverse, rotation_from_quaternion
from depth_ros.messages.headers import stamp_ns
from depth_ros.messages.poses import motion_of
from depth_ros.recordings.copied import CopySettings
from depth_ros.recordings.job import JobTask, RecordingJob, WorkerSettings
from depth_ros.recordings.job_file import default_task
from depth_ros.recordings.segments import SegmentSettings
from depth_ros.scenes.paths import scene_path
from depth_ros.tasks.odometry.body import CAMERA_ALONE
from depth_ros.tasks.odometry.settings import OdometrySettings, Source
from tests.kit.bag_writer import STEP_NS, Recorded, info, raw, rig_messages, stamp
from tests.kit.job_kit import bag_messages, json_lines, process
from tests.kit.plane_drive import Drive, write_mcap

NUM_FRAMES = 6


def job_of(*tasks: JobTask) -> RecordingJob:
    return RecordingJob(
        tasks=tasks,
        segments=SegmentSettings(frames=2),
        workers=WorkerSettings(),
        copy=CopySettings(),
    )


@pytest.fixture(scope='module')
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('walk')
    return write_mcap(folder / 'walk.mcap', rig_messages(scene_path('room'), NUM_FRAMES))


def test_poses_are_those_of_the_call(walk: Path, tmp_path: Path) -> None:
    result = process(job_of(default_task('odometry')), walk, tmp_path)
    with depth_ros.open_odometry(source='stereo') as odometry:
        outputs = [odometry(frame) for frame in depth_ros.read_bag(walk)]
    placed = [output for output in outputs if output.pose is not None]
    assert result.made == len(placed) >= 4
    messages = bag_messages(tmp_path / 'walk.mcap')
    poses = [message for topic, _, message in messages if topic == '/odometry/odometry']
    transforms = [message.transforms[0] for topic, _, message in messages if topic == '/tf']
    for output, pose, transform in zip(placed, poses, transforms, strict=True):
        expected = CAMERA_ALONE.odom_from_world @ output.pose.world_from_camera
        for place, turn, header in (
            (pose.pose.pose.position, pose.pose.pose.orientation, pose.header),
            (transform.transform.translation, transform.transform.rotation, transform.header),
        ):
            assert (stamp_ns(header.stamp), header.frame_id) == (output.stamp_ns, 'odom')
            # The processors are two, and RANSAC begins anew in each: equal to rounding.
            np.testing.assert_allclose([place.x, place.y, place.z], expected[:3, 3], atol=1e-9)
            rotation = rotation_from_quaternion([turn.x, turn.y, turn.z, turn.w])
            np.testing.assert_allclose(rotation, expected[:3, :3], atol=1e-9)


def test_frames_without_a_pose_are_lines_with_the_state(tmp_path: Path) -> None:
    def dark(message) -> None:
        message.data[:] = message.data[:0] + type(message.data)('B', bytes(len(message.data)))

    sides = ('left', 'right')
    bag = Drive(changes={(side, number): dark for side in sides for number in (3, 4)}).write(
        tmp_path / 'drive.mcap'
    )
    result = process(job_of(default_task('odometry')), bag, tmp_path / 'out')
    lines = json_lines(tmp_path / 'out/drive.ledger.jsonl')
    assert result.made + len(lines) == 8
    assert {line['reason'] for line in lines} >= {'dark'}


def test_two_tasks_share_a_bag_and_change_nothing_of_each_other(
    walk: Path, tmp_path: Path
) -> None:
    from tests.recordings.conftest import stereo_job

    (stereo,) = stereo_job().tasks
    process(job_of(stereo), walk, tmp_path / 'one')
    both = process(job_of(stereo, default_task('odometry')), walk, tmp_path / 'one')
    assert both.made_before == NUM_FRAMES
    topics = {topic for topic, _, _ in bag_messages(tmp_path / 'one/walk.mcap')}
    assert topics == {
        '/stereo/depth/image',
        '/stereo/depth/camera_info',
        '/odometry/odometry',
        '/tf',
    }


def rgbd_messages(num_frames: int) -> list[Recorded]:
    """The left camera of the room with its exact depth, 2 ms later."""
    path = scene_path('room')
    recorded: list[Recorded] = []
    for index in range(num_frames):
        view = path.view(index)
        late_ns = stamp(index, late_ns=2_000_000)
        recorded += [
            ('/camera/camera_info', info(path.camera.left, stamp_ns=stamp(index))),
            ('/camera/image_rect', raw(view.image, stamp_ns=stamp(index))),
            ('/aligned_depth/image', raw(view.depth, stamp_ns=late_ns, encoding='32FC1')),
        ]
    return recorded


def sourced(source: Source, **given: object) -> JobTask:
    task = default_task('odometry', settings=OdometrySettings(source=source))
    return replace(task, input=replace(task.input, **given))


def test_images_with_depth_give_poses_of_the_path(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'rgbd.mcap', rgbd_messages(NUM_FRAMES))
    task = sourced(Source.RGBD, max_stamp_difference_s=0.01)
    result = process(job_of(task), bag, tmp_path / 'out')
    assert result.made >= NUM_FRAMES - 1
    messages = bag_messages(tmp_path / 'out/rgbd.mcap')
    poses = [message for topic, _, message in messages if topic == '/odometry/odometry']
    path = scene_path('room')
    number = (stamp_ns(poses[-1].header.stamp) - stamp(0)) // STEP_NS
    moved = inverse(path.world_from_camera[0]) @ path.world_from_camera[number]
    expected = CAMERA_ALONE.odom_from_world @ moved
    found = poses[-1].pose.pose
    np.testing.assert_allclose(
        motion_of(found.position, found.orientation)[:3, 3], expected[:3, 3], atol=0.02
    )


def test_images_far_from_depth_are_lines(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'rgbd.mcap', rgbd_messages(3))
    result = process(job_of(sourced(Source.RGBD)), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (0, {'no_depth': 3})
    texts = [line['text'] for line in json_lines(tmp_path / 'out/rgbd.ledger.jsonl')]
    assert sum('raise max_stamp_difference_s' in text for text in texts) == 3
    assert 'raise max_stamp_difference_s' in result.empty['odometry']


def test_one_camera_alone_gives_direction_and_no_metres(walk: Path, tmp_path: Path) -> None:
    task = sourced(Source.MONO, image='/left/image_rect', info='/left/camera_info')
    result = process(job_of(task), walk, tmp_path)
    assert result.made + sum(result.refused.values()) == NUM_FRAMES
    messages = bag_messages(tmp_path / 'walk.mcap')
    assert {topic for topic, _, _ in messages} == {'/odometry/direction', '/odometry/rotation'}
    vectors = [message.vector for topic, _, message in messages if topic == '/odometry/direction']
    lengths = [np.linalg.norm([vector.x, vector.y, vector.z]) for vector in vectors]
    assert len(lengths) == result.made >= 1
    assert all(length == pytest.approx(1.0) or length == 0.0 for length in lengths)
