"""``stereo_msgs/DisparityImage`` out of disparities."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from depth_ros.messages.camera_info import RoiMessage, fill_roi
from depth_ros.messages.images import ImageMessage, image_room
from depth_ros.results import DisparityResult


class DisparityMessage(Protocol):
    """Fields of ``stereo_msgs/DisparityImage``, the header left to the caller."""

    image: ImageMessage
    f: float
    t: float
    valid_window: RoiMessage
    min_disparity: float
    max_disparity: float
    delta_d: float


def fill_disparity(message: DisparityMessage, result: DisparityResult) -> None:
    """Set every field of a ``stereo_msgs/DisparityImage`` but the two headers.

    Its definition asks for ``d = x_left - x_right - (cx_left - cx_right)``, so that
    ``Z = f * t / d``, and calls everything below ``min_disparity`` invalid; unknown pixels become
    ``min_disparity - 1``. ``min_disparity`` is never below 0, where Z would be negative.
    """
    offset = np.float32(result.camera.cx_offset_px)
    min_disparity = max(np.float32(result.min_disparity_px) - offset, np.float32(0.0))
    disparity = result.disparity
    adjusted = image_room(message.image, disparity.shape, disparity.dtype, '32FC1')
    np.subtract(disparity, offset, out=adjusted)
    with np.errstate(invalid='ignore'):
        is_known = adjusted >= min_disparity
    np.copyto(adjusted, min_disparity - np.float32(1.0), where=~is_known)
    message.f = float(result.camera.left.fx)
    message.t = float(result.camera.baseline_m)
    message.min_disparity = float(min_disparity)
    message.max_disparity = float(np.float32(result.max_disparity_px) - offset)
    message.delta_d = float(result.step_px)
    _fill_valid_window(message.valid_window, result)


def _fill_valid_window(window: RoiMessage, result: DisparityResult) -> None:
    """Leave out the columns that the search range cannot fill.

    A match at ``x - d`` must lie within the right image; negative disparities mask the right edge.
    """
    height, width = result.disparity.shape
    first = min(max(result.num_masked_left, 0), width)
    masked_right = max(0, math.ceil(-result.min_disparity_px))
    fill_roi(window, x_offset=first, width=max(0, width - first - masked_right), height=height)
