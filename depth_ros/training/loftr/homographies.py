"""Two views of a photograph or texture, related by a homography."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.scenes.layered.textures import draw_texture
from depth_ros.training.loftr.correspondences import by_homography
from depth_ros.training.loftr.pairs import CELL_PX

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class HomographySettings:
    """How far two views of a plane may differ.

    Attributes:
        turn_rad: Standard deviation of the turn in the image.
        any_turn: Share of pairs that are turned by any angle.
        zoom: Standard deviation of the logarithm of the scale.
        shift: Largest shift, in image sizes.
        tilt: Largest shift of a corner, in image sizes.
        negative: Share of photographs shown as negatives, for more kinds of images.
        procedural: Share of textures that are computed although there are photographs.
    """

    turn_rad: float = 0.25
    any_turn: float = 0.1
    zoom: float = 0.25
    shift: float = 0.3
    tilt: float = 0.15
    negative: float = 0.1
    procedural: float = 0.2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlanePair:
    """Two views of a plane.

    Attributes:
        images: Each (H, W, 3) float32 RGB, 0..255.
        places: (h, w, 2) of the first's cells in the second, and of the second's in the first.
    """

    images: tuple[np.ndarray, np.ndarray]
    places: tuple[np.ndarray, np.ndarray]


def draw_plane_pair(
    rng: Rng,
    settings: HomographySettings,
    photos: Sequence[np.ndarray],
    *,
    height: int,
    width: int,
) -> PlanePair:
    """Draw a plane and two views of it; beyond its edge it goes on mirrored, in both alike."""
    size = (height, width)
    plane = draw_plane(rng, settings, photos)
    plane_from_first = _first_view(rng, plane.shape, size)
    second_from_first = draw_homography(rng, settings, size)
    first_from_second = np.linalg.inv(second_from_first)
    return PlanePair(
        images=(
            _view(plane, plane_from_first, size),
            _view(plane, plane_from_first @ first_from_second, size),
        ),
        places=(
            by_homography(second_from_first, size, cell_px=CELL_PX),
            by_homography(first_from_second, size, cell_px=CELL_PX),
        ),
    )


def draw_plane(rng: Rng, settings: HomographySettings, photos: Sequence[np.ndarray]) -> np.ndarray:
    """Draw what is on the plane, (H, W, 3) uint8: a photograph in some disguise, or a texture."""
    if not photos or rng.random() < settings.procedural:
        return draw_texture(rng, ())
    photo = photos[int(rng.integers(len(photos)))][:, :, rng.permutation(3)]
    if rng.random() < 0.5:
        photo = photo[:, ::-1]
    if rng.random() < settings.negative:
        photo = 255 - photo
    return np.ascontiguousarray(photo)


def draw_homography(rng: Rng, settings: HomographySettings, size: tuple[int, int]) -> np.ndarray:
    """Draw a ``(3, 3)`` homography between two images of one size, px."""
    height, width = size
    turn = float(rng.normal(0.0, settings.turn_rad))
    if rng.random() < settings.any_turn:
        turn = float(rng.uniform(-math.pi, math.pi))
    zoom = math.exp(rng.normal(0.0, settings.zoom))
    shift = rng.uniform(-settings.shift, settings.shift, 2) * (width, height)
    corners = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32)
    tilt = settings.tilt * rng.uniform(0.0, 1.0)
    tilted = corners + (tilt * rng.uniform(-1.0, 1.0, (4, 2)) * (width, height)).astype(np.float32)
    return _similarity(size, turn, zoom, shift) @ cv2.getPerspectiveTransform(corners, tilted)


def _similarity(
    size: tuple[int, int], turn_rad: float, zoom: float, shift: np.ndarray
) -> np.ndarray:
    """Turn and zoom about the image's middle, then shift."""
    middle = 0.5 * np.array((size[1] - 1, size[0] - 1))
    cos, sin = zoom * math.cos(turn_rad), zoom * math.sin(turn_rad)
    turn = np.array(((cos, -sin), (sin, cos)))
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = middle - turn @ middle + shift
    return matrix


def _first_view(rng: Rng, shape: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
    """Choose a window of the plane: ``(3, 3)``, plane px from image px."""
    widest = max(1.0, min(shape[0] / size[0], shape[1] / size[1], 4.0))
    zoom = math.exp(rng.uniform(math.log(0.7), math.log(widest)))
    middle = rng.uniform(0.2, 0.8, 2) * (shape[1], shape[0])
    shift = middle - 0.5 * np.array((size[1] - 1, size[0] - 1))
    return _similarity(size, float(rng.normal(0.0, 0.1)), zoom, shift)


def _view(plane: np.ndarray, plane_from_image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Render a view of the plane, averaged first where an image pixel covers several texels."""
    middle = plane_from_image @ (0.5 * size[1], 0.5 * size[0], 1.0)
    area = abs(np.linalg.det(plane_from_image)) / abs(middle[2]) ** 3
    step = min(4, int(math.sqrt(area) + 0.4))
    if step > 1:
        height, width = (side // step for side in plane.shape[:2])
        cut = np.ascontiguousarray(plane[: height * step, : width * step])
        plane = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA)
        offset = 0.5 / step - 0.5
        shrink = np.array(((1 / step, 0, offset), (0, 1 / step, offset), (0, 0, 1)))
        plane_from_image = shrink @ plane_from_image
    view = cv2.warpPerspective(
        plane,
        plane_from_image,
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return view.astype(np.float32)
