"""What a robot's camera sees of rendered boxes, as the clouds that its costmap gets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.geometry.cloud_settings import NavigationSettings
from depth_ros.geometry.costmap_clouds import clearing_cloud, marking_cloud
from depth_ros.geometry.free_space import Sight, look
from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, rigid
from depth_ros.scenes.solids import Box, Plane, Scene, Shape, render
from tests.kit.costmap import ObstacleLayer, Source

HEIGHT_M = 0.4
AHEAD_M = 0.1
CAMERA = ideal_camera(fx=160.0, fy=160.0, cx=127.5, cy=95.5, height=192, width=256)
BASE_FROM_CAMERA = rigid(BODY_FROM_OPTICAL[:3, :3], np.array([AHEAD_M, 0.0, HEIGHT_M]))
SETTINGS = NavigationSettings(stride=1)
FAR_M = 9.0
"""Depth beyond this is ``+Inf``, as of ``max_depth_m``."""

SOURCES = {
    'obstacles': Source(
        marking=True,
        clearing=True,
        max_obstacle_height=2.0,
        obstacle_max_range=6.0,
        raytrace_max_range=6.0,
    ),
    'clearing': Source(
        marking=False,
        clearing=True,
        min_obstacle_height=-1.0,
        max_obstacle_height=3.0,
        raytrace_max_range=6.0,
    ),
}


def box(x_m: float, y_m: float, *, size: tuple[float, float, float], bottom_m: float = 0.0) -> Box:
    """Give a box by the middle of its bottom on the robot's floor: x ahead, y to the left."""
    depth, width, height = size
    center = (-y_m, HEIGHT_M - bottom_m - height / 2, x_m - AHEAD_M)
    return Box(center=center, size=(width, height, depth))


@dataclass
class RobotView:
    """A camera on a robot at the origin, and a layer that gets its clouds."""

    layer: ObstacleLayer
    settings: NavigationSettings = SETTINGS
    base_from_camera: np.ndarray = field(default_factory=BASE_FROM_CAMERA.copy)
    world_from_camera: np.ndarray = field(default_factory=lambda: np.eye(4))

    def depth(self, *shapes: Shape, has_floor: bool = True) -> np.ndarray:
        floor = Plane(point=(0.0, HEIGHT_M, 0.0), direction=(0.0, -1.0, 0.0))
        scene = Scene(shapes=(*([floor] if has_floor else []), *shapes))
        depth = render(scene, CAMERA, world_from_camera=self.world_from_camera).depth.astype(
            np.float32
        )
        return np.where(np.isnan(depth) | (depth > FAR_M), np.float32(np.inf), depth)

    def sight(self, depth: np.ndarray) -> Sight:
        return look(depth, CAMERA, self.base_from_camera, self.settings)

    def see(self, depth: np.ndarray) -> np.ndarray:
        """Give the layer the clouds of a depth image and return its costs."""
        sight = self.sight(depth)
        colors = np.zeros((*depth.shape, 3), np.uint8)
        marking, _ = marking_cloud(sight, colors, self.settings)
        origin = self.base_from_camera[:3, 3]
        clearing = clearing_cloud(sight, self.settings)
        for name, points in (('obstacles', marking), ('clearing', clearing)):
            self.layer.observe(name, points @ self.base_from_camera[:3, :3].T + origin, origin)
        return self.layer.update()


def with_source(name: str, **changes: object) -> dict[str, Source]:
    """Give the usual sources with one of them changed."""
    return {**SOURCES, name: replace(SOURCES[name], **changes)}
