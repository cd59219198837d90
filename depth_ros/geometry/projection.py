"""Pinhole arithmetic: pixels to rays and points, points to pixels (rectified cameras).

Pixel centres are at integers. Points are in the camera's optical axes: x right, y down, z ahead.
"""

from __future__ import annotations

import numpy as np

from depth_ros.camera import PinholeCamera

MIN_DEPTH_M = 1e-6


def lift_pixels(camera: PinholeCamera, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Turn pixels ``(n, 2)`` (x, y) with depths ``(n,)`` into points ``(n, 3)``, metres."""
    x = (pixels[:, 0] - camera.cx) / camera.fx * depth
    y = (pixels[:, 1] - camera.cy) / camera.fy * depth
    return np.stack([x, y, depth], axis=1)


def measured_points(depth: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    """Return the points ``(n, 3)`` float32 of the pixels whose depth is known, by rows.

    Args:
        depth: ``(H, W)`` metres; what is not finite or not above 0 is left out.
        camera: Rectified camera of the same size.
    """
    with np.errstate(invalid='ignore'):
        rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
    pixels = np.stack([columns, rows], axis=1).astype(np.float32)
    return lift_pixels(camera, pixels, depth[rows, columns]).astype(np.float32)


def project(
    camera: PinholeCamera, points: np.ndarray, *, min_depth_m: float = MIN_DEPTH_M
) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels ``(n, 2)`` and depths ``(n,)`` of camera points ``(n, 3)``.

    Pixels are NaN where the depth is not above ``min_depth_m``.
    """
    z = points[:, 2]
    with np.errstate(divide='ignore', invalid='ignore'):
        safe = np.where(z > min_depth_m, z, np.nan)
        x = camera.fx * points[:, 0] / safe + camera.cx
        y = camera.fy * points[:, 1] / safe + camera.cy
    return np.stack([x, y], axis=1), z


def grid_rays(camera: PinholeCamera, count: int) -> np.ndarray:
    """Return ``(count * count, 3)`` rays of unit Z through an even grid of pixels, by rows."""
    x, y = np.meshgrid(
        np.linspace(0, camera.width - 1, count), np.linspace(0, camera.height - 1, count)
    )
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    return lift_pixels(camera, pixels, np.ones(len(pixels)))
