"""Odometry against rendered truth, and every way between its states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.geometry.rigid import inverse, rotation_angle
from depth_ros.results import DepthScale
from depth_ros.tasks.odometry.values import OdometryOutput, OdometryState, Reason
from tests.kit.odometry_sequences import Drive, Shot, error_m, errors_m, shots, tracker

INITIALISING, TRACKING = OdometryState.INITIALISING, OdometryState.TRACKING
DEGRADED, LOST = OdometryState.DEGRADED, OdometryState.LOST
NUM_FRAMES = 60
FAR = NUM_FRAMES // 2


def room(index: int) -> Shot:
    return shots('room', NUM_FRAMES)[index]


def blank(shot: Shot) -> np.ndarray:
    return np.full_like(shot.view.image, 120)


@pytest.fixture
def drive() -> Drive:
    """Is tracking at the room's second frame."""
    drive = Drive(tracker(lost_after_frames=3, max_speed_m_s=3.0))
    drive.all([room(0), room(1)])
    assert drive.outputs[-1].state is TRACKING
    return drive


def lose(drive: Drive) -> None:
    for _ in range(3):
        drive.image(room(1), blank(room(1)))
    assert drive.outputs[-1].state is LOST


@pytest.mark.parametrize('model', ['sift', 'orb'])
def test_the_room_drifts_below_one_percent_of_the_path(model: str) -> None:
    path = shots('room', NUM_FRAMES)
    drive = Drive(tracker(model))
    outputs = drive.all(path)
    assert all(output.state is TRACKING for output in outputs[1:])
    errors = errors_m(outputs, path)
    assert errors[-1] < 0.01 * path.path.length_m
    assert max(errors) < 0.01 * path.path.length_m
    sigma = [np.sqrt(np.trace(output.pose.covariance[:3, :3])) for output in outputs[1:]]
    assert all(error < 5.0 * sigma + 1e-3 for error, sigma in zip(errors, sigma, strict=True))
    assert sigma[-1] > sigma[0], 'drift makes the pose less sure'
    assert 3 < outputs[-1].num_keyframes <= 20
    assert outputs[-1].num_lost == 0


def test_a_moving_object_does_not_take_the_pose_along() -> None:
    path = shots('moving_object', 30)
    outputs = Drive(tracker('sift')).all(path)
    errors = errors_m(outputs, path)
    assert max(errors) < 0.05


def test_a_bare_wall_is_lost_and_the_furnished_room_found_again_at_its_place() -> None:
    path = shots('textureless_wall', 40)
    outputs = Drive(tracker('sift')).all(path)
    states = [output.state for output in outputs]
    assert states[0] is INITIALISING and states[5] is TRACKING
    assert LOST in states and states[-1] is TRACKING
    assert outputs[-1].num_lost == 1
    assert error_m(outputs[-1], path[-1], path[0]) < 0.05


def test_pure_rotation_is_tracked_because_depth_is_known() -> None:
    path = shots('fast_turn', 40)
    outputs = Drive(tracker('sift')).all(path)
    assert all(output.state is TRACKING for output in outputs[1:])
    assert error_m(outputs[-1], path[-1], path[0]) < 0.05
    assert outputs[-1].pose is not None
    truth = inverse(path[0].pose) @ path[-1].pose
    turned = truth[:3, :3].T @ outputs[-1].pose.world_from_camera[:3, :3]
    assert rotation_angle(turned) < np.radians(1.0)


def test_identical_frames_stand_still() -> None:
    drive = Drive(tracker())
    outputs = drive.all([room(0)] * 4)
    for output in outputs[1:]:
        assert output.state is TRACKING and output.pose is not None
        assert np.linalg.norm(output.pose.world_from_camera[:3, 3]) < 1e-3
    assert outputs[-1].num_keyframes == 1


def test_the_first_frame_has_no_pose_and_the_second_is_tracked() -> None:
    drive = Drive(tracker())
    first, second = drive.all([room(0), room(1)])
    assert (first.state, first.reason, first.pose) == (INITIALISING, Reason.WAITING, None)
    assert (second.state, second.reason, second.text) == (TRACKING, Reason.NONE, '')
    assert second.last_pose_ns == second.stamp_ns


