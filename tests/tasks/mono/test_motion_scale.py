"""Metres from motion: points that are followed, and the scale of the mono map by them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.frames import MonoFrame
from depth_ros.results import DepthResult, DepthScale
from depth_ros.scenes.paths import look
from depth_ros.scenes.solids import View, render, room
from depth_ros.tasks.mono.scale import make_scaler
from depth_ros.tasks.mono.settings import ScaleMode, ScaleSettings
from depth_ros.tasks.mono.tracked_points import TrackedPoints
from tests.kit.multiview_doubles import CAMERA

STEP_NS = 66_666_667
WALK = [look((0.05 * step, 0.0, 0.02 * step)) for step in range(8)]
TURN = [look((0.0, 0.0, 0.0), yaw_rad=0.04 * step) for step in range(8)]
SCALE, SHIFT = 0.4, 0.06


def views_of(poses: list[np.ndarray]) -> Iterator[tuple[MonoFrame, View]]:
    for index, pose in enumerate(poses):
        view = render(room(), CAMERA, world_from_camera=pose)
        frame = MonoFrame(
            image=view.image, camera=CAMERA, stamp_ns=10**9 + index * STEP_NS, is_rectified=True
        )
        yield frame, view


def relative_of(frame: MonoFrame, view: View) -> DepthResult:
    return DepthResult(
        depth=(SCALE / (1.0 / view.depth - SHIFT)).astype(np.float32),
        camera=frame.camera,
        stamp_ns=frame.stamp_ns,
        scale=DepthScale.RELATIVE,
    )


def last_points(poses: list[np.ndarray]) -> tuple[DepthResult, View]:
    tracked = TrackedPoints()
    for frame, view in views_of(poses):
        points = tracked.see(frame, view.world_from_camera)
    return points, view


def test_points_of_a_walk_are_where_the_scene_is() -> None:
    points, view = last_points(WALK)
    known = np.isfinite(points.depth)
    assert known.sum() > 60
    error = np.abs(points.depth - view.depth)[known] / view.depth[known]
    # Points are found to a fraction of a pixel, of a disparity of 10 to 30 px.
    assert np.median(error) < 0.04 and (error > 0.2).mean() < 0.1


@pytest.mark.parametrize('poses', [TURN, WALK[:1], WALK[:1] * 4])
def test_turning_and_standing_give_no_points(poses: list[np.ndarray]) -> None:
    points, _ = last_points(poses)
    assert not np.isfinite(points.depth).any()


def test_wrong_poses_give_hardly_a_point() -> None:
    """The images walk to the right, the poses upwards: no ray meets another."""
    tracked = TrackedPoints()
    for index, (frame, _) in enumerate(views_of(WALK)):
        points = tracked.see(frame, look((0.0, 0.05 * index, 0.0)))
    assert np.isfinite(points.depth).sum() < 10


def test_a_gap_another_camera_and_time_that_goes_back_begin_anew() -> None:
    frames = list(views_of(WALK))
    for change in ('gap', 'back'):
        tracked = TrackedPoints()
        for frame, view in frames[:6]:
            tracked.see(frame, view.world_from_camera)
        frame, view = frames[6]
        stamp_ns = frame.stamp_ns + 2 * 10**9 if change == 'gap' else 5
        points = tracked.see(replace(frame, stamp_ns=stamp_ns), view.world_from_camera)
        assert not np.isfinite(points.depth).any(), change


def test_a_blank_image_has_no_points_and_breaks_nothing() -> None:
    tracked = TrackedPoints()
    blank = np.full((CAMERA.height, CAMERA.width, 3), 90, np.uint8)
    for index, pose in enumerate(WALK[:3]):
        frame = MonoFrame(image=blank, camera=CAMERA, stamp_ns=index + 1, is_rectified=True)
        assert not np.isfinite(tracked.see(frame, pose).depth).any()


def test_relative_depth_gets_scale_and_shift_of_the_walk() -> None:
    scaler = make_scaler(ScaleSettings(mode=ScaleMode.MOTION))
    tracked = TrackedPoints()
    for frame, view in views_of(WALK):
        points = tracked.see(frame, view.world_from_camera)
        scaled = scaler.apply(relative_of(frame, view), reference=points)
    assert scaled.factor is not None and scaled.result.scale is DepthScale.METRIC
    assert scaled.factor == pytest.approx(1.0 / SCALE, rel=0.1)
    assert scaled.shift == pytest.approx(SHIFT, abs=0.03)
    assert scaled.spread is not None and 0.0 < scaled.spread < 0.1
    error = np.abs(scaled.result.depth - view.depth) / view.depth
    assert np.nanmedian(error) < 0.04


def test_the_window_remembers_a_walk_while_the_camera_turns() -> None:
    scaler = make_scaler(ScaleSettings(mode=ScaleMode.MOTION, window_s=0.5))
    tracked = TrackedPoints()
    for frame, view in views_of([*WALK, *[WALK[-1]] * 10]):
        points = tracked.see(frame, view.world_from_camera)
        scaled = scaler.apply(relative_of(frame, view), reference=points)
        if frame.stamp_ns == 10**9 + 8 * STEP_NS:
            assert scaled.factor is not None
    # Its last sights are more than the window ago, but points that are followed still hold.
    assert scaled.factor is None or scaled.factor == pytest.approx(1.0 / SCALE, rel=0.1)


def test_without_poses_points_or_agreement_there_are_no_metres() -> None:
    frame, view = next(views_of(WALK))
    relative = relative_of(frame, view)
    settings = ScaleSettings(mode=ScaleMode.MOTION)
    without = make_scaler(settings).apply(relative)
    assert (without.factor, without.slug) == (None, 'no_pose') and 'pose_source' in without.reason
    empty = replace(relative, depth=np.full_like(view.depth, np.nan), scale=DepthScale.METRIC)
    few = make_scaler(settings).apply(relative, reference=empty)
    assert few.slug == 'few_points' and 'turning tells nothing' in few.reason
    noise = np.random.default_rng(3).uniform(0.3, 30.0, view.depth.shape).astype(np.float32)
    wrong = make_scaler(replace(settings, max_spread=0.2)).apply(
        relative, reference=replace(empty, depth=noise)
    )
    assert wrong.factor is None and wrong.slug in ('spread', 'few_points')
    assert all(one.result.scale is DepthScale.RELATIVE for one in (without, few, wrong))
