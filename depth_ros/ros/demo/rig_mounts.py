"""How the sample rig sits on its robot, on /tf_static: both cameras, from left to right."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node

from depth_ros.camera import PinholeCamera
from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, rigid
from depth_ros.messages.poses import fill_motion
from depth_ros.ros.node.transforms import TransformSender

BASE_FRAME = 'base_link'


class RigMounts:
    """Publishes the mounts once, for whoever joins and whenever; keeps the publisher."""

    def __init__(
        self,
        node: Node,
        right: PinholeCamera,
        *,
        frames: tuple[str, str],
        height_m: float = 0.0,
    ) -> None:
        """Publish, where tf2_msgs is installed.

        Args:
            node: Owner of the publisher.
            right: Right calibration, which has the baseline.
            frames: Optical frames of the left and of the right camera.
            height_m: Of the left camera above base_link.
        """
        self._sender = TransformSender(node, is_static=True)
        self._sender.send(*mounts(right, frames=frames, height_m=height_m))


def mounts(
    right: PinholeCamera, *, frames: tuple[str, str], height_m: float = 0.0
) -> list[TransformStamped]:
    """Return base_link to the left optical frame (REP 103), and from there to the right one."""
    left_frame, right_frame = frames
    above = np.array([0.0, 0.0, height_m])
    beside = rigid(np.eye(3), np.array([-right.p[0, 3] / right.fx, 0.0, 0.0]))
    return [
        _mount(BASE_FRAME, left_frame, rigid(BODY_FROM_OPTICAL[:3, :3], above)),
        _mount(left_frame, right_frame, beside),
    ]


def _mount(parent: str, child: str, parent_from_child: np.ndarray) -> TransformStamped:
    mount = TransformStamped(child_frame_id=child)
    mount.header.frame_id = parent
    fill_motion(mount.transform.translation, mount.transform.rotation, parent_from_child)
    return mount
