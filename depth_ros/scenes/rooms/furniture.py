"""Groups of solids that stand in rooms: tables, chairs, shelves, lamps, fences, clutter.

A group is drawn about a place on the floor, in axes of its own: y goes down, so that a height of
h metres above the floor is ``-h``. Sizes are those of real furniture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from depth_ros.scenes.rooms.solids import Kind, RoomBuilder

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Painter:
    """Draws the paint of solids.

    Attributes:
        rng: Where draws come from.
        textures: Size of the texture pool.
        min_contrast: Weakest contrast of a texture, 0..1.
    """

    rng: Rng
    textures: int
    min_contrast: float

    def paint(self, *, bare: bool = False) -> np.ndarray:
        """Draw the paint of one face, ``(9,)``; see ``solids.PAINT_COLUMNS``."""
        rng = self.rng
        density = float(np.exp(rng.uniform(math.log(110.0), math.log(650.0))))
        angle = rng.choice((0.0, 0.5 * math.pi)) + rng.normal(0.0, 0.05)
        cos, sin = density * math.cos(angle), density * math.sin(angle)
        offset = rng.uniform(0.0, 512.0, 2)
        contrast = rng.uniform(0.02, 0.15) if bare else rng.uniform(self.min_contrast, 1.0)
        values = [rng.integers(self.textures), cos, sin, offset[0], -sin, cos, offset[1]]
        return np.array([*values, contrast, rng.normal(0.0, 25.0)])

    def faces(self, *, bare: bool = False) -> np.ndarray:
        """Draw another paint for each face, ``(6, 9)``."""
        return np.stack([self.paint(bare=bare) for _ in range(6)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """Where a group stands and what draws it.

    Attributes:
        builder: Takes the solids.
        painter: Paints them.
        place: ``(3,)`` world point the group stands on, metres.
        yaw_rad: Turn about the vertical.
    """

    builder: RoomBuilder
    painter: Painter
    place: np.ndarray
    yaw_rad: float

    def put(
        self,
        kind: Kind,
        center: tuple[float, float, float],
        half: tuple[float, float, float],
        paint: np.ndarray | None = None,
        tilt: np.ndarray | None = None,
    ) -> None:
        """Put a solid at ``center`` of the group's axes, turned by ``tilt`` within them."""
        turn = turn_y(self.yaw_rad)
        rotation = turn if tilt is None else turn @ tilt
        paint = self.painter.paint() if paint is None else paint
        place = self.place + turn @ np.asarray(center)
        self.builder.add(kind, place, np.asarray(half), paint, rotation)

    @property
    def rng(self) -> Rng:
        """Where draws come from."""
        return self.painter.rng

    def on(self, x: float, height: float, z: float) -> Spot:
        """Return a place on top of the group, turned at random."""
        place = self.place + turn_y(self.yaw_rad) @ np.array((x, -height, z))
        yaw = float(self.rng.uniform(-math.pi, math.pi))
        return Spot(builder=self.builder, painter=self.painter, place=place, yaw_rad=yaw)


def turn_y(angle: float) -> np.ndarray:
    """Return the ``(3, 3)`` rotation about the vertical."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def random_rotation(rng: Rng) -> np.ndarray:
    """Draw a ``(3, 3)`` rotation, evenly."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0.0 else q[:, ::-1]


def table(spot: Spot) -> None:
    """Draw a table on four legs, thin or stout, with things on it."""
    rng = spot.rng
    x, z, height = rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.6), rng.uniform(0.4, 1.05)
    top, leg = rng.uniform(0.01, 0.04), rng.uniform(0.012, 0.045)
    wood = spot.painter.paint()
    kind = Kind.BOX if rng.random() < 0.6 else Kind.CYLINDER
    spot.put(Kind.BOX, (0.0, -height, 0.0), (x, top, z))
    for side in (-1.0, 1.0):
        for end in (-1.0, 1.0):
            center = (side * (x - leg), -0.5 * height, end * (z - leg))
            spot.put(kind, center, (leg, 0.5 * height, leg), wood)
    _scatter(spot, height + top, x, z, int(rng.integers(0, 6)))


