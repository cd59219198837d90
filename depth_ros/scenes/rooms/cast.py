"""Which solid each pixel's ray meets first, in torch, float32.

Every solid is convex, so a ray is inside it from one distance to another: three slabs for a box
(Kay and Kajiya 1986), the foot of the perpendicular and half a chord for round ones (Haines et
al. 2019, "Precision improvements for ray/sphere intersection"). Rays have z = 1 in the camera, so
the distance along one is the depth. Only the box of pixels that a solid can touch is worked on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from depth_ros.scenes.rooms.solids import Kind, Room

NEAR_M = 1e-3
_CORNERS = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3, indexing='ij'), -1).reshape(-1, 3)
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rays:
    """The rays of a camera in the unit coordinates of every solid.

    Attributes:
        x: ``(W,)`` float32, x / z of each column.
        y: ``(H,)`` float32, y / z of each row.
        turn: ``(N, 3, 3)`` float32: unit-solid axes from camera axes.
        start: ``(N, 3)`` float32: the camera in unit coordinates.
        windows: For each solid rows and columns it may touch, None where it is out of sight.
    """

    x: Tensor
    y: Tensor
    turn: Tensor
    start: Tensor
    windows: list[tuple[slice, slice] | None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hits:
    """What the rays meet.

    Attributes:
        depth: ``(H, W)`` float32, metres along the optical axis.
        solid: ``(H, W)`` int64, index of the solid.
    """

    depth: Tensor
    solid: Tensor


def make_rays(
    room: Room, k: np.ndarray, camera_from_world: np.ndarray, height: int, width: int
) -> Rays:
    """Prepare the rays through the pixels' centres; matrices are joined in float64."""
    world_from_camera = np.linalg.inv(camera_from_world)
    solid_from_world = np.swapaxes(room.world_from_solid, 1, 2)
    turn = solid_from_world @ world_from_camera[:3, :3] / room.half[:, :, None]
    away = world_from_camera[:3, 3] - room.center
    start = np.einsum('nij,nj->ni', solid_from_world, away) / room.half
    return Rays(
        x=torch.from_numpy(((np.arange(width) - k[0, 2]) / k[0, 0]).astype(np.float32)),
        y=torch.from_numpy(((np.arange(height) - k[1, 2]) / k[1, 1]).astype(np.float32)),
        turn=torch.from_numpy(turn.astype(np.float32)),
        start=torch.from_numpy(start.astype(np.float32)),
        windows=_windows(room, k, camera_from_world, height, width),
    )


def cast(room: Room, rays: Rays) -> Hits:
    """Find the nearest solid of every pixel; the room itself is behind all."""
    shape = (len(rays.y), len(rays.x))
    depth = torch.full(shape, math.inf)
    solid = torch.zeros(shape, dtype=torch.int64)
    for index, window in enumerate(rays.windows):
        if window is None:
            continue
        found = _distance(int(room.kind[index]), rays, index, window)
        best = depth[window]
        wins = found < best
        torch.where(wins, found, best, out=best)
        solid[window].masked_fill_(wins, index)
    return Hits(depth=depth, solid=solid)


def _distance(kind: int, rays: Rays, index: int, window: tuple[slice, slice]) -> Tensor:
    """Return the smallest distance above 0 to a solid, +Inf where it is missed."""
    turn, start = rays.turn[index], rays.start[index].view(3, 1, 1)
    across = torch.outer(turn[:, 0], rays.x[window[1]]) + turn[:, 2:]
    down = torch.outer(turn[:, 1], rays.y[window[0]])
    along = across[:, None, :] + down[:, :, None]
    if kind == Kind.BOX:
        enter, leave = _slabs(along, start)
    elif kind == Kind.ELLIPSOID:
        enter, leave = _chord(along, start)
    else:
        round_enter, round_leave = _chord(along[::2], start[::2])
        flat_enter, flat_leave = _slabs(along[1:2], start[1:2])
        enter = torch.maximum(round_enter, flat_enter)
        leave = torch.minimum(round_leave, flat_leave)
    distance = torch.where(enter > NEAR_M, enter, leave)
    # NaN compares false, so a missed chord is a miss here too.
    hit = (enter <= leave) & (distance > NEAR_M)
    return distance.masked_fill_(~hit, math.inf)


def _slabs(along: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    inverse = torch.where(along == 0.0, _TINY, along).reciprocal_()
    middle, reach = -start * inverse, inverse.abs()
    return (middle - reach).amax(0), (middle + reach).amin(0)


def _chord(along: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    squared = (along * along).sum(0)
    foot = -(along * start).sum(0) / squared
    nearest = start + foot * along
    half = ((1.0 - (nearest * nearest).sum(0)) / squared).sqrt_()
    return foot - half, foot + half


def _windows(
    room: Room, k: np.ndarray, camera_from_world: np.ndarray, height: int, width: int
) -> list[tuple[slice, slice] | None]:
    """Project the box around each solid; one that reaches behind the camera may be anywhere."""
    corners = np.einsum('nij,ncj->nci', room.world_from_solid, _CORNERS * room.half[:, None])
    corners = (corners + room.center[:, None]) @ camera_from_world[:3, :3].T
    corners += camera_from_world[:3, 3]
    z = corners[..., 2]
    ahead = np.maximum(z, NEAR_M)
    column = corners[..., 0] / ahead * k[0, 0] + k[0, 2]
    row = corners[..., 1] / ahead * k[1, 1] + k[1, 2]
    size = (height, width)
    low = np.floor(np.stack((row.min(1), column.min(1)), 1)).clip(0, size).astype(int)
    high = (np.ceil(np.stack((row.max(1), column.max(1)), 1)) + 1.0).clip(0, size).astype(int)
    everywhere = z.min(1) <= NEAR_M
    low[everywhere], high[everywhere] = 0, size
    hidden = (z.max(1) <= NEAR_M) | (low >= high).any(1)
    return [
        None if hidden[n] else (slice(low[n, 0], high[n, 0]), slice(low[n, 1], high[n, 1]))
        for n in range(len(z))
    ]
