"""A stereo node that is told the depth: the red channel of the left image, in steps."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from depth_ros.results import DepthResult, DepthScale
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.stereo.node import StereoNode
from depth_ros.tasks.stereo.processor import StereoOutput, StereoProcessor, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings

STEP_M = 0.05
UNKNOWN, FAR = 0, 255


def told(depth: np.ndarray) -> np.ndarray:
    """Write depth as an image, ``(H, W, 3)`` uint8 RGB; NaN and +Inf have values of their own."""
    steps = np.nan_to_num(depth / STEP_M, nan=UNKNOWN, posinf=FAR)
    red = np.clip(np.rint(steps), UNKNOWN, FAR).astype(np.uint8)
    return np.stack([red, np.full_like(red, 90), np.full_like(red, 30)], axis=2)


class ToldProcessor(StereoProcessor):
    """Rectifies and matches as always, and puts the depth that was told in place of its own."""

    def process(self, frame: Any, *, wanted: Any = None) -> StereoOutput:
        output = super().process(frame, wanted=wanted)
        red = output.rectified.left[..., 0]
        depth = np.where(red == UNKNOWN, np.nan, red * np.float32(STEP_M)).astype(np.float32)
        depth[red == FAR] = np.inf
        camera = output.disparity.camera.left
        stamp = output.disparity.stamp_ns
        result = DepthResult(depth=depth, camera=camera, stamp_ns=stamp, scale=DepthScale.METRIC)
        return replace(output, depth=result)


def open_processor(settings: StereoSettings, *, progress: Any = None) -> StereoProcessor:
    return ToldProcessor(open_stereo(settings).pipeline, settings)


if __name__ == '__main__':
    sys.exit(run_node('stereo_node', lambda: StereoNode(open_processor=open_processor)))
