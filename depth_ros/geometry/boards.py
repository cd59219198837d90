"""Calibration boards: where the corners of a chessboard or ChArUco board are in an image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.errors import ParameterError

MIN_CORNERS = 6
"""Fewer corners of a board do not fix its pose."""

SMALLEST_SQUARE_M = 0.001

_REFINED = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 0.001)


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """A board as it was printed.

    Attributes:
        columns: Inner corners along a row.
        rows: Inner corners along a column.
        square_m: Side of a square.
        marker_m: Side of a marker of a ChArUco board; 0 for a chessboard.
        dictionary: OpenCV's name of the markers, e.g. ``'DICT_4X4_50'``.
    """

    columns: int
    rows: int
    square_m: float
    marker_m: float = 0.0
    dictionary: str = 'DICT_4X4_50'

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 2 or not 0.0 < self.square_m < 1.0:
            raise ParameterError(
                f'a board has at least 2x2 inner corners and squares of under 1 m, got '
                f'{self.columns}x{self.rows} and {self.square_m:g} m; type e.g. --board 9x6 '
                '--square-mm 25'
            )
        if self.square_m < SMALLEST_SQUARE_M:
            raise ParameterError(
                f'squares of {1000 * self.square_m:g} mm are too small, which looks like metres; '
                f'type --square-mm {1e6 * self.square_m:g}'
            )
        if self.marker_m and not 0.0 < self.marker_m < self.square_m:
            raise ParameterError(
                f'markers are smaller than squares, got {self.marker_m:g} and {self.square_m:g} m'
            )

    @property
    def is_charuco(self) -> bool:
        """Whether its corners have numbers, so that a part of it is enough."""
        return self.marker_m > 0.0

    def points_m(self, numbers: np.ndarray) -> np.ndarray:
        """Return ``(N, 3)`` float32 places of corners on the board, z = 0, by their numbers."""
        grid = np.stack([numbers % self.columns, numbers // self.columns, 0 * numbers], axis=1)
        return (grid * self.square_m).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Corners:
    """Corners of a board in one image.

    Attributes:
        numbers: ``(N,)`` int, by rows of the board.
        pixels: ``(N, 2)`` float32.
    """

    numbers: np.ndarray
    pixels: np.ndarray

    def among(self, numbers: np.ndarray) -> Corners:
        """Return the corners of these numbers, in their order."""
        at = [int(np.flatnonzero(self.numbers == number)[0]) for number in numbers]
        return Corners(numbers=self.numbers[at], pixels=self.pixels[at])


def find_corners(image: np.ndarray, board: Board) -> Corners | None:
    """Return the corners in ``(H, W, 3)`` uint8 RGB to a fraction of a pixel, None if not seen."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return _charuco(grey, board) if board.is_charuco else _chessboard(grey, board)


def same_way(left: Corners, right: Corners) -> Corners:
    """Return the right corners numbered from the same end as the left ones.

    A chessboard of even and odd sides looks the same when turned by half a turn; the two cameras
    see it nearly alike, so the direction from the first to the last corner tells.
    """
    first, second = (side.pixels[-1] - side.pixels[0] for side in (left, right))
    if float(first @ second) >= 0.0:
        return right
    return Corners(numbers=right.numbers, pixels=np.ascontiguousarray(right.pixels[::-1]))


def _chessboard(grey: np.ndarray, board: Board) -> Corners | None:
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    found, corners = cv2.findChessboardCorners(grey, (board.columns, board.rows), flags=flags)
    if not found:
        return None
    corners = np.ascontiguousarray(corners, np.float32).reshape(-1, 1, 2)
    reach = _reach_px(corners.reshape(-1, 2), board)
    cv2.cornerSubPix(grey, corners, (reach, reach), (-1, -1), _REFINED)
    return Corners(numbers=np.arange(board.columns * board.rows), pixels=corners.reshape(-1, 2))


def _reach_px(corners: np.ndarray, board: Board) -> int:
    """Return a search window that stays within a square."""
    rows = corners.reshape(board.rows, board.columns, 2)
    side = min(float(np.linalg.norm(np.diff(rows, axis=axis), axis=2).min()) for axis in (0, 1))
    return int(np.clip(side / 3.0, 2, 11))


def _charuco(grey: np.ndarray, board: Board) -> Corners | None:
    aruco = getattr(cv2, 'aruco', None)
    if not hasattr(aruco, 'CharucoDetector') or not hasattr(aruco, board.dictionary):
        raise ParameterError(
            f'ChArUco with {board.dictionary} needs OpenCV 4.7 or later and one of its '
            'dictionaries; use a chessboard, or type: pip install "opencv-python-headless>=4.7"'
        )
    assert aruco is not None, 'it has an attribute'
    shape = (board.columns + 1, board.rows + 1)
    dictionary = aruco.getPredefinedDictionary(getattr(aruco, board.dictionary))
    printed = aruco.CharucoBoard(shape, board.square_m, board.marker_m, dictionary)
    pixels, numbers, _, _ = aruco.CharucoDetector(printed).detectBoard(grey)
    if numbers is None or len(numbers) < MIN_CORNERS:
        return None
    return Corners(
        numbers=np.asarray(numbers).ravel().astype(int),
        pixels=np.asarray(pixels, np.float32).reshape(-1, 2),
    )
