"""COLMAP's FOV lens as an equidistant one: CameraInfo has no such model.

The FOV model (Devernay and Faugeras 2001) is ``r_d = atan(2 tan(theta) tan(w / 2)) / w``. Its
slope at the axis goes into the focal lengths, the rest is fitted by the four terms of
``equidistant`` over the angles that the image shows.
"""

from __future__ import annotations

import numpy as np

from depth_ros.errors import InputError

LARGEST_ERROR_PX = 0.1
NUM_ANGLES = 400


def fov_as_equidistant(
    k: np.ndarray, omega_rad: float, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return K ``(3, 3)`` and the four coefficients that come nearest.

    Args:
        k: K of the FOV model.
        omega_rad: Its parameter.
        size: ``(height, width)``.

    Raises:
        InputError: Reason ``'posed_file'``, if no equidistant lens is within ``LARGEST_ERROR_PX``.
    """
    width, height = size[1], size[0]
    corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
    reach = np.hypot(*((corners - k[:2, 2]) / (k[0, 0], k[1, 1])).T).max()
    if not 0.0 < omega_rad < np.pi or reach * omega_rad >= np.pi / 2:
        raise _unfit(omega_rad)
    bent = np.linspace(0.0, reach, NUM_ANGLES)[1:]
    tangent = 2.0 * np.tan(omega_rad / 2.0)
    theta = np.arctan(np.tan(bent * omega_rad) / tangent)
    slope = tangent / omega_rad
    powers = theta[:, np.newaxis] ** np.array([3, 5, 7, 9])
    d = np.linalg.lstsq(powers, bent / slope - theta, rcond=None)[0]
    error_px = np.abs(slope * (theta + powers @ d) - bent).max() * max(k[0, 0], k[1, 1])
    if error_px > LARGEST_ERROR_PX:
        raise _unfit(omega_rad)
    scaled = k.copy()
    scaled[0, 0], scaled[1, 1] = slope * k[0, 0], slope * k[1, 1]
    return scaled, d


def _unfit(omega_rad: float) -> InputError:
    return InputError(
        'posed_file',
        f'a FOV lens with omega {omega_rad:g} is no lens of CameraInfo; undistort the images '
        'with: colmap image_undistorter',
    )
