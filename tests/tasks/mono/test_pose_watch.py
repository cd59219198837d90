"""Poses that do not explain the images are noticed, and give no metres."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.consistency import DepthView
from depth_ros.geometry.rigid import rigid, rotation_from_vector
from depth_ros.scenes.paths import look
from depth_ros.scenes.solids import View, render
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.keyframe_maps import KeyframeMaps
from depth_ros.tasks.mono.pose_watch import HOLD_NS, PoseWatch, expect_maps_agree
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import (
    KeyframeDepthSettings,
    MonoSettings,
    RefineMode,
    ScaleMode,
    ScaleSettings,
)
from depth_ros.tasks.mono.sights import PointSight, unexplained_px
from depth_ros.tasks.mono.tracked_points import TrackedPoints
from depth_ros.tasks.multiview.settings import MultiViewSettings
from tests.kit.mono_doubles import truth_pipeline
from tests.kit.multiview_doubles import CAMERA, SCENE, TruthProcessor

STEP_NS = 100_000_000
NUM_IMAGES = 22
FAULT_AT = 12
WALK = [look((0.04 * index, 0.0, 0.01 * index)) for index in range(NUM_IMAGES)]
ROLL = rigid(rotation_from_vector(np.array((0.0, 0.0, 0.4))), np.zeros(3))
JUMP = rigid(np.eye(3), np.array((0.15, 0.0, 0.0)))


@pytest.fixture(scope='module')
def views() -> list[View]:
    return [render(SCENE, CAMERA, world_from_camera=pose) for pose in WALK]


def frame_of(view: View, index: int) -> MonoFrame:
    return MonoFrame(
        image=view.image, camera=CAMERA, stamp_ns=10**9 + index * STEP_NS, is_rectified=True
    )


RIGHT = {
    'exact': list(WALK),
    'all ways twice as long, which nobody can see': [
        rigid(pose[:3, :3], 2.0 * pose[:3, 3]) for pose in WALK
    ],
    'all ways half as long, which nobody can see': [
        rigid(pose[:3, :3], 0.5 * pose[:3, 3]) for pose in WALK
    ],
}
WRONG = {
    'backwards': [rigid(pose[:3, :3], -pose[:3, 3]) for pose in WALK],
    'upwards': [look((0.0, 0.04 * index, 0.0)) for index in range(NUM_IMAGES)],
    'standing': [WALK[0]] * NUM_IMAGES,
    'mount turned': [pose @ ROLL for pose in WALK],
    'of another walk': [
        look((0.0, 0.0, 0.05 * index), yaw_rad=0.02 * index) for index in range(NUM_IMAGES)
    ],
    'shuffled stamps': [WALK[index] for index in np.random.default_rng(3).permutation(NUM_IMAGES)],
    'jump': [*WALK[:FAULT_AT], *(JUMP @ pose for pose in WALK[FAULT_AT:])],
}


def complaints(views: list[View], poses: list[np.ndarray]) -> list[bool]:
    tracked, watch = TrackedPoints(), PoseWatch()
    found = []
    for index, (view, pose) in enumerate(zip(views, poses, strict=True)):
        frame = frame_of(view, index)
        tracked.see(frame, pose)
        found.append(watch.disagrees(tracked.sights, CAMERA, frame.stamp_ns))
    return found


@pytest.mark.parametrize('name', RIGHT)
def test_poses_that_explain_the_images_are_left_alone(views, name: str) -> None:
    assert not any(complaints(views, RIGHT[name]))


@pytest.mark.parametrize('name', WRONG)
def test_poses_that_do_not_are_noticed(views, name: str) -> None:
    found = complaints(views, WRONG[name])
    assert any(found)
    if name == 'jump':
        assert found.index(True) == FAULT_AT


def test_a_blank_image_and_a_standing_camera_are_no_complaint(views) -> None:
    blank = replace(views[0], image=np.full_like(views[0].image, 90))
    assert not any(complaints([blank] * NUM_IMAGES, WALK))
    assert not any(complaints([views[0]] * NUM_IMAGES, [WALK[0]] * NUM_IMAGES))


def test_a_disagreement_holds_for_a_second_and_a_clock_set_back_ends_it(views) -> None:
    tracked, watch = TrackedPoints(), PoseWatch()
    for index, view in enumerate(views[:8]):
        tracked.see(frame_of(view, index), WALK[0])
    stamp_ns = 5 * 10**9
    watch.expect_agreement(stamp_ns)
    assert watch.disagrees(tracked.sights, CAMERA, stamp_ns)
    with pytest.raises(InputError, match='odometry') as refusal:
        watch.expect_agreement(stamp_ns + HOLD_NS - 1)
    assert refusal.value.reason == 'pose_mismatch'
    watch.expect_agreement(stamp_ns + HOLD_NS)
    watch.expect_agreement(stamp_ns - 1)


class WalkTruth(TruthProcessor):
    """Knows the depth of the walk's images by their time."""

    views: list[View] = []

    def depth_of(self, frame) -> np.ndarray:
        return self.views[(frame.reference.stamp_ns - 10**9) // STEP_NS].depth


def outputs_of(
    views: list[View],
    poses: list[np.ndarray],
    *,
    truth: WalkTruth | None = None,
    **changes: object,
) -> list:
    truth = truth or WalkTruth(MultiViewSettings())
    truth.views = views
    own = KeyframeDepthSettings(max_depth_m=8.0)
    settings = replace(MonoSettings(refine=RefineMode.MULTIVIEW, keyframes=own), **changes)
    is_refined = settings.refine is RefineMode.MULTIVIEW
    keyframes = KeyframeDepths(lambda progress: truth, own) if is_refined else None
    with MonoProcessor(truth_pipeline(), settings, keyframes=keyframes) as processor:
        return [
            processor.process(frame_of(view, index), world_from_camera=pose)
            for index, (view, pose) in enumerate(zip(views, poses, strict=True))
        ]


def test_a_jump_ends_the_metres_of_keyframes_for_a_second(views) -> None:
    outputs = outputs_of(views, WRONG['jump'])
    assert outputs[FAULT_AT - 1].refined is not None
    held = outputs[FAULT_AT : FAULT_AT + HOLD_NS // STEP_NS]
    assert all(output.depth is None for output in held)
    assert all(output.refusal[0] == 'pose_mismatch' for output in held)
    assert len(held) == NUM_IMAGES - FAULT_AT or outputs[-1].refined is not None


@pytest.mark.parametrize(
    'name', ['backwards', 'mount turned', 'of another walk', 'shuffled stamps']
)
def test_wrong_poses_give_no_metres_by_keyframes_or_by_motion(views, name: str) -> None:
    outputs = outputs_of(views, WRONG[name])
    assert outputs[-1].depth is None and outputs[-1].refusal[0] == 'pose_mismatch'
    if name == 'of another walk':
        return  # too few of its points have a depth to ask
    by_motion = ScaleSettings(mode=ScaleMode.MOTION)
    outputs = outputs_of(views, WRONG[name], refine=RefineMode.NONE, scale=by_motion)
    assert outputs[-1].depth is None and outputs[-1].scaled.slug == 'pose_mismatch'
    assert 'mount' in outputs[-1].scaled.reason


class OddTruth(WalkTruth):
    """Gives depth that does not go with the poses: no five maps in a row agree."""

    factors = itertools.cycle((1.0, 1.25, 1.55, 0.8, 0.64))

    def depth_of(self, frame) -> np.ndarray:
        return super().depth_of(frame) * np.float32(next(self.factors))


def test_keyframes_at_odds_with_one_another_give_no_metres_and_say_why(views) -> None:
    outputs = outputs_of(views, list(WALK), truth=OddTruth(MultiViewSettings()))
    for output in outputs[6:]:
        assert output.depth is None and output.refusal[0] == 'pose_mismatch'
    text = outputs[-1].refusal[1]
    assert 'keyframes does not agree' in text and 'odometry' in text
    good = outputs_of(views, list(WALK))
    assert good[-1].refined is not None and good[-1].refusal is None


def a_map(depth_m: float, *, x_m: float = 0.0) -> DepthView:
    shape = (CAMERA.height, CAMERA.width)
    return DepthView(
        depth=np.full(shape, depth_m, np.float32),
        confidence=np.ones(shape, np.float32),
        image=np.zeros((*shape, 3), np.uint8),
        camera=CAMERA,
        world_from_camera=rigid(np.eye(3), np.array((x_m, 0.0, 0.0))),
    )


def test_the_share_of_a_map_that_others_agree_on() -> None:
    maps = KeyframeMaps(min_confidence=0.5)
    assert math.isnan(maps.add(a_map(2.0), stamp_ns=1).agreed), 'there is no other'
    assert maps.add(a_map(2.0, x_m=0.1), stamp_ns=2).agreed == 1.0
    assert maps.add(a_map(2.6), stamp_ns=3).agreed == 0.0
    assert math.isnan(maps.add(a_map(2.0, x_m=50.0), stamp_ns=4).agreed), 'it sees another place'


@pytest.mark.parametrize(
    ('shares', 'agree'),
    [
        ((), True),
        ((0.0,), True),
        ((0.0, math.nan, math.nan), True),
        ((0.4, 0.4), False),
        ((0.4, 0.6, 0.6), True),
        ((0.1, 0.2, 0.3, 1.0, 1.0), False),
    ],
)
def test_the_last_maps_decide_and_one_alone_does_not(shares: tuple, agree: bool) -> None:
    one = KeyframeMaps(min_confidence=0.5).add(a_map(2.0), stamp_ns=1)
    maps = [replace(one, agreed=share) for share in shares]
    if agree:
        expect_maps_agree(maps)
        return
    with pytest.raises(InputError, match='% needed') as refusal:
        expect_maps_agree(maps)
    assert refusal.value.reason == 'pose_mismatch'


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('way_m', [1e150, 1e300, 1.7e308])
def test_a_pose_beyond_all_numbers_is_unexplained_without_a_word_of_numpy(way_m: float) -> None:
    pixels = np.random.default_rng(1).uniform(5.0, 40.0, (2, 30, 2)).astype(np.float32)
    ways = (np.zeros(3), np.array([way_m, way_m, -way_m]))
    sights = [
        PointSight(pixels=seen, world_from_camera=rigid(np.eye(3), way))
        for seen, way in zip(pixels, ways, strict=True)
    ]
    assert unexplained_px(sights, CAMERA).shape == (30,)
