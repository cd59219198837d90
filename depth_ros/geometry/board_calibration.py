"""Calibrate a camera or a rig from corners of a board (Zhang 2000, as OpenCV has it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.errors import CalibrationError
from depth_ros.geometry.boards import MIN_CORNERS, Board, Corners

MIN_VIEWS = 4
"""Fewer views fix no camera."""

ImageSize = tuple[int, int]
GRID = (6, 8)
"""Rows and columns of the grid by which coverage is counted."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CameraFit:
    """One camera.

    Attributes:
        k: ``(3, 3)`` float64.
        d: ``(5,)`` float64, plumb bob.
        rms_px: Root mean square of all corners' errors.
        view_rms_px: The same of each view.
    """

    k: np.ndarray
    d: np.ndarray
    rms_px: float
    view_rms_px: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RigFit:
    """Two cameras and how the right one is placed: ``x_right = r @ x_left + t_m``.

    Attributes:
        left: Left camera.
        right: Right camera.
        r: ``(3, 3)`` rotation.
        t_m: ``(3,)`` metres.
        rms_px: Root mean square of both cameras' errors with one common motion.
    """

    left: CameraFit
    right: CameraFit
    r: np.ndarray
    t_m: np.ndarray
    rms_px: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """How much of a camera's image and of the ways to hold a board the views show.

    Attributes:
        cells: Share of the cells of an 8x6 grid that hold a corner.
        x: Share of the width over which boards' centres are spread.
        y: Share of the height.
        size: Difference of the largest and the smallest board, as shares of the image's sides.
    """

    cells: float
    x: float
    y: float
    size: float


def fit_camera(views: Sequence[Corners], board: Board, size: ImageSize) -> CameraFit:
    """Calibrate one camera.

    Args:
        views: Corners of each image.
        board: The board.
        size: ``(height, width)`` of the images.

    Raises:
        CalibrationError: Reason ``'too_few_views'``, or ``'calibration_failed'``.
    """
    if len(views) < MIN_VIEWS:
        raise CalibrationError(
            'too_few_views',
            f'the board was found in {len(views)} images, needed are {MIN_VIEWS} and better 20; '
            'take more, held still and in different places and tilts, and check --board',
        )
    points = [board.points_m(view.numbers) for view in views]
    pixels = [view.pixels for view in views]
    try:
        found = cv2.calibrateCameraExtended(points, pixels, size[::-1], None, None)  # type: ignore[call-overload]
    except cv2.error as error:
        raise CalibrationError(
            'calibration_failed',
            f'these views fix no camera ({error.err}); tilt the board more from view to view',
        ) from None
    return CameraFit(
        k=found[1],
        d=np.asarray(found[2]).ravel()[:5],
        rms_px=float(found[0]),
        view_rms_px=tuple(float(value) for value in np.asarray(found[7]).ravel()),
    )


def fit_rig(pairs: Sequence[tuple[Corners, Corners]], board: Board, size: ImageSize) -> RigFit:
    """Calibrate both cameras alone, then their motion with K and D held.

    Args:
        pairs: Corners of left and right image of each moment.
        board: The board.
        size: ``(height, width)`` of all images.

    Raises:
        CalibrationError: As ``fit_camera``.
    """
    left = fit_camera([pair[0] for pair in pairs], board, size)
    right = fit_camera([pair[1] for pair in pairs], board, size)
    common = [both for both in map(_common, pairs) if len(both[0].numbers) >= MIN_CORNERS]
    found = cv2.stereoCalibrate(
        [board.points_m(first.numbers) for first, _ in common],
        [first.pixels for first, _ in common],
        [second.pixels for _, second in common],
        left.k,
        left.d,
        right.k,
        right.d,
        size[::-1],
        flags=cv2.CALIB_FIX_INTRINSIC,
    )
    return RigFit(left=left, right=right, r=found[5], t_m=found[6].ravel(), rms_px=float(found[0]))


def row_errors_px(
    pairs: Sequence[tuple[Corners, Corners]], left: Rectified, right: Rectified
) -> np.ndarray:
    """Return ``(N,)`` differences of rows of all corners after rectification, pixels."""
    errors = []
    for first, second in map(_common, pairs):
        if len(first.numbers):
            rows = [side.pixels_of(seen)[:, 1] for side, seen in ((left, first), (right, second))]
            errors.append(rows[0] - rows[1])
    return np.concatenate(errors) if errors else np.zeros(0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rectified:
    """What takes raw pixels to rectified ones: K and D, R and P of one camera."""

    k: np.ndarray
    d: np.ndarray
    r: np.ndarray
    p: np.ndarray

    def pixels_of(self, corners: Corners) -> np.ndarray:
        """Return ``(N, 2)`` rectified pixels of corners."""
        raw = corners.pixels[:, np.newaxis].astype(np.float64)
        moved = cv2.undistortPoints(raw, self.k, self.d, R=self.r, P=self.p)
        return np.asarray(moved).reshape(-1, 2)


def coverage(views: Sequence[Corners], size: ImageSize) -> Coverage:
    """Return how the views fill the image; see ``Coverage``."""
    height, width = size
    cells = np.zeros(GRID, bool)
    centers, extents = [], []
    for view in views:
        x, y = view.pixels.T / np.array([[width], [height]])
        rows = np.clip((y * GRID[0]).astype(int), 0, GRID[0] - 1)
        cells[rows, np.clip((x * GRID[1]).astype(int), 0, GRID[1] - 1)] = True
        centers.append((x.mean(), y.mean()))
        extents.append(np.sqrt(np.ptp(x) * np.ptp(y)))
    spread = np.ptp(np.array(centers), axis=0)
    return Coverage(
        cells=float(cells.mean()),
        x=float(spread[0]),
        y=float(spread[1]),
        size=float(np.ptp(extents)),
    )


def _common(pair: tuple[Corners, Corners]) -> tuple[Corners, Corners]:
    numbers = np.intersect1d(pair[0].numbers, pair[1].numbers)
    return pair[0].among(numbers), pair[1].among(numbers)
