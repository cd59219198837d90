"""Keyframes and source views: when, which, and what breaks a sequence."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import InputError, ParameterError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.posed_view import PosedView, multi_view_frame
from depth_ros.geometry.rigid import rigid, rotation_from_vector
from depth_ros.tasks.multiview.keyframes import KeyframeWindow
from depth_ros.tasks.multiview.reconstruction import DepthRangeSettings, DepthRangeTracker
from depth_ros.tasks.multiview.settings import KeyframeSettings, ReferenceChoice, ViewPolicy
from depth_ros.tasks.multiview.view_selection import (
    angle_score,
    choose_sources,
    is_new_view,
    sample_points,
    view_score,
)

CAMERA = ideal_camera(fx=50.0, fy=50.0, cx=31.5, cy=23.5, height=48, width=64)
IMAGE = np.zeros((48, 64, 3), np.uint8)
RANGE = (1.0, 4.0)
NEWEST = KeyframeSettings(reference=ReferenceChoice.NEWEST)


def view(x, *, stamp=None, turn=0.0, y=0.0, name=''):
    stamp = round(1e9 * (x + 10.0)) if stamp is None else stamp
    pose = rigid(rotation_from_vector(np.array([0.0, turn, 0.0])), np.array([x, y, 0.0]))
    frame = MonoFrame(image=IMAGE, camera=CAMERA, stamp_ns=stamp, is_rectified=True)
    return PosedView(frame=frame, world_from_camera=pose, name=name or f'{x:g}')


def test_scores_are_best_at_five_degrees_and_fall_faster_below():
    angles = np.radians([5.0, 4.0, 2.0, 15.0, 0.0])
    scores = angle_score(angles)
    assert scores[0] == 1.0
    assert scores[1] == pytest.approx(np.exp(-0.5))
    assert scores[3] == pytest.approx(np.exp(-0.5))
    assert scores[2] < 0.02 and scores[4] < 1e-5


def test_the_best_baseline_gets_the_best_score():
    reference = view(0.0)
    points = np.array([[0.0, 0.0, 2.0]])
    best = 2.0 * np.tan(np.radians(5.0))
    scores = [view_score(reference, view(x), points) for x in (0.05, best, 0.8)]
    assert scores[1] == pytest.approx(1.0, abs=1e-6) and scores[1] > max(scores[0], scores[2])


def test_views_that_look_elsewhere_score_nothing():
    reference = view(0.0)
    points = sample_points(reference, RANGE)
    away = view(0.1, turn=np.pi)
    assert view_score(reference, away, points) == 0.0
    assert choose_sources(reference, [away], points, count=2) == []
    assert view_score(reference, reference, np.empty((0, 3))) == 0.0


def test_sources_come_best_first():
    reference = view(0.0)
    candidates = [view(x) for x in (0.02, 0.14, 0.5)]
    points = sample_points(reference, RANGE)
    chosen = choose_sources(reference, candidates, points, count=2)
    assert [found.name for found in chosen] == ['0.14', '0.5']


def test_a_still_camera_makes_one_keyframe():
    window = KeyframeWindow(NEWEST)
    for n in range(20):
        assert window.add(view(0.0, stamp=n + 1), depth_range_m=RANGE) is None
    assert window.num_keyframes == 1


def test_turning_makes_keyframes_too():
    def is_new(*place, **turn):
        poses = [found.world_from_camera for found in (view(*place, **turn), view(0.0))]
        return is_new_view(*poses, ViewPolicy(), depth_m=2.0)

    assert is_new(0.0, turn=0.2) and not is_new(0.0, turn=0.1)
    assert is_new(0.07) and not is_new(0.05)


def run(settings, count=8):
    window = KeyframeWindow(settings)
    sets = [window.add(view(0.1 * n), depth_range_m=RANGE) for n in range(count)]
    return window, [found for found in sets if found]


def test_the_newest_keyframe_is_the_reference():
    window, sets = run(NEWEST)
    assert [found.reference.name for found in sets] == ['0.2', '0.3', '0.4', '0.5', '0.6', '0.7']
    assert window.flush(depth_range_m=RANGE) == []
    assert all(len(found.sources) <= 4 for found in sets)
    assert all(found.reference not in found.sources for found in sets)


def test_the_middle_keyframe_has_sources_on_both_sides():
    window, sets = run(KeyframeSettings(num_sources=4))
    names = [found.reference.name for found in sets]
    assert names == ['0', '0.1', '0.2', '0.3', '0.4', '0.5']
    middle = [float(source.name) for source in sets[3].sources]
    assert min(middle) < 0.3 < max(middle)
    rest = window.flush(depth_range_m=RANGE)
    assert [found.reference.name for found in rest] == ['0.6', '0.7']
    assert len(set(names) | {found.reference.name for found in rest}) == 8


def test_no_keyframe_is_a_reference_twice():
    window = KeyframeWindow(KeyframeSettings(num_sources=4))
    names = []
    for n in range(12):
        found = window.add(view(0.1 * n), depth_range_m=RANGE)
        sets = [found] if found else []
        if n in (5, 6):
            sets += window.flush(depth_range_m=RANGE)
        names += [each.reference.name for each in sets]
    names += [each.reference.name for each in window.flush(depth_range_m=RANGE)]
    assert names == [f'{0.1 * n:g}' for n in range(12)]
    assert window.flush(depth_range_m=RANGE) == []


def test_a_view_from_the_same_place_does_not_spoil_the_others():
    reference = view(0.0)
    points = sample_points(reference, RANGE)
    candidates = [view(0.0, turn=0.2), view(0.14), view(0.2), view(0.1, turn=1.3)]
    chosen = choose_sources(reference, candidates, points, count=4)
    assert {found.center_m[0] for found in chosen} == {0.14, 0.2}


def test_a_window_is_bounded():
    window, _ = run(NEWEST, count=50)
    assert len(window) == NEWEST.window and window.num_keyframes == 50


@pytest.mark.parametrize(
    ('bad', 'reason'), [(view(30.0), 'pose_jump'), (view(0.8, stamp=5), 'stamp_order')]
)
def test_a_break_starts_afresh(bad, reason):
    window, _ = run(NEWEST)
    with pytest.raises(InputError) as caught:
        window.add(bad, depth_range_m=RANGE)
    assert caught.value.reason == reason
    assert len(window) == 0
    x, stamp = bad.center_m[0], bad.frame.stamp_ns
    for n in (1, 2):
        further = view(x + 0.1 * n, stamp=stamp + n)
        assert window.add(further, depth_range_m=RANGE) is None
    found = window.add(view(x + 0.3, stamp=stamp + 3), depth_range_m=RANGE)
    assert found is not None
    assert min(source.center_m[0] for source in found.sources) >= x


def test_frames_hold_poses_relative_to_the_reference():
    reference, source = view(1.0, turn=0.3), view(1.4, y=0.2)
    frame = multi_view_frame(reference, [source], depth_range_m=RANGE)
    point = np.array([0.3, -0.2, 2.0, 1.0])
    world = source.world_from_camera @ point
    np.testing.assert_allclose(
        reference.world_from_camera @ frame.reference_from_source[0] @ point, world
    )
    assert (frame.depth_min_m, frame.depth_max_m) == RANGE


@pytest.mark.parametrize(
    'pose',
    [np.full((4, 4), np.nan), np.diag([1.0, 1.0, -1.0, 1.0]), 2.0 * np.eye(4), np.eye(3)],
)
def test_poses_that_are_no_motion_are_refused(pose):
    frame = MonoFrame(image=IMAGE, camera=CAMERA, stamp_ns=0)
    with pytest.raises(InputError) as caught:
        PosedView(frame=frame, world_from_camera=pose)
    assert caught.value.reason in ('pose_values', 'pose_rotation')


@pytest.mark.parametrize(
    'values', [{'min_sources': 0}, {'min_sources': 5}, {'window': 2}, {'num_sources': 20}]
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(ParameterError, match=r'within|correct them'):
        KeyframeSettings(**values)


def test_the_depth_range_follows_and_recovers():
    tracker = DepthRangeTracker(DepthRangeSettings(min_m=0.5, max_m=10.0, follow=True))
    assert tracker.range_m == (0.5, 10.0)
    tracker.see(np.full((40, 40), 2.0))
    low, high = tracker.range_m
    assert 1.5 < low < 2.0 < high < 2.5
    tracker.see(np.full((40, 40), np.nan))
    assert tracker.range_m == (0.5, 10.0)
    still = DepthRangeTracker(DepthRangeSettings(min_m=0.5, max_m=10.0))
    still.see(np.full((40, 40), 2.0))
    assert still.range_m == (0.5, 10.0)


@pytest.mark.parametrize('limits', [(0.0, 1.0), (2.0, 1.0), (1.0, np.inf), (np.nan, 1.0)])
def test_ranges_that_make_no_sense_are_refused(limits):
    with pytest.raises(ParameterError, match='depth range'):
        DepthRangeSettings(min_m=limits[0], max_m=limits[1])


@pytest.mark.parametrize(
    ('later_ns', 'has_times', 'words'),
    [
        (100_000_000, True, 'the pose jumped by 30.00 m between two views 0.10 s apart'),
        (3_200_000_000, True, 'the pose moved by 30.00 m in 3.2 s without a view'),
        (3_200_000_000, False, 'the pose jumped by 30.00 m between two views, with'),
        (0, True, 'a view has the same stamp as the one before it'),
    ],
)
def test_a_break_says_how_long_after_the_view_before(later_ns, has_times, words):
    window = KeyframeWindow(NEWEST, has_times=has_times)
    window.add(view(0.0, stamp=5), depth_range_m=RANGE)
    with pytest.raises(InputError) as caught:
        window.add(view(30.0, stamp=5 + later_ns), depth_range_m=RANGE)
    assert words in str(caught.value)
    assert ('odometry' in str(caught.value)) == (words.startswith('the pose jumped'))
