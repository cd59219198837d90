"""Where cameras stand and how they move in a room: videos, stereo pairs, views with overlap.

A pose is ``camera_from_world``, ``(4, 4)`` float64: optical axes (x right, y down, z forward)
from the world's, metres (REP 103).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_vector
from depth_ros.scenes.rooms.cast import Hits, cast, make_rays
from depth_ros.scenes.rooms.solids import Room

Rng = np.random.Generator

MIN_CLEARANCE_M = 0.15
PROBE = (12, 16)
_TRIES = 60
_NARROWEST = 0.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Viewpoint:
    """A camera with an unobstructed view.

    Attributes:
        camera_from_world: ``(4, 4)`` float64.
        near_m: Nearest depth of a coarse probe of the view (5 % quantile).
        middle_m: Its median depth.
    """

    camera_from_world: np.ndarray
    near_m: float
    middle_m: float


def draw_intrinsics(
    rng: Rng, *, height: int, width: int, focal: tuple[float, float] = (0.65, 1.3)
) -> np.ndarray:
    """Draw ``(3, 3)`` intrinsics with square pixels; ``focal`` is in image widths."""
    fx = width * float(np.exp(rng.uniform(*np.log(focal))))
    middle = np.array(((width - 1) / 2.0, (height - 1) / 2.0))
    cx, cy = middle + rng.normal(0.0, 0.015 * width, 2)
    return np.array([[fx, 0.0, cx], [0.0, fx, cy], [0.0, 0.0, 1.0]])


def draw_viewpoint(
    rng: Rng, room: Room, k: np.ndarray, *, height: int, width: int, near_m: float = 0.4
) -> Viewpoint:
    """Draw a camera in free space whose view is not blocked by something nearer than ``near_m``.

    Of a few such cameras the one that sees the most solids is taken, so that most views show
    furniture and some only walls.

    Raises:
        ParameterError: If the room is too full.
    """
    best, most, wanted = None, -1, int(rng.integers(1, 4))
    for _ in range(_TRIES):
        pose = _free_pose(rng, room)
        if pose is None:
            continue
        coarse = _probed(room, k, pose, height, width)
        near, middle = (float(x) for x in np.quantile(coarse.depth.numpy(), (0.05, 0.5)))
        if near < near_m or middle < 1.5 * near_m:
            continue
        seen, wanted = len(coarse.solid.unique()), wanted - 1
        if seen > most:
            best = Viewpoint(camera_from_world=pose, near_m=near, middle_m=middle)
            most = seen
        if wanted == 0:
            break
    if best is None:
        raise ParameterError(
            f'expected a free viewpoint within {_TRIES} tries, found none; draw a less crowded '
            'room (RoomSettings.density) or allow a smaller near_m'
        )
    return best


def _free_pose(rng: Rng, room: Room) -> np.ndarray | None:
    """Draw a pose that looks into the room, mostly a little down; None where it would touch."""
    position = rng.uniform(-0.85, 0.85, 3) * room.half[0] * (1.0, 0.7, 1.0)
    if room.clearance(position) < MIN_CLEARANCE_M:
        return None
    target = rng.uniform((-0.8, -0.5, -0.8), (0.8, 0.9, 0.8)) * room.half[0]
    return look_at(position, target, roll_rad=float(rng.normal(0.0, 0.08)))


def probe(
    room: Room, k: np.ndarray, camera_from_world: np.ndarray, height: int, width: int
) -> np.ndarray:
    """Return a coarse depth map of a view, ``PROBE`` float32, metres."""
    return _probed(room, k, camera_from_world, height, width).depth.numpy()


def _probed(room: Room, k: np.ndarray, pose: np.ndarray, height: int, width: int) -> Hits:
    scale = np.array((PROBE[1] / width, PROBE[0] / height))
    coarse = np.diag((*scale, 1.0)) @ k
    coarse[:2, 2] += 0.5 * (scale - 1.0)
    return cast(room, make_rays(room, coarse, pose, *PROBE))


def look_at(position: np.ndarray, target: np.ndarray, *, roll_rad: float = 0.0) -> np.ndarray:
    """Return ``camera_from_world`` of an upright camera that looks from one place at another."""
    forward = np.asarray(target, np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross((0.0, 1.0, 0.0), forward)
    right /= max(float(np.linalg.norm(right)), 1e-9)
    rotation = np.stack((right, np.cross(forward, right), forward))
    return moved(rigid(rotation, -rotation @ position), roll=(0.0, 0.0, roll_rad))


def moved(
    camera_from_world: np.ndarray,
    *,
    step: tuple[float, float, float] | np.ndarray = (0.0, 0.0, 0.0),
    roll: tuple[float, float, float] | np.ndarray = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """Return the pose after a ``step`` (m) and a rotation vector (rad), both in camera axes."""
    motion = rigid(rotation_from_vector(np.asarray(roll, np.float64)), np.asarray(step))
    return inverse(motion) @ camera_from_world


def stereo_pair(camera_from_world: np.ndarray, baseline_m: float) -> np.ndarray:
    """Return the right camera of a rectified rig: ``baseline_m`` along the left one's x axis."""
    return moved(camera_from_world, step=(baseline_m, 0.0, 0.0))


