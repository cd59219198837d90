"""One image with depth and pose, as readers of posed data give it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MeasuredView:
    """An image and where its pixels lie in the world.

    Attributes:
        image: ``(H, W, 3)`` uint8 or float32 RGB, 0..255.
        depth: ``(h, w)`` float32 along the optical axis, in metres or the scene's own unit; 0 or
            NaN where unknown. It covers the field of view of the image; the size may differ.
        k: ``(3, 3)`` float64 intrinsics in pixels of the depth map; pixel centres are integers.
        world_from_camera: ``(4, 4)`` float64, optical axes (x right, y down, z forward).
    """

    image: np.ndarray
    depth: np.ndarray
    k: np.ndarray
    world_from_camera: np.ndarray
