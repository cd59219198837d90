"""Synthetic scenes: one ray caster with exact depth, disparity, occlusion and poses.

Tests take known answers from it, the demo can run on it and training draws pairs from it. Rays
are intersected in closed form (Kay and Kajiya 1986 for boxes, the quadratic for spheres), so
depth and disparity are exact to float64. Textures are functions of the point on the surface, so
every view of a scene sees the same colours to a fraction of a pixel. Nothing here is random
except through a texture's seed.

The world's axes are those of the reference camera unless a pose is given: x right, y down,
z forward, metres (REP 103).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from depth_ros.camera import PinholeCamera, StereoCamera, ideal_camera
from depth_ros.errors import CalibrationError
from depth_ros.frames import RectifiedStereo

NOTHING = -1
"""Shape index of pixels whose ray hits nothing."""

Color = tuple[float, float, float]
_HIDDEN_TOLERANCE = 1e-6
_TINY = 1e-30
_WAVES_PER_OCTAVE = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Texture:
    """A colour for every 3-D point: smooth waves, and cells with hard edges if wanted.

    Attributes:
        seed: Draws the waves and cells; equal seeds give equal textures.
        color: Mean RGB in 0..255.
        wavelength_m: Sets the scale: waves of octave i lie within
            ``wavelength_m / 2 ** i`` and twice that.
        num_octaves: How many octaves of waves; none is shorter than
            ``wavelength_m / 2 ** (num_octaves - 1)``.
        contrast: Standard deviation of the waves, in grey levels.
        cell_m: Edge of randomly shaded cells with hard borders, 0 for none.
        cell_contrast: Largest shade of a cell, in grey levels.
    """

    seed: int = 0
    color: Color = (128.0, 128.0, 128.0)
    wavelength_m: float = 0.5
    num_octaves: int = 4
    contrast: float = 25.0
    cell_m: float = 0.0
    cell_contrast: float = 40.0

    def shade(self, points: np.ndarray) -> np.ndarray:
        """Return the RGB of surface points.

        Args:
            points: ``(N, 3)`` float64, metres, in the shape's own axes.

        Returns:
            ``(N, 3)`` float64; may leave 0..255 by the contrasts.
        """
        value = self._waves(points)
        if self.cell_m > 0.0:
            value = value + self._cells(points)
        return np.asarray(self.color) + value

    def _waves(self, points: np.ndarray) -> np.ndarray:
        """Sum sinusoids of random direction, phase and, within an octave, wavelength."""
        random = np.random.default_rng(self.seed)
        num_waves = self.num_octaves * _WAVES_PER_OCTAVE
        direction = random.normal(size=(3, num_waves))
        octave = np.repeat(np.arange(self.num_octaves), _WAVES_PER_OCTAVE)
        frequency = 2.0 ** (octave - random.uniform(0.0, 1.0, num_waves)) / self.wavelength_m
        wave = direction / np.linalg.norm(direction, axis=0) * frequency * 2.0 * math.pi
        phase = random.uniform(0.0, 2.0 * math.pi, num_waves)
        tint = random.uniform(0.7, 1.3, (num_waves, 3)) * math.sqrt(2.0 / num_waves)
        # float32 sines are several times faster and wrong by less than 0.1 grey level.
        sines = np.sin((points @ wave + phase).astype(np.float32))
        return self.contrast * (sines @ tint.astype(np.float32)).astype(np.float64)

    def _cells(self, points: np.ndarray) -> np.ndarray:
        """Shade the cells of a turned lattice; turned, so that no flat wall lies on a border."""
        random = np.random.default_rng(self.seed + 1)
        turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
        cell = np.floor(points @ turn / self.cell_m).astype(np.int64)
        shade = _hash01(cell, self.seed)[:, None] * 2.0 - 1.0
        return self.cell_contrast * shade


class Shape(Protocol):
    """Something a ray can hit.

    Attributes:
        texture: Its colours.
    """

    @property
    def texture(self) -> Texture:
        """Colours of the surface."""

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Intersect rays from one origin.

        Args:
            origin: ``(3,)`` float64, world.
            rays: ``(N, 3)`` float64 directions, world, any length.

        Returns:
            ``(N,)`` float64: smallest ``t > 0`` with ``origin + t * ray`` on the surface,
            ``+Inf`` where there is none.
        """

    def local(self, points: np.ndarray) -> np.ndarray:
        """Turn ``(N, 3)`` world points into the shape's own axes, for its texture."""

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Return ``(N, 3)`` unit normals at world points on the surface, of either sign."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plane:
    """An endless plane.

    Attributes:
        point: A point on it, metres.
        direction: Its normal, any length.
        texture: Its colours.
    """

    point: tuple[float, float, float]
    direction: tuple[float, float, float] = (0.0, 0.0, -1.0)
    texture: Texture = field(default_factory=Texture)

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Solve ``n . (o + t r - p) = 0``."""
        normal = np.asarray(self.direction, np.float64)
        t = (np.asarray(self.point) - origin) @ normal / _nonzero(rays @ normal)
        return np.where(t > 0.0, t, np.inf)

    def local(self, points: np.ndarray) -> np.ndarray:
        """Take coordinates from ``point``."""
        return points - np.asarray(self.point)

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Repeat the one normal."""
        normal = np.asarray(self.direction, np.float64)
        return np.broadcast_to(normal / np.linalg.norm(normal), points.shape)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Box:
    """A box, seen from outside or, with the camera in it, from inside; a thin one is a bar.

    Attributes:
        center: Its centre, metres.
        size: Its edges along its own axes, metres.
        world_from_box: ``(3, 3)`` rotation; None leaves it along the world's axes.
        texture: Its colours.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    world_from_box: np.ndarray | None = None
    texture: Texture = field(default_factory=Texture)

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Cut the ray by three slabs (Kay and Kajiya 1986)."""
        start = self.local(origin[None])[0]
        along = self._turned(rays)
        enter, leave = np.full(len(rays), -np.inf), np.full(len(rays), np.inf)
        for axis, half in enumerate(np.asarray(self.size) / 2.0):
            inverse = 1.0 / _nonzero(along[:, axis])
            middle, reach = -start[axis] * inverse, half * np.abs(inverse)
            np.maximum(enter, middle - reach, out=enter)
            np.minimum(leave, middle + reach, out=leave)
        t = np.where(enter > 0.0, enter, leave)
        return np.where((enter <= leave) & (t > 0.0), t, np.inf)

    def local(self, points: np.ndarray) -> np.ndarray:
        """Take coordinates along the box's own axes from its centre."""
        return self._turned(points - np.asarray(self.center))

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Take the axis of the face each point is nearest to."""
        face = np.abs(np.abs(self.local(points)) / np.asarray(self.size) - 0.5).argmin(axis=1)
        axes = np.eye(3) if self.world_from_box is None else self.world_from_box.T
        return axes[face]

    def _turned(self, vectors: np.ndarray) -> np.ndarray:
        return vectors if self.world_from_box is None else vectors @ self.world_from_box


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sphere:
    """A ball.

    Attributes:
        center: Its centre, metres.
        radius: Its radius, metres.
        texture: Its colours.
    """

    center: tuple[float, float, float]
    radius: float
    texture: Texture = field(default_factory=Texture)

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Solve ``|o + t r - c|^2 = radius^2`` for its smallest positive root."""
        to_origin = origin - np.asarray(self.center)
        a = np.einsum('ij,ij->i', rays, rays)
        b = rays @ to_origin
        root = b * b - a * (to_origin @ to_origin - self.radius**2)
        with np.errstate(invalid='ignore'):
            width = np.sqrt(root)
            near, far = (-b - width) / a, (-b + width) / a
            t = np.where(near > 0.0, near, far)
            return np.where((root >= 0.0) & (t > 0.0), t, np.inf)

    def local(self, points: np.ndarray) -> np.ndarray:
        """Take coordinates from the centre."""
        return points - np.asarray(self.center)

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Point outwards."""
        return self.local(points) / self.radius


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scene:
    """Shapes under one distant light.

    Attributes:
        shapes: What there is; the nearest hit wins.
        background: RGB in 0..255 where nothing is hit.
        light: Direction towards the light, any length. Surfaces are matt and lit from both
            sides, so their brightness does not depend on the camera.
        ambient: Share of the light that comes from everywhere, 0..1; 1 switches shading off.
    """

    shapes: tuple[Shape, ...]
    background: Color = (120.0, 150.0, 190.0)
    light: tuple[float, float, float] = (0.4, -0.7, -0.6)
    ambient: float = 0.6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """What one camera sees.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB.
        depth: ``(H, W)`` float32, metres along the optical axis through each pixel's centre;
            ``+Inf`` where nothing is hit.
        shape_index: ``(H, W)`` int32 into ``Scene.shapes``; ``NOTHING`` where nothing is hit.
        camera: The camera; its ``p`` made the image.
        world_from_camera: ``(4, 4)`` float64 pose.
    """

    image: np.ndarray
    depth: np.ndarray
    shape_index: np.ndarray
    camera: PinholeCamera
    world_from_camera: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoView:
    """What a rectified rig sees.

    Attributes:
        left: Left view.
        right: Right view, ``baseline_m`` along the left camera's x axis.
        camera: The rig.
        left_disparity: ``(H, W)`` float32 on the left grid, ``x_left - x_right``; where nothing
            is hit it is that of a point at infinity, ``camera.cx_offset_px``.
        right_disparity: ``(H, W)`` float32, the same difference on the right grid.
        left_occluded: ``(H, W)`` bool: the left pixel's point is hidden from the right camera
            or outside its image.
        right_occluded: ``(H, W)`` bool, the other way round.
    """

    left: View
    right: View
    camera: StereoCamera
    left_disparity: np.ndarray
    right_disparity: np.ndarray
    left_occluded: np.ndarray
    right_occluded: np.ndarray

    def frame(self, *, stamp_ns: int = 0) -> RectifiedStereo:
        """Return the images as a matcher takes them."""
        return RectifiedStereo(
            left=self.left.image, right=self.right.image, camera=self.camera, stamp_ns=stamp_ns
        )


def render(
    scene: Scene,
    camera: PinholeCamera,
    *,
    world_from_camera: np.ndarray | None = None,
    supersample: int = 1,
) -> View:
    """Render one view.

    Args:
        scene: What to look at.
        camera: Its ``p`` without the baseline column is used, distortion is not.
        world_from_camera: ``(4, 4)`` pose, None for the world's origin.
        supersample: Colours are the mean of this many squared rays a pixel; depth is always that
            of the pixel's centre.

    Returns:
        Image, depth and which shape each pixel shows.
    """
    pose = np.eye(4) if world_from_camera is None else np.asarray(world_from_camera, np.float64)
    size = (camera.height, camera.width)
    rays = _pixel_rays(camera) @ pose[:3, :3].T
    depth, shape_index = _cast(scene, pose[:3, 3], rays)
    color = np.zeros((rays.shape[0], 3))
    for shift in _subpixels(supersample):
        if supersample == 1:
            color += _shade(scene, pose[:3, 3], rays, depth, shape_index)
            continue
        shifted = _pixel_rays(camera, shift=shift) @ pose[:3, :3].T
        color += _shade(scene, pose[:3, 3], shifted, *_cast(scene, pose[:3, 3], shifted))
    image = np.clip(np.rint(color / supersample**2), 0, 255).astype(np.uint8)
    return View(
        image=image.reshape(*size, 3),
        depth=depth.astype(np.float32).reshape(size),
        shape_index=shape_index.reshape(size),
        camera=camera,
        world_from_camera=pose,
    )


def render_stereo(
    scene: Scene,
    camera: StereoCamera,
    *,
    world_from_left: np.ndarray | None = None,
    supersample: int = 1,
) -> StereoView:
    """Render a rectified pair with its exact disparity, ``d = fx * B / Z + cx_left - cx_right``.

    Args:
        scene: What to look at.
        camera: The rig; focal lengths and ``cy`` of both cameras must be equal.
        world_from_left: ``(4, 4)`` pose of the left camera, None for the world's origin.
        supersample: As in ``render``.

    Raises:
        CalibrationError: If the rows of the rig are not aligned, reason ``'focal_length'``.
    """
    _check_aligned(camera)
    left_pose = np.eye(4) if world_from_left is None else np.asarray(world_from_left, np.float64)
    right_from_left = np.eye(4)
    right_from_left[0, 3] = camera.baseline_m
    right_pose = left_pose @ right_from_left
    left = render(scene, camera.left, world_from_camera=left_pose, supersample=supersample)
    right = render(scene, camera.right, world_from_camera=right_pose, supersample=supersample)
    return StereoView(
        left=left,
        right=right,
        camera=camera,
        left_disparity=_disparity(left, camera),
        right_disparity=_disparity(right, camera),
        left_occluded=_occluded(scene, left, right, other_x_m=camera.baseline_m),
        right_occluded=_occluded(scene, right, left, other_x_m=-camera.baseline_m),
    )


def ideal_stereo_camera(
    *,
    height: int = 480,
    width: int = 640,
    fx: float | None = None,
    baseline_m: float = 0.12,
    cx_offset_px: float = 0.0,
    frame_id: str = 'camera_optical_frame',
) -> StereoCamera:
    """Return a rectified rig looking through the middle of its images.

    Args:
        height: Rows.
        width: Columns.
        fx: Focal length in px; None takes ``0.75 * width``, about 67 degrees across.
        baseline_m: Distance of the cameras.
        cx_offset_px: ``cx_left - cx_right``.
        frame_id: Optical frame of both.
    """
    focal = 0.75 * width if fx is None else fx
    cx, cy = (width - 1) / 2.0, (height - 1) / 2.0

    def camera(center: float, tx: float) -> PinholeCamera:
        return ideal_camera(
            fx=focal,
            fy=focal,
            cx=center,
            cy=cy,
            height=height,
            width=width,
            tx=tx,
            frame_id=frame_id,
        )

    right = camera(cx - cx_offset_px, -focal * baseline_m)
    return StereoCamera(left=camera(cx, 0.0), right=right, baseline_m=baseline_m)


def fronto_parallel(z_m: float = 2.0, *, seed: int = 0) -> Scene:
    """Return one wall across the optical axis: every depth is ``z_m``."""
    texture = Texture(seed=seed, wavelength_m=0.3 * z_m)
    return Scene(shapes=(Plane(point=(0.0, 0.0, z_m), texture=texture),), ambient=1.0)


def slanted(z_m: float = 2.0, *, yaw_rad: float = 0.6, pitch_rad: float = 0.3) -> Scene:
    """Return one wall turned by ``yaw_rad`` and ``pitch_rad``, ``z_m`` away along the axis."""
    direction = (
        math.sin(yaw_rad) * math.cos(pitch_rad),
        math.sin(pitch_rad),
        -math.cos(yaw_rad) * math.cos(pitch_rad),
    )
    texture = Texture(seed=3, wavelength_m=0.3 * z_m)
    wall = Plane(point=(0.0, 0.0, z_m), direction=direction, texture=texture)
    return Scene(shapes=(wall,), ambient=1.0)


def thin_bars(z_m: float = 1.5, *, wall_z_m: float = 3.0, num_bars: int = 5) -> Scene:
    """Return upright bars 2 cm wide and one level bar, before a wall: where matchers fail."""
    texture = Texture(seed=20, color=(200.0, 120.0, 80.0), wavelength_m=0.1)
    spread = np.linspace(-0.6 * z_m, 0.6 * z_m, num_bars)
    bars = tuple(
        Box(center=(float(x), 0.0, z_m), size=(0.02, 4.0, 0.02), texture=texture) for x in spread
    )
    rail = Box(center=(0.0, 0.25 * z_m, z_m), size=(4.0, 0.02, 0.02), texture=texture)
    wall = Plane(point=(0.0, 0.0, wall_z_m), texture=Texture(seed=21, wavelength_m=0.8))
    return Scene(shapes=(*bars, rail, wall))


def room() -> Scene:
    """Return a room of 5 x 2.6 x 6 m with a crate, a ball, a turned box, a shelf and a pole."""

    def paint(seed: int, color: Color, wavelength_m: float = 0.6, cell_m: float = 0.0) -> Texture:
        return Texture(seed=seed, color=color, wavelength_m=wavelength_m, cell_m=cell_m)

    turned = _turn_y(0.7)
    return Scene(
        shapes=(
            Box(center=(0.0, -0.2, 2.6), size=(5.0, 2.6, 6.0), texture=paint(10, (150, 145, 135))),
            Box(
                center=(-1.1, 0.75, 3.2),
                size=(0.8, 0.7, 0.7),
                texture=paint(11, (170, 120, 70), 0.3, 0.12),
            ),
            Sphere(center=(0.35, 0.75, 2.4), radius=0.35, texture=paint(12, (90, 130, 190), 0.3)),
            Box(
                center=(1.3, 0.6, 3.6),
                size=(0.6, 1.0, 0.6),
                world_from_box=turned,
                texture=paint(13, (120, 160, 100), 0.3, 0.1),
            ),
            Box(center=(-0.2, -0.4, 5.0), size=(2.0, 0.06, 0.4), texture=paint(14, (110, 80, 60))),
            Box(
                center=(-0.35, 0.0, 1.8),
                size=(0.03, 2.2, 0.03),
                texture=paint(15, (190, 80, 70), 0.2),
            ),
        )
    )


SCENES: dict[str, Callable[[], Scene]] = {
    'fronto_parallel': fronto_parallel,
    'slanted': slanted,
    'thin_bars': thin_bars,
    'room': room,
}
"""Every named scene."""


def _pixel_rays(camera: PinholeCamera, *, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Return ``(H * W, 3)`` rays with z = 1, so that the distance along one is the depth."""
    x = (np.arange(camera.width) + shift[0] - camera.cx) / camera.fx
    y = (np.arange(camera.height) + shift[1] - camera.cy) / camera.fy
    grid_x, grid_y = np.meshgrid(x, y)
    return np.stack([grid_x, grid_y, np.ones_like(grid_x)], axis=-1).reshape(-1, 3)


