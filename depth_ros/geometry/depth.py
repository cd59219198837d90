"""Disparity to depth, its uncertainty, and organised clouds.

Values outside what was measured follow REP 117 and 118: NaN unknown, ``+Inf`` beyond range,
``-Inf`` too close. Depth is Z of the optical frame (x right, y down, z forward; REP 103).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera, StereoCamera

_RGB_BITS = 0x00FFFFFF


def disparity_to_depth(
    disparity: np.ndarray,
    camera: StereoCamera,
    *,
    min_depth_m: float = 0.0,
    max_depth_m: float = math.inf,
) -> np.ndarray:
    """Return depth ``Z = fx * B / (d - (cx_left - cx_right))``.

    Args:
        disparity: ``(H, W)`` float32, ``x_left - x_right`` in rectified pixels, NaN unknown.
        camera: The rectified rig.
        min_depth_m: Nearer becomes ``-Inf``.
        max_depth_m: Farther becomes ``+Inf``.

    Returns:
        ``(H, W)`` float32 metres, owned by the caller; NaN unknown, ``+Inf`` at and behind
        infinity (a corrected disparity of 0 or less).
    """
    depth = disparity - np.float32(camera.cx_offset_px)
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        is_infinite = depth <= 0
        np.divide(np.float32(camera.left.fx * camera.baseline_m), depth, out=depth)
    np.copyto(depth, np.float32(np.inf), where=is_infinite)
    _crop(depth, min_depth_m, max_depth_m)
    return depth


def crop_range(
    depth: np.ndarray, *, min_depth_m: float = 0.0, max_depth_m: float = math.inf
) -> np.ndarray:
    """Mark depth outside a range as REP 117 asks; NaN stays NaN.

    Returns:
        ``(H, W)`` float32, a copy: ``-Inf`` nearer than the range, ``+Inf`` beyond it.
    """
    cropped = np.array(depth, np.float32)
    _crop(cropped, min_depth_m, max_depth_m)
    return cropped


def depth_sigma(
    depth: np.ndarray, camera: StereoCamera, disparity_sigma_px: float | np.ndarray
) -> np.ndarray:
    """Return the standard deviation of depth, ``Z^2 / (fx * B) * sigma_d``.

    First-order propagation of a disparity error (Matthies and Shafer 1987, "Error Modeling in
    Stereo Navigation").

    Args:
        depth: ``(H, W)`` float32 metres.
        camera: The rectified rig.
        disparity_sigma_px: Standard deviation of disparity, one number or ``(H, W)``.

    Returns:
        ``(H, W)`` float32 metres, NaN where depth is not finite.
    """
    scale = np.float32(1.0 / (camera.left.fx * camera.baseline_m))
    sigma = np.multiply(depth, depth, dtype=np.float32)
    sigma *= scale * np.asarray(disparity_sigma_px, np.float32)
    np.copyto(sigma, np.float32(np.nan), where=~np.isfinite(depth))
    return sigma


def cloud_shape(depth: np.ndarray, *, stride: int = 1) -> tuple[int, int, int]:
    """Return the shape of ``organised_cloud``: rows, columns, 4."""
    height, width = depth.shape
    return -(-height // stride), -(-width // stride), 4


def organised_cloud(
    depth: np.ndarray,
    rgb: np.ndarray,
    camera: PinholeCamera,
    *,
    stride: int = 1,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Back-project every ``stride``-th pixel of every ``stride``-th row.

    ``X = (u - cx) / fx * Z`` and ``Y = (v - cy) / fy * Z`` with fx, fy, cx, cy of P.

    Args:
        depth: ``(H, W)`` float32 metres; any non-finite value gives a NaN point.
        rgb: ``(H, W, 3)`` uint8 colours of the same pixels.
        camera: Camera whose pixels they are.
        stride: Step in pixels, first point at pixel (0, 0).
        out: Where the cloud is written, of ``cloud_shape`` and float32; None makes a new one.

    Returns:
        ``(ceil(H / stride), ceil(W / stride), 4)`` float32: x, y, z in metres, and the bits
        ``0x00RRGGBB`` that PCL and RViz expect in a field named ``rgb``.
    """
    height, width = depth.shape
    right = ((np.arange(0, width, stride) - camera.cx) / camera.fx).astype(np.float32)
    down = ((np.arange(0, height, stride) - camera.cy) / camera.fy).astype(np.float32)
    z = np.array(depth[::stride, ::stride], np.float32, order='C')
    np.copyto(z, np.float32(np.nan), where=~np.isfinite(z))
    color = _packed_rgb(np.ascontiguousarray(rgb[::stride, ::stride]))
    planes = [z * right, z * down[:, np.newaxis], z, color]
    return np.asarray(cv2.merge(planes) if out is None else cv2.merge(planes, out))


def flat_cloud(points: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return a cloud of one row from points that belong to no image.

    Args:
        points: ``(N, 3)``, metres; may be none.
        colors: ``(N, 3)`` uint8 RGB.

    Returns:
        ``(1, N, 4)`` float32 as ``organised_cloud`` gives it.
    """
    cloud = np.empty((1, len(points), 4), np.float32)
    cloud[0, :, :3] = points
    if len(points):  # OpenCV refuses an empty image
        cloud[..., 3] = _packed_rgb(np.ascontiguousarray(colors[np.newaxis]))
    return cloud


def points_of_cloud(cloud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the known points of an organised cloud and their colours.

    Args:
        cloud: ``(h, w, 4)`` float32 as ``organised_cloud`` gives it.

    Returns:
        ``(N, 3)`` float32 finite points and ``(N, 3)`` uint8 RGB, both new.
    """
    flat = np.ascontiguousarray(cloud, np.float32).reshape(-1, 4)
    known = flat[np.isfinite(flat[:, :3]).all(axis=1)]
    packed = np.ascontiguousarray(known[:, 3]).view(np.uint32)
    channels = [(packed >> shift) & 0xFF for shift in (16, 8, 0)]
    return known[:, :3].copy(), np.stack(channels, axis=1).astype(np.uint8)


def _packed_rgb(rgb: np.ndarray) -> np.ndarray:
    """Pack ``(h, w, 3)`` uint8 into ``(h, w)`` float32 whose bits are ``0x00RRGGBB``.

    Alpha is cleared: with 255 there many colours would be NaN, which copies may alter.
    """
    packed = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA).view('<u4')[..., 0]
    np.bitwise_and(packed, np.uint32(_RGB_BITS), out=packed)
    return np.asarray(packed.view('<f4'))


def _crop(depth: np.ndarray, min_depth_m: float, max_depth_m: float) -> None:
    """Crop in place, skipping limits that cannot apply."""
    with np.errstate(invalid='ignore'):
        if min_depth_m > 0.0:
            np.copyto(depth, np.float32(-np.inf), where=depth < np.float32(min_depth_m))
        if math.isfinite(max_depth_m):
            np.copyto(depth, np.float32(np.inf), where=depth > np.float32(max_depth_m))
