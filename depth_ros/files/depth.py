"""Measured depth as 16-bit PNG."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from depth_ros.errors import InputError

MILLIMETRES = 0.001


def read_depth(path: Path, *, unit_m: float = MILLIMETRES) -> np.ndarray:
    """Read a depth image, ``(H, W)`` float64 metres, NaN where the file has 0 (unknown).

    Args:
        path: PNG of one uint16 channel.
        unit_m: Metres for each step.

    Raises:
        InputError: Reason ``'depth_file'``, if it is missing or something else.
    """
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.ndim != 2 or depth.dtype != np.uint16:
        got = 'no image' if depth is None else f'{depth.dtype} of shape {depth.shape}'
        raise InputError(
            'depth_file',
            f'{path} must be a 16-bit depth PNG of one channel, got {got}; restore the file',
        )
    metres = depth.astype(np.float64) * unit_m
    return np.where(depth > 0, metres, np.nan)
