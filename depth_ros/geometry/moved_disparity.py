"""Measured points and earlier results as the left camera sees them now: forward projection.

What is nearer hides what is farther; what nobody projects to is unknown, never interpolated.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera, StereoCamera
from depth_ros.geometry.projection import project
from depth_ros.geometry.warp import carried_depth

HIDDEN_SHARE = 1.1
"""A point so many times as far as points on all sides of it lies behind their surface."""
DENSE_PX, DENSE = 5, 0.5
"""Side of the window that a point's neighbours are counted in, and the share that is most."""


def seen_depth(points_m: np.ndarray, camera: PinholeCamera, *, window_px: int) -> np.ndarray:
    """Return the depth of the points that a camera sees.

    A sensor beside the camera also measures what the camera does not see: such a point falls
    between nearer ones. It is dropped where much nearer ones lie on all sides of it, left, right,
    above and below, within half the window; at the edge of a surface, and on a floor, they do not.
    Where most points have others on most pixels around them, as those of a depth camera, the
    window is ``DENSE_PX``: with a larger one what is seen through a gap would be dropped, too.

    Args:
        points_m: ``(N, 3)``, metres in the camera's optical frame; what is not finite is left out.
        camera: Rectified camera.
        window_px: Side of the window; at least twice the distance between neighbouring points. 0
            keeps what is hidden.

    Returns:
        ``(H, W)`` float32 Z in metres, NaN where no point falls.
    """
    shape = (camera.height, camera.width)
    points = points_m[np.isfinite(points_m).all(axis=1)].astype(np.float64)
    pixels, z = project(camera, points)
    columns, rows, inside = _nearest_pixels(pixels, shape)
    depth = np.full(shape, np.inf, np.float32)
    np.minimum.at(depth, (rows, columns), z[inside].astype(np.float32))
    if window_px:
        is_point = np.isfinite(depth)
        window_px = min(window_px, DENSE_PX) if _is_dense(is_point) else window_px
        depth[_is_between(depth, window_px)] = np.inf
    return np.where(np.isfinite(depth), depth, np.float32(np.nan))


def moved_map(
    disparity: np.ndarray,
    image: np.ndarray,
    camera: StereoCamera,
    *,
    now_from_then: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a disparity map and its image as the left camera sees them from another place.

    Every pixel is carried over as ``carried_depth`` does it.

    Args:
        disparity: ``(H, W)`` float32 px, NaN unknown.
        image: ``(H, W)`` of any type, what the pixels looked like.
        camera: The rectified rig, at both places.
        now_from_then: ``(4, 4)``, takes points from the left camera then to the left camera now.

    Returns:
        ``(H, W)`` float32 px, NaN where nothing falls, as what is newly uncovered; and the image
        there, 0 elsewhere.
    """
    left, offset = camera.left, camera.cx_offset_px
    factor = left.fx * camera.baseline_m
    with np.errstate(divide='ignore', invalid='ignore'):
        depth = np.where(disparity > offset, factor / (disparity - offset), np.nan)
    carried = carried_depth(depth, left, into=left, into_from_camera=now_from_then)
    found = factor / carried.depth + offset
    return found.astype(np.float32), carried.taken(image, 0)


def _nearest_pixels(
    pixels: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns and rows of the places inside an image, and which those are."""
    height, width = shape
    with np.errstate(invalid='ignore'):
        inside = (pixels >= -0.5).all(axis=1)
        inside &= (pixels[:, 0] < width - 0.5) & (pixels[:, 1] < height - 0.5)
    columns, rows = np.rint(pixels[inside]).astype(np.intp).T
    return columns, rows, inside


def _is_dense(is_point: np.ndarray) -> bool:
    """Whether most points have points on most of the pixels around them."""
    share = cv2.blur(is_point.astype(np.float32), (DENSE_PX, DENSE_PX))[is_point]
    return share.size > 0 and float(np.median(share)) > DENSE


def _is_between(depth: np.ndarray, window_px: int) -> np.ndarray:
    """Return which depths have much nearer ones on all four sides, ``(H, W)`` bool."""
    half = max(1, window_px // 2)
    across, along = half + 1, 2 * half + 1
    windows = (
        ((along, across), (half, half)),
        ((along, across), (0, half)),
        ((across, along), (half, half)),
        ((across, along), (half, 0)),
    )
    nearer = np.maximum.reduce([_nearest(depth, size, anchor) for size, anchor in windows])
    return np.asarray(np.isfinite(depth) & (depth > HIDDEN_SHARE * nearer))


def _nearest(depth: np.ndarray, size: tuple[int, int], anchor: tuple[int, int]) -> np.ndarray:
    """Return the least depth in a window of size (height, width) around its anchor (x, y)."""
    kernel = np.ones(size, np.uint8)
    eroded = cv2.erode(
        depth, kernel, anchor=anchor, borderType=cv2.BORDER_CONSTANT, borderValue=float('inf')
    )
    return np.asarray(eroded)
