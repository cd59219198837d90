"""Poses wait until it is known how the camera sat on the base at their stamp.

A mount may move (a pan/tilt head): it is looked up at the stamp of each image, as
``tf2_ros::MessageFilter`` does, and waited for, because TF comes after the image as a rule.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node

from depth_ros.geometry.rigid import inverse
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.transforms import CameraMount
from depth_ros.ros.odometry.parameters import OdometryParameters
from depth_ros.tasks.odometry.body import CAMERA_ALONE, Mounting
from depth_ros.tasks.odometry.values import Pose

MAX_WAITING = 100
Publish = Callable[['WaitingPose', Mounting], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaitingPose:
    """A pose of the camera.

    Attributes:
        pose: In the world of the odometry.
        stamp_ns: Of its image.
        frame_id: Of the camera.
        since_s: Monotonic clock when it came.
    """

    pose: Pose
    stamp_ns: int
    frame_id: str
    since_s: float


class MountingQueue:
    """Hands poses on, in order, with the mounting at their stamp. Thread-safe."""

    def __init__(
        self,
        node: Node,
        parameters: OdometryParameters,
        warn: ThrottledWarnings,
        publish: Publish,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the parameter, or listen to TF where a base frame needs it.

        Args:
            node: Listens to TF.
            parameters: The node's.
            warn: Told of poses whose mounting did not come.
            publish: Takes a pose and its mounting.
            clock: Seconds; the machine's, so that paused simulated time does not keep poses.
        """
        self._base_frame = parameters.base_frame
        self._wait_s = parameters.max_mount_wait_s
        self._warn = warn
        self._publish = publish
        self._clock = clock
        self._mount = CameraMount(node, parameters.base_from_camera) if self._base_frame else None
        self._lock = threading.Lock()
        self._waiting: deque[WaitingPose] = deque()
        self._origin_ns = 0
        self._odom_from_world: np.ndarray | None = None
        self.num_dropped = 0

    @property
    def num_waiting(self) -> int:
        """Poses that wait for their mounting."""
        return len(self._waiting)

    def start_again(self, origin_ns: int) -> None:
        """Drop what waits: the world begins anew with the image of this stamp."""
        with self._lock:
            self.num_dropped += len(self._waiting)
            self._waiting.clear()
            self._origin_ns = origin_ns
            self._odom_from_world = None

    def put(self, pose: Pose, *, stamp_ns: int, frame_id: str) -> None:
        """Take a pose; it goes on at once if its mounting is known."""
        entry = WaitingPose(pose=pose, stamp_ns=stamp_ns, frame_id=frame_id, since_s=self._clock())
        with self._lock:
            self._waiting.append(entry)
        self.poll()

    def poll(self) -> None:
        """Hand on what can go, and drop what waited too long, with the frames and tf2's words."""
        with self._lock:
            while self._waiting:
                entry = self._waiting[0]
                mounting = self._mounting(entry)
                if mounting is not None:
                    self._waiting.popleft()
                    self._publish(entry, mounting)
                elif self._is_late(entry):
                    self._waiting.popleft()
                    self.num_dropped += 1
                    self._warn('no_extrinsic', self._missing_text(entry.frame_id))
                else:
                    return

    def _mounting(self, entry: WaitingPose) -> Mounting | None:
        """Return how the camera sat at a pose's stamp; None while nobody says."""
        if self._mount is None:
            return CAMERA_ALONE
        base_from_camera = self._mount.at(entry.stamp_ns, self._base_frame, entry.frame_id)
        if base_from_camera is None:
            return None
        if self._odom_from_world is None:
            self._odom_from_world = self._origin(entry, base_from_camera)
        if self._odom_from_world is None:
            return None
        return Mounting(
            odom_from_world=self._odom_from_world, camera_from_base=inverse(base_from_camera)
        )

    def _origin(self, entry: WaitingPose, base_from_camera: np.ndarray) -> np.ndarray | None:
        """Return odom from world: the base is at the origin at the first keyframe.

        Where the mount of that moment never comes, it is there at this pose.
        """
        assert self._mount is not None
        at_origin = self._mount.at(self._origin_ns, self._base_frame, entry.frame_id)
        if at_origin is None and self._is_late(entry):
            return base_from_camera @ inverse(entry.pose.world_from_camera)
        return at_origin

    def _is_late(self, entry: WaitingPose) -> bool:
        waited_s = self._clock() - entry.since_s
        return waited_s > self._wait_s or len(self._waiting) > MAX_WAITING

    def _missing_text(self, camera_frame: str) -> str:
        has_tf = self._mount is not None and self._mount.has_tf
        tf = f'publish {self._base_frame!r} to {camera_frame!r} on /tf_static or /tf'
        if self._mount is not None and self._mount.problem:
            tf += f' ({self._mount.problem})'
        return (
            f'nobody says within {self._wait_s:g} s how the camera sits on the base, so no '
            f'odometry is published: {f"{tf}, or " if has_tf else ""}set base_from_camera to x y '
            'z qx qy qz qw, base_frame to empty, or raise max_mount_wait_s'
        )
