"""Rendered sequences with exact poses and depth: a camera on a path through a synthetic scene.

A pose takes points from the camera's optical axes (x right, y down, z forward) into the world of
``depth_ros.scenes.solids``, metres. Paths are smooth curves in closed form, without randomness,
so a sequence is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from depth_ros.camera import PinholeCamera, StereoCamera
from depth_ros.errors import ParameterError
from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.rigid import rigid, rotation_from_vector
from depth_ros.results import DepthResult, DepthScale
from depth_ros.scenes.solids import (
    Box,
    Scene,
    Sphere,
    Texture,
    View,
    ideal_stereo_camera,
    render,
    render_stereo,
    room,
)

SceneAt = Callable[[float], Scene]
Pose = np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScenePath:
    """A scene, a rig, and where its left camera is at each moment.

    Attributes:
        name: Name of the sequence.
        scene_at: Gives the scene at a time in seconds; a scene at rest ignores the time.
        world_from_camera: ``(N, 4, 4)`` float64 exact poses of the left camera.
        rate_hz: Frames a second.
        camera: The rig; the left camera is the one that moves.
        supersample: Rays a pixel along each axis.
        start_ns: Stamp of the first frame.
    """

    name: str
    scene_at: SceneAt
    world_from_camera: np.ndarray
    rate_hz: float = 15.0
    camera: StereoCamera = field(
        default_factory=lambda: ideal_stereo_camera(height=240, width=320)
    )
    supersample: int = 1
    start_ns: int = 1_000_000_000

    def __len__(self) -> int:
        return len(self.world_from_camera)

    @property
    def left(self) -> PinholeCamera:
        """The camera that moves."""
        return self.camera.left

    @property
    def length_m(self) -> float:
        """Length of the path."""
        steps = np.diff(self.world_from_camera[:, :3, 3], axis=0)
        return float(np.linalg.norm(steps, axis=1).sum())

    def stamp_ns(self, index: int) -> int:
        """Return the stamp of a frame."""
        return self.start_ns + round(1e9 * index / self.rate_hz)

    def view(self, index: int) -> View:
        """Render what the left camera sees, with exact depth."""
        return render(
            self.scene_at(index / self.rate_hz),
            self.left,
            world_from_camera=self.world_from_camera[index],
            supersample=self.supersample,
        )

    def views(self) -> Iterator[View]:
        """Render one view after the other."""
        return (self.view(index) for index in range(len(self)))

    def stereo(self, index: int) -> RectifiedStereo:
        """Render a pair."""
        pair = render_stereo(
            self.scene_at(index / self.rate_hz),
            self.camera,
            world_from_left=self.world_from_camera[index],
            supersample=self.supersample,
        )
        return pair.frame(stamp_ns=self.stamp_ns(index))

    def depth(self, index: int, view: View) -> DepthResult:
        """Return a view's exact depth as a result."""
        return DepthResult(
            depth=view.depth,
            camera=view.camera,
            stamp_ns=self.stamp_ns(index),
            scale=DepthScale.METRIC,
        )

    def every(self, step: int) -> ScenePath:
        """Return the same path with only every ``step``-th frame, as fast along the path."""
        return replace(
            self,
            world_from_camera=self.world_from_camera[::step],
            rate_hz=self.rate_hz / step,
        )


def look(position: Sequence[float], *, yaw_rad: float = 0.0, pitch_rad: float = 0.0) -> Pose:
    """Return the ``(4, 4)`` pose of a camera, yaw to its right and then pitch upwards.

    Args:
        position: x, y, z in metres.
        yaw_rad: Turn about the world's downward y axis; positive looks right.
        pitch_rad: Turn about the camera's own x axis; positive looks up.
    """
    yaw = rotation_from_vector(np.array([0.0, yaw_rad, 0.0]))
    pitch = rotation_from_vector(np.array([pitch_rad, 0.0, 0.0]))
    return rigid(yaw @ pitch, np.asarray(position, np.float64))


def room_path(*, num_frames: int = 90, rate_hz: float = 15.0) -> ScenePath:
    """Loop through the room, swaying and turning, and come back to the start."""

    def pose(share: float) -> Pose:
        turn = 2.0 * math.pi * share
        position = (
            0.75 * math.sin(turn),
            -0.1 + 0.12 * math.sin(2.0 * turn),
            0.55 - 0.55 * math.cos(turn),
        )
        return look(position, yaw_rad=0.35 * math.sin(turn), pitch_rad=0.08 * math.sin(3.0 * turn))

    return ScenePath(
        name='room',
        scene_at=still(room()),
        world_from_camera=along(pose, num_frames),
        rate_hz=rate_hz,
    )


def corridor_path(*, num_frames: int = 90, rate_hz: float = 15.0) -> ScenePath:
    """Walk 6 m down a corridor with pillars, swaying as a walker does."""

    def pose(share: float) -> Pose:
        step = 2.0 * math.pi * 5.0 * share
        position = (0.04 * math.sin(step), 0.02 * math.sin(2.0 * step), 6.0 * share)
        return look(position, yaw_rad=0.05 * math.sin(step / 2.0))

    return ScenePath(
        name='corridor',
        scene_at=still(corridor()),
        world_from_camera=along(pose, num_frames),
        rate_hz=rate_hz,
    )


