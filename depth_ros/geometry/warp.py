"""Depth of one view carried over into another view: every pixel moves, the nearest surface wins.

The other way round, looking up each pixel of the new view, would need the depth of that view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.geometry.projection import lift_pixels, project

NOWHERE = -1
"""Origin of pixels on which nothing falls."""
REACH = 0.53
"""Half a pixel and a bit: turning alone moves pixels apart by so much near the border."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CarriedDepth:
    """What a view knows, as another view would see it.

    Attributes:
        depth: ``(H, W)`` float32 metres along the new view's axis, NaN where nothing falls.
        origin: ``(H, W)`` int64, the pixel of the old view as row times width plus column;
            ``NOWHERE`` where nothing falls.
    """

    depth: np.ndarray
    origin: np.ndarray

    def taken(self, values: np.ndarray, fill: float) -> np.ndarray:
        """Return values of the old view, ``(h, w)`` or ``(h, w, c)``, at the new view's pixels.

        Where nothing falls they are ``fill``.
        """
        flat = values.reshape(values.shape[0] * values.shape[1], -1)
        last = np.full((1, flat.shape[1]), fill, flat.dtype)
        taken = np.concatenate([flat, last])[self.origin]
        return np.asarray(taken if values.ndim == 3 else taken[..., 0])


def carried_depth(
    depth: np.ndarray,
    camera: PinholeCamera,
    *,
    into: PinholeCamera,
    into_from_camera: np.ndarray,
) -> CarriedDepth:
    """Carry a depth map over into another view.

    A pixel is as large in the new view as it has come nearer, so that surfaces stay closed up to
    half the distance; of several on one pixel the nearest stays.

    Args:
        depth: ``(h, w)`` metres, not finite where unknown.
        camera: Rectified camera of these pixels.
        into: Rectified camera of the new view.
        into_from_camera: ``(4, 4)`` from the old camera into the new one.
    """
    rows, columns = np.nonzero(np.isfinite(depth))
    z = depth[rows, columns].astype(np.float64)
    points = lift_pixels(camera, np.stack([columns, rows], axis=1), z)
    moved = points @ into_from_camera[:3, :3].T + into_from_camera[:3, 3]
    pixels, new_z = project(into, moved)
    origin = rows * depth.shape[1] + columns
    with np.errstate(divide='ignore', invalid='ignore'):
        size = np.maximum(1.0, z / new_z * (into.fx / camera.fx))
    order = np.argsort(-new_z.astype(np.float32))
    order = order[np.isfinite(pixels[order, 0])]
    splats = _Splats(
        x=pixels[order, 0],
        y=pixels[order, 1],
        depth=new_z[order].astype(np.float32),
        origin=origin[order],
        reach=REACH * size[order],
    )
    return splats.drawn((into.height, into.width))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Splats:
    """Points on their way into an image, the farthest first; all are ``(N,)``.

    Attributes:
        x: Column where they fall.
        y: Row.
        depth: float32 metres.
        origin: The old pixel.
        reach: Half the size of a point, px.
    """

    x: np.ndarray
    y: np.ndarray
    depth: np.ndarray
    origin: np.ndarray
    reach: np.ndarray

    def drawn(self, shape: tuple[int, int]) -> CarriedDepth:
        """Put every point onto those of the four pixels around it that it covers."""
        depth = np.full(shape[0] * shape[1], np.inf, np.float32)
        origin = np.full(depth.shape, NOWHERE, np.int64)
        for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
            self._draw(depth, origin, shape, right=right, down=down)
        depth[origin == NOWHERE] = np.nan
        return CarriedDepth(depth=depth.reshape(shape), origin=origin.reshape(shape))

    def _draw(
        self,
        depth: np.ndarray,
        origin: np.ndarray,
        shape: tuple[int, int],
        *,
        right: int,
        down: int,
    ) -> None:
        """Draw the points that cover one of the four; what is nearer there already stays."""
        height, width = shape
        column, row = np.floor(self.x) + right, np.floor(self.y) + down
        covers = (np.abs(column - self.x) <= self.reach) & (np.abs(row - self.y) <= self.reach)
        covers &= (column >= 0) & (column < width) & (row >= 0) & (row < height)
        which = np.flatnonzero(covers)
        place = (row[which] * width + column[which]).astype(np.int64)
        which = which[self.depth[which] < depth[place]]
        place = (row[which] * width + column[which]).astype(np.int64)
        # Of repeated indices NumPy keeps the last value, which is the nearest point.
        depth[place] = self.depth[which]
        origin[place] = self.origin[which]
