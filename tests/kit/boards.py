"""Pictures of a chessboard or ChArUco board, seen by a rig whose calibration is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 480, 640
COLUMNS, ROWS, SQUARE_M = 9, 6, 0.025
K = np.array([[520.0, 0.0, 322.0], [0.0, 521.0, 241.0], [0.0, 0.0, 1.0]])
RIGHT_FROM_LEFT = np.eye(4)
RIGHT_FROM_LEFT[:3, 3] = (-0.08, 0.0, 0.0)
PX_PER_M = 4000.0
BORDER = 1


def board_texture(*, is_charuco: bool) -> np.ndarray:
    """Return the printed board, ``(h, w)`` uint8, with a white border of one square."""
    side = round(SQUARE_M * PX_PER_M)
    if is_charuco:
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        printed = cv2.aruco.CharucoBoard(
            (COLUMNS + 1, ROWS + 1), SQUARE_M, 0.7 * SQUARE_M, dictionary
        )
        squares = printed.generateImage(((COLUMNS + 1) * side, (ROWS + 1) * side))
    else:
        rows, columns = np.mgrid[: ROWS + 1, : COLUMNS + 1]
        cells = np.where((rows + columns) % 2, 255, 0).astype(np.uint8)
        squares = np.repeat(np.repeat(cells, side, axis=0), side, axis=1)
    return cv2.copyMakeBorder(squares, *[BORDER * side] * 4, cv2.BORDER_CONSTANT, value=255)


def seen(texture: np.ndarray, camera_from_board: np.ndarray) -> np.ndarray:
    """Return what a camera without distortion sees of a board, ``(H, W)`` uint8."""
    metres_from_pixels = np.array(
        [[1 / PX_PER_M, 0, -2 * SQUARE_M], [0, 1 / PX_PER_M, -2 * SQUARE_M], [0, 0, 1]]
    )
    plane = np.column_stack(
        [camera_from_board[:3, 0], camera_from_board[:3, 1], camera_from_board[:3, 3]]
    )
    image = cv2.warpPerspective(
        texture, K @ plane @ metres_from_pixels, (WIDTH, HEIGHT), borderValue=128
    )
    return cv2.GaussianBlur(image, (0, 0), 0.7)


def poses(count: int) -> list[np.ndarray]:
    """Return places of the board before the left camera, tilted and spread, in view of both."""
    random, found = np.random.default_rng(4), []
    for _ in range(count):
        pose = np.eye(4)
        pose[:3, :3] = cv2.Rodrigues(random.uniform(-0.45, 0.45, 3))[0]
        center = random.uniform((-0.08, -0.09, 0.42), (0.12, 0.09, 0.7))
        middle = np.array([(COLUMNS - 1) / 2, (ROWS - 1) / 2, 0.0]) * SQUARE_M
        pose[:3, 3] = center - pose[:3, :3] @ middle
        found.append(pose)
    return found


def write_board_pairs(folder: Path, *, count: int = 12, is_charuco: bool = False) -> Path:
    """Write ``left00.png``, ``right00.png`` and so on; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    texture = board_texture(is_charuco=is_charuco)
    for number, pose in enumerate(poses(count)):
        cv2.imwrite(str(folder / f'left{number:02}.png'), seen(texture, pose))
        cv2.imwrite(str(folder / f'right{number:02}.png'), seen(texture, RIGHT_FROM_LEFT @ pose))
    return folder
