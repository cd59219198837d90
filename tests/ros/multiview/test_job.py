"""The worker's side of the multi-view node, without a node: where depth is searched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.geometry.posed_view import PosedView
from depth_ros.ros.multiview.job import (
    FusingProcessor,
    KeyframeWanted,
    MultiviewInput,
    SearchPlace,
    SharedCloud,
)
from depth_ros.tasks.multiview.keyframes import ViewSet
from depth_ros.tasks.multiview.processor import MultiViewOutput
from depth_ros.tasks.multiview.settings import FusionSettings, MultiViewSettings
from tests.kit.multiview_doubles import START_NS, TruthProcessor, pose_at, view_at

LIMITS = (0.5, 20.0)
WANTED = KeyframeWanted(depth=True, cloud=True)


class UnsureProcessor(TruthProcessor):
    """Sees 2 m with confidence in half of the image and anything elsewhere."""

    def process(self, frame: MultiViewFrame, *, wanted: object = None) -> MultiViewOutput:
        output = super().process(frame)
        depth = np.random.default_rng(0).uniform(*LIMITS, output.depth.depth.shape)
        confidence = np.full(depth.shape, 0.3, np.float32)
        depth[:60], confidence[:60] = 2.0, 0.9
        result = replace(output.depth, depth=depth.astype(np.float32), confidence=confidence)
        return replace(output, depth=result)


def posed(stamp_ns: int) -> PosedView:
    view = view_at(stamp_ns)
    frame = MonoFrame(image=view.image, camera=view.camera, stamp_ns=stamp_ns, is_rectified=True)
    return PosedView(frame=frame, world_from_camera=pose_at(stamp_ns))


@pytest.fixture
def frame() -> MultiviewInput:
    first, *others = (posed(START_NS + 100_000_000 * n) for n in range(3))
    return MultiviewInput(
        views=ViewSet(reference=first, sources=tuple(others)),
        place=SearchPlace(limits_m=LIMITS, seen_m=None, follow=True, world_frame='odom'),
    )


def placed(frame: MultiviewInput, **changes: object) -> MultiviewInput:
    return replace(frame, place=replace(frame.place, **changes))


@pytest.fixture
def processor() -> FusingProcessor:
    return FusingProcessor(UnsureProcessor(MultiViewSettings()), SharedCloud(FusionSettings()))


def test_the_search_follows_depth_that_is_sure(processor, frame) -> None:
    assert processor.process(frame, wanted=WANTED).depth_range_m == LIMITS
    low, high = processor.process(frame, wanted=WANTED).depth_range_m
    assert 1.6 < low < 2.0 < high < 2.5
    fixed = processor.process(placed(frame, follow=False), wanted=WANTED)
    assert fixed.depth_range_m == LIMITS
    assert processor.process(frame, wanted=WANTED).depth_range_m == LIMITS, 'begins anew'


@pytest.mark.parametrize(
    ('seen', 'searched'),
    [((1.0, 3.0), (1.0, 3.0)), ((0.1, 90.0), LIMITS), ((30.0, 40.0), LIMITS)],
)
def test_another_sensor_narrows_the_search_within_the_limits(
    processor, frame, seen, searched
) -> None:
    output = processor.process(placed(frame, seen_m=seen), wanted=WANTED)
    assert output.depth_range_m == searched


def test_poses_in_another_frame_start_another_cloud(processor, frame) -> None:
    cloud = SharedCloud(FusionSettings())
    processor = FusingProcessor(TruthProcessor(MultiViewSettings()), cloud)
    views = [frame.views.reference, *frame.views.sources]
    for view in views:
        sources = tuple(other for other in views if other is not view)
        one = replace(placed(frame, follow=False), views=ViewSet(reference=view, sources=sources))
        processor.process(one, wanted=WANTED)
    assert int(cloud.counts()['fused_points']) > 1000
    processor.process(placed(frame, world_frame='map', follow=False), wanted=WANTED)
    assert cloud.counts()['fused_maps'] == '1' and cloud.counts()['fused_points'] == '0'
