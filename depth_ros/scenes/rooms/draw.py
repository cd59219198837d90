"""Draw rooms: walls, furniture along them and in the middle, things that hang in the air."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depth_ros.scenes.rooms.furniture import Painter, Spot, draw_group, random_rotation, turn_y
from depth_ros.scenes.rooms.solids import Kind, Room, RoomBuilder

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomSettings:
    """What rooms are like.

    Attributes:
        textures: Size of the texture pool they are painted from.
        min_width_m: Shortest wall.
        max_width_m: Longest wall.
        min_height_m: Lowest ceiling.
        max_height_m: Highest ceiling.
        density: Groups of furniture per square metre of floor.
        bare: Share of rooms whose walls are nearly without contrast.
        min_contrast: Weakest contrast of all other surfaces.
        floating: Mean number of things that hang in the air, in every attitude.
    """

    textures: int = 160
    min_width_m: float = 2.8
    max_width_m: float = 8.0
    min_height_m: float = 2.2
    max_height_m: float = 3.4
    density: float = 0.45
    bare: float = 0.2
    min_contrast: float = 0.4
    floating: float = 3.0


def draw_room(rng: Rng, settings: RoomSettings) -> Room:
    """Draw a room; its floor's middle is below the world's origin, which is at half height."""
    builder = RoomBuilder()
    painter = Painter(rng=rng, textures=settings.textures, min_contrast=settings.min_contrast)
    x, z = 0.5 * rng.uniform(settings.min_width_m, settings.max_width_m, 2)
    half = np.array((x, 0.5 * rng.uniform(settings.min_height_m, settings.max_height_m), z))
    bare = bool(rng.random() < settings.bare)
    builder.add(Kind.BOX, np.zeros(3), half, painter.faces(bare=bare))
    groups = rng.poisson(settings.density * 4.0 * x * z)
    for _ in range(int(np.clip(groups, 3, 24))):
        draw_group(_spot(builder, painter, half))
    for _ in range(int(rng.integers(0, 7))):
        _picture(builder, painter, half)
    for _ in range(int(rng.poisson(settings.floating))):
        _hang(builder, painter, half)
    light = half * (rng.uniform(-0.6, 0.6), rng.uniform(-0.95, -0.5), rng.uniform(-0.6, 0.6))
    return builder.room(light=light, ambient=float(rng.uniform(0.35, 0.8)))


def _spot(builder: RoomBuilder, painter: Painter, half: np.ndarray) -> Spot:
    """Choose a place on the floor: half of them along a wall, facing the room."""
    rng = painter.rng
    x, z = rng.uniform(-0.9, 0.9, 2) * half[[0, 2]]
    yaw = float(rng.uniform(-math.pi, math.pi))
    if rng.random() < 0.5:
        wall = int(rng.integers(4))
        yaw = wall * 0.5 * math.pi + float(rng.normal(0.0, 0.03))
        ahead = turn_y(yaw) @ np.array((0.0, 0.0, 1.0))
        reach = np.abs(half[[0, 2]]) - 0.35
        x = ahead[0] * reach[0] if abs(ahead[0]) > 0.5 else x
        z = ahead[2] * reach[1] if abs(ahead[2]) > 0.5 else z
    place = np.array((x, half[1], z))
    return Spot(builder=builder, painter=painter, place=place, yaw_rad=yaw)


def _picture(builder: RoomBuilder, painter: Painter, half: np.ndarray) -> None:
    """Hang a poster, screen or board on a wall."""
    rng = painter.rng
    axis, side = (0, 2)[int(rng.integers(2))], rng.choice((-1.0, 1.0))
    center = rng.uniform(-0.8, 0.8, 3) * half * (1.0, 0.5, 1.0)
    center[axis] = side * half[axis]
    size = rng.uniform(0.15, (0.8, 0.5, 0.8))
    size[axis] = rng.uniform(0.005, 0.06)
    builder.add(Kind.BOX, center, size, painter.paint())


def _hang(builder: RoomBuilder, painter: Painter, half: np.ndarray) -> None:
    """Put a solid of any kind, size and attitude somewhere in the air; a third are rods."""
    rng = painter.rng
    kind = Kind(int(rng.integers(3)))
    size = np.exp(rng.uniform(math.log(0.04), math.log(0.4), 3))
    if rng.random() < 0.35:
        thin = rng.uniform(0.004, 0.02)
        size, kind = np.array((thin, rng.uniform(0.3, 1.5), thin)), Kind(int(rng.choice((0, 2))))
    center = rng.uniform(-0.8, 0.8, 3) * half
    paint = painter.faces() if kind is Kind.BOX else painter.paint()
    builder.add(kind, center, size, paint, random_rotation(rng))
