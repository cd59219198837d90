"""Where the camera and the scan's frame are on the robot at an image's stamp."""

from __future__ import annotations

import time
from dataclasses import dataclass

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
NO_TF2 = ' (but tf2_ros is not installed; type: apt install ros-$ROS_DISTRO-tf2-ros-py)'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Placed:
    """Where things were at a stamp.

    Attributes:
        base_from_camera: ``(4, 4)`` float64.
        scan_from_base: ``(4, 4)`` float64.
    """

    base_from_camera: np.ndarray
    scan_from_base: np.ndarray


class Placing:
    """Provides both places: typed by hand, or of TF, which is listened to once it is needed."""

    def __init__(self, node: Node) -> None:
        """Prepare; ``listen`` begins."""
        self.problem = ''
        """What to publish or to set; empty where the last question had an answer."""
        self._node = node
        self._is_open = False
        self._tf: TransformListener | None = None

    def listen(self, settings: NavigationSettings) -> None:
        """Listen to TF from now on, if it will be asked; call it in the executor's thread."""
        is_needed = not settings.base_from_camera.strip() or settings.scan_frame
        if is_needed and not self._is_open:
            self._is_open = True
            self._tf = transform_listener(self._node)

    def at(self, stamp_ns: int, camera_frame: str, settings: NavigationSettings) -> Placed | None:
        """Return both places at a stamp, after at most ``tf_timeout_s``; None while unknown."""
        camera = base_from_camera(settings.base_from_camera)
        if camera is None:
            camera = self._transform(settings.base_frame, camera_frame, stamp_ns, settings)
        if camera is None:
            return None
        scan: np.ndarray | None = np.eye(4)
        if settings.scan_frame not in ('', settings.base_frame):
            scan = self._transform(settings.scan_frame, settings.base_frame, stamp_ns, settings)
        return None if scan is None else Placed(base_from_camera=camera, scan_from_base=scan)

    def _transform(
        self, target: str, source: str, stamp_ns: int, settings: NavigationSettings
    ) -> np.ndarray | None:
        """Wait for a transform, as long as only its stamp is missing."""
        if self._tf is None:
            self.problem = NO_PLACE.format(frame=source, base=target, problem=NO_TF2)
            return None
        end_s = time.monotonic() + settings.tf_timeout_s
        found = self._tf.at(target, source, stamp_ns)
        while found is None and time.monotonic() < end_s and self._connects(target, source):
            time.sleep(POLL_S)
            found = self._tf.at(target, source, stamp_ns)
        said = f' ({self._tf.problem})'
        self.problem = (
            '' if found is not None else NO_PLACE.format(frame=source, base=target, problem=said)
        )
        return found

    def _connects(self, target: str, source: str) -> bool:
        """Whether TF has the two at any time; waiting will not help where it has not."""
        assert self._tf is not None
        return self._tf.at(target, source, NEWEST) is not None