def _subpixels(supersample: int) -> list[tuple[float, float]]:
    """Return the offsets of an even grid within one pixel."""
    steps = (np.arange(supersample) + 0.5) / supersample - 0.5
    return [(float(x), float(y)) for y in steps for x in steps]


def _cast(scene: Scene, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(N,)`` distance along each ray and ``(N,)`` int32 index of the nearest shape."""
    nearest = np.full(len(rays), np.inf)
    index = np.full(len(rays), NOTHING, np.int32)
    for number, shape in enumerate(scene.shapes):
        t = shape.hit(origin, rays)
        closer = t < nearest
        nearest[closer], index[closer] = t[closer], number
    return nearest, index


def _shade(
    scene: Scene, origin: np.ndarray, rays: np.ndarray, t: np.ndarray, index: np.ndarray
) -> np.ndarray:
    """Return ``(N, 3)`` float64 RGB of what the rays hit."""
    color = np.tile(np.asarray(scene.background, np.float64), (len(rays), 1))
    light = np.asarray(scene.light) / np.linalg.norm(scene.light)
    for number, shape in enumerate(scene.shapes):
        seen = index == number
        if not seen.any():
            continue
        points = origin + t[seen, None] * rays[seen]
        lit = scene.ambient + (1.0 - scene.ambient) * np.abs(shape.normal(points) @ light)
        color[seen] = shape.texture.shade(shape.local(points)) * lit[:, None]
    return np.clip(color, 0.0, 255.0)


def _disparity(view: View, camera: StereoCamera) -> np.ndarray:
    depth = view.depth.astype(np.float64)
    disparity = camera.left.fx * camera.baseline_m / depth + camera.cx_offset_px
    return disparity.astype(np.float32)


def _occluded(scene: Scene, view: View, other: View, *, other_x_m: float) -> np.ndarray:
    """Look at each pixel's point from the other camera: is something nearer, or is it outside?

    Args:
        scene: What is looked at.
        view: Whose pixels are asked about.
        other: The camera beside it.
        other_x_m: Where that camera is along this one's x axis.
    """
    rays = _pixel_rays(view.camera)
    rotation = view.world_from_camera[:3, :3]
    # Depth again in float64: rounded to float32 a point could hide behind its own surface.
    depth, _ = _cast(scene, view.world_from_camera[:3, 3], rays @ rotation.T)
    rays[:, 0] -= other_x_m / depth
    seen_depth, _ = _cast(scene, other.world_from_camera[:3, 3], rays @ rotation.T)
    x = rays[:, 0] * other.camera.fx + other.camera.cx
    outside = (x < -0.5) | (x >= other.camera.width - 0.5)
    hidden = seen_depth < depth * (1.0 - _HIDDEN_TOLERANCE)
    return (outside | hidden).reshape(view.depth.shape)


def _check_aligned(camera: StereoCamera) -> None:
    left, right = camera.left, camera.right
    rows = np.allclose((left.fx, left.fy, left.cy), (right.fx, right.fy, right.cy), rtol=1e-9)
    if not rows:
        raise CalibrationError(
            'focal_length',
            'a rendered pair needs equal fx, fy and cy, got left '
            f'({left.fx:.4f}, {left.fy:.4f}, {left.cy:.4f}) and right '
            f'({right.fx:.4f}, {right.fy:.4f}, {right.cy:.4f}); pass a rectified rig',
        )


def _hash01(cells: np.ndarray, seed: int) -> np.ndarray:
    """Hash ``(N, 3)`` int64 lattice cells to ``(N,)`` numbers in 0..1 (splitmix64's mixer)."""
    mixed = np.full(len(cells), seed & 0xFFFFFFFF, np.uint64)
    for axis in range(3):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + cells[:, axis].astype(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


def _nonzero(values: np.ndarray) -> np.ndarray:
    """Replace exact zeros, so that a ray along a face gives a huge ``t`` and not 0 / 0."""
    return np.where(values == 0.0, _TINY, values)


def _turn_y(angle_rad: float) -> np.ndarray:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
