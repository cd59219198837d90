"""Two views of a drawn room, related by their exact depths and poses."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from depth_ros.geometry.rigid import inverse
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.scenes.rooms.paths import draw_intrinsics, moved, views_around
from depth_ros.scenes.rooms.places import draw_place
from depth_ros.scenes.rooms.render import Levels, render_view
from depth_ros.training.datasets.measured_view import MeasuredView

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomPairSettings:
    """How far two views of a room may differ.

    Attributes:
        rooms: What rooms are like.
        views: Views of one room; any two of them can become a pair.
        parallax: Least and greatest baseline as a share of the median depth.
        min_overlap: Least share of the reference that the others see, 0..1.
        roll_rad: Standard deviation of further turns about the optical axis.
        zoom: Standard deviation of the logarithm of the focal length.
    """

    rooms: RoomSettings = field(default_factory=lambda: RoomSettings(min_contrast=0.5))
    views: int = 3
    parallax: tuple[float, float] = (0.05, 0.6)
    min_overlap: float = 0.35
    roll_rad: float = 0.15
    zoom: float = 0.12


def draw_room_views(
    rng: Rng, settings: RoomPairSettings, pool: Levels, *, height: int, width: int
) -> list[MeasuredView]:
    """Draw a room and views of it with exact depth; images are (H, W, 3) float32, 0..255."""
    draw_k = partial(draw_intrinsics, height=height, width=width)
    place = draw_place(rng, settings.rooms, draw_k, (height, width))
    k, start = place.k, place.start
    others = views_around(
        rng,
        place.room,
        start,
        k,
        sources=settings.views - 1,
        height=height,
        width=width,
        parallax=settings.parallax,
        min_overlap=settings.min_overlap,
    )
    views = []
    for pose in (start.camera_from_world, *others):
        pose = moved(pose, roll=(0.0, 0.0, float(rng.normal(0.0, settings.roll_rad))))
        own = k * np.array((*[float(np.exp(rng.normal(0.0, settings.zoom)))] * 2, 1.0))[:, None]
        own[:2, 2] = k[:2, 2]
        seen = render_view(place.room, own, pose, height=height, width=width, pool=pool)
        view = MeasuredView(
            image=seen.image, depth=seen.depth, k=own, world_from_camera=inverse(pose)
        )
        views.append(view)
    return views
