"""Costmap layers of Nav2 as they treat clouds, without Nav2: ObstacleLayer and VoxelLayer.

Written from what ``nav2_costmap_2d`` (``observation_buffer``, ``obstacle_layer``, ``voxel_layer``)
and ``nav2_voxel_grid`` do, as of Kilted:

- A source keeps its last cloud. Points outside of its own band of heights are dropped from it,
  also where it only clears; so are NaN points.
- Ranges and rays start at the origin of ``sensor_frame``, by default that of the cloud's frame.
- An update clears along the rays of all clearing sources, then marks the points of all marking
  sources that are in the layer's band of heights and in the source's range (in space).
- The obstacle layer clears cells in the plane, whatever the height of a ray.
- The voxel layer clears voxels; rays end two cells before their point, and where they leave the
  grid. A cell is free once none of its voxels is marked. A sensor below the grid, beside it or
  above it clears nothing at all.

Cells along a ray are those of Bresenham's line, in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

FREE, LETHAL, UNKNOWN = 0, 254, 255
NUM_BITS = 16


@dataclass(frozen=True)
class Source:
    """Parameters of an observation source, with Nav2's names and defaults."""

    marking: bool = True
    clearing: bool = False
    min_obstacle_height: float = 0.0
    max_obstacle_height: float = 0.0
    obstacle_max_range: float = 2.5
    obstacle_min_range: float = 0.0
    raytrace_max_range: float = 3.0
    raytrace_min_range: float = 0.0


@dataclass
class Observation:
    """The last cloud of a source in the costmap's frame, and where its rays begin."""

    source: Source
    points: np.ndarray
    origin: np.ndarray


