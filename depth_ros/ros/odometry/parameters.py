"""Parameters of the odometry node, imported without ROS; see ``node/parameters``."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.geometry.mounting import base_from_camera
from depth_ros.ros.node.parameters import DepthParameters, PairParameters
from depth_ros.settings import SettingError, described, nested
from depth_ros.tasks.odometry.settings import OdometrySettings


@dataclass(frozen=True, kw_only=True)
class OdometryParameters(PairParameters, DepthParameters):
    """Every parameter of ``odometry_node``, with its default; described by ``specs()``."""

    settings: OdometrySettings = nested(OdometrySettings)
    input: str = described(
        'raw',
        'raw: subscribe to image_raw (left/ and right/ of it for stereo) and rectify by '
        'camera_info. rectified: subscribe to image_rect and take it as it is. auto: whichever '
        'has a publisher first.',
        choices=('raw', 'rectified', 'auto'),
        is_read_only=True,
    )
    odom_frame: str = described('odom', 'Frame of the poses, REP 105.', is_read_only=True)
    base_frame: str = described(
        '',
        "Frame whose pose is published, e.g. base_link; empty takes the camera's optical frame.",
        is_read_only=True,
    )
    base_from_camera: str = described(
        '',
        "Pose of the camera's optical frame on base_frame as x y z qx qy qz qw; empty takes TF.",
        is_read_only=True,
    )
    max_mount_wait_s: float = described(
        0.5,
        'How long a pose waits for TF of the mount at the stamp of its image, which may move; '
        'then it is dropped with a warning.',
        unit='s',
        minimum=0.0,
        maximum=60.0,
        is_read_only=True,
    )
    publish_tf: bool = described(
        True,
        'Publish odom_frame to base_frame on /tf, where base_frame is set; false where a filter '
        'does that.',
        is_read_only=True,
    )
    keyframe_depth: str = described(
        'auto',
        'Depth of keyframes for source stereo. auto: in one process with stereo_node (ros2 run '
        'depth_ros perception) what that computes for the same pair, else by depth_model. own: '
        'always by depth_model.',
        choices=('auto', 'own'),
        is_read_only=True,
    )
    max_path_poses: int = described(
        2000, 'Poses kept in path; the oldest go.', minimum=1, maximum=1_000_000
    )
    silence_s: float = described(
        1.0,
        'Without a frame for this long tracking is lost.',
        unit='s',
        minimum=0.05,
        maximum=3600.0,
    )

    def check_together(self) -> None:
        """Refuse frames that contradict each other."""
        base_from_camera(self.base_from_camera)
        if not self.odom_frame or self.odom_frame == self.base_frame:
            raise SettingError(
                '{odom_frame} must have a name other than {base_frame}, got '
                f'{self.odom_frame!r} and {self.base_frame!r}; odom and base_link are usual'
            )
