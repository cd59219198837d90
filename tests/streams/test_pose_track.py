"""Poses between poses, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.geometry.rigid import rigid, rotation_angle, rotation_from_vector
from depth_ros.streams.pose_track import PoseTrack, between


def pose(x, turn=0.0):
    return rigid(rotation_from_vector(np.array([0.0, turn, 0.0])), np.array([x, 0.0, 0.0]))


@pytest.mark.parametrize('turn', [0.0, 1e-9, 0.4, 3.0])
def test_half_way_is_half_the_way_and_half_the_turn(turn):
    middle = between(pose(1.0), pose(3.0, turn), 0.5)
    np.testing.assert_allclose(middle[:3, 3], [2.0, 0.0, 0.0])
    np.testing.assert_allclose(middle, pose(2.0, turn / 2), atol=1e-9)
    for share, end in ((0.0, pose(1.0)), (1.0, pose(3.0, turn))):
        np.testing.assert_allclose(between(pose(1.0), pose(3.0, turn), share), end, atol=1e-9)


def test_the_short_arc_is_taken():
    middle = between(pose(0.0, 3.0), pose(0.0, -3.0), 0.5)
    assert rotation_angle(middle[:3, :3] @ pose(0.0, np.pi)[:3, :3].T) < 1e-6


@pytest.fixture
def track():
    track = PoseTrack(max_gap_ns=100)
    for n in range(5):
        track.add(1000 + 50 * n, pose(n))
    return track


def test_poses_at_and_between_stamps(track):
    assert track.at(1100)[0, 3] == 2.0
    assert track.at(1110)[0, 3] == pytest.approx(2.2)
    assert track.at(1201) is None, 'a pose may still come'
    track.add(1300, pose(9.0))
    assert track.at(1201)[0, 3] == pytest.approx(4.05)


@pytest.mark.parametrize('stamp', [999, 0])
def test_an_image_before_the_first_pose(track, stamp):
    with pytest.raises(InputError, match='later than the image') as caught:
        track.at(stamp)
    assert caught.value.reason == 'no_pose'


def test_a_gap_is_not_bridged(track):
    track.add(1301, pose(9.0))
    with pytest.raises(InputError, match='apart'):
        track.at(1250)


def test_time_that_goes_back_starts_afresh(track):
    track.add(10, pose(7.0))
    assert len(track) == 1 and track.at(10)[0, 3] == 7.0


def test_the_same_stamp_replaces(track):
    track.add(1200, pose(8.0))
    assert len(track) == 5 and track.at(1200)[0, 3] == 8.0


def test_a_track_is_bounded():
    track = PoseTrack(max_gap_ns=100, size=10)
    for n in range(100):
        track.add(n, pose(n))
    assert len(track) == 10 and track.at(95)[0, 3] == 95.0


def test_no_poses_at_all():
    assert PoseTrack(max_gap_ns=100).at(5) is None


@pytest.mark.parametrize('bad', [np.full((4, 4), np.nan), np.zeros((4, 4))])
def test_a_pose_that_is_none_is_refused(track, bad):
    with pytest.raises(InputError):
        track.add(2000, bad)
    assert len(track) == 5
