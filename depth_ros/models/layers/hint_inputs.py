"""What graphs that take a hint are tried on: an example, and rendered pairs for the accuracy gate.

The gate's hint is the true disparity where a matcher would find it: not beside edges, not in
squares here and there, and one square is wrong. One scene comes without any hint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from depth_ros.frames import DisparityHint
from depth_ros.geometry.hints import UNKNOWN_PX, dense_hint, engine_hint
from depth_ros.geometry.preprocess import Fit, fit_size
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render
from depth_ros.tensors import Engine, Tensors, TensorSpec

BASELINE_M = 0.12
ALONE = 'slanted'
"""The scene without a hint."""
WRONG_PX = np.float32(9.0)


def gate_feeds(
    inputs: Sequence[TensorSpec], *, engines: Mapping[str, Engine], scenes: Sequence[str]
) -> dict[str, Tensors]:
    """Make the inputs of the graph from scenes.

    Args:
        inputs: Two uint8 images ``(1, H, W, 3)`` and the hint ``(1, 2, H, W)``.
        engines: Not needed.
        scenes: Names in ``SCENES``.
    """
    _, height, width, _ = inputs[0].shape
    return {name: _feeds(name, height, width) for name in scenes}


def _feeds(name: str, height: int, width: int) -> Tensors:
    rig = ideal_stereo_camera(height=height, width=width, baseline_m=BASELINE_M)
    pose = np.eye(4)
    pose[0, 3] = rig.baseline_m
    scene = SCENES[name]()
    left = render(scene, rig.left, world_from_camera=np.eye(4))
    right = render(scene, rig.right, world_from_camera=pose)
    placement = fit_size((height, width), (height, width), fit=Fit.RESIZE)
    hint = None if name == ALONE else spoiled_hint(rig.left.fx * rig.baseline_m / left.depth)
    return {
        'left': np.ascontiguousarray(left.image[None]),
        'right': np.ascontiguousarray(right.image[None]),
        'hint': engine_hint(hint, placement)[None],
    }


def spoiled_hint(disparity: np.ndarray) -> DisparityHint:
    """Return the hint that a matcher would give where the disparity is ``(H, W)`` px."""
    height, width = disparity.shape
    found = disparity.astype(np.float32)
    found[~np.isfinite(found)] = np.nan
    with np.errstate(invalid='ignore'):
        step = np.abs(np.diff(found, axis=1, prepend=found[:, :1]))
        found[step > 1.0] = np.nan
    y, x = np.arange(height) * 6 // height, np.arange(width) * 8 // width
    square = y[:, None] * 8 + x
    found[square % 7 == 3] = np.nan
    found[square == 20] += WRONG_PX
    return dense_hint(found)


def hint_spec(height: int, width: int) -> TensorSpec:
    """Describe a hint as graphs take it: disparity px, below 0 where unknown, and trust 0..1."""
    return TensorSpec(name='hint', shape=(1, 2, height, width), dtype='float32')


def example_hint(height: int, width: int) -> np.ndarray:
    """Return a hint (1, 2, H, W) float32 for the golden check.

    Its disparity grows down the image; every fourth column of squares is unknown, every other
    row of squares is trusted less.
    """
    rows, columns = np.arange(height, dtype=np.float32), np.arange(width)
    known = np.broadcast_to(columns // 16 % 4 != 3, (height, width))
    disparity = np.broadcast_to((1.0 + 10.0 * rows / height)[:, None], known.shape)
    trust = np.broadcast_to(np.where(rows // 16 % 2, 0.2, 1.0)[:, None], known.shape)
    planes = (np.where(known, disparity, UNKNOWN_PX), np.where(known, trust, 0.0))
    return np.stack(planes)[None].astype(np.float32)