def chair(spot: Spot) -> None:
    """Draw a chair whose back is slats or a board."""
    rng = spot.rng
    half, seat, back = rng.uniform(0.18, 0.26), rng.uniform(0.38, 0.5), rng.uniform(0.35, 0.6)
    leg, wood = rng.uniform(0.01, 0.025), spot.painter.paint()
    spot.put(Kind.BOX, (0.0, -seat, 0.0), (half, 0.02, half))
    for side in (-1.0, 1.0):
        x = side * (half - leg)
        spot.put(Kind.BOX, (x, -0.5 * seat, -half + leg), (leg, 0.5 * seat, leg), wood)
        top = 0.5 * (seat + back)
        spot.put(Kind.BOX, (x, -top, half - leg), (leg, top, leg), wood)
    slats = int(rng.integers(0, 6))
    if slats == 0:
        spot.put(Kind.BOX, (0.0, -seat - 0.6 * back, half - leg), (half, 0.4 * back, leg))
    for number in range(slats):
        y = -seat - back * (number + 0.8) / slats
        spot.put(Kind.BOX, (0.0, y, half - leg), (half, 0.25 * back / slats, 0.6 * leg), wood)


def shelf(spot: Spot) -> None:
    """Draw a shelf with boards, sides, perhaps a back, and books and boxes."""
    rng = spot.rng
    x, z, height = rng.uniform(0.3, 0.8), rng.uniform(0.12, 0.25), rng.uniform(0.9, 2.1)
    boards, wood = int(rng.integers(2, 6)), spot.painter.paint()
    thick = rng.uniform(0.008, 0.02)
    for side in (-1.0, 1.0):
        spot.put(Kind.BOX, (side * x, -0.5 * height, 0.0), (thick, 0.5 * height, z), wood)
    if rng.random() < 0.5:
        spot.put(Kind.BOX, (0.0, -0.5 * height, z), (x, 0.5 * height, 0.005))
    for board in range(boards + 1):
        level = 0.05 + (height - 0.07) * board / boards
        spot.put(Kind.BOX, (0.0, -level, 0.0), (x, thick, z), wood)
        if board < boards and rng.random() < 0.7:
            _books(spot, level + thick, x, z, height / boards)


def _books(spot: Spot, level: float, x: float, z: float, room: float) -> None:
    at = -x + 0.03
    for _ in range(int(spot.rng.integers(2, 8))):
        half = float(spot.rng.uniform(0.012, 0.07))
        if at + 2.0 * half > x:
            return
        tall = float(spot.rng.uniform(0.4, 0.85)) * 0.5 * room
        spot.put(Kind.BOX, (at + half, -level - tall, 0.0), (half, tall, 0.8 * z))
        at += 2.0 * half + float(spot.rng.choice((0.0, 0.0, spot.rng.uniform(0.0, 0.15))))


def cabinet(spot: Spot) -> None:
    """Draw a closed cabinet, fridge or crate, every side painted on its own."""
    rng = spot.rng
    height = 0.5 * rng.uniform(0.4, 2.0)
    half = (rng.uniform(0.2, 0.6), height, rng.uniform(0.15, 0.4))
    spot.put(Kind.BOX, (0.0, -height, 0.0), half, spot.painter.faces())
    if rng.random() < 0.5:
        _scatter(spot, 2.0 * height, half[0], half[2], int(rng.integers(1, 4)))


def sofa(spot: Spot) -> None:
    """Draw a sofa with arms and round cushions."""
    rng = spot.rng
    x, cloth = rng.uniform(0.4, 1.0), spot.painter.paint()
    spot.put(Kind.BOX, (0.0, -0.2, 0.0), (x, 0.2, 0.4), cloth)
    spot.put(Kind.BOX, (0.0, -0.55, 0.32), (x, 0.25, 0.1), cloth)
    for side in (-1.0, 1.0):
        spot.put(Kind.BOX, (side * x, -0.3, 0.0), (0.08, 0.3, 0.42), cloth)
    for _ in range(int(rng.integers(0, 4))):
        center = (rng.uniform(-0.8, 0.8) * x, -0.5, rng.uniform(0.0, 0.2))
        half = (rng.uniform(0.12, 0.25), rng.uniform(0.12, 0.2), rng.uniform(0.06, 0.12))
        spot.put(Kind.ELLIPSOID, center, half, tilt=random_rotation(rng))


def lamp(spot: Spot) -> None:
    """Draw a standing lamp: a thin rod with a round shade."""
    rng = spot.rng
    height, rod = rng.uniform(1.0, 1.9), rng.uniform(0.006, 0.02)
    spot.put(Kind.CYLINDER, (0.0, -0.5 * height, 0.0), (rod, 0.5 * height, rod))
    spot.put(Kind.CYLINDER, (0.0, -0.015, 0.0), (0.15, 0.015, 0.15))
    wide, tall = rng.uniform(0.1, 0.25), rng.uniform(0.08, 0.18)
    kind = Kind.ELLIPSOID if rng.random() < 0.5 else Kind.CYLINDER
    spot.put(kind, (0.0, -height, 0.0), (wide, tall, wide))


