"""Why depth of another sensor was left out whole, told by the command and by the node."""

from __future__ import annotations

import numpy as np

from depth_ros.tasks.stereo.processor import StereoOutput

THOUSAND = (300.0, 3000.0)
"""Ratio of the hints' median depth to the result's that millimetres read as metres give."""
ALIKE = (0.8, 1.25)
"""Ratio of medians of which two maps may be the same quantity."""


def hint_remark(name: str, output: StereoOutput, *, unit_setting: str) -> str:
    """Return a sentence where another sensor's depth was left out whole, else nothing.

    Args:
        name: Of the pair, or what else the depth belongs to.
        output: What came out, with the points that were told beside the rectified pair.
        unit_setting: What sets the unit of depth, as the user types it.
    """
    points_m = output.rectified.beside.points_m
    if points_m is None or output.hint_used is None or output.hint_used > 0.0:
        return ''
    depth_m = points_m[:, 2][np.isfinite(points_m[:, 2]) & (points_m[:, 2] > 0)]
    if not depth_m.size:
        return (
            f'hints of {name} were left out: they hold no depth above 0 (NaN, 0 or negative '
            'alone); give metres along z of the left camera'
        )
    return (
        f'hints of {name} were left out whole, the pair speaks against them: nearest is '
        f'{depth_m.min():.4g} m, median {np.median(depth_m):.4g} m; '
        f'{_cause(depth_m, output, unit_setting)}'
    )


def _cause(depth_m: np.ndarray, output: StereoOutput, unit_setting: str) -> str:
    """Return what is probably wrong, by the medians of the hints and of the result."""
    disparity = output.disparity.disparity
    disparity = disparity[np.isfinite(disparity) & (disparity > 0)]
    median = float(np.median(depth_m))
    if disparity.size:
        found_px = float(np.median(disparity))
        camera = output.rectified.camera
        found_m = camera.left.fx * camera.baseline_m / found_px
        if THOUSAND[0] < median / found_m < THOUSAND[1]:
            return f'are these millimetres? Divide by 1000, or correct {unit_setting}'
        if THOUSAND[0] < found_m / median < THOUSAND[1]:
            return f'are these metres over 1000? Multiply by 1000, or correct {unit_setting}'
        if ALIKE[0] < median / found_px < ALIKE[1]:
            return 'is this disparity in pixels? Give depth, fx * baseline / disparity'
    return 'are they of another moment or place, another unit, or not in the left camera?'
