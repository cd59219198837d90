"""From the camera's pose to the robot's: odom and base frames, and the velocity between poses.

The odom frame is the base frame at the first keyframe (REP 105), so with a level base its z
points up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.geometry.rigid import (
    BODY_FROM_OPTICAL,
    composed_covariance,
    inverse,
    rotation_vector,
    turned_covariance,
)
from depth_ros.tasks.odometry.values import Pose


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BodyPose:
    """Where the base is and how it moves.

    Attributes:
        odom_from_base: ``(4, 4)``.
        covariance: ``(6, 6)`` in odom's axes, ROS order.
        velocity: ``(6,)`` m/s along and rad/s about the base's axes, or None at the first pose
            and after a pause.
        velocity_covariance: ``(6, 6)``, or None with it.
    """

    odom_from_base: np.ndarray
    covariance: np.ndarray
    velocity: np.ndarray | None
    velocity_covariance: np.ndarray | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mounting:
    """How the camera sits on the base.

    Attributes:
        odom_from_world: ``(4, 4)``; the world is the first keyframe's camera, so that this is how
            it sat on the base then.
        camera_from_base: ``(4, 4)``, how the base sits at the moment of a pose.
    """

    odom_from_world: np.ndarray
    camera_from_base: np.ndarray


CAMERA_ALONE = Mounting(odom_from_world=BODY_FROM_OPTICAL, camera_from_base=np.eye(4))
"""No base: the pose is the optical frame's, in an odom frame of forward, left and up."""


class BodyTracker:
    """Turns camera poses into base poses and remembers the last one for the velocity."""

    def __init__(self, *, max_gap_s: float) -> None:
        """Start without a pose; after a pause longer than ``max_gap_s`` there is no velocity."""
        self.max_gap_s = max_gap_s
        self._last: tuple[int, np.ndarray] | None = None

    def forget(self) -> None:
        """Return no velocity for the next pose."""
        self._last = None

    def moved(self, pose: Pose, stamp_ns: int, mounting: Mounting) -> BodyPose:
        """Take the next camera pose."""
        camera_in_odom = mounting.odom_from_world @ pose.world_from_camera
        odom_from_base = camera_in_odom @ mounting.camera_from_base
        covariance = _of_base(pose.covariance, camera_in_odom, mounting)
        last, self._last = self._last, (stamp_ns, odom_from_base)
        velocity = velocity_covariance = None
        if last is not None and 0 < stamp_ns - last[0] <= 1e9 * self.max_gap_s:
            elapsed_s = (stamp_ns - last[0]) / 1e9
            velocity = _velocity(last[1], odom_from_base, elapsed_s)
            # Both ends of the step are about as uncertain as the later one.
            step = 2.0 * _of_base(pose.local_covariance, camera_in_odom, mounting)
            velocity_covariance = turned_covariance(step, odom_from_base[:3, :3].T) / elapsed_s**2
        return BodyPose(
            odom_from_base=odom_from_base,
            covariance=covariance,
            velocity=velocity,
            velocity_covariance=velocity_covariance,
        )


def _of_base(covariance: np.ndarray, camera_in_odom: np.ndarray, mounting: Mounting) -> np.ndarray:
    """Take a camera's covariance in the world's axes to the base, in odom's."""
    return composed_covariance(
        turned_covariance(covariance, mounting.odom_from_world[:3, :3]),
        np.zeros((6, 6)),
        parent_pose=camera_in_odom,
        child_pose=mounting.camera_from_base,
    )


def _velocity(before: np.ndarray, after: np.ndarray, elapsed_s: float) -> np.ndarray:
    """Return the mean velocity in the axes of the later pose."""
    step = inverse(after) @ before
    return -np.concatenate([step[:3, 3], rotation_vector(step[:3, :3])]) / elapsed_s
