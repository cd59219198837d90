"""Poses that do not explain the images are noticed, and give no metres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.rigid import rigid, rotation_from_vector
from depth_ros.scenes.paths import look
from depth_ros.scenes.solids import View, render
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.pose_watch import HOLD_NS, PoseWatch
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
}
WRONG = {
    'backwards': [rigid(pose[:3, :3], -pose[:3, 3]) for pose in WALK],
    'upwards': [look((0.0, 0.04 * index, 0.0)) for index in range(NUM_IMAGES)],
    'standing': [WALK[0]] * NUM_IMAGES,
    'mount turned': [pose @ ROLL for pose in WALK],
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


def outputs_of(views: list[View], poses: list[np.ndarray], **changes: object) -> list:
    truth = WalkTruth(MultiViewSettings())
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


@pytest.mark.parametrize('name', ['backwards', 'mount turned'])
def test_wrong_poses_give_no_metres_by_keyframes_or_by_motion(views, name: str) -> None:
    outputs = outputs_of(views, WRONG[name])
    assert outputs[-1].depth is None and outputs[-1].refusal[0] == 'pose_mismatch'
    by_motion = ScaleSettings(mode=ScaleMode.MOTION)
    outputs = outputs_of(views, WRONG[name], refine=RefineMode.NONE, scale=by_motion)
    assert outputs[-1].depth is None and outputs[-1].scaled.slug == 'pose_mismatch'
    assert 'mount' in outputs[-1].scaled.reason


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
