"""Plausibility checks of a frame and of a motion."""

from __future__ import annotations

import math

import cv2
import numpy as np

from depth_ros.geometry.rigid import inverse, rotation_angle
from depth_ros.tasks.odometry.settings import TrackingSettings
from depth_ros.tasks.odometry.values import Reason, Trouble

SLACK_M = 0.05
SLACK_RAD = 0.05
"""Difference of two estimates that is tolerated at any time step."""


def image_trouble(image: np.ndarray, settings: TrackingSettings) -> Trouble | None:
    """Return the trouble of an ``(H, W, 3)`` uint8 image too dark or plain to match, or None."""
    mean, deviation = cv2.meanStdDev(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    brightness, contrast = float(mean[0, 0]), float(deviation[0, 0])
    if brightness < settings.min_brightness:
        text = f'the image is dark: mean grey level {brightness:.1f} of 255, at least '
        text += f'{settings.min_brightness:g} is needed; light the scene or expose longer'
        return Trouble(reason=Reason.DARK, text=text)
    if contrast < settings.min_contrast:
        text = f'the image is blank: its grey levels deviate by {contrast:.1f}, at least '
        text += f'{settings.min_contrast:g} is needed; look at something with texture'
        return Trouble(reason=Reason.BLANK, text=text)
    return None


def motion_trouble(
    before: np.ndarray, after: np.ndarray, elapsed_s: float, settings: TrackingSettings
) -> Trouble | None:
    """Return the trouble if the motion exceeds the largest speed or turn rate, else None.

    Args:
        before: ``(4, 4)`` world from camera.
        after: ``(4, 4)`` world from camera.
        elapsed_s: Time between them.
        settings: Largest speed and turn rate.
    """
    step = inverse(before) @ after
    moved_m, turned_rad = float(np.linalg.norm(step[:3, 3])), rotation_angle(step)
    reach_m = settings.max_speed_m_s * elapsed_s + SLACK_M
    reach_rad = settings.max_turn_rad_s * elapsed_s + SLACK_RAD
    if moved_m <= reach_m and turned_rad <= reach_rad:
        return None
    text = (
        f'the pose would jump by {moved_m:.2f} m and {math.degrees(turned_rad):.0f} degrees in '
        f'{elapsed_s:.2f} s; it is left out, because max_speed_m_s is '
        f'{settings.max_speed_m_s:g} and max_turn_rad_s {settings.max_turn_rad_s:g}'
    )
    return Trouble(reason=Reason.JUMP, text=text)
