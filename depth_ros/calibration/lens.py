"""How far from the axis a distortion polynomial can be believed.

The polynomials map a ray's distance from the axis to a pixel's distance. Beyond the radius at
which they turn back, one pixel would belong to two rays, and the second is never the true one.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Polynomial

from depth_ros.calibration.distortion import DistortionModel


def believable_radius(model: DistortionModel, d: np.ndarray) -> float:
    """Return the largest ``hypot(x/z, y/z)`` of a ray up to which distortion grows; may be inf.

    Args:
        model: How to read ``d``.
        d: Coefficients in OpenCV's order; the radial ones count, the tangential move little.
    """
    if model is DistortionModel.EQUIDISTANT:
        return _fisheye_radius(d)
    k = np.zeros(8)
    k[: min(8, d.size)] = d[:8]
    above = Polynomial([1.0, k[0], k[1], k[4]])
    below = Polynomial([1.0, k[5], k[6], k[7]])
    s = Polynomial([0.0, 1.0])
    # With s = r^2, d/dr of r * above(s) / below(s) has the sign of this:
    slope = (above + 2 * s * above.deriv()) * below - 2 * s * above * below.deriv()
    return float(np.sqrt(min(_first_root(slope), _first_root(below))))


def _fisheye_radius(d: np.ndarray) -> float:
    """Return the radius for ``theta * (1 + k1 theta^2 + ... + k4 theta^8)``."""
    k = np.zeros(4)
    k[: min(4, d.size)] = d[:4]
    slope = Polynomial([1.0, 3 * k[0], 5 * k[1], 7 * k[2], 9 * k[3]])
    theta = np.sqrt(_first_root(slope))
    return float(np.tan(theta)) if theta < np.pi / 2 else float('inf')


def _first_root(polynomial: Polynomial) -> float:
    """Return the smallest positive real root, inf where there is none."""
    roots = polynomial.trim().roots()
    real = roots[np.abs(roots.imag) < 1e-9 * np.maximum(1.0, np.abs(roots))].real
    return float(min(real[real > 0.0], default=np.inf))
