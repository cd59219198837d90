"""Flicker of depth beside the motion of the camera, with exact depth of a rendered walk."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.recordings.depth_frame import DepthFrame
from depth_ros.recordings.flicker import flicker, seen_depth
from depth_ros.scenes.paths import scene_path

PATH = scene_path('room')


def frame(index: int, *, factor: float = 1.0) -> DepthFrame:
    view = PATH.view(index)
    return DepthFrame(
        stamp_ns=PATH.stamp_ns(index),
        frame_id='camera',
        image=view.image,
        camera=view.camera,
        depth=view.depth * np.float32(factor),
    )


@pytest.mark.parametrize('step', [1, 2])
def test_a_moving_camera_with_exact_depth_does_not_flicker(step: int) -> None:
    found = flicker(seen_depth(frame(10)), seen_depth(frame(10 + step)))
    assert found == pytest.approx(0.0, abs=0.005)


@pytest.mark.parametrize('factor', [0.9, 1.1])
def test_depth_that_changes_its_scale_flickers_by_that(factor: float) -> None:
    found = flicker(seen_depth(frame(10)), seen_depth(frame(11, factor=factor)))
    assert found == pytest.approx(abs(factor - 1.0), abs=0.005)


def test_without_corners_or_depth_nothing_is_said() -> None:
    blank = DepthFrame(
        stamp_ns=0,
        frame_id='camera',
        image=np.zeros((240, 320, 3), np.uint8),
        camera=PATH.left,
        depth=np.ones((240, 320), np.float32),
    )
    assert flicker(seen_depth(blank), seen_depth(frame(10))) is None
    unknown = frame(11, factor=np.nan)
    assert flicker(seen_depth(frame(10)), seen_depth(unknown)) is None
    nothing = DepthFrame(stamp_ns=0, frame_id='', image=blank.image, camera=PATH.left, depth=None)
    assert seen_depth(nothing) is None
