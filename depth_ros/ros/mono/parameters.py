"""Parameters of the mono node, imported without ROS; see ``node/parameters``."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.geometry.mounting import base_from_camera
from depth_ros.ros.node.cloud_parameters import CloudParameters
from depth_ros.ros.node.parameters import DepthParameters, PoseParameters
from depth_ros.settings import described, nested
from depth_ros.tasks.mono.settings import MonoSettings


@dataclass(frozen=True, kw_only=True)
class MonoParameters(PoseParameters, DepthParameters, CloudParameters):
    """Every parameter of ``mono_node``, with its default; described by ``specs()``."""

    settings: MonoSettings = nested(MonoSettings)
    pose_source: str = described(
        'auto',
        'Where poses come from, for refine and scale.mode motion. auto: odometry once it comes, '
        'else TF. odometry: nav_msgs/Odometry on odometry, of wheels too. pose: '
        'geometry_msgs/PoseStamped on pose. tf: the transform from world_frame to the image. '
        'none: nowhere.',
        choices=('auto', 'odometry', 'pose', 'tf', 'none'),
        is_read_only=True,
    )
    world_frame: str = described(
        'odom', 'For tf: the frame that does not move.', is_read_only=True
    )
    max_pose_wait_s: float = described(
        0.3,
        'How long an image waits for its pose, by stamps, while poses come; then it goes on '
        'without.',
        unit='s',
        minimum=0.0,
        maximum=60.0,
        is_read_only=True,
    )

    def check_together(self) -> None:
        """Refuse a mount that is none."""
        super().check_together()
        base_from_camera(self.base_from_camera)
