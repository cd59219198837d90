"""The ground plane in a depth map of unknown scale: RANSAC, then least squares.

Points are ``p = Z * ray``. For a plane ``n . p = distance`` the relative depth error of a pixel
is ``n . p / distance - 1``, which has no unit: the search works on relative depth as it is, and
with ``m = n / distance`` the least-squares plane solves ``m . p = 1`` (Fischler and Bolles 1981
for the sampling).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""

MAX_POINTS = 3000
MIN_POINTS = 50
NUM_HYPOTHESES = 200
NUM_REFITS = 6
TOLERANCE = 0.05
"""Relative depth error up to which a pixel counts as ground."""

MIN_TOLERANCE = 0.002
"""Smallest error that the last refits allow; they follow the scatter of the points."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroundSearch:
    """What counts as ground.

    Attributes:
        down: Expected vertical, a unit vector in the optical frame (x right, y down, z forward).
        max_tilt_rad: Largest angle between it and the plane's normal.
        min_fraction: Share of the sampled lower image that must lie on the plane.
        seed: Of the random samples; equal maps give equal planes.
    """

    down: tuple[float, float, float] = (0.0, 1.0, 0.0)
    max_tilt_rad: float = 0.26
    min_fraction: float = 0.3
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GroundPlane:
    """A plane ``normal . p = distance`` in the optical frame.

    Attributes:
        normal: ``(3,)`` float64 unit vector, pointing down.
        distance: From the optical centre, in the unit of the depth map, above 0.
        fraction: Share of the sampled lower image that lies on it.
        spread: Relative standard deviation of depth about it. Errors of neighbouring pixels
            are alike, so it is not divided by the root of their number.
    """

    normal: np.ndarray
    distance: float
    fraction: float
    spread: float


def camera_down(*, pitch_rad: float, roll_rad: float) -> tuple[float, float, float]:
    """Return the world's vertical in the optical frame.

    Args:
        pitch_rad: Tilt of the optical axis below the horizon.
        roll_rad: Positive where the image's right side is lower.
    """
    level = math.cos(pitch_rad)
    return (math.sin(roll_rad) * level, math.cos(roll_rad) * level, math.sin(pitch_rad))


def find_ground(depth: np.ndarray, camera: PinholeCamera, search: GroundSearch) -> GroundPlane:
    """Find the plane under the camera in the part of the image that can show it.

    Looked at are pixels in the lower half of the image and below the horizon. Of two level
    planes the lower one wins: what has points beneath it is a table.

    Args:
        depth: ``(H, W)`` along the optical axis, any unit; not finite or not positive is unknown.
        camera: Camera whose pixels the map has.
        search: What counts as ground.

    Raises:
        InputError: With reason ``'no_ground'``, saying what was found instead.
    """
    points, num_sampled = _lower_points(depth, camera, np.asarray(search.down))
    least = max(MIN_POINTS, math.ceil(search.min_fraction * num_sampled))
    if len(points) < least:
        raise _no_ground(f'depth is known at {len(points)} of {num_sampled} pixels looked at')
    inverse = _best_hypothesis(points, search)
    for _ in range(NUM_REFITS):
        is_ground = np.abs(points @ inverse - 1.0) < TOLERANCE
        if is_ground.sum() < least:
            share = 100.0 * float(is_ground.sum()) / num_sampled
            raise _no_ground(f'the best plane holds {share:.0f} % of the lower image')
        inverse = _fit(points[is_ground])
    inverse = _sharpened(points, inverse)
    if _tilt(inverse[None], search)[0] > search.max_tilt_rad:
        raise _no_ground('the surface there is not level')
    return _measured(points, inverse, num_sampled)