@dataclass
class ObstacleLayer:
    """Cells of a square map, marked and cleared by clouds.

    Attributes:
        costs: ``(rows, columns)`` uint8 by y and x.
        num_blind: Clearing clouds whose rays could not be traced.
    """

    sources: Mapping[str, Source]
    size_m: float = 6.0
    resolution: float = 0.05
    origin: tuple[float, float] = (-1.0, -3.0)
    min_obstacle_height: float = 0.0
    max_obstacle_height: float = 2.0
    track_unknown_space: bool = False
    num_blind: int = 0
    costs: np.ndarray = field(init=False)
    buffers: dict[str, Observation] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.count = round(self.size_m / self.resolution)
        default = UNKNOWN if self.track_unknown_space else FREE
        self.costs = np.full((self.count, self.count), default, np.uint8)

    def observe(self, name: str, points: np.ndarray, origin: np.ndarray) -> None:
        """Take a cloud: ``(N, 3)`` points and where its rays begin, in the map's frame."""
        source = self.sources[name]
        height = points[:, 2]
        with np.errstate(invalid='ignore'):
            is_kept = (height >= source.min_obstacle_height) & (
                height <= source.max_obstacle_height
            )
        self.buffers[name] = Observation(source, points[is_kept], np.asarray(origin, float))

    def update(self) -> np.ndarray:
        """Clear, then mark; return the costs."""
        for seen in self.buffers.values():
            if seen.source.clearing:
                self.clear(seen)
        for seen in self.buffers.values():
            if seen.source.marking:
                self.mark(self.markable(seen))
        return self.costs

    def cost(self, x: float, y: float) -> int:
        column, row = self.cell(np.array([[x, y]]))[0]
        return int(self.costs[row, column])

    def cell(self, places: np.ndarray) -> np.ndarray:
        return np.floor((places[:, :2] - self.origin) / self.resolution).astype(int)

    def inside(self, cells: np.ndarray) -> np.ndarray:
        return ((cells >= 0) & (cells < self.count)).all(axis=1)

    def cells_of(self, length_m: float) -> int:
        return int(max(0.0, math.ceil(length_m / self.resolution)))

    def markable(self, seen: Observation) -> np.ndarray:
        points, source = seen.points, seen.source
        distance = np.linalg.norm(points - seen.origin, axis=1)
        is_high = (points[:, 2] >= self.min_obstacle_height) & (
            points[:, 2] <= self.max_obstacle_height
        )
        is_near = (distance < source.obstacle_max_range) & (distance >= source.obstacle_min_range)
        return points[is_high & is_near]

    def mark(self, points: np.ndarray) -> None:
        cells = self.cell(points)
        cells = cells[self.inside(cells)]
        self.costs[cells[:, 1], cells[:, 0]] = LETHAL

    def clear(self, seen: Observation) -> None:
        start = self.cell(seen.origin[np.newaxis])
        if not self.inside(start).all():
            self.num_blind += 1
            return
        ends = self.cell(self.clipped(seen.points[:, :2], seen.origin[:2]))
        ends = ends[self.inside(ends)]
        source = seen.source
        nearest, farthest = map(
            self.cells_of, (source.raytrace_min_range, source.raytrace_max_range)
        )
        starts, steps = rays_2d(np.repeat(start, len(ends), axis=0), ends, nearest, farthest)
        cells = line(starts, ends - start, steps)
        self.costs[cells[:, 1], cells[:, 0]] = FREE

    def clipped(self, points: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """Pull ends of rays onto the map's edge."""
        low = np.asarray(self.origin)
        high = low + self.count * self.resolution
        ends = points.copy()
        along = points - origin
        for bound, inner, is_out in ((low, low, np.less), (high, high - 0.001, np.greater)):
            for axis in (0, 1):
                beyond = is_out(ends[:, axis], bound[axis])
                share = (bound[axis] - origin[axis]) / along[beyond, axis]
                ends[beyond, 1 - axis] = origin[1 - axis] + along[beyond, 1 - axis] * share
                ends[beyond, axis] = inner[axis]
        return ends


@dataclass
class VoxelLayer(ObstacleLayer):
    """Columns of at most 16 voxels above the cells."""

    z_voxels: int = 10
    z_resolution: float = 0.2
    origin_z: float = 0.0
    mark_threshold: int = 0
    unknown_threshold: int = 15

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.z_voxels <= NUM_BITS
        shape = (self.count, self.count, self.z_voxels)
        self.marked, self.unknown = np.zeros(shape, bool), np.ones(shape, bool)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Give places in cells, with fractions."""
        low = np.array([*self.origin, self.origin_z])
        return (points - low) / [self.resolution, self.resolution, self.z_resolution]

    def held(self, places: np.ndarray) -> np.ndarray:
        counts = [self.count, self.count, self.z_voxels]
        return ((places >= 0) & (places < counts)).all(axis=1)

    def mark(self, points: np.ndarray) -> None:
        lifted = points.copy()
        lifted[:, 2] = np.maximum(points[:, 2], self.origin_z)
        places = self.place(lifted)
        x, y, z = places[self.held(places)].astype(int).T
        self.marked[y, x, z], self.unknown[y, x, z] = True, False
        is_high = self.marked[y, x].sum(axis=-1) > self.mark_threshold
        self.costs[y[is_high], x[is_high]] = LETHAL

    def clear(self, seen: Observation) -> None:
        start = self.place(seen.origin[np.newaxis])
        if not len(seen.points):
            return
        if not self.held(start).all():
            self.num_blind += 1
            return
        ends = self.place(self.cut(seen.points, seen.origin))
        ends = ends[self.held(ends)]
        source = seen.source
        nearest, farthest = map(
            self.cells_of, (source.raytrace_min_range, source.raytrace_max_range)
        )
        starts, along, steps = rays_3d(start, ends, nearest, farthest)
        x, y, z = line(starts, along, steps).T
        self.marked[y, x, z] = self.unknown[y, x, z] = False
        is_low = self.marked[y, x].sum(axis=-1) <= self.mark_threshold
        x, y = x[is_low], y[is_low]
        is_known = self.unknown[y, x].sum(axis=-1) <= self.unknown_threshold
        self.costs[y, x] = np.where(is_known, FREE, UNKNOWN)

    def cut(self, points: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """Shorten rays by two cells and where they leave the grid."""
        distance = np.linalg.norm(points - origin, axis=1)
        share = np.clip((distance - 2 * self.resolution) / distance, 0.0, 1.0)
        along = share[:, np.newaxis] * (points - origin)
        low = np.array([*self.origin, self.origin_z])
        extent = [self.size_m, self.size_m, self.z_voxels * self.z_resolution]
        high = low + np.array(extent)
        reach = np.ones(len(points))
        is_out = np.zeros(len(points), bool)
        for axis in range(3):
            end = origin[axis] + along[:, axis]
            for bound, beyond in ((low[axis], end < low[axis]), (high[axis], end > high[axis])):
                limit = (bound - origin[axis]) / along[beyond, axis]
                reach[beyond] = np.minimum(reach[beyond], np.maximum(limit, 0.0))
                is_out |= beyond
        reach -= 1e-5 * (is_out & (reach > 0.0))
        return origin + along * reach[:, np.newaxis]


def rays_2d(
    start: np.ndarray, ends: np.ndarray, nearest: int, farthest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give where rays begin to clear and how many cells they go on, -1 for none."""
    along = ends - start
    distance = np.hypot(*along.T)
    safe = np.maximum(distance, 1e-9)
    begin = (start + along / safe[:, np.newaxis] * nearest).astype(int)
    scale = np.where(distance > 0, np.minimum(1.0, farthest / safe), 1.0)
    longest = np.abs(along).max(axis=1, initial=0)
    steps = np.minimum((scale * longest).astype(int) - nearest, longest)
    return begin, np.where(distance < nearest, -1, steps)


def rays_3d(
    start: np.ndarray, ends: np.ndarray, nearest: int, farthest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give where rays begin to clear, their cells from there, and how many they go on."""
    along = ends - start
    distance = np.linalg.norm(along, axis=1)
    safe = np.maximum(distance, 1e-9)
    begin = (start + along / safe[:, np.newaxis] * nearest).astype(int)
    rest = ends.astype(int) - begin
    scale = np.where(distance > 0, np.minimum(1.0, farthest / safe), 1.0)
    longest = np.abs(rest).max(axis=1, initial=0)
    steps = np.minimum((scale * longest).astype(int), longest)
    return begin, rest, np.where(distance.astype(int) < nearest, -1, steps)


def line(starts: np.ndarray, along: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Give the cells of Bresenham's lines, ``steps + 1`` of each; none where it is negative.

    The longest axis moves by one cell a step. Another one has moved by
    ``(n // 2 + i * m) // n`` cells after step i, n and m the lengths along both.
    """
    which = np.repeat(np.arange(len(starts)), np.maximum(steps + 1, 0))
    firsts = np.cumsum(np.maximum(steps + 1, 0)) - np.maximum(steps + 1, 0)
    index = np.arange(len(which)) - firsts[which]
    lengths = np.abs(along)
    longest = lengths.max(axis=1, initial=0)[which]
    moved = (longest[:, np.newaxis] // 2 + index[:, np.newaxis] * lengths[which]) // np.maximum(
        longest, 1
    )[:, np.newaxis]
    is_longest = lengths[which] == longest[:, np.newaxis]
    moved = np.where(is_longest, index[:, np.newaxis], moved)
    return starts[which] + np.where(along[which] > 0, moved, -moved)