@pytest.mark.parametrize(
    'change, reason',
    [
        (lambda image: image // 64, Reason.DARK),
        (lambda image: np.zeros_like(image), Reason.DARK),
        (lambda image: np.full_like(image, 120), Reason.BLANK),
    ],
)
def test_useless_images_never_begin_anything(change: object, reason: Reason) -> None:
    drive = Drive(tracker(lost_after_frames=2))
    for _ in range(4):
        output = drive.image(room(0), change(room(0).view.image))  # type: ignore[operator]
        assert (output.state, output.reason) == (INITIALISING, reason)
    assert drive.shot(room(0)).reason is Reason.WAITING
    assert drive.shot(room(1)).state is TRACKING


def test_without_depth_it_waits_and_says_so() -> None:
    drive = Drive(tracker())
    output = drive.shot(room(0), depth=False)
    assert (output.state, output.reason) == (INITIALISING, Reason.NO_DEPTH)
    assert 'depth' in output.text


def test_relative_depth_is_no_depth() -> None:
    drive = Drive(tracker())
    frame = room(0).frame(10)
    relative = replace(frame.depth(), scale=DepthScale.RELATIVE)  # type: ignore[type-var]
    output = drive.send(replace(frame, depth=lambda: relative))
    assert output.reason is Reason.NO_DEPTH


def test_a_first_keyframe_that_nothing_matches_is_given_up() -> None:
    drive = Drive(tracker(lost_after_frames=2))
    drive.shot(shots('corridor', 40)[0])
    outputs = drive.all([room(0), room(0), room(0), room(1)])
    assert [output.state for output in outputs[:3]] == [INITIALISING] * 3
    assert outputs[0].reason in (Reason.FEW_MATCHES, Reason.FEW_INLIERS)
    assert outputs[2].is_keyframe
    assert outputs[3].state is TRACKING
    assert error_m(outputs[3], room(1), room(0)) < 0.02


def test_a_bad_frame_degrades_and_the_next_good_one_tracks(drive: Drive) -> None:
    output = drive.image(room(1), blank(room(1)))
    assert (output.state, output.reason, output.pose) == (DEGRADED, Reason.BLANK, None)
    assert output.last_pose_ns < output.stamp_ns, 'the old pose keeps its old stamp'
    assert drive.shot(room(2)).state is TRACKING


def test_several_bad_frames_are_lost_and_a_find_must_be_confirmed(drive: Drive) -> None:
    lose(drive)
    assert drive.outputs[-1].num_lost == 1
    found = drive.shot(room(1))
    assert (found.state, found.reason, found.pose) == (DEGRADED, Reason.RELOCALISED, None)
    assert 'keyframe' in found.text
    confirmed = drive.shot(room(2))
    assert confirmed.state is TRACKING and confirmed.num_lost == 1
    assert error_m(confirmed, room(2), room(0)) < 0.02


def test_a_find_that_is_not_confirmed_is_lost_again_and_counted_once(drive: Drive) -> None:
    lose(drive)
    drive.shot(room(1))
    output = drive.image(room(1), blank(room(1)))
    assert (output.state, output.num_lost) == (LOST, 1)


def test_a_teleported_camera_is_not_published(drive: Drive) -> None:
    outputs = [drive.shot(room(FAR)) for _ in range(3)]
    assert [output.state for output in outputs] == [DEGRADED, DEGRADED, LOST]
    assert all(output.pose is None for output in outputs)


def test_a_jump_within_sight_of_the_keyframe_is_named_and_taken_once_plausible() -> None:
    """0.3 m in 0.1 s against 1 m/s: refused until there was time enough to get there."""
    drive = Drive(tracker(lost_after_frames=2, max_speed_m_s=1.0))
    drive.all([room(0), room(1)])
    jumped = drive.shot(room(5))
    assert (jumped.state, jumped.reason, jumped.pose) == (DEGRADED, Reason.JUMP, None)
    assert 'max_speed_m_s' in jumped.text
    states = [drive.shot(room(5)).state for _ in range(6)]
    assert states[0] is LOST and states[-1] is TRACKING
    first = states.index(DEGRADED)
    assert states[first:] == [DEGRADED] + [TRACKING] * (len(states) - first - 1)


def test_a_gap_between_frames_is_lost_and_found(drive: Drive) -> None:
    drive.stamp_ns += 3_000_000_000
    output = drive.shot(room(1))
    assert (output.state, output.num_lost) == (DEGRADED, 1)
    assert output.reason is Reason.RELOCALISED and '3.1 s' in output.text
    assert drive.shot(room(2)).state is TRACKING


def test_a_stream_that_stops_is_lost_without_a_pose(drive: Drive) -> None:
    output = drive.tracker.notice_silence('no frame for 2 s')
    assert (output.state, output.reason, output.pose) == (LOST, Reason.NO_FRAMES, None)
    assert output.last_pose_ns == drive.stamp_ns
    assert drive.tracker.notice_silence('no frame for 3 s').num_lost == 1, 'counted once'
    assert drive.shot(room(1)).reason is Reason.RELOCALISED


def test_silence_before_anything_is_tracked_loses_nothing() -> None:
    output = tracker().notice_silence('no frame')
    assert (output.state, output.num_lost) == (INITIALISING, 0)


def test_few_inliers_degrade_but_give_a_pose() -> None:
    drive = Drive(tracker(good_inliers=10_000))
    drive.shot(room(0))
    output = drive.shot(room(1))
    assert (output.state, output.reason) == (DEGRADED, Reason.FEW_INLIERS)
    assert output.pose is not None and '10000' in output.text


def test_an_unsure_position_degrades_but_gives_a_pose() -> None:
    drive = Drive(tracker(good_sigma_m=1e-6))
    drive.shot(room(0))
    output = drive.shot(room(1))
    assert (output.state, output.reason) == (DEGRADED, Reason.UNSURE)
    assert output.pose is not None


def test_a_large_residual_gives_no_pose() -> None:
    drive = Drive(tracker(max_residual_px=0.01))
    output = drive.all([room(0), room(1)])[-1]
    assert (output.reason, output.pose) == (Reason.RESIDUAL, None)
    assert output.counts.num_inliers > 100


def test_depth_that_goes_missing_degrades_once_a_keyframe_is_due(drive: Drive) -> None:
    outputs: list[OdometryOutput] = [
        drive.shot(room(index), depth=False) for index in range(2, 12)
    ]
    reasons = [output.reason for output in outputs]
    assert Reason.NO_DEPTH in reasons
    first = outputs[reasons.index(Reason.NO_DEPTH)]
    assert first.state is DEGRADED and first.pose is not None and not first.is_keyframe
    assert outputs[-1].num_keyframes == 1


def test_stamps_must_advance(drive: Drive) -> None:
    for stamp in (drive.stamp_ns, drive.stamp_ns - 1000):
        with pytest.raises(InputError) as caught:
            drive.tracker.process(room(2).frame(stamp))
        assert caught.value.reason == 'stamp_order'
    assert drive.shot(room(2)).state is TRACKING


def test_a_clock_that_goes_back_far_starts_again(drive: Drive) -> None:
    before = drive.outputs[-1].session
    drive.stamp_ns = 0
    drive.stamp_ns -= 5_000_000_000
    output = drive.shot(room(3))
    assert (output.state, output.is_keyframe) == (INITIALISING, True)
    assert output.session > before
    again = drive.shot(room(4))
    assert again.state is TRACKING
    assert error_m(again, room(4), room(3)) < 0.02


def test_reset_takes_a_new_origin(drive: Drive) -> None:
    before = drive.outputs[-1]
    output = drive.tracker.reset()
    assert (output.state, output.reason) == (INITIALISING, Reason.RESET)
    assert (output.num_frames, output.num_keyframes, output.last_pose_ns) == (0, 0, 0)
    assert output.session > before.session
    first, second = drive.all([room(4), room(5)])
    assert first.is_keyframe
    assert error_m(second, room(5), room(4)) < 0.02


def test_lost_searches_older_keyframes_in_turn(drive: Drive) -> None:
    drive.all([room(index) for index in range(2, 18)])
    assert drive.outputs[-1].num_keyframes >= 4
    for _ in range(3):
        drive.image(room(17), blank(room(17)))
    drive.stamp_ns += 900_000_000
    outputs = [drive.shot(room(0)) for _ in range(4)]
    assert TRACKING in [output.state for output in outputs]
    assert outputs[-1].pose is not None
    assert np.linalg.norm(outputs[-1].pose.world_from_camera[:3, 3]) < 0.02


def test_thresholds_can_change_between_frames(drive: Drive) -> None:
    drive.tracker.set_settings(
        replace(drive.tracker.settings, good_inliers=10_000, max_keyframes=1, lost_after_frames=1)
    )
    assert drive.shot(room(2)).state is DEGRADED
    assert drive.image(room(2), blank(room(2))).state is LOST
