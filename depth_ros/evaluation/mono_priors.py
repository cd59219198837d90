"""What depth is worth without seeing: three maps that a mono network must beat.

Two of them do not look at the image, the third is told the truth and may use a plane of it. A
network that is below them has learnt how pictures are taken, not what they show.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.errors import InputError

ROW = 'row of the image only'
MEAN = 'mean map'
PLANE = 'best plane of each truth'

MEAN_ROOM = (
    (-0.10, -0.05, -0.01, 0.03, 0.06, 0.08, 0.08, 0.06, 0.03, -0.01, -0.05, -0.10),
    (-0.06, -0.00, 0.04, 0.08, 0.11, 0.14, 0.14, 0.11, 0.08, 0.04, -0.00, -0.06),
    (-0.04, 0.01, 0.07, 0.11, 0.14, 0.17, 0.17, 0.14, 0.11, 0.07, 0.01, -0.04),
    (-0.06, 0.00, 0.05, 0.10, 0.13, 0.16, 0.16, 0.13, 0.10, 0.05, 0.00, -0.06),
    (-0.08, -0.02, 0.03, 0.07, 0.09, 0.13, 0.13, 0.09, 0.07, 0.03, -0.02, -0.08),
    (-0.11, -0.06, -0.01, 0.02, 0.04, 0.06, 0.06, 0.04, 0.02, -0.01, -0.06, -0.11),
    (-0.18, -0.13, -0.09, -0.07, -0.06, -0.05, -0.05, -0.06, -0.07, -0.09, -0.13, -0.18),
    (-0.25, -0.21, -0.17, -0.15, -0.15, -0.14, -0.14, -0.15, -0.15, -0.17, -0.21, -0.25),
    (-0.33, -0.29, -0.26, -0.25, -0.25, -0.24, -0.24, -0.25, -0.25, -0.26, -0.29, -0.33),
)
"""Mean logarithm of depth over its median in 400 rendered rooms, ``benchmarks/mono_priors.py``."""


def row_prior(shape: tuple[int, int]) -> np.ndarray:
    """Return depth that depends on the row alone: that of the mean map, ``(H, W)``."""
    means = np.asarray(MEAN_ROOM).mean(axis=1, keepdims=True)
    return _grown(np.broadcast_to(means, np.shape(MEAN_ROOM)), shape)


def mean_prior(shape: tuple[int, int]) -> np.ndarray:
    """Return the depth of a mean room, ``(H, W)``, without a unit."""
    return _grown(np.asarray(MEAN_ROOM), shape)


def plane_of(truth: np.ndarray) -> np.ndarray:
    """Return the plane that is nearest to a truth, ``(H, W)``: no prior, for it was told.

    A plane of the scene has ``1 / Z = a x + b y + c`` over pixels; the three are those of the
    least squared error relative to the depth, ``(a x + b y + c) Z - 1``.

    Args:
        truth: ``(H, W)`` metres, not finite or not positive where unknown.

    Returns:
        Metres, NaN where the plane is behind the camera.

    Raises:
        InputError: Reason ``'missing'``, if nothing is known.
    """
    rows, columns = np.nonzero(np.isfinite(truth) & (truth > 0))
    if not len(rows):
        raise InputError('missing', 'no pixel of a truth is known; restore the set')
    z = truth[rows, columns].astype(np.float64)
    places = np.stack([columns, rows, np.ones(len(rows))], axis=1)
    found, *_ = np.linalg.lstsq(places * z[:, None], np.ones(len(z)), rcond=None)
    height, width = truth.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    inverse = found[0] * x + found[1] * y + found[2]
    with np.errstate(divide='ignore'):
        return np.where(inverse > 0, 1.0 / inverse, np.nan)


def _grown(logarithm: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    size = (shape[1], shape[0])
    return np.exp(cv2.resize(logarithm.astype(np.float64), size, interpolation=cv2.INTER_LINEAR))
