"""Raw pairs of a textured wall, cast ray by ray for any camera model: the truth of calibrations.

Nothing of the package is used: what a camera sees follows from K, D and R alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

HEIGHT, WIDTH = 240, 320
FX, CX, CY = 250.0, 159.5, 119.5
BASELINE_M = 0.12
K = np.array([[FX, 0.0, CX], [0.0, FX, CY], [0.0, 0.0, 1.0]])
Distort = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class RawCamera:
    """What one camera of the pair is: K with skew, coefficients and their meaning."""

    k: np.ndarray = field(default_factory=lambda: K.copy())
    d: np.ndarray = field(default_factory=lambda: np.zeros(5))
    is_fisheye: bool = False


def projection(*, fx: float = FX, cx: float = CX, cy: float = CY, tx: float = 0.0) -> np.ndarray:
    """Return a ``(3, 4)`` P."""
    return np.array([[fx, 0.0, cx, tx], [0.0, fx, cy, 0.0], [0.0, 0.0, 1.0, 0.0]])


RIGHT_P = projection(tx=-FX * BASELINE_M)


def raw_pair(
    left: RawCamera, right: RawCamera, *, depth_m: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return RGB images of a wall across the axis, ``depth_m`` away from a parallel rig."""
    return _seen(left, 0.0, depth_m), _seen(right, BASELINE_M, depth_m)


def _seen(camera: RawCamera, x_m: float, depth_m: float) -> np.ndarray:
    x, y = _rays(camera)
    wall = _wall(x * depth_m + x_m, y * depth_m)
    return np.ascontiguousarray(np.repeat(wall[..., np.newaxis], 3, axis=2))


def _rays(camera: RawCamera) -> tuple[np.ndarray, np.ndarray]:
    """Return x/z and y/z of every pixel: the forward model inverted by a fixed point."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    k = camera.k
    y0 = (rows - k[1, 2]) / k[1, 1]
    x0 = (columns - k[0, 2] - k[0, 1] * y0) / k[0, 0]
    forward = fisheye if camera.is_fisheye else brown
    x, y = x0.copy(), y0.copy()
    for _ in range(80):
        there = forward(x, y, camera.d)
        x, y = x + 0.5 * (x0 - there[0]), y + 0.5 * (y0 - there[1])
    return x, y


def brown(x: np.ndarray, y: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brown's and the rational model, in the order k1 k2 p1 p2 k3 k4 k5 k6."""
    k = np.concatenate([d, np.zeros(8)])[:8]
    r2 = x * x + y * y
    radial = (1 + k[0] * r2 + k[1] * r2**2 + k[4] * r2**3) / (
        1 + k[5] * r2 + k[6] * r2**2 + k[7] * r2**3
    )
    dx = 2 * k[2] * x * y + k[3] * (r2 + 2 * x * x)
    dy = k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y
    return x * radial + dx, y * radial + dy


def fisheye(x: np.ndarray, y: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The equidistant model of Kannala and Brandt with four terms."""
    k = np.concatenate([d, np.zeros(4)])[:4]
    radius = np.maximum(np.hypot(x, y), 1e-12)
    angle = np.arctan(radius)
    bent = angle * (1 + sum(k[i] * angle ** (2 * i + 2) for i in range(4)))
    return x * bent / radius, y * bent / radius


def _wall(x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    """Return the texture of the wall at places in metres, uint8."""
    noise = np.random.default_rng(3).uniform(0, 255, (400, 600)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.0)
    texture = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    at_x = np.asarray(300 + 90 * x_m, np.float32)
    at_y = np.asarray(200 + 90 * y_m, np.float32)
    seen = cv2.remap(texture, at_x, at_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)