def textureless_wall_path(*, num_frames: int = 60, rate_hz: float = 15.0) -> ScenePath:
    """Turn from the furnished part of a room to a bare wall and back again."""

    def pose(share: float) -> Pose:
        away = 0.5 - 0.5 * math.cos(2.0 * math.pi * share)
        return look((0.3 * share, 0.0, 0.1 * away), yaw_rad=1.2 * away)

    return ScenePath(
        name='textureless_wall',
        scene_at=still(half_bare_room()),
        world_from_camera=along(pose, num_frames),
        rate_hz=rate_hz,
    )


def fast_turn_path(*, num_frames: int = 45, rate_hz: float = 15.0) -> ScenePath:
    """Stand nearly still, then turn by 120 degrees in a second, then stand again."""

    def pose(share: float) -> Pose:
        through = min(1.0, max(0.0, (share - 1.0 / 3.0) * 3.0))
        smooth = through * through * (3.0 - 2.0 * through)
        return look((0.2 * share, 0.0, 0.3), yaw_rad=math.radians(120.0) * (smooth - 0.5))

    return ScenePath(
        name='fast_turn',
        scene_at=still(room()),
        world_from_camera=along(pose, num_frames),
        rate_hz=rate_hz,
    )


def moving_object_path(*, num_frames: int = 60, rate_hz: float = 15.0) -> ScenePath:
    """Walk along a side of the room while a textured box slides through the picture."""

    def pose(share: float) -> Pose:
        return look((0.6 * share - 0.3, 0.0, 0.4 * share), yaw_rad=0.15 * math.sin(6.0 * share))

    texture = Texture(seed=70, color=(170.0, 90.0, 90.0), wavelength_m=0.25, cell_m=0.1)
    duration_s = num_frames / rate_hz

    def scene_at(time_s: float) -> Scene:
        x = 1.6 - 3.2 * time_s / duration_s
        walker = Box(center=(x, 0.2, 2.0), size=(0.6, 1.4, 0.4), texture=texture)
        return Scene(shapes=(*room().shapes, walker))

    return ScenePath(
        name='moving_object',
        scene_at=scene_at,
        world_from_camera=along(pose, num_frames),
        rate_hz=rate_hz,
    )


PATHS: dict[str, Callable[..., ScenePath]] = {
    'room': room_path,
    'corridor': corridor_path,
    'textureless_wall': textureless_wall_path,
    'fast_turn': fast_turn_path,
    'moving_object': moving_object_path,
}
"""Every named sequence; each takes ``num_frames`` and ``rate_hz``."""


def scene_path(name: str, *, num_frames: int = 0, rate_hz: float = 15.0) -> ScenePath:
    """Make a named sequence.

    Args:
        name: Key of ``PATHS``.
        num_frames: 0 takes the path's own number; more frames move less from one to the next.
        rate_hz: Frames a second.

    Raises:
        ParameterError: If there is no such path.
    """
    if name not in PATHS:
        raise ParameterError(f'there is no path {name!r}; use one of: {", ".join(PATHS)}')
    frames = {'num_frames': num_frames} if num_frames else {}
    return PATHS[name](rate_hz=rate_hz, **frames)


def corridor() -> Scene:
    """Return a corridor of 2.4 x 2.6 x 14 m with pillars, doors and a lamp."""
    walls = Texture(seed=40, color=(150.0, 150.0, 140.0), wavelength_m=0.5, cell_m=0.35)
    shapes: list[Box | Sphere] = [
        Box(center=(0.0, 0.0, 5.0), size=(2.4, 2.6, 14.0), texture=walls)
    ]
    for number in range(6):
        side = 1.0 if number % 2 else -1.0
        paint = Texture(
            seed=41 + number,
            color=(110.0 + 20.0 * number, 130.0, 190.0 - 20.0 * number),
            wavelength_m=0.3,
            cell_m=0.11,
        )
        center = (side * 1.05, 0.0, 1.6 + 1.5 * number)
        shapes.append(Box(center=center, size=(0.3, 2.6, 0.3), texture=paint))
    lamp = Texture(seed=50, color=(220.0, 210.0, 180.0), wavelength_m=0.2)
    shapes.append(Sphere(center=(0.0, -1.0, 6.0), radius=0.2, texture=lamp))
    return Scene(shapes=tuple(shapes))


def half_bare_room() -> Scene:
    """Return the room whose wall on the right is one plain colour and stands close."""
    plain = Texture(seed=60, color=(180.0, 180.0, 180.0), contrast=0.0)
    wall = Box(center=(1.4, 0.0, 2.0), size=(0.2, 6.0, 12.0), texture=plain)
    return Scene(shapes=(*room().shapes, wall))


def still(scene: Scene) -> SceneAt:
    """Return a scene in which nothing moves."""
    return lambda time_s: scene


def along(pose: Callable[[float], Pose], num_frames: int) -> np.ndarray:
    """Sample a curve at ``num_frames`` even shares from 0 to 1, as ``(N, 4, 4)``."""
    return np.stack([pose(float(share)) for share in np.linspace(0.0, 1.0, num_frames)])
