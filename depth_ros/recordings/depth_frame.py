"""What a task found out about one frame, before it is written in any encoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.results import DisparityResult


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WorldPlace:
    """Where a camera was.

    Attributes:
        frame: Frame of the world.
        world_from_camera: ``(4, 4)`` float64.
    """

    frame: str
    world_from_camera: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DepthFrame:
    """Maps in the pixels of one rectified image.

    Attributes:
        stamp_ns: Stamp of the input.
        frame_id: Frame of the input.
        image: ``(H, W, 3)`` uint8 RGB, rectified.
        camera: Its calibration.
        depth: ``(H, W)`` float32 metres; None where metres are not known.
        relative: ``(H, W)`` float32 up to a factor, of one camera; else None.
        disparity: Of a pair; else None.
        confidence: ``(H, W)`` float32 in 0..1, or None.
        sigma: ``(H, W)`` float32 metres, or None.
        place: Where the camera was, where that is known.
    """

    stamp_ns: int
    frame_id: str
    image: np.ndarray
    camera: PinholeCamera
    depth: np.ndarray | None
    relative: np.ndarray | None = None
    disparity: DisparityResult | None = None
    confidence: np.ndarray | None = None
    sigma: np.ndarray | None = None
    place: WorldPlace | None = None
