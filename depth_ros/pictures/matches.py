"""A picture of matches: both images side by side, lines coloured by confidence."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.frames import ImagePair
from depth_ros.results import MatchResult

MAX_LINES = 300
"""More lines hide the images; the surest are drawn."""
MAX_TILE_PX = 960
"""Larger images are drawn smaller."""
OUTLIER_COLOR = (110, 110, 110)
_MIDDLE = 0.5
_STRIP_SHADE = 4


def match_picture(
    pair: ImagePair,
    result: MatchResult,
    *,
    is_inlier: np.ndarray | None = None,
    max_lines: int = MAX_LINES,
) -> np.ndarray:
    """Draw the surest matches.

    Args:
        pair: The images that were matched.
        result: Their matches.
        is_inlier: ``(N,)`` bool; matches that do not hold are grey and thin. None: all hold.
        max_lines: Matches to draw at most.

    Returns:
        ``(H, W, 3)`` uint8 RGB. Blue is the lowest confidence drawn and red the highest; both
        numbers stand in the corner.
    """
    largest = max(*pair.first.shape[:2], *pair.second.shape[:2])
    scale = min(1.0, MAX_TILE_PX / largest)
    canvas, offset = _side_by_side(_scaled(pair.first, scale), _scaled(pair.second, scale))
    count = min(max_lines, len(result.confidence))
    holds = np.ones(count, np.bool_) if is_inlier is None else is_inlier[:count]
    first = _drawn_at(result.points_first[:count], scale)
    second = _drawn_at(result.points_second[:count], scale) + np.array((offset, 0))
    colors = confidence_colors(result.confidence[:count])
    # Outliers are drawn first and the most confident matches last, on top.
    for index in sorted(range(count), key=lambda i: (holds[i], -i)):
        color = tuple(int(c) for c in colors[index]) if holds[index] else OUTLIER_COLOR
        ends = tuple(first[index].tolist()), tuple(second[index].tolist())
        cv2.line(canvas, *ends, color, 1, cv2.LINE_AA)
        for end in ends:
            cv2.circle(canvas, end, 2, color, -1, cv2.LINE_AA)
    _write(canvas, _caption(result, holds))
    return canvas


def confidence_colors(confidence: np.ndarray) -> np.ndarray:
    """Return ``(N, 3)`` uint8 RGB from blue (lowest) to red (highest); one value alone is red."""
    if not len(confidence):
        return np.zeros((0, 3), np.uint8)
    low, high = float(confidence.min()), float(confidence.max())
    share = (confidence - low) / (high - low) if high > low else np.ones(len(confidence))
    levels = np.round(share * 255).astype(np.uint8)
    bgr = cv2.applyColorMap(levels.reshape(-1, 1), cv2.COLORMAP_TURBO)
    return np.ascontiguousarray(bgr[:, 0, ::-1])


def _caption(result: MatchResult, holds: np.ndarray) -> str:
    count = len(holds)
    if not count:
        return 'no matches'
    drawn = result.confidence[:count]
    total = len(result.confidence)
    return (
        f'{count} of {total} matches, {int(holds.sum())} hold, '
        f'confidence {drawn.min():.2f} (blue) to {drawn.max():.2f} (red)'
    )


def _side_by_side(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, int]:
    height = max(first.shape[0], second.shape[0])
    width = first.shape[1] + second.shape[1]
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: first.shape[0], : first.shape[1]] = first
    canvas[: second.shape[0], first.shape[1] :] = second
    return canvas, first.shape[1]


def _scaled(image: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1.0:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _drawn_at(points: np.ndarray, scale: float) -> np.ndarray:
    """Return ``(N, 2)`` whole pixels of the drawing; pixel centres are at integers."""
    return np.round((points + _MIDDLE) * scale - _MIDDLE).astype(np.int64).reshape(-1, 2)


def _write(canvas: np.ndarray, text: str) -> None:
    """Write onto a darkened strip along the lower edge, small enough for the picture."""
    size = min(0.5, canvas.shape[1] / 1100)
    height = round(40 * size)
    canvas[-height:] //= _STRIP_SHADE
    origin = (4, canvas.shape[0] - round(12 * size))
    cv2.putText(
        canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA
    )