def _lower_points(
    depth: np.ndarray, camera: PinholeCamera, down: np.ndarray
) -> tuple[np.ndarray, int]:
    """Back-project a grid over the lower image; also return how many pixels were looked at."""
    height, width = depth.shape
    stride = max(1, round(math.sqrt(height * width / (2 * MAX_POINTS))))
    rows, columns = np.mgrid[height // 2 : height : stride, 0:width:stride]
    x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)
    is_below = rays @ down > 0.0
    z = depth[rows, columns].astype(np.float64)
    is_known = is_below & np.isfinite(z) & (z > 0.0)
    return rays[is_known] * z[is_known, None], int(is_below.sum())


def _best_hypothesis(points: np.ndarray, search: GroundSearch) -> np.ndarray:
    """Return ``(3,)`` ``n / distance`` of the best level plane through three of the points."""
    random = np.random.default_rng(search.seed)
    triples = points[random.integers(len(points), size=(NUM_HYPOTHESES, 3))]
    first = triples[:, 0]
    normals = np.cross(triples[:, 1] - first, triples[:, 2] - first)
    offsets = np.einsum('ij,ij->i', normals, first)
    with np.errstate(divide='ignore', invalid='ignore'):
        inverses = normals / offsets[:, None]
    inverses = inverses[np.isfinite(inverses).all(axis=1) & (offsets != 0.0)]
    inverses = inverses[_tilt(inverses, search) <= search.max_tilt_rad]
    if len(inverses) == 0:
        raise _no_ground('no level surface is there')
    errors = points @ inverses.T - 1.0
    on_plane, beneath = np.abs(errors) < TOLERANCE, errors >= TOLERANCE
    scores = on_plane.sum(axis=0) - beneath.sum(axis=0)
    return np.asarray(inverses[int(scores.argmax())])


def _sharpened(points: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Refit to points within the ground's scatter; objects on the ground lie to one side."""
    for _ in range(NUM_REFITS):
        tolerance = _scatter(points @ inverse - 1.0)
        is_ground = np.abs(points @ inverse - 1.0) < tolerance
        if is_ground.sum() < MIN_POINTS:
            break
        inverse = _fit(points[is_ground])
    return inverse


def _scatter(errors: np.ndarray) -> float:
    """Return 2.5 robust standard deviations of the errors within the tolerance, at most that."""
    near = np.abs(errors[np.abs(errors) < TOLERANCE])
    sigma = MAD_TO_SIGMA * float(np.median(near)) if near.size else TOLERANCE
    return float(np.clip(2.5 * sigma, MIN_TOLERANCE, TOLERANCE))


def _fit(points: np.ndarray) -> np.ndarray:
    """Solve ``m . p = 1`` for ``m`` by least squares."""
    solution, _, rank, _ = np.linalg.lstsq(points, np.ones(len(points)), rcond=None)
    if rank < 3:
        raise _no_ground('the points there lie on a line')
    return np.asarray(solution)


def _tilt(inverses: np.ndarray, search: GroundSearch) -> np.ndarray:
    """Return the angle of each ``(N, 3)`` normal to the expected vertical, radians."""
    lengths = np.linalg.norm(inverses, axis=1)
    return np.arccos(np.clip(inverses @ np.asarray(search.down) / lengths, -1.0, 1.0))


def _measured(points: np.ndarray, inverse: np.ndarray, num_sampled: int) -> GroundPlane:
    """Measure the distance as a median, which outliers within the tolerance move least."""
    errors = points @ inverse - 1.0
    fraction = float((np.abs(errors) < TOLERANCE).sum()) / num_sampled
    on_plane = errors[np.abs(errors) < _scatter(errors)]
    length = float(np.linalg.norm(inverse))
    return GroundPlane(
        normal=inverse / length,
        distance=(1.0 + float(np.median(on_plane))) / length,
        fraction=fraction,
        spread=float(on_plane.std()),
    )


def _no_ground(found: str) -> InputError:
    return InputError(
        'no_ground',
        f'no ground plane in the lower image ({found}); let the camera see the floor, check '
        'scale.camera_pitch_rad, or set scale.mode to another',
    )
