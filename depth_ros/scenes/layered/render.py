"""Draw both views of a layered scene with exact disparity and occlusion, in torch.

Each layer competes for each pixel by disparity (the nearer one wins), in both views; colours are
looked up once at the end, for the winners only. Only the box around a shape is worked on, which
is what makes it fast on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from depth_ros.scenes.layered.surfaces import Layer
from depth_ros.scenes.layered.textures import sample_textures

OCCLUSION_MARGIN_PX = 0.75


@dataclass(frozen=True, kw_only=True, slots=True)
class RowShift:
    """Vertical misalignment: right row y shows scene row y + offset + turn * x + stretch * y.

    Attributes:
        offset: px.
        turn: px per column from the image centre.
        stretch: px per row from the image centre.
    """

    offset: float = 0.0
    turn: float = 0.0
    stretch: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LayeredView:
    """One camera's image with its truth.

    Attributes:
        image: (H, W, 3) float32, 0..255.
        disparity: (H, W) float32 px, positive in both views: left column minus right column.
        is_occluded: (H, W) bool: not seen by the other camera, or outside its image.
    """

    image: Tensor
    disparity: Tensor
    is_occluded: Tensor


@dataclass(kw_only=True)
class _Canvas:
    """Winners so far: disparity, index of the layer, left column and scene row."""

    disparity: Tensor
    layer: Tensor
    x: Tensor
    y: Tensor


def render(
    layers: Sequence[Layer],
    pool: Tensor,
    *,
    height: int,
    width: int,
    row_shift: RowShift | None = None,
) -> tuple[LayeredView, LayeredView]:
    """Draw the left and the right view.

    Args:
        layers: The scene; at least one must cover everything.
        pool: Textures (N, S, S, 3) uint8; its device is where the work is done.
        height: px.
        width: px.
        row_shift: Vertical misalignment of the right camera, none by default.
    """
    shift = row_shift or RowShift()
    left = _fill(layers, pool, height, width, None)
    right = _fill(layers, pool, height, width, shift)
    paints = torch.tensor([layer.paint.row() for layer in layers], device=pool.device)
    hidden_left = _hidden_from_right(left, right, shift)
    hidden_right = _hidden_from_left(right, left)
    return (
        LayeredView(
            image=_shade(left, paints, pool), disparity=left.disparity, is_occluded=hidden_left
        ),
        LayeredView(
            image=_shade(right, paints, pool), disparity=right.disparity, is_occluded=hidden_right
        ),
    )


def _fill(
    layers: Sequence[Layer], pool: Tensor, height: int, width: int, shift: RowShift | None
) -> _Canvas:
    """Let all layers compete; with a shift it is the right view."""
    rows = torch.arange(height, device=pool.device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=pool.device, dtype=torch.float32)[None]
    columns, rows = columns.expand(height, width), rows.expand(height, width)
    if shift is not None:
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        turn, stretch = shift.turn * (columns - middle_x), shift.stretch * (rows - middle_y)
        rows = rows + shift.offset + turn + stretch
    canvas = _Canvas(
        disparity=torch.full((height, width), -1.0, device=pool.device),
        layer=torch.zeros((height, width), dtype=torch.long, device=pool.device),
        x=torch.zeros((height, width), device=pool.device),
        y=rows,
    )
    for index, layer in enumerate(layers):
        window = _window(layer, height, width, is_right=shift is not None)
        if window is not None:
            _compete(canvas, index, layer, columns, pool, window, is_right=shift is not None)
    return canvas


def _window(
    layer: Layer, height: int, width: int, *, is_right: bool
) -> tuple[slice, slice] | None:
    """Return the rows and columns a layer can touch in a view; None where it misses the view."""
    if layer.outline.kind == 'all':
        return slice(0, height), slice(0, width)
    outline, surface = layer.outline, layer.surface
    half_width, half_height = outline.extent()
    left, right = outline.x - half_width, outline.x + half_width
    if is_right:
        slack = abs(surface.slope_x) * half_width + abs(surface.slope_y) * half_height
        slack += abs(surface.wave) + abs(surface.bulge)
        left -= surface.disparity + slack
        right -= surface.disparity - slack
    y0 = max(0, math.floor(outline.y - half_height) - 4)
    y1 = min(height, math.ceil(outline.y + half_height) + 5)
    x0, x1 = max(0, math.floor(left) - 1), min(width, math.ceil(right) + 2)
    return (slice(y0, y1), slice(x0, x1)) if y0 < y1 and x0 < x1 else None


def _compete(
    canvas: _Canvas,
    index: int,
    layer: Layer,
    columns: Tensor,
    pool: Tensor,
    window: tuple[slice, slice],
    *,
    is_right: bool,
) -> None:
    """Put a layer on the canvas wherever it is the nearest so far."""
    x, y = columns[window], canvas.y[window]
    if is_right:
        right_x = x
        x = layer.surface.left_column(right_x, y)
        disparity = x - right_x
    else:
        disparity = layer.surface.at(x, y)
    wins = (disparity > canvas.disparity[window]) & (disparity > 0.0)
    if layer.outline.kind != 'all':
        wins = wins & layer.outline.covers(x, y, pool)
    canvas.disparity[window] = torch.where(wins, disparity, canvas.disparity[window])
    canvas.x[window] = torch.where(wins, x, canvas.x[window])
    canvas.layer[window] = torch.where(wins, index, canvas.layer[window])


def _shade(canvas: _Canvas, paints: Tensor, pool: Tensor) -> Tensor:
    """Look up the winners' colours, (H, W, 3) float32."""
    x, y = canvas.x, canvas.y
    of = paints[canvas.layer].unbind(-1)
    u = of[1] * x + of[2] * y + of[3]
    v = of[4] * x + of[5] * y + of[6]
    colour = sample_textures(pool, of[0].long(), u, v)
    height, width = x.shape
    light = 1.0 + of[9] * (x - width / 2) + of[10] * (y - height / 2)
    colour = (of[7].unsqueeze(-1) * colour + of[8].unsqueeze(-1)) * light.unsqueeze(-1)
    return colour.clamp(0.0, 255.0)


def _hidden_from_right(left: _Canvas, right: _Canvas, shift: RowShift) -> Tensor:
    """Return which left pixels the right camera does not see, (H, W) bool."""
    height, width = left.disparity.shape
    columns = torch.arange(width, device=left.x.device, dtype=torch.float32)
    match = columns - left.disparity
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    moved = shift.offset + shift.turn * (match - middle_x) + shift.stretch * (left.y - middle_y)
    rows = torch.round(left.y - moved).long().clamp(0, height - 1)
    return _hidden(left.disparity, right.disparity, rows, match)


def _hidden_from_left(right: _Canvas, left: _Canvas) -> Tensor:
    """Return which right pixels the left camera does not see, (H, W) bool."""
    rows = torch.round(right.y).long().clamp(0, right.y.shape[0] - 1)
    return _hidden(right.disparity, left.disparity, rows, right.x)


def _hidden(own: Tensor, other: Tensor, rows: Tensor, match: Tensor) -> Tensor:
    """Compare with the other view's disparity on both sides of the matching column."""
    width = own.shape[1]
    near = other[rows, torch.floor(match).long().clamp(0, width - 1)]
    far = other[rows, torch.ceil(match).long().clamp(0, width - 1)]
    seen = torch.minimum((near - own).abs(), (far - own).abs()) < OCCLUSION_MARGIN_PX
    return ~seen | (match < 0.0) | (match > width - 1)
