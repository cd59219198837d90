"""Hints that a model is judged with: the one a node would give, none, and wrong ones."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from depth_ros.frames import DisparityHint, RectifiedStereo
from depth_ros.geometry.hints import dense_hint, nothing_known
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render

SHIFT_PX = 8.0
SHIFT_WIDTH = 640
"""A shifted hint is wrong by ``SHIFT_PX`` of an image as wide as this."""
OTHER_SCENE = 'room'
AS_GIVEN = 'given'
"""Kind of hint that a node would give."""
OTHER_BASELINE_M = 0.12
OTHER_WIDTH = 640

HintMaker = Callable[[RectifiedStereo], DisparityHint]


def spoiled(kind: str, make: HintMaker) -> HintMaker:
    """Return a maker of hints of a kind out of one that gives right hints.

    Args:
        kind: One of ``HINT_KINDS``.
        make: Gives the hint that a node would give.
    """
    return lambda pair: HINT_KINDS[kind](pair, make)


def _given(pair: RectifiedStereo, make: HintMaker) -> DisparityHint:
    return make(pair)


def _none(pair: RectifiedStereo, make: HintMaker) -> DisparityHint:
    return nothing_known(pair.left.shape[:2])


def _shifted(pair: RectifiedStereo, make: HintMaker) -> DisparityHint:
    """Add the same to every disparity, as a wrong calibration does."""
    right = make(pair)
    shift = np.float32(SHIFT_PX * pair.left.shape[1] / SHIFT_WIDTH)
    return DisparityHint(disparity=right.disparity + shift, trust=right.trust)


def _other(pair: RectifiedStereo, make: HintMaker) -> DisparityHint:
    """Return the true disparity of a rendered room, brought to the pair's size."""
    height, width = pair.left.shape[:2]
    own_height = round(OTHER_WIDTH * height / width)
    rig = ideal_stereo_camera(height=own_height, width=OTHER_WIDTH, baseline_m=OTHER_BASELINE_M)
    depth = render(SCENES[OTHER_SCENE](), rig.left, world_from_camera=np.eye(4)).depth
    with np.errstate(divide='ignore', invalid='ignore'):
        disparity = (rig.left.fx * rig.baseline_m * width / OTHER_WIDTH / depth).astype(np.float32)
    disparity[~np.isfinite(disparity)] = np.nan
    return dense_hint(cv2.resize(disparity, (width, height), interpolation=cv2.INTER_NEAREST))


HINT_KINDS: dict[str, Callable[[RectifiedStereo, HintMaker], DisparityHint]] = {
    AS_GIVEN: _given,
    'none': _none,
    'shifted': _shifted,
    'other': _other,
}
"""What a node would give, nothing, all disparities wrong alike, those of another scene."""
