"""Solids of a room: boxes, ellipsoids and cylinders, each a transformed unit solid.

World axes are those of ``depth_ros.scenes.solids``: x right, y down, z forward, metres (REP 103).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

PAINT_COLUMNS = 9
"""texture, then u = p1 a + p2 b + p3 and v = p4 a + p5 b + p6 in texels, contrast, brightness."""


class Kind(IntEnum):
    """Unit solids: |x|, |y|, |z| <= 1; x² + y² + z² <= 1; x² + z² <= 1 and |y| <= 1."""

    BOX = 0
    ELLIPSOID = 1
    CYLINDER = 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Room:
    """A closed room and what stands in it; solid 0 is the room itself, seen from inside.

    Attributes:
        kind: ``(N,)`` int64, see ``Kind``.
        center: ``(N, 3)`` float64, metres.
        half: ``(N, 3)`` float64 half axes, metres.
        world_from_solid: ``(N, 3, 3)`` float64 rotations.
        paint: ``(N, 6, 9)`` float32, one row of ``PAINT_COLUMNS`` for each face (-x, +x, -y...);
            round solids are painted like the box around them.
        light: ``(3,)`` float64 position of the lamp, metres.
        ambient: Share of the light that comes from everywhere, 0..1.
    """

    kind: np.ndarray
    center: np.ndarray
    half: np.ndarray
    world_from_solid: np.ndarray
    paint: np.ndarray
    light: np.ndarray
    ambient: float

    def clearance(self, point: np.ndarray) -> float:
        """Return a distance from a world point within which there is no surface, m.

        Zero or less means within a solid or outside the room. Round solids count as boxes.
        """
        local = np.einsum('nij,ni->nj', self.world_from_solid, point - self.center)
        beyond = np.abs(local) - self.half
        outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
        signed = np.where(beyond.max(axis=1) < 0.0, beyond.max(axis=1), outside)
        return float(min(-beyond[0].max(), signed[1:].min(initial=np.inf)))


@dataclass(kw_only=True)
class RoomBuilder:
    """Collects solids one by one."""

    kinds: list[int] = field(default_factory=list)
    centers: list[np.ndarray] = field(default_factory=list)
    halves: list[np.ndarray] = field(default_factory=list)
    rotations: list[np.ndarray] = field(default_factory=list)
    paints: list[np.ndarray] = field(default_factory=list)

    def add(
        self,
        kind: Kind,
        center: np.ndarray,
        half: np.ndarray,
        paint: np.ndarray,
        rotation: np.ndarray | None = None,
    ) -> None:
        """Add a solid; without ``rotation`` it lies along the world's axes."""
        self.kinds.append(int(kind))
        self.centers.append(np.asarray(center, np.float64))
        self.halves.append(np.asarray(half, np.float64))
        self.rotations.append(np.eye(3) if rotation is None else rotation)
        self.paints.append(np.broadcast_to(paint, (6, PAINT_COLUMNS)))

    def room(self, *, light: np.ndarray, ambient: float) -> Room:
        """Return what was collected."""
        return Room(
            kind=np.array(self.kinds, np.int64),
            center=np.stack(self.centers),
            half=np.stack(self.halves),
            world_from_solid=np.stack(self.rotations),
            paint=np.stack(self.paints).astype(np.float32),
            light=np.asarray(light, np.float64),
            ambient=ambient,
        )