def video_path(
    rng: Rng,
    room: Room,
    start: np.ndarray,
    *,
    frames: int,
    step_m: float,
    turn_rad: float = 0.02,
) -> list[np.ndarray]:
    """Move a camera as a hand or a robot does: at a slowly changing speed.

    Args:
        rng: Where draws come from.
        room: Kept at a distance from; the camera stops before what it would hit.
        start: ``camera_from_world`` of the first frame.
        frames: Number of poses.
        step_m: Mean way from a frame to the next.
        turn_rad: Standard deviation of the turn from a frame to the next.

    Returns:
        ``frames`` poses, the first of which is ``start``.
    """
    direction = rng.normal(size=3) * (1.0, 0.4, 1.0)
    velocity = step_m * direction / np.linalg.norm(direction)
    turn = rng.normal(0.0, turn_rad, 3) * (0.5, 1.0, 0.3)
    poses = [start]
    for _ in range(frames - 1):
        velocity = velocity + rng.normal(0.0, 0.15 * step_m, 3)
        turn = 0.9 * turn + rng.normal(0.0, 0.3 * turn_rad, 3) * (0.5, 1.0, 0.3)
        pose = moved(poses[-1], step=velocity, roll=turn)
        if room.clearance(position_of(pose)) < MIN_CLEARANCE_M:
            velocity = -velocity
            pose = moved(poses[-1], roll=turn)
        poses.append(pose)
    return poses


def views_around(
    rng: Rng,
    room: Room,
    reference: Viewpoint,
    k: np.ndarray,
    *,
    sources: int,
    height: int,
    width: int,
    parallax: tuple[float, float] = (0.06, 0.3),
    min_overlap: float = 0.45,
) -> list[np.ndarray]:
    """Draw source cameras around a reference that see most of what it sees.

    Args:
        rng: Where draws come from.
        room: What is looked at.
        reference: The camera in the middle.
        k: ``(3, 3)`` intrinsics of all.
        sources: How many.
        height: Rows of the images.
        width: Columns.
        parallax: Least and greatest baseline as a share of the reference's median depth.
        min_overlap: Least share of the reference that each source sees, 0..1.

    Returns:
        ``camera_from_world`` of each source.
    """
    poses: list[np.ndarray] = []
    while len(poses) < sources:
        poses.append(_source(rng, room, reference, k, (height, width), parallax, min_overlap))
    return poses


def _source(
    rng: Rng,
    room: Room,
    reference: Viewpoint,
    k: np.ndarray,
    size: tuple[int, int],
    parallax: tuple[float, float],
    min_overlap: float,
) -> np.ndarray:
    """Try baselines, shorter from try to try, until the source sees enough."""
    depth = probe(room, k, reference.camera_from_world, *size)
    for attempt in range(_TRIES):
        shrink = 1.0 - (1.0 - _NARROWEST) * attempt / _TRIES
        baseline = reference.middle_m * float(np.exp(rng.uniform(*np.log(parallax)))) * shrink
        direction = rng.normal(size=3) * (1.0, 0.6, 0.5)
        step = baseline * direction / np.linalg.norm(direction)
        # Turned back towards the middle of the view, more or less.
        inwards = rng.uniform(0.0, 1.2) * np.array((step[1], -step[0], 0.0)) / reference.middle_m
        pose = moved(reference.camera_from_world, step=step, roll=inwards + rng.normal(0, 0.03, 3))
        if room.clearance(position_of(pose)) < MIN_CLEARANCE_M:
            continue
        if overlap(room, depth, k, reference.camera_from_world, pose, size) >= min_overlap:
            return pose
    return moved(reference.camera_from_world, step=0.02 * reference.middle_m * direction)


def overlap(
    room: Room,
    depth: np.ndarray,
    k: np.ndarray,
    camera_from_world: np.ndarray,
    other_from_world: np.ndarray,
    size: tuple[int, int],
) -> float:
    """Return the share of a probe's points that another camera has in its image, unhidden."""
    rows, columns = np.mgrid[: PROBE[0], : PROBE[1]]
    x = ((columns + 0.5) * size[1] / PROBE[1] - 0.5 - k[0, 2]) / k[0, 0]
    y = ((rows + 0.5) * size[0] / PROBE[0] - 0.5 - k[1, 2]) / k[1, 1]
    points = np.stack((x, y, np.ones_like(x), 1.0 / depth), -1) * depth[..., None]
    points = points @ (other_from_world @ inverse(camera_from_world)).T
    z = np.maximum(points[..., 2], 1e-6)
    column = points[..., 0] / z * k[0, 0] + k[0, 2]
    row = points[..., 1] / z * k[1, 1] + k[1, 2]
    inside = (column >= 0) & (column <= size[1] - 1) & (row >= 0) & (row <= size[0] - 1)
    inside &= points[..., 2] > 0.1
    other = probe(room, k, other_from_world, *size)
    at = ((row + 0.5) * PROBE[0] / size[0]).astype(int).clip(0, PROBE[0] - 1)
    to = ((column + 0.5) * PROBE[1] / size[1]).astype(int).clip(0, PROBE[1] - 1)
    seen = points[..., 2] < other[at, to] * 1.1 + 0.1
    return float((inside & seen).mean())


def position_of(camera_from_world: np.ndarray) -> np.ndarray:
    """Return a camera's ``(3,)`` position in the world, metres."""
    return -camera_from_world[:3, :3].T @ camera_from_world[:3, 3]
