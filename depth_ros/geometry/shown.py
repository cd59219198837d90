"""Which pixels of a rectified left image show the scene: all others are unknown."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.camera import StereoCamera
from depth_ros.errors import ImageError
from depth_ros.frames import UsefulPart

MAX_ASPECT_DIFFERENCE = 0.02
"""A mask of another resolution is resized; one of another shape is of another image."""
Region = tuple[float, float, float, float]


def region_mask(region: Region, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of a region, ``(H, W)`` bool.

    Args:
        region: Left, top, right, bottom in shares of the image's sides.
        shape: ``(height, width)``.
    """
    height, width = shape
    left, top, right, bottom = region
    mask = np.zeros(shape, bool)
    rows = slice(round(top * height), round(bottom * height))
    mask[rows, round(left * width) : round(right * width)] = True
    return mask


def fitted_mask(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a mask ``(h, w)`` bool at the size of an image ``(height, width)``.

    Raises:
        ImageError: Reason ``'mask'``, if it is of another shape.
    """
    height, width = shape
    if mask.shape == shape:
        return mask
    ratio = mask.shape[1] * height / (mask.shape[0] * width)
    if abs(ratio - 1.0) > MAX_ASPECT_DIFFERENCE:
        raise ImageError(
            'mask',
            f'the mask is {mask.shape[1]}x{mask.shape[0]} and the rectified left image '
            f'{width}x{height}, which is no other resolution of it; draw it on that image',
        )
    resized = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized > 0)


def useful_disparity(
    disparity: np.ndarray, camera: StereoCamera, useful: UsefulPart
) -> np.ndarray:
    """Return a map without what lies outside of what the calibration calls useful.

    Args:
        disparity: ``(H, W)`` float32 px, NaN unknown.
        camera: The rectified rig.
        useful: Part of the image and range of depth.
    """
    if useful.region is not None:
        shown = region_mask(useful.region, (disparity.shape[0], disparity.shape[1]))
        disparity = np.where(shown, disparity, np.float32(np.nan))
    if useful.depth_range_m is None:
        return disparity
    near_m, far_m = useful.depth_range_m
    factor = camera.left.fx * camera.baseline_m
    above = disparity - np.float32(camera.cx_offset_px)
    with np.errstate(invalid='ignore', divide='ignore'):
        inside = (above * np.float32(near_m) <= factor) & (above * np.float32(far_m) >= factor)
    return np.where(inside, disparity, np.float32(np.nan))


def nearer_than_useful(
    disparity: np.ndarray, camera: StereoCamera, useful: UsefulPart
) -> np.ndarray:
    """Mark ``(H, W)`` bool pixels of the useful region that are nearer than the useful depth.

    Args:
        disparity: ``(H, W)`` float32 px, NaN unknown, which is not nearer.
        camera: The rectified rig.
        useful: Part of the image and range of depth.
    """
    if useful.depth_range_m is None:
        return np.zeros(disparity.shape, bool)
    above = disparity - np.float32(camera.cx_offset_px)
    factor = camera.left.fx * camera.baseline_m
    is_nearer = above * np.float32(useful.depth_range_m[0]) > factor
    if useful.region is not None:
        is_nearer &= region_mask(useful.region, (disparity.shape[0], disparity.shape[1]))
    return np.asarray(is_nearer)
