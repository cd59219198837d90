"""A rig that drives through a rendered room in a loop: images, exact depth, exact poses.

Drawing takes a few tenths of a second a pair, too long for a camera, so a loop is drawn once and
kept in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.camera import StereoCamera
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.arrays import read_arrays
from depth_ros.files.share import cache_root
from depth_ros.files.whole_file import whole_file
from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, inverse, rigid
from depth_ros.scenes.paths import ScenePath, scene_path
from depth_ros.scenes.solids import ideal_stereo_camera, render

NUM_FRAMES = 45
DRIVE_SIZE = (240, 320)
DRIVES = ('room',)
"""Those of ``scenes.paths`` that are closed: the first frame follows the last one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drive:
    """One loop.

    Attributes:
        rig: The rectified rig.
        left: ``(N, H, W, 3)`` uint8 RGB.
        right: The same of the right camera.
        depth: ``(N, H, W)`` float32 metres of the left camera; ``+Inf`` where nothing is hit.
        odom_from_base: ``(N, 4, 4)`` float64; the loop begins at the identity.
    """

    rig: StereoCamera
    left: np.ndarray
    right: np.ndarray
    depth: np.ndarray
    odom_from_base: np.ndarray

    def __len__(self) -> int:
        return len(self.left)


def open_drive(
    name: str,
    *,
    size: tuple[int, int] = DRIVE_SIZE,
    num_frames: int = NUM_FRAMES,
    progress: Callable[[int], None],
) -> Drive:
    """Read a loop from the cache, or draw it and keep it there.

    Args:
        name: Name in ``DRIVES``.
        size: ``(height, width)`` of the images.
        num_frames: Pairs of the loop.
        progress: Called with the number of pairs drawn so far.

    Raises:
        ParameterError: If there is no such loop.
    """
    if name not in DRIVES:
        raise ParameterError(f'there is no drive {name!r}; set scene to one of: {list(DRIVES)}')
    path = scene_path(name, num_frames=num_frames)
    rig = ideal_stereo_camera(height=size[0], width=size[1])
    file = cache_root() / 'demo' / f'{name}-{size[0]}x{size[1]}-{num_frames}.npz'
    arrays = _kept(file) or _drawn(path, rig, progress)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as draft:
            np.savez(draft, **arrays)  # type: ignore[arg-type]
    return Drive(rig=rig, odom_from_base=_base_poses(path.world_from_camera), **arrays)


def _base_poses(world_from_camera: np.ndarray) -> np.ndarray:
    """Return ``(N, 4, 4)`` poses of the base, the first one being the origin.

    The base lies in the left camera and looks where that looks: x forward, z up (REP 103).
    """
    odom_from_world = BODY_FROM_OPTICAL @ inverse(world_from_camera[0])
    return odom_from_world @ world_from_camera @ inverse(BODY_FROM_OPTICAL)


def _kept(file: Path) -> dict[str, np.ndarray] | None:
    """Read a loop that was drawn before; None if there is none, or it is damaged."""
    try:
        kept = read_arrays(file)
        return {name: kept[name] for name in ('left', 'right', 'depth')}
    except (InputError, KeyError):
        file.unlink(missing_ok=True)
        return None


def _drawn(
    path: ScenePath, rig: StereoCamera, progress: Callable[[int], None]
) -> dict[str, np.ndarray]:
    left, right, depth = [], [], []
    aside = rigid(np.eye(3), np.array([rig.baseline_m, 0.0, 0.0]))
    for index, pose in enumerate(path.world_from_camera):
        scene = path.scene_at(0.0)
        seen = render(scene, rig.left, world_from_camera=pose)
        left.append(seen.image)
        depth.append(seen.depth)
        right.append(render(scene, rig.right, world_from_camera=pose @ aside).image)
        progress(index + 1)
    return {'left': np.stack(left), 'right': np.stack(right), 'depth': np.stack(depth)}
