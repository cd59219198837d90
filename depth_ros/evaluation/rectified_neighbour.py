"""Depth of a posed view from one rectified neighbour: the simple alternative to a network.

OpenCV's stereoRectify, StereoSGBM and a warp of the points back into the reference's own pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.tasks.multiview.checks import baselines_m

NUM_DISPARITIES = 128
MIN_SIDEWAYS = 0.7
"""Smallest share of a baseline along x that planar rectification is tried with."""

_NO_DISTORTION = np.zeros(5)


def sgbm_depth(frame: MultiViewFrame) -> np.ndarray:
    """Match the reference with the source most to its side, and turn the depth back.

    Two views one behind the other cannot be rectified to a common plane: all is unknown then.

    Returns:
        ``(H, W)`` float64 m in the reference's pixels, NaN unknown.
    """
    sideways = np.abs(frame.reference_from_source[:, 0, 3]) / baselines_m(frame)
    index = int(np.argmax(sideways))
    if sideways[index] < MIN_SIDEWAYS:
        return np.full(frame.reference.image.shape[:2], np.nan)
    reference, source = frame.reference, frame.sources[index]
    motion = np.linalg.inv(frame.reference_from_source[index])
    size = (reference.camera.width, reference.camera.height)
    k = [np.ascontiguousarray(view.camera.p[:, :3]) for view in (reference, source)]
    r_reference, r_source, p_reference, p_source, to_points, *_ = cv2.stereoRectify(
        k[0],
        _NO_DISTORTION,
        k[1],
        _NO_DISTORTION,
        size,
        np.ascontiguousarray(motion[:3, :3]),
        np.ascontiguousarray(motion[:3, 3:]),
        alpha=0,
    )
    first = _rectified_grey(reference, r_reference, p_reference, size)
    second = _rectified_grey(source, r_source, p_source, size)
    # A source on the left matches to the other side: mirror both, and the disparity back.
    disparity = _either_way(first, second, is_swapped=p_source[0, 3] > 0)
    points = cv2.reprojectImageTo3D(np.ascontiguousarray(disparity), to_points)
    return _splat(points[np.isfinite(disparity)] @ r_reference, k[0], size)


def _either_way(first: np.ndarray, second: np.ndarray, *, is_swapped: bool) -> np.ndarray:
    if not is_swapped:
        return _match(first, second)
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in (first, second)]
    return np.asarray(-_match(*mirrored)[:, ::-1])


def _rectified_grey(
    view: MonoFrame, rotation: np.ndarray, projection: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Warp one view to the common plane."""
    maps = cv2.initUndistortRectifyMap(
        view.camera.p[:, :3], _NO_DISTORTION, rotation, projection, size, cv2.CV_32FC1
    )
    grey = cv2.cvtColor(view.image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.remap(grey, *maps, cv2.INTER_LINEAR))


def _match(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (H, W) float32 disparity, NaN unknown."""
    matcher = cv2.StereoSGBM_create(  # type: ignore[attr-defined]
        minDisparity=0,
        numDisparities=NUM_DISPARITIES,
        blockSize=5,
        P1=8 * 25,
        P2=32 * 25,
        disp12MaxDiff=1,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    disparity = matcher.compute(first, second).astype(np.float32) / 16
    return np.where(disparity > 0, disparity, np.float32(np.nan))


def _splat(points: np.ndarray, k: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Put points (n, 3) into the reference's pixels, the nearest one winning; NaN where none."""
    points = points[points[:, 2] > 0]
    pixels = points @ k.T
    column = np.rint(pixels[:, 0] / pixels[:, 2]).astype(int)
    row = np.rint(pixels[:, 1] / pixels[:, 2]).astype(int)
    inside = (column >= 0) & (column < size[0]) & (row >= 0) & (row < size[1])
    depth = np.full((size[1], size[0]), np.inf)
    np.minimum.at(depth, (row[inside], column[inside]), points[inside, 2])
    return np.where(np.isfinite(depth), depth, np.nan)
