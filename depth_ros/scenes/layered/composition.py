"""Random scenes: a wall, perhaps floor and side wall, and objects of every kind before them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.scenes.layered.surfaces import MAX_SLOPE, Layer, Outline, Paint, Surface

Rng = np.random.Generator

OBJECT_KINDS = ('ellipse', 'rectangle', 'bar', 'star', 'foliage', 'grid', 'spokes', 'leaf')
OBJECT_SHARES = (0.18, 0.18, 0.20, 0.10, 0.08, 0.09, 0.06, 0.11)


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneSize:
    """What a scene must fill.

    Attributes:
        height: px.
        width: px.
        max_disparity: Largest disparity drawn, px.
        textures: Number of textures in the pool.
        bare: Share of scenes whose walls are nearly without contrast.
        min_contrast: Weakest contrast of all other surfaces.
        crowding: Chances of few things, a normal room and a crowd; they add up to 1.
        deep: Share of scenes in which something is as near as ``max_disparity`` allows, or almost.
        plain: Share of objects nearly without contrast, whatever is behind them.
        blades: Share of objects that are long and narrow, wider than a bar: leaves, posts, straps.
        texels: Fewest and most texels of a texture per px; few make a surface smooth.
    """

    height: int
    width: int
    max_disparity: float
    textures: int
    bare: float = 0.25
    min_contrast: float = 0.3
    crowding: tuple[float, float, float] = (0.15, 0.60, 0.25)
    deep: float = 0.0
    plain: float = 0.0
    blades: float = 0.0
    texels: tuple[float, float] = (0.25, 1.4)


def draw_scene(rng: Rng, size: SceneSize) -> list[Layer]:
    """Draw the layers of one scene; their order does not matter."""
    wall = _log_uniform(rng, 0.8, 0.25 * size.max_disparity)
    nearest = _nearest(rng, size, wall)
    layers = _room(rng, size, wall)
    for _ in range(_object_count(rng, size.crowding)):
        layers.append(_object(rng, size, wall, nearest))
    return layers


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(max(high, low * 1.01)))))


def _nearest(rng: Rng, size: SceneSize, wall: float) -> float:
    """Draw the disparity that no object exceeds."""
    if size.deep and rng.random() < size.deep:
        return size.max_disparity * float(rng.uniform(0.5, 1.0))
    return _log_uniform(rng, max(6.0, 1.3 * wall), size.max_disparity)


def _object_count(rng: Rng, crowding: tuple[float, float, float]) -> int:
    """Return few things, a normal room, or a crowd of small ones."""
    low, high = ((0, 4), (4, 20), (20, 45))[int(rng.choice(3, p=crowding))]
    return int(rng.integers(low, high))


def _room(rng: Rng, size: SceneSize, wall: float) -> list[Layer]:
    """Draw the background wall, and often a floor, a side wall or a ceiling."""
    everywhere = Outline(kind='all')
    bare = rng.random() < size.bare
    # With any slope and relief the wall keeps a positive disparity everywhere.
    steepest = wall / (0.5 * size.width)
    back = Surface(
        disparity=wall,
        slope_x=float(np.clip(rng.normal(0.0, 0.02), -0.6 * steepest, 0.6 * steepest)),
        x=size.width / 2,
        y=size.height / 2,
        **_relief(rng, size.width / 2, limit=0.5 * wall, chance=0.15),
    )
    layers = [Layer(surface=back, outline=everywhere, paint=_paint(rng, size, bare=bare))]
    for slope_x, slope_y, edge_x, edge_y in _planes(rng, size):
        plane = Surface(disparity=wall, slope_x=slope_x, slope_y=slope_y, x=edge_x, y=edge_y)
        bare_too = bare and rng.random() < 0.5
        layers.append(
            Layer(surface=plane, outline=everywhere, paint=_paint(rng, size, bare=bare_too))
        )
    return layers


def _planes(rng: Rng, size: SceneSize) -> list[tuple[float, float, float, float]]:
    """Return (slope_x, slope_y, x, y) of floor, side wall and ceiling, where there are any."""
    planes = []
    if rng.random() < 0.55:
        slope = _log_uniform(rng, 0.05, 0.6)
        planes.append((0.0, slope, 0.0, size.height * float(rng.uniform(0.25, 0.9))))
    if rng.random() < 0.30:
        slope = _log_uniform(rng, 0.03, 0.3)
        at = size.width * float(rng.uniform(0.0, 0.4))
        is_left = rng.random() < 0.5
        planes.append((-slope if is_left else slope, 0.0, at if is_left else size.width - at, 0.0))
    if rng.random() < 0.10:
        slope = _log_uniform(rng, 0.03, 0.4)
        planes.append((0.0, -slope, 0.0, size.height * float(rng.uniform(0.05, 0.4))))
    return planes


def _object(rng: Rng, size: SceneSize, wall: float, nearest: float) -> Layer:
    """Draw one object somewhere before the wall, anywhere in the image."""
    disparity = wall + (nearest - wall) * float(rng.uniform(0.05, 1.0)) ** 1.3
    x = float(rng.uniform(-0.05, 1.15)) * size.width
    y = float(rng.uniform(-0.05, 1.05)) * size.height
    outline = _blade(rng, size, x, y) if _chance(rng, size.blades) else _outline(rng, size, x, y)
    is_small = min(outline.radius_x, outline.radius_y) < 6.0
    limit = MAX_SLOPE - 0.15
    slope = (0.0, 0.0)
    if rng.random() < 0.6:
        slope = tuple(np.clip(rng.normal(0.0, 0.08, 2), -limit, limit))
    relief = {} if is_small else _relief(rng, outline.radius_x, limit=0.5 * disparity, chance=0.35)
    surface = Surface(
        disparity=disparity, slope_x=float(slope[0]), slope_y=float(slope[1]), x=x, y=y, **relief
    )
    paint = _paint(rng, size, bare=False)
    if _chance(rng, size.plain):
        paint = _plain(rng, paint)
    return Layer(surface=surface, outline=outline, paint=paint)


def _chance(rng: Rng, share: float) -> bool:
    """Draw only where the share is neither 0 nor 1, so that older recipes stay the same."""
    return share > 0.0 and rng.random() < share


def _blade(rng: Rng, size: SceneSize, x: float, y: float) -> Outline:
    """Draw something long and narrow, pointed or not."""
    length = _log_uniform(rng, 15.0, 0.9 * size.height)
    return Outline(
        kind='ellipse' if rng.random() < 0.6 else 'rectangle',
        x=x,
        y=y,
        radius_x=max(1.0, length * _log_uniform(rng, 0.03, 0.2)),
        radius_y=length,
        angle=float(rng.uniform(0.0, np.pi)),
    )


def _plain(rng: Rng, paint: Paint) -> Paint:
    """Take most of the contrast away."""
    return replace(
        paint, contrast=_log_uniform(rng, 0.03, 0.35), brightness=float(rng.uniform(0.0, 210.0))
    )


def _relief(rng: Rng, radius: float, *, limit: float, chance: float) -> dict[str, float]:
    """Draw waves or a bulge whose slope stays below 0.15 and whose height below ``limit`` px."""
    if rng.random() > chance:
        return {}
    if rng.random() < 0.5:
        reach = max(6.0, radius * float(rng.uniform(0.4, 1.0)))
        height = float(rng.uniform(-1.0, 1.0)) * min(0.17 * reach, limit)
        return {'bulge': height, 'reach': reach}
    frequency = _log_uniform(rng, 0.02, 0.4)
    turn = float(rng.uniform(0.0, np.pi))
    return {
        'wave': min(0.15 / frequency, limit) * float(rng.uniform(0.1, 1.0)),
        'wave_x': frequency * float(np.cos(turn)),
        'wave_y': frequency * float(np.sin(turn)),
    }


def _outline(rng: Rng, size: SceneSize, x: float, y: float) -> Outline:
    """Draw a shape of random kind and size."""
    kind = OBJECT_KINDS[int(rng.choice(len(OBJECT_KINDS), p=OBJECT_SHARES))]
    radius = _log_uniform(rng, 5.0, 0.5 * size.height)
    aspect = _log_uniform(rng, 0.4, 2.5)
    angle = float(rng.uniform(0.0, np.pi))
    if kind == 'bar':
        thin = _log_uniform(rng, 0.7, 4.0)
        angle = angle if rng.random() < 0.5 else float(rng.normal(0.0, 0.15))
        length = _log_uniform(rng, 12.0, 0.8 * size.height)
        return Outline(kind='rectangle', x=x, y=y, radius_x=thin, radius_y=length, angle=angle)
    if kind == 'leaf':
        length = _log_uniform(rng, 5.0, 35.0)
        return Outline(
            kind='ellipse',
            x=x,
            y=y,
            radius_x=length * float(rng.uniform(0.12, 0.35)),
            radius_y=length,
            angle=angle,
        )
    return Outline(
        kind=kind,
        x=x,
        y=y,
        radius_x=radius * aspect**0.5,
        radius_y=radius * aspect**-0.5,
        angle=angle if kind != 'grid' else float(rng.normal(0.0, 0.3)),
        count=int(rng.integers(3, 12)),
        cut=float(rng.uniform(0.25, 0.7)),
        noise=int(rng.integers(size.textures)),
    )


def _paint(rng: Rng, size: SceneSize, *, bare: bool) -> Paint:
    """Lay a random texture on; ``bare`` surfaces are bright and nearly without contrast."""
    scale = _log_uniform(rng, *size.texels)
    turn = float(rng.normal(0.0, 0.4)) if rng.random() < 0.6 else float(rng.uniform(0.0, 6.3))
    cos, sin = scale * float(np.cos(turn)), scale * float(np.sin(turn))
    shift = rng.uniform(0.0, 512.0, 2)
    contrast = float(rng.uniform(0.0, 0.08)) if bare else _log_uniform(rng, size.min_contrast, 1.2)
    level = float(rng.uniform(90.0, 250.0)) if bare else float(rng.uniform(0.0, 80.0))
    fall = rng.normal(0.0, 0.6, 2) / size.width
    return Paint(
        texture=int(rng.integers(size.textures)),
        map=(cos, -sin, float(shift[0]), sin, cos, float(shift[1])),
        contrast=contrast,
        brightness=level,
        fall_x=float(fall[0]),
        fall_y=float(fall[1]),
    )
