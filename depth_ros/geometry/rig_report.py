"""What a calibration means in figures that a person can judge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depth_ros.calibration.resolution import Intrinsics
from depth_ros.calibration.resolution import fields_of_view_deg as view_angles_deg
from depth_ros.camera import PinholeCamera, StereoCamera

DISTANCES_M = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
"""At which resolution is told, as far as they make sense for a rig."""

SMALLEST_DISPARITY_PX = 1.0
LARGEST_DISPARITY_SHARE = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """What a rig can tell at one distance.

    Attributes:
        distance_m: Distance along the axis.
        disparity_px: Disparity of a point there.
        step_m: How much one pixel of disparity moves it: ``Z^2 / (f b)`` to first order.
    """

    distance_m: float
    disparity_px: float
    step_m: float


def resolutions(rig: StereoCamera) -> list[Resolution]:
    """Return the resolution at round distances from half an image of disparity to one pixel."""
    strength = rig.left.fx * rig.baseline_m
    found = []
    for distance in DISTANCES_M:
        disparity = strength / distance
        if SMALLEST_DISPARITY_PX <= disparity <= LARGEST_DISPARITY_SHARE * rig.left.width:
            step = distance * distance / strength
            found.append(Resolution(distance_m=distance, disparity_px=disparity, step_m=step))
    return found


def fields_of_view_deg(camera: PinholeCamera) -> tuple[float, float]:
    """Return the horizontal and the vertical field of view of the rectified image, degrees."""
    rectified = Intrinsics(name='P', matrix=camera.p, height=camera.height, width=camera.width)
    return view_angles_deg(rectified)


def rotation_deg(left: PinholeCamera, right: PinholeCamera) -> float:
    """Return the angle between the two raw cameras that their R undo, degrees."""
    between = right.r.T @ left.r
    return math.degrees(math.acos(float(np.clip((np.trace(between) - 1.0) / 2.0, -1.0, 1.0))))
