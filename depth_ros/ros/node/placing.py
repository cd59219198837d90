"""Where the camera and the scan's frame are on the robot at an image's stamp."""

from __future__ import annotations

import time

import numpy as np
from rclpy.node import Node

from depth_ros.geometry.cloud_settings import NavigationSettings
from depth_ros.geometry.mounting import base_from_camera
from depth_ros.ros.node.transforms import TransformListener, transform_listener

POLL_S = 0.01
NEWEST = 0
NO_PLACE = (
    'nobody says how the camera sits on the robot, so points/obstacles, points/clearing and scan '
    'are left out: publish the place of {frame!r} in {base!r} on /tf_static{problem}, or set '
    'navigation.base_from_camera to x y z qx qy qz qw'
)
NO_SCAN_FRAME = (
    'navigation.scan_frame is {frame!r}, and nobody says where that is on the robot, so scan is '
    'left out, and the clouds are not: publish the place of {frame!r} in {base!r} on '
    '/tf_static{problem}, or set navigation.scan_frame to another frame, e.g. {base}'
)
NO_TF2 = ' (but tf2_ros is not installed; type: apt install ros-$ROS_DISTRO-tf2-ros-py)'


class Placing:
    """Provides both places: typed by hand, or of TF, which is listened to once it is needed.

    Attributes:
        problem: What to publish or to set; empty where the last question had an answer.
    """

    def __init__(self, node: Node) -> None:
        """Prepare; ``listen`` begins."""
        self.problem = ''
        self._node = node
        self._is_open = False
        self._tf: TransformListener | None = None

    def listen(self, settings: NavigationSettings) -> None:
        """Listen to TF from now on, if it will be asked; call it in the executor's thread."""
        is_needed = not settings.base_from_camera.strip() or settings.scan_frame
        if is_needed and not self._is_open:
            self._is_open = True
            self._tf = transform_listener(self._node)

    def camera_at(
        self, stamp_ns: int, camera_frame: str, settings: NavigationSettings
    ) -> np.ndarray | None:
        """Return ``(4, 4)`` base from camera at a stamp; None while unknown.

        Waits ``tf_timeout_s`` at most.
        """
        self.problem = ''
        typed = base_from_camera(settings.base_from_camera)
        if typed is not None:
            return typed
        base = settings.base_frame
        found, said = self._transform(base, camera_frame, stamp_ns, settings)
        if found is None:
            self.problem = NO_PLACE.format(frame=camera_frame, base=base, problem=said)
        return found

    def scan_at(self, stamp_ns: int, settings: NavigationSettings) -> np.ndarray | None:
        """Return ``(4, 4)`` scan's frame from base at a stamp; None while unknown.

        Waits ``tf_timeout_s`` at most.
        """
        self.problem = ''
        base, frame = settings.base_frame, settings.scan_frame
        if frame in ('', base):
            return np.eye(4)
        found, said = self._transform(frame, base, stamp_ns, settings)
        if found is None:
            self.problem = NO_SCAN_FRAME.format(frame=frame, base=base, problem=said)
        return found

    def _transform(
        self, target: str, source: str, stamp_ns: int, settings: NavigationSettings
    ) -> tuple[np.ndarray | None, str]:
        """Return a transform, and why there is none; wait as long as only its stamp is missing."""
        if self._tf is None:
            return None, NO_TF2
        end_s = time.monotonic() + settings.tf_timeout_s
        found = self._tf.at(target, source, stamp_ns)
        while found is None and time.monotonic() < end_s and self._connects(target, source):
            time.sleep(POLL_S)
            found = self._tf.at(target, source, stamp_ns)
        return found, f' ({self._tf.problem})'

    def _connects(self, target: str, source: str) -> bool:
        """Whether TF has the two at any time; waiting will not help where it has not."""
        assert self._tf is not None
        return self._tf.at(target, source, NEWEST) is not None
