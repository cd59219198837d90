"""Pairs with known matches, for every test of matching."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.frames import ImagePair
from depth_ros.results import MatchResult

CAMERA = ideal_camera(fx=500.0, fy=500.0, cx=319.5, cy=239.5, height=480, width=640)


def texture(seed: int, height: int, width: int) -> np.ndarray:
    """Make ``(height, width)`` uint8 noise at several scales."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width))
    for cell in (32, 16, 8, 4, 2):
        grid = generator.normal(size=(height // cell + 2, width // cell + 2))
        image += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(127 + 40 * image, 0, 255).astype(np.uint8)


def shifted_views(seed: int, height: int, width: int, shift: tuple[int, int]) -> list[np.ndarray]:
    """Give two grey views; a point at (x, y) in the first is at (x, y) - shift in the second."""
    x, y = shift
    image = texture(seed, height + y, width + x)
    views = image[:height, :width], image[y:, x:]
    return [np.ascontiguousarray(view) for view in views]


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def shifted_pair(
    seed: int, height: int, width: int, shift: tuple[int, int] = (24, 16)
) -> ImagePair:
    """As ``shifted_views``, in RGB."""
    first, second = (rgb(view) for view in shifted_views(seed, height, width, shift))
    return ImagePair(first=first, second=second)


@dataclass(frozen=True)
class KnownMotion:
    """Matches of random points seen by ``CAMERA`` from two places."""

    matches: MatchResult
    second_from_first: np.ndarray
    is_outlier: np.ndarray


def moved_points(
    translation: tuple[float, float, float],
    rotation: tuple[float, float, float],
    *,
    seed: int = 0,
    count: int = 300,
    noise_px: float = 0.5,
    outliers: float = 0.3,
    plane_depth_m: float | None = None,
) -> KnownMotion:
    """Project points 3 to 8 m away before and after a motion of the camera."""
    generator = np.random.default_rng(seed)
    depth = generator.uniform(3, 8, count)
    points = np.stack([generator.uniform(-2, 2, count), generator.uniform(-1.5, 1.5, count)], 1)
    points = np.column_stack(
        [points, depth if plane_depth_m is None else 0 * depth + plane_depth_m]
    )
    motion = np.eye(4)
    motion[:3, :3] = cv2.Rodrigues(np.array(rotation, np.float64))[0]
    motion[:3, 3] = translation
    first, second = (
        projected(seen) + generator.normal(0, noise_px, (count, 2))
        for seen in (points, points @ motion[:3, :3].T + motion[:3, 3])
    )
    is_outlier = np.arange(count) < round(outliers * count)
    second[is_outlier] = generator.uniform((0, 0), (640, 480), (int(is_outlier.sum()), 2))
    return KnownMotion(
        matches=match_result(first, second), second_from_first=motion, is_outlier=is_outlier
    )


def projected(points: np.ndarray) -> np.ndarray:
    pixels = points @ CAMERA.k.T
    return pixels[:, :2] / pixels[:, 2:]


def match_result(first: np.ndarray, second: np.ndarray) -> MatchResult:
    return MatchResult(
        points_first=np.asarray(first, np.float32).reshape(-1, 2),
        points_second=np.asarray(second, np.float32).reshape(-1, 2),
        confidence=np.ones(len(first), np.float32),
    )
