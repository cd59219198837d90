"""How the camera is mounted on the frame the poses describe: by parameter or from TF."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node

from depth_ros.ros.node.parameters import base_from_camera
from depth_ros.ros.node.transforms import transform_lookup


class CameraMount:
    """Provides ``base_from_camera``; the parameter takes precedence over TF.

    Attributes:
        is_set: Whether it is set by hand.
        has_tf: Whether TF is listened to: it is not set, and tf2_ros is installed.
    """

    def __init__(self, node: Node, text: str) -> None:
        """Read the parameter; listen to TF where it is empty."""
        self._pose = base_from_camera(text)
        self.is_set = self._pose is not None
        self._look_up = None if self.is_set else transform_lookup(node)
        self.has_tf = self._look_up is not None

    def at(self, stamp: int, base_frame: str, camera_frame: str) -> np.ndarray | None:
        """Return ``(4, 4)`` base from camera, None while unknown; stamp 0 asks for the newest."""
        if self._look_up is None:
            return self._pose
        return self._look_up(base_frame, camera_frame, stamp)
