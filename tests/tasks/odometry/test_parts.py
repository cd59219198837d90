"""Settings, keyframes, motion checks, base poses, trajectories and the joined processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import CalibrationError, InputError, ParameterError
from depth_ros.files.trajectories import read_trajectory, trajectory, write_tum
from depth_ros.frames import CameraFrame, ImagePair, MonoFrame, RgbdFrame, StereoFrame
from depth_ros.geometry.rigid import (
    BODY_FROM_OPTICAL,
    inverse,
    rigid,
    rotation_angle,
    rotation_from_vector,
)
from depth_ros.models.monodepth2.model import MotionResult
from depth_ros.pictures.trajectories import plot
from depth_ros.scenes.paths import ScenePath
from depth_ros.tasks.odometry.body import CAMERA_ALONE, BodyTracker, Mounting
from depth_ros.tasks.odometry.direction import DirectionTracker, NetworkMotion
from depth_ros.tasks.odometry.keyframes import KeyframePolicy, KeyframeStore, covered_cells, spread
from depth_ros.tasks.odometry.motion import image_trouble, motion_trouble
from depth_ros.tasks.odometry.processor import OdometryProcessor, open_odometry
from depth_ros.tasks.odometry.settings import OdometrySettings, Source, TrackingSettings
from depth_ros.tasks.odometry.values import OdometryState, Pose, Reason
from depth_ros.tasks.pipeline import Timed
from tests.kit.odometry_sequences import SECOND_NS, STEP_NS, Drive, shots, tracker

MAX_KEYPOINTS = 1000


@pytest.mark.parametrize(
    'changes, word',
    [
        ({'min_depth_m': 5.0, 'max_depth_m': 1.0}, 'max_depth_m'),
        ({'min_inliers': 50}, 'good_inliers'),
        ({'min_inliers': 5}, '6..10000'),
        ({'lost_after_frames': 0}, '1..10000'),
        ({'max_speed_m_s': -1.0}, '0..inf'),
        ({'ransac_px': float('nan')}, '0.1..100'),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], word: str) -> None:
    with pytest.raises(ParameterError, match=word):
        TrackingSettings(**changes)  # type: ignore[arg-type]


def test_a_pose_network_gives_no_metres() -> None:
    with pytest.raises(ParameterError, match='source mono'):
        OdometrySettings(model='monodepth2_pose', source=Source.RGBD)


def test_spread_keeps_the_best_of_each_cell() -> None:
    camera = shots('room', 60)[0].view.camera
    crowd = np.tile([[10.0, 10.0]], (30, 1))
    points = np.concatenate([crowd, [[300.0, 200.0], [300.0, 20.0]]])
    kept = spread(points, camera, max_per_cell=5)
    assert kept[:5].all() and not kept[5:30].any() and kept[30:].all()
    assert covered_cells(points, camera) == 3


def test_a_keyframe_is_due_by_parallax_or_by_lost_overlap() -> None:
    camera = shots('room', 60)[0].view.camera
    x, y = np.meshgrid(np.arange(10, 310, 10.0), np.arange(10, 230, 10.0))
    first = np.stack([x.ravel(), y.ravel()], axis=1)
    policy = KeyframePolicy(TrackingSettings())
    assert not policy.is_due(first, first + 5.0, camera)
    assert policy.is_due(first, first + 40.0, camera)
    right = first[first[:, 0] > 220]
    assert policy.is_due(right, right + 5.0, camera), 'only a corner is still seen'
    policy.restart()
    assert not policy.is_due(right, right + 5.0, camera)
    assert not policy.is_due(first[:0], first[:0], camera)


def test_the_store_forgets_the_oldest_and_searches_in_turn() -> None:
    store = KeyframeStore(3)
    frame = shots('room', 60)[0].frame(1)
    pose = Pose(
        world_from_camera=np.eye(4), covariance=np.eye(6), local_covariance=np.zeros((6, 6))
    )
    for _ in range(5):
        store.add(frame, np.ones((240, 320), np.float32), pose)
    numbers = [keyframe.number for keyframe in store.candidates(2)]
    assert numbers == [4, 3]
    assert [keyframe.number for keyframe in store.candidates(2)] == [2, 4]
    store.restart_search()
    assert [keyframe.number for keyframe in store.candidates(9)] == [4, 3, 2]
    store.clear()
    assert store.candidates(2) == [] and store.current is None


def test_motion_is_judged_by_speed_and_turn() -> None:
    settings = TrackingSettings(max_speed_m_s=1.0, max_turn_rad_s=1.0)
    start = np.eye(4)
    near = rigid(np.eye(3), np.array([0.1, 0.0, 0.0]))
    turned = rigid(rotation_from_vector(np.array([0.0, 0.5, 0.0])), np.zeros(3))
    assert motion_trouble(start, near, 0.1, settings) is None
    assert motion_trouble(start, turned, 0.5, settings) is None
    for after in (10 * near - 9 * start, turned):
        trouble = motion_trouble(start, after, 0.1, settings)
        assert trouble is not None and trouble.reason is Reason.JUMP


def test_a_bright_textured_image_is_fine() -> None:
    assert image_trouble(shots('room', 60)[0].view.image, TrackingSettings()) is None


def body_pose(covariance: np.ndarray | None = None, **motion: np.ndarray) -> Pose:
    matrix = rigid(
        motion.get('rotation', np.eye(3)), motion.get('translation', np.array([0.0, 0.0, 1.0]))
    )
    values = np.diag([1e-4] * 6) if covariance is None else covariance
    return Pose(world_from_camera=matrix, covariance=values, local_covariance=values)


def test_a_camera_alone_moves_forward_along_odom_x() -> None:
    body = BodyTracker(max_gap_s=1.0)
    first = body.moved(body_pose(translation=np.zeros(3)), SECOND_NS, CAMERA_ALONE)
    assert first.velocity is None
    second = body.moved(body_pose(), SECOND_NS + STEP_NS, CAMERA_ALONE)
    np.testing.assert_allclose(second.odom_from_base[:3, 3], [1.0, 0.0, 0.0], atol=1e-12)
    assert second.velocity is not None
    # The child is the optical frame here: its forward is z.
    np.testing.assert_allclose(second.velocity, [0, 0, 10, 0, 0, 0], atol=1e-9)


def test_a_turning_base_moves_its_camera_but_not_itself() -> None:
    """A camera half a metre ahead of the base circles around it."""
    base_from_camera = rigid(BODY_FROM_OPTICAL[:3, :3], np.array([0.5, 0.0, 0.2]))
    mounting = Mounting(
        odom_from_world=base_from_camera, camera_from_base=inverse(base_from_camera)
    )
    turn = rotation_from_vector(np.array([0.0, 0.0, 0.3]))
    base_moved = rigid(turn, np.zeros(3))
    camera_moved = mounting.camera_from_base @ base_moved @ inverse(mounting.camera_from_base)
    pose = body_pose(rotation=camera_moved[:3, :3], translation=camera_moved[:3, 3])
    body = BodyTracker(max_gap_s=1.0)
    body.moved(body_pose(translation=np.zeros(3)), SECOND_NS, mounting)
    found = body.moved(pose, SECOND_NS + STEP_NS, mounting)
    np.testing.assert_allclose(found.odom_from_base, base_moved, atol=1e-12)
    assert found.velocity is not None and found.velocity_covariance is not None
    np.testing.assert_allclose(found.velocity, [0, 0, 0, 0, 0, 3.0], atol=1e-9)
    # An unsure rotation about z makes the base unsure sideways by the lever of 0.5 m.
    expected = 1e-4 + 0.5**2 * 1e-4 + 0.2**2 * 1e-4
    assert found.covariance[1, 1] == pytest.approx(expected, rel=0.15)
    assert np.linalg.eigvalsh(found.velocity_covariance).min() > 0


def test_no_velocity_after_a_pause_or_when_told_to_forget() -> None:
    body = BodyTracker(max_gap_s=0.5)
    body.moved(body_pose(), SECOND_NS, CAMERA_ALONE)
    assert body.moved(body_pose(), 2 * SECOND_NS, CAMERA_ALONE).velocity is None
    body.forget()
    assert body.moved(body_pose(), 2 * SECOND_NS + STEP_NS, CAMERA_ALONE).velocity is None


def test_trajectories_survive_the_file_with_their_nanoseconds(tmp_path: Path) -> None:
    poses = [
        rigid(rotation_from_vector(np.array([0.1, 0.2, i])), np.array([i, 2.0, -i]))
        for i in range(3)
    ]
    stamps = [1_403_715_273_262_142_976, 1_403_715_273_262_142_977, 1_403_715_274_000_000_001]
    write_tum(tmp_path / 'a.txt', trajectory(stamps, poses))
    again = read_trajectory(tmp_path / 'a.txt')
    assert again.stamps_ns.tolist() == stamps
    np.testing.assert_allclose(again.poses, poses, atol=1e-8)
    assert again.length_m == pytest.approx(2 * np.sqrt(2))


def test_a_line_that_is_no_pose_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('# head\n1.0 0 0 0 0 0 0 1\n2.0 1 2 3\n')
    with pytest.raises(InputError, match='line 3'):
        read_trajectory(path)


def test_plots_show_every_path_and_survive_empty_ones() -> None:
    path = trajectory([1, 2, 3], [rigid(np.eye(3), np.array([i, 0, i])) for i in range(3)])
    empty = plot({'nothing': trajectory([], []).poses})
    picture = plot({'estimate': path.poses, 'truth': path.poses})
    assert picture.shape == empty.shape == (640, 640, 3)
    # The path goes to the right and up.
    colored = (picture.max(axis=2).astype(int) - picture.min(axis=2)) > 60
    assert colored[60:200, 440:].any() and not colored[440:, 440:].any()


def stereo_frame(path: ScenePath, index: int) -> StereoFrame:
    pair = path.stereo(index)

    def eye(image: np.ndarray, camera: object) -> MonoFrame:
        return MonoFrame(
            image=image,
            camera=camera,  # type: ignore[arg-type]
            stamp_ns=path.stamp_ns(index),
            is_rectified=True,
        )

    return StereoFrame(
        left=eye(pair.left, path.camera.left), right=eye(pair.right, path.camera.right)
    )


def mono_frame(index: int, stamp_ns: int | None = None, name: str = 'room') -> MonoFrame:
    shot = shots(name, 60)[index]
    return MonoFrame(
        image=shot.view.image,
        camera=shot.view.camera,
        stamp_ns=stamp_ns or SECOND_NS + index * STEP_NS,
        is_rectified=True,
    )


def test_stereo_by_sgbm_follows_the_truth() -> None:
    path = shots('room', 60).path
    processor = open_odometry(OdometrySettings(max_keypoints=MAX_KEYPOINTS))
    for index in range(0, 16, 2):
        output = processor.process(stereo_frame(path, index))
    assert output.state is OdometryState.TRACKING and output.pose is not None
    truth = inverse(path.world_from_camera[0]) @ path.world_from_camera[14]
    error = np.linalg.norm(truth[:3, 3] - output.pose.world_from_camera[:3, 3])
    assert error < 0.03 * np.linalg.norm(truth[:3, 3]) + 0.01
    assert set(output.stages_s) == {'rectify', 'track'}
    assert 'sgbm' in processor.describe() and 'metres' in processor.describe()
    processor.close()


def test_one_camera_gives_rotation_and_direction_only_and_says_so() -> None:
    path = shots('corridor', 60).path
    processor = open_odometry(OdometrySettings(source=Source.MONO, max_keypoints=MAX_KEYPOINTS))
    assert 'direction only' in processor.describe()
    for index in range(6):
        output = processor.process(mono_frame(index, name='corridor'))
    assert output.pose is None and output.direction is not None
    assert (output.state, output.reason) == (OdometryState.TRACKING, Reason.DIRECTION_ONLY)
    assert 'no metres' in output.text
    reference = round((output.direction.reference_stamp_ns - SECOND_NS) / STEP_NS)
    truth = inverse(path.world_from_camera[reference]) @ path.world_from_camera[5]
    cosine = output.direction.translation @ truth[:3, 3] / np.linalg.norm(truth[:3, 3])
    assert cosine > np.cos(np.radians(2.0))
    assert np.linalg.norm(output.direction.translation) == pytest.approx(1.0)
    turned = truth[:3, :3].T @ output.direction.reference_from_camera
    assert rotation_angle(turned) < np.radians(0.3)


def test_one_camera_that_does_not_move_has_no_direction() -> None:
    processor = open_odometry(OdometrySettings(source=Source.MONO, max_keypoints=MAX_KEYPOINTS))
    for index in range(3):
        output = processor.process(mono_frame(0, SECOND_NS + index * STEP_NS))
    assert (output.state, output.reason) == (OdometryState.DEGRADED, Reason.NO_PARALLAX)
    assert output.direction is not None and not output.direction.translation.any()


def test_one_camera_starts_again_from_a_good_frame_after_bad_ones() -> None:
    settings = OdometrySettings(
        source=Source.MONO,
        max_keypoints=MAX_KEYPOINTS,
        tracking=TrackingSettings(lost_after_frames=2),
    )
    processor = open_odometry(settings)
    for index in range(3):
        processor.process(mono_frame(index))
    dark = [
        replace(mono_frame(index), image=np.zeros_like(mono_frame(0).image)) for index in (3, 4)
    ]
    states = [processor.process(frame).state for frame in dark]
    assert states == [OdometryState.DEGRADED, OdometryState.LOST]
    assert processor.process(mono_frame(5)).direction is None
    output = processor.process(mono_frame(6))
    assert output.state is OdometryState.TRACKING and output.num_lost == 1
    assert processor.notice_silence('no frame').state is OdometryState.LOST
    assert processor.reset().reason is Reason.RESET


class FakePoseNetwork:
    """Answers with the true motion in another unit, as a trained network would."""

    def __init__(self, motion: np.ndarray) -> None:
        self.motion = motion
        self.pairs: list[ImagePair] = []

    def run(self, frame: ImagePair) -> Timed[MotionResult]:
        self.pairs.append(frame)
        return Timed(result=MotionResult(second_from_first=self.motion), stages_s={})

    def close(self) -> None:
        """Nothing is open."""


def test_the_pose_network_runs_from_frame_to_frame_in_order_of_time() -> None:
    step = rigid(np.eye(3), np.array([0.0, 0.0, 0.02]))
    network = FakePoseNetwork(inverse(step))
    drive = Drive(DirectionTracker(NetworkMotion(network), TrackingSettings()))  # type: ignore[arg-type]
    room = shots('room', 60)
    outputs = drive.all([room[0], room[1], room[2]])
    assert [output.state for output in outputs[1:]] == [OdometryState.TRACKING] * 2
    last = outputs[-1].direction
    assert last is not None and outputs[-1].pose is None
    np.testing.assert_allclose(last.translation, [0.0, 0.0, 0.02], atol=1e-12)
    assert last.reference_stamp_ns == outputs[1].stamp_ns
    assert network.pairs[1].first is room[1].view.image
    assert network.pairs[1].second is room[2].view.image


def test_a_pose_network_that_gives_nonsense_degrades() -> None:
    network = FakePoseNetwork(np.full((4, 4), np.nan))
    drive = Drive(DirectionTracker(NetworkMotion(network), TrackingSettings()))  # type: ignore[arg-type]
    room = shots('room', 60)
    output = drive.all([room[0], room[1]])[-1]
    assert output.direction is None and output.reason is Reason.RESIDUAL


def test_frames_of_another_kind_and_size_are_refused() -> None:
    rgbd = OdometrySettings(source=Source.RGBD, model='orb')
    processor = open_odometry(rgbd)
    with pytest.raises(InputError, match='source rgbd'):
        processor.process(mono_frame(0))
    shot = shots('room', 60)[0]
    depth = shot.path.depth(0, shot.view)
    small: CameraFrame = RgbdFrame(
        image=mono_frame(0), depth=replace(depth, depth=depth.depth[::2, ::2])
    )
    with pytest.raises(CalibrationError, match='the calibration is for 320x240'):
        processor.process(small)


def test_only_thresholds_can_change_in_place() -> None:
    settings = OdometrySettings(source=Source.RGBD, model='orb')
    processor: OdometryProcessor = open_odometry(settings)
    processor.set_settings(replace(settings, tracking=TrackingSettings(good_inliers=100)))
    with pytest.raises(ParameterError, match='open_odometry'):
        processor.set_settings(replace(settings, model='sift'))
    assert tracker().is_metric


def test_the_real_pose_graph_runs_and_made_up_weights_are_called_so() -> None:
    pytest.importorskip('torch', reason='torch is not installed')
    settings = OdometrySettings(
        source=Source.MONO,
        model='monodepth2_pose',
        engine=EngineChoice(weights='synthetic:1', runtime='torch', size=(64, 96)),
    )
    processor = open_odometry(settings)
    assert 'UNTRAINED' in processor.describe()
    outputs = [processor.process(mono_frame(index)) for index in range(3)]
    assert outputs[-1].direction is not None and outputs[-1].pose is None
    assert np.isfinite(outputs[-1].direction.translation).all()
    processor.close()
