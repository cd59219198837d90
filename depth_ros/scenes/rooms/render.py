"""Render one view of a room: the nearest surface at each pixel, its colour and its exact depth.

Colour is a function of the point on the surface (texture, lamp, angle of the lamp), so all views
agree. Textures are looked up at the level of detail that fits the pixel (Williams 1983).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from depth_ros.scenes.layered.textures import sample_textures, texture_pool
from depth_ros.scenes.rooms.cast import Hits, Rays, cast, make_rays
from depth_ros.scenes.rooms.solids import Kind, Room

NUM_LEVELS = 5
LAMP, LAMP_REACH_M = 2.0, 3.0
_STEEPEST = 0.25
_CAP = 0.9999
_OTHERS = ((1, 2), (0, 2), (0, 1))

Levels = tuple[Tensor, ...]
"""Textures at full and halved sizes, each (N, S, S, 3) uint8."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RoomView:
    """What one camera sees.

    Attributes:
        image: ``(H, W, 3)`` float32 RGB, 0..255.
        depth: ``(H, W)`` float32, metres along the optical axis through each pixel's centre;
            known everywhere, since rooms are closed.
    """

    image: np.ndarray
    depth: np.ndarray


def room_textures(rng: np.random.Generator, photos: Sequence[np.ndarray], count: int) -> Levels:
    """Draw ``count`` textures of the shared pool with their levels of detail."""
    return texture_levels(texture_pool(rng, photos, count))


def texture_levels(pool: Tensor) -> Levels:
    """Halve (N, S, S, 3) uint8 textures again and again."""
    levels = [pool]
    for _ in range(NUM_LEVELS - 1):
        halved = avg_pool2d(levels[-1].permute(0, 3, 1, 2).float(), 2)
        levels.append((halved + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous())
    return tuple(levels)


def render_view(
    room: Room,
    k: np.ndarray,
    camera_from_world: np.ndarray,
    *,
    height: int,
    width: int,
    pool: Levels,
) -> RoomView:
    """Draw a view.

    Args:
        room: What there is.
        k: ``(3, 3)`` intrinsics, px; pixel centres are at integers.
        camera_from_world: ``(4, 4)`` float64 pose of the optical axes (x right, y down,
            z forward), metres.
        height: Rows.
        width: Columns.
        pool: Textures, see ``room_textures``.
    """
    rays = make_rays(room, k, camera_from_world, height, width)
    hits = cast(room, rays)
    focal = float(np.sqrt(k[0, 0] * k[1, 1]))
    lamp = camera_from_world[:3, :3] @ room.light + camera_from_world[:3, 3]
    image = _shade(room, rays, hits, torch.from_numpy(lamp.astype(np.float32)), focal, pool)
    return RoomView(image=image.numpy(), depth=hits.depth.numpy())


def _shade(room: Room, rays: Rays, hits: Hits, lamp: Tensor, focal: float, pool: Levels) -> Tensor:
    """Return colours (H, W, 3) float32 of what was hit."""
    height, width = hits.depth.shape
    solid, depth = hits.solid.reshape(-1), hits.depth.reshape(-1)
    ray = torch.stack(
        (
            rays.x.expand(height, width).reshape(-1),
            rays.y[:, None].expand(height, width).reshape(-1),
            torch.ones(height * width),
        ),
        1,
    )
    turn = rays.turn[solid]
    unit = rays.start[solid] + depth[:, None] * torch.bmm(turn, ray[:, :, None])[..., 0]
    kind = torch.from_numpy(room.kind)[solid]
    axis, gradient = _face(kind, unit)
    normal = torch.bmm(gradient[:, None], turn)[:, 0]
    normal = normal / normal.norm(dim=1, keepdim=True)
    texels = _lookup(room, solid, axis, unit)
    slope = (normal * ray).sum(1).abs() / ray.norm(dim=1)
    footprint = depth / focal * texels.density / slope.clamp(min=_STEEPEST)
    colour = _at_level(pool, texels, torch.log2(footprint.clamp(min=1e-3)))
    colour = texels.contrast * (colour - 128.0) + 128.0 + texels.brightness
    lit = _light(normal, lamp - depth[:, None] * ray, room.ambient)
    return (colour * lit[:, None]).clamp_(0.0, 255.0).reshape(height, width, 3)


def _face(kind: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Return the axis (P,) whose face was hit, and the surface's gradient (P, 3)."""
    size = unit.abs()
    is_cylinder = kind == Kind.CYLINDER
    is_cap = size[:, 1] > _CAP
    size[:, 1] = torch.where(is_cylinder, torch.where(is_cap, 2.0, 0.0), size[:, 1])
    axis = size.argmax(1)
    flat = torch.nn.functional.one_hot(axis, 3).float()
    side = unit * torch.tensor((1.0, 0.0, 1.0))
    is_side = (is_cylinder & ~is_cap)[:, None]
    curved = torch.where(is_side, side, unit)
    is_curved = is_side | (kind == Kind.ELLIPSOID)[:, None]
    return axis, torch.where(is_curved, curved, flat)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Texels:
    """Where each pixel's colour comes from; all (P,) but the last two, (P, 1)."""

    texture: Tensor
    u: Tensor
    v: Tensor
    density: Tensor
    contrast: Tensor
    brightness: Tensor


def _lookup(room: Room, solid: Tensor, axis: Tensor, unit: Tensor) -> _Texels:
    half = torch.from_numpy(room.half.astype(np.float32))
    others = torch.tensor(_OTHERS)[axis]
    place = torch.gather(unit * half[solid], 1, others)
    beyond = torch.gather(unit, 1, axis[:, None])[:, 0] > 0.0
    paint = torch.from_numpy(room.paint)[solid, 2 * axis + beyond]
    a, b = place.unbind(1)
    return _Texels(
        texture=paint[:, 0].long(),
        u=paint[:, 1] * a + paint[:, 2] * b + paint[:, 3],
        v=paint[:, 4] * a + paint[:, 5] * b + paint[:, 6],
        density=torch.hypot(paint[:, 1], paint[:, 2]),
        contrast=paint[:, 7:8],
        brightness=paint[:, 8:9],
    )


def _at_level(pool: Levels, texels: _Texels, detail: Tensor) -> Tensor:
    """Look each pixel up in the level of its size, (P, 3)."""
    level = torch.round(detail).clamp_(0.0, len(pool) - 1.0).long()
    colour = torch.empty(len(level), 3)
    for number, textures in enumerate(pool):
        (chosen,) = torch.nonzero(level == number, as_tuple=True)
        if len(chosen) == 0:
            continue
        shrink = 0.5**number
        u = (texels.u[chosen] + 0.5) * shrink - 0.5
        v = (texels.v[chosen] + 0.5) * shrink - 0.5
        colour[chosen] = sample_textures(textures, texels.texture[chosen], u, v)
    return colour


def _light(normal: Tensor, to_lamp: Tensor, ambient: float) -> Tensor:
    """Return Lambert's law for a lamp, lit from both sides, with a gentle fall-off; (P,)."""
    squared = (to_lamp * to_lamp).sum(1)
    cosine = (normal * to_lamp).sum(1).abs() * squared.rsqrt()
    return ambient + (1.0 - ambient) * cosine * (LAMP / (1.0 + squared / LAMP_REACH_M**2))
