"""Layers of a synthetic scene: where a surface is, how far, and what shape cuts it out.

Everything is written in coordinates of the left image: a layer's disparity, its outline and its
texture are functions of the left column and the scene row, so that both views follow from the
same three functions and the truth is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from depth_ros.scenes.layered.textures import sample_textures

Rng = np.random.Generator

MAX_SLOPE = 0.35
"""Largest change of disparity per column: keeps the right view a function of the left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surface:
    """Disparity as a function of the left image: a plane, waves on it and a bulge.

    Attributes:
        disparity: At the centre, px.
        slope_x: Change per column.
        slope_y: Change per row.
        wave: Amplitude of the waves, px.
        wave_x: Their angular frequency along the columns, rad/px.
        wave_y: The same along the rows.
        bulge: Height of the bulge, px.
        reach: Its radius, px.
        x: Column of the centre.
        y: Row of the centre.
    """

    disparity: float
    slope_x: float = 0.0
    slope_y: float = 0.0
    wave: float = 0.0
    wave_x: float = 0.0
    wave_y: float = 0.0
    bulge: float = 0.0
    reach: float = 1.0
    x: float = 0.0
    y: float = 0.0

    @property
    def is_plane(self) -> bool:
        """Whether the right view has a closed form."""
        return self.wave == 0.0 and self.bulge == 0.0

    def at(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the disparity at left column ``x`` and scene row ``y``, px."""
        right, down = x - self.x, y - self.y
        value = self.disparity + self.slope_x * right + self.slope_y * down
        if self.wave:
            value = value + self.wave * torch.sin(self.wave_x * right + self.wave_y * down)
        if self.bulge:
            distance = (right * right + down * down) / self.reach**2
            value = value + self.bulge * torch.exp(-distance)
        return value

    def left_column(self, right_x: Tensor, y: Tensor) -> Tensor:
        """Solve x - d(x, y) = right_x for the left column x.

        Planes have a closed form; others are iterated from there, each step shrinking the error
        by the slope, which is at most ``MAX_SLOPE``.
        """
        level = self.disparity - self.slope_x * self.x + self.slope_y * (y - self.y)
        x = (right_x + level) / (1.0 - self.slope_x)
        for _ in range(0 if self.is_plane else 9):
            x = right_x + self.at(x, y)
        return x


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """A shape in the left image.

    Attributes:
        kind: One of ``KINDS``; ``'all'`` covers the image.
        x: Column of the centre.
        y: Row of the centre.
        radius_x: Half width before rotation, px.
        radius_y: Half height, px.
        angle: Rotation, rad.
        count: Points of a star, spokes, or bars of a grid.
        cut: Depth of a star's dents, share of a bar, or threshold of foliage; 0..1.
        noise: Which texture of the pool cuts the foliage.
    """

    kind: str
    x: float = 0.0
    y: float = 0.0
    radius_x: float = 1.0
    radius_y: float = 1.0
    angle: float = 0.0
    count: int = 5
    cut: float = 0.5
    noise: int = 0

    def extent(self) -> tuple[float, float]:
        """Return half width and half height of the box around the shape, px."""
        if self.kind in ('ellipse', 'star', 'spokes'):
            return _rotated_extent(math.hypot, self)
        return _rotated_extent(lambda a, b: a + b, self)

    def covers(self, x: Tensor, y: Tensor, pool: Tensor) -> Tensor:
        """Return where the shape is, bool; ``pool`` holds the textures that cut foliage."""
        if self.kind == 'all':
            return torch.ones_like(x, dtype=torch.bool)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        right, down = x - self.x, y - self.y
        a = (cos * right + sin * down) / self.radius_x
        b = (cos * down - sin * right) / self.radius_y
        if self.kind == 'rectangle':
            return torch.maximum(a.abs(), b.abs()) < 1.0
        if self.kind == 'grid':
            open_share = torch.remainder(a * self.count * 0.5, 1.0)
            return (torch.maximum(a.abs(), b.abs()) < 1.0) & (open_share < self.cut)
        return self._covers_round(a, b, x, y, pool)

    def _covers_round(self, a: Tensor, b: Tensor, x: Tensor, y: Tensor, pool: Tensor) -> Tensor:
        squared = a * a + b * b
        if self.kind == 'ellipse':
            return squared < 1.0
        if self.kind == 'foliage':
            index = torch.full_like(x, self.noise, dtype=torch.long)
            leaves = sample_textures(pool, index, x * 1.5, y * 1.5)[..., 1]
            return (squared < 1.0) & (leaves > 255.0 * self.cut)
        turn = torch.atan2(b, a) * self.count
        if self.kind == 'spokes':
            wide = torch.sin(turn * 0.5).abs() * squared.sqrt() * 0.5 * self.radius_x
            return (squared < 1.0) & (wide < 0.5 + 2.0 * self.cut)
        edge = 1.0 - self.cut * (0.5 + 0.5 * torch.sin(turn))
        return squared < edge * edge


KINDS = ('all', 'ellipse', 'rectangle', 'grid', 'star', 'foliage', 'spokes')


def _rotated_extent(
    join: Callable[[float, float], float], outline: Outline
) -> tuple[float, float]:
    cos, sin = abs(math.cos(outline.angle)), abs(math.sin(outline.angle))
    width = join(cos * outline.radius_x, sin * outline.radius_y)
    height = join(sin * outline.radius_x, cos * outline.radius_y)
    return width, height


@dataclass(frozen=True, kw_only=True, slots=True)
class Paint:
    """How a layer looks: a texture, laid on by an affine map, and its light.

    Attributes:
        texture: Index in the pool.
        map: u = map[0] x + map[1] y + map[2] and v = map[3] x + map[4] y + map[5], texels.
        contrast: Factor on the texture.
        brightness: Added to it.
        fall_x: Change of light per column.
        fall_y: Change of light per row.
    """

    texture: int
    map: tuple[float, float, float, float, float, float]
    contrast: float
    brightness: float
    fall_x: float
    fall_y: float

    def row(self) -> tuple[float, ...]:
        """Return all numbers in a row, the texture first."""
        light = (self.contrast, self.brightness, self.fall_x, self.fall_y)
        return (float(self.texture), *self.map, *light)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One surface of a scene."""

    surface: Surface
    outline: Outline
    paint: Paint