def fence(spot: Spot) -> None:
    """Draw a rail, blind or rack: a row of bars with gaps, upright or level."""
    rng = spot.rng
    bars, gap, bar = int(rng.integers(4, 14)), rng.uniform(0.06, 0.2), rng.uniform(0.006, 0.03)
    height, wood = rng.uniform(0.5, 1.8), spot.painter.paint()
    wide = 0.5 * gap * (bars - 1)
    is_upright = rng.random() < 0.6
    kind = Kind.CYLINDER if is_upright and rng.random() < 0.5 else Kind.BOX
    for number in range(bars):
        if is_upright:
            center = (number * gap - wide, -0.5 * height, 0.0)
            spot.put(kind, center, (bar, 0.5 * height, bar), wood)
        else:
            y = -height * (number + 0.5) / bars
            spot.put(Kind.BOX, (0.0, y, 0.0), (max(wide, 0.3), min(bar, 0.3 * height / bars), bar))
    if is_upright:
        spot.put(Kind.BOX, (0.0, -height, 0.0), (wide + bar, bar, 1.2 * bar), wood)


def pillar(spot: Spot) -> None:
    """Draw a pillar or pipe from the floor far up."""
    wide = float(np.exp(spot.rng.uniform(math.log(0.015), math.log(0.25))))
    kind = Kind.CYLINDER if spot.rng.random() < 0.6 else Kind.BOX
    spot.put(kind, (0.0, -2.0, 0.0), (wide, 2.0, wide))


def plant(spot: Spot) -> None:
    """Draw a pot with thin stems and leaves in all directions."""
    rng = spot.rng
    spot.put(Kind.CYLINDER, (0.0, -0.15, 0.0), (0.14, 0.15, 0.14))
    green = spot.painter.paint()
    for _ in range(int(rng.integers(5, 16))):
        tilt = turn_y(rng.uniform(-math.pi, math.pi)) @ _lean(rng.uniform(0.05, 0.9))
        long = rng.uniform(0.2, 0.5)
        tip = tilt @ np.array((0.0, -2.0 * long, 0.0))
        middle = 0.5 * tip - np.array((0.0, 0.28, 0.0))
        spot.put(Kind.BOX, tuple(middle), (0.006, long, 0.006), green, tilt)
        leaf = (rng.uniform(0.02, 0.09), rng.uniform(0.05, 0.16), 0.004)
        spot.put(Kind.ELLIPSOID, tuple(tip - np.array((0.0, 0.28, 0.0))), leaf, green, tilt)


def heap(spot: Spot) -> None:
    """Draw things on the floor."""
    _scatter(spot, 0.0, 0.6, 0.6, int(spot.rng.integers(2, 8)))


def _lean(angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _scatter(spot: Spot, height: float, x: float, z: float, count: int) -> None:
    for _ in range(count):
        place = spot.rng.uniform(-0.8, 0.8, 2) * (x, z)
        thing(spot.on(place[0], height, place[1]))


def thing(spot: Spot) -> None:
    """Draw one thing: a carton, can, ball, bottle or stick."""
    rng = spot.rng
    kind = Kind(int(rng.integers(3)))
    half = np.exp(rng.uniform(math.log(0.03), math.log(0.18), 3))
    if kind is not Kind.BOX:
        half[2] = half[0]
    if rng.random() < 0.2:
        half[[0, 2]] = rng.uniform(0.005, 0.02)
    paint = spot.painter.faces() if kind is Kind.BOX else None
    spot.put(kind, (0.0, -half[1], 0.0), tuple(half), paint)


GROUPS: tuple[tuple[float, Callable[[Spot], None]], ...] = (
    (0.16, table),
    (0.16, chair),
    (0.13, shelf),
    (0.14, cabinet),
    (0.06, sofa),
    (0.06, lamp),
    (0.07, fence),
    (0.05, pillar),
    (0.06, plant),
    (0.11, heap),
)
"""Share and maker of each group."""


def draw_group(spot: Spot) -> None:
    """Draw one group of a random kind."""
    shares = np.array([share for share, _ in GROUPS])
    GROUPS[int(spot.rng.choice(len(GROUPS), p=shares / shares.sum()))][1](spot)
