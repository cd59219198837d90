"""Where the points of one image lie in another: by depth and pose, or by a homography.

Sun et al. 2021 (LoFTR), section 3.5 and supplement: cells are supervised by warping the points
they stand for. Every result is ``(h, w, 2)`` float32, the place (x, y) in px of the other image of
each cell's point. NaN means that it is unknown, +Inf that the point is hidden there or outside.
"""

from __future__ import annotations

import numpy as np

from depth_ros.geometry.rigid import inverse
from depth_ros.training.datasets.measured_view import MeasuredView

DEPTH_TOLERANCE = 0.05
"""Two depths of one surface differ by at most this share."""

Size = tuple[int, int]


def cell_grid(size: Size, cell_px: int) -> np.ndarray:
    """Return the points (h, w, 2) float64, as (x, y) px, that the cells of an image stand for."""
    rows, columns = np.mgrid[0 : size[0] : cell_px, 0 : size[1] : cell_px]
    return np.stack((columns, rows), axis=-1).astype(np.float64)


def by_homography(second_from_first: np.ndarray, size: Size, *, cell_px: int) -> np.ndarray:
    """Move the cells of an image by a ``(3, 3)`` homography.

    Args:
        second_from_first: Takes homogeneous pixels of the image to the other's.
        size: Height and width of both images, px.
        cell_px: Edge of a cell.
    """
    points = cell_grid(size, cell_px)
    moved = np.concatenate((points, np.ones_like(points[..., :1])), axis=-1) @ second_from_first.T
    is_ahead = moved[..., 2:] > 0.0
    places = moved[..., :2] / np.where(is_ahead, moved[..., 2:], 1.0)
    return _inside(np.where(is_ahead, places, np.inf), size)


def by_depth(
    first: MeasuredView,
    second: MeasuredView,
    *,
    cell_px: int,
    size: Size,
    other_size: Size | None = None,
) -> np.ndarray:
    """Move the cells of an image by its depth and both poses.

    A point counts as seen if the second depth agrees with it, as hidden (+Inf) if something lies
    in front of it, and as unknown (NaN) if either depth is, or if it lies in front of what the
    second camera saw.

    Args:
        first: The image's depth and pose.
        second: The other's.
        cell_px: Edge of a cell.
        size: Height and width the image is resized to, px.
        other_size: Of the other image, where it differs.
    """
    points = resized_points(cell_grid(size, cell_px), size, first.depth.shape)
    depth = _known(_at(first.depth, points))
    places, distance = _projected(points, depth, first, second)
    seen = _known(_at(second.depth, places))
    ratio = distance / seen
    places = resized_points(places, second.depth.shape, other_size or size)
    places = _inside(places, other_size or size)
    is_inside = np.isfinite(places[..., 0])
    places[is_inside & (ratio > 1.0 + DEPTH_TOLERANCE)] = np.inf
    is_unknown = np.isnan(ratio) | (ratio < 1.0 - DEPTH_TOLERANCE)
    places[(is_inside & is_unknown) | np.isnan(depth)] = np.nan
    return places


def resized_points(points: np.ndarray, size: Size, new_size: Size) -> np.ndarray:
    """Take (..., 2) px of an image to those of the image resized; pixel centres are integers."""
    factors = np.array((new_size[1] / size[1], new_size[0] / size[0]))
    return (points + 0.5) * factors - 0.5


def _projected(
    points: np.ndarray, depth: np.ndarray, first: MeasuredView, second: MeasuredView
) -> tuple[np.ndarray, np.ndarray]:
    """Return places (h, w, 2) in px of the second depth map and depths (h, w) there."""
    rays = np.concatenate((points, np.ones_like(points[..., :1])), axis=-1)
    rays = rays @ np.linalg.inv(first.k).T
    motion = inverse(second.world_from_camera) @ first.world_from_camera
    seen = (rays * depth[..., None]) @ motion[:3, :3].T + motion[:3, 3]
    distance = seen[..., 2]
    pixels = seen @ second.k.T
    is_ahead = (distance > 0.0)[..., None]
    places = pixels[..., :2] / np.where(is_ahead, pixels[..., 2:], 1.0)
    return np.where(is_ahead, places, np.inf), distance


def _at(depth: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Read a map at the nearest pixels; NaN outside it."""
    height, width = depth.shape
    column, row = points[..., 0], points[..., 1]
    is_inside = (column > -0.5) & (column < width - 0.5) & (row > -0.5) & (row < height - 0.5)
    columns = np.rint(np.where(is_inside, column, 0.0)).astype(int).clip(0, width - 1)
    rows = np.rint(np.where(is_inside, row, 0.0)).astype(int).clip(0, height - 1)
    return np.where(is_inside, depth[rows, columns], np.nan)


def _known(depth: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(depth) & (depth > 0.0), depth, np.nan)


def _inside(places: np.ndarray, size: Size) -> np.ndarray:
    """Turn places outside an image into +Inf; unknown ones stay NaN."""
    column, row = places[..., 0], places[..., 1]
    height, width = size
    is_outside = (column < -0.5) | (column > width - 0.5) | (row < -0.5) | (row > height - 0.5)
    return np.where(is_outside[..., None], np.inf, places).astype(np.float32)
