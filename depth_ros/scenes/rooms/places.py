"""A drawn room and a camera in it with an unobstructed view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.scenes.rooms.draw import RoomSettings, draw_room
from depth_ros.scenes.rooms.paths import Viewpoint, draw_viewpoint
from depth_ros.scenes.rooms.solids import Room

Rng = np.random.Generator
_TRIES = 20


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Place:
    """A room, and a camera in it.

    Attributes:
        room: What there is.
        k: ``(3, 3)`` intrinsics of the camera.
        start: Where it stands.
    """

    room: Room
    k: np.ndarray
    start: Viewpoint


def draw_place(
    rng: Rng,
    settings: RoomSettings,
    draw_k: Callable[[Rng], np.ndarray],
    size: tuple[int, int],
    *,
    near_m: float = 0.4,
) -> Place:
    """Draw rooms until one has a free viewpoint; nearly always the first.

    Args:
        rng: Where draws come from.
        settings: What rooms are like.
        draw_k: Draws intrinsics, px.
        size: Height and width of the images.
        near_m: Most of the view is farther away than this.

    Raises:
        ParameterError: If the rooms are too full.
    """
    for _ in range(_TRIES):
        room = draw_room(rng, settings)
        k = draw_k(rng)
        try:
            start = draw_viewpoint(rng, room, k, height=size[0], width=size[1], near_m=near_m)
        except ParameterError:
            continue
        return Place(room=room, k=k, start=start)
    raise ParameterError(
        f'found no free viewpoint in {_TRIES} rooms; use a lower RoomSettings.density or near_m'
    )
