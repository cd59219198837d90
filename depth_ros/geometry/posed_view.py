"""A view with its pose, and how a reference and its sources become a multi-view frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.geometry.rigid import (
    inverse,
    quaternion_from_rotation,
    rigid,
    rotation_from_quaternion,
)

ROTATION_TOLERANCE = 1e-3


class PlacedView(Protocol):
    """What is known of a view without its image; enough to choose views."""

    @property
    def camera(self) -> PinholeCamera:
        """Its calibration."""

    @property
    def world_from_camera(self) -> np.ndarray:
        """``(4, 4)`` float64; see ``PosedView``."""

    @property
    def center_m(self) -> np.ndarray:
        """``(3,)`` position of the camera in the world, metres."""

    @property
    def stamp_ns(self) -> int:
        """Stamp of its image."""


PlacedViewT = TypeVar('PlacedViewT', bound=PlacedView)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PosedView:
    """One image, its camera, and where that camera was.

    Attributes:
        frame: Image with calibration and stamp.
        world_from_camera: ``(4, 4)`` float64; takes points in metres from the optical frame
            (REP 103: x right, y down, z forward) into the world.
        name: For messages and file names.
    """

    frame: MonoFrame
    world_from_camera: np.ndarray
    name: str = ''

    def __post_init__(self) -> None:
        check_pose(self.world_from_camera, what=f'the pose of view {self.name!r}')

    @property
    def camera(self) -> PinholeCamera:
        """Calibration of its image."""
        return self.frame.camera

    @property
    def stamp_ns(self) -> int:
        """Stamp of its image in nanoseconds."""
        return self.frame.stamp_ns

    @property
    def center_m(self) -> np.ndarray:
        """``(3,)`` position of the camera in the world, metres."""
        return np.asarray(self.world_from_camera[:3, 3])


def check_pose(pose: np.ndarray, *, what: str) -> None:
    """Require a rigid ``(4, 4)`` motion.

    Raises:
        InputError: Reason ``'pose_values'`` (NaN or Inf) or ``'pose_rotation'`` (not rigid).
    """
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise InputError(
            'pose_values',
            f'{what} must be 4x4 finite numbers, got {pose.tolist()!r}; '
            'leave out views that were not localised',
        )
    rotation = pose[:3, :3]
    is_rotation = np.allclose(rotation @ rotation.T, np.eye(3), atol=ROTATION_TOLERANCE)
    is_rigid = is_rotation and np.linalg.det(rotation) > 0.0
    if not is_rigid or not np.allclose(pose[3], (0.0, 0.0, 0.0, 1.0)):
        raise InputError(
            'pose_rotation',
            f'{what} must be a rotation and a translation with the last row 0 0 0 1, got '
            f'{pose.tolist()!r}; give camera-to-world matrices in metres',
        )


def exact_pose(pose: np.ndarray) -> np.ndarray:
    """Make a ``(4, 4)`` motion exactly rigid whose rotation was rounded, as files have it."""
    quaternion = quaternion_from_rotation(pose[:3, :3])
    return rigid(rotation_from_quaternion(quaternion), pose[:3, 3])


def relative_pose(reference: PosedView, source: PosedView) -> np.ndarray:
    """Return ``reference_from_source``, ``(4, 4)`` float64."""
    return np.asarray(inverse(reference.world_from_camera) @ source.world_from_camera)


def multi_view_frame(
    reference: PosedView, sources: Sequence[PosedView], *, depth_range_m: tuple[float, float]
) -> MultiViewFrame:
    """Put a reference and its sources into one frame."""
    poses = [relative_pose(reference, source) for source in sources]
    return MultiViewFrame(
        reference=reference.frame,
        sources=tuple(source.frame for source in sources),
        reference_from_source=np.array(poses, np.float64).reshape(-1, 4, 4),
        depth_min_m=depth_range_m[0],
        depth_max_m=depth_range_m[1],
    )
