"""Parameters of the stereo node, imported without ROS; see ``node/parameters``."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.geometry.mounting import base_from_camera
from depth_ros.ros.node.cloud_parameters import CloudParameters
from depth_ros.ros.node.parameters import (
    DepthParameters,
    PairParameters,
    PoseParameters,
)
from depth_ros.settings import SettingError, described, nested
from depth_ros.tasks.stereo.settings import StereoSettings


@dataclass(frozen=True, kw_only=True)
class StereoParameters(PairParameters, DepthParameters, PoseParameters, CloudParameters):
    """Every parameter of ``stereo_node``, with its default; described by ``specs()``."""

    settings: StereoSettings = nested(StereoSettings)
    input: str = described(
        'raw',
        'raw: subscribe to left/image_raw and right/image_raw and rectify them by camera_info. '
        'rectified: subscribe to left/image_rect and right/image_rect and take them as they are. '
        'auto: whichever of the two topics has a publisher first.',
        choices=('raw', 'rectified', 'auto'),
        is_read_only=True,
    )
    depth_topic: str = described(
        'points',
        'What hints depth_topic are made of. points: sensor_msgs/PointCloud2 on hints/points, as '
        'of a laser scanner. image: metric depth on hints/depth/image, with its camera_info.',
        choices=('points', 'image'),
        is_read_only=True,
    )
    left_from_depth: str = described(
        '',
        "Place of the frame of hints/points or hints/depth/image in the left camera's optical "
        'frame, as x y z qx qy qz qw (metres, quaternion). Empty: the same frame, or by TF.',
        is_read_only=True,
    )
    max_hint_age_s: float = described(
        0.2,
        'Points or depth whose stamp is farther from that of the pair make no hint.',
        unit='s',
        minimum=0.0,
        maximum=60.0,
    )
    pose_source: str = described(
        'none',
        'Where the motion of the rig comes from, by which hints previous and depth_topic are '
        'moved to the moment of the pair. none: from nowhere, they are taken as they are. '
        'odometry: nav_msgs/Odometry on odometry. pose: geometry_msgs/PoseStamped on pose. tf: '
        'the transform from world_frame to the image.',
        choices=('none', 'odometry', 'pose', 'tf'),
        is_read_only=True,
    )
    world_frame: str = described(
        'odom', 'For pose_source tf: the frame that does not move.', is_read_only=True
    )
    color_min_disparity_px: float = described(
        0.0, 'Disparity painted blue on disparity/color.', unit='px'
    )
    color_max_disparity_px: float = described(
        0.0,
        "Disparity painted red on disparity/color; 0 takes the matcher's largest.",
        unit='px',
    )

    def check_together(self) -> None:
        """Refuse colours that contradict each other, and places that are none."""
        super().check_together()
        base_from_camera(self.base_from_camera)
        base_from_camera(self.left_from_depth, name='left_from_depth')
        high = self.color_max_disparity_px
        if high and not self.color_min_disparity_px < high:
            raise SettingError(
                '{color_min_disparity_px} must be below {color_max_disparity_px}, got '
                f'{self.color_min_disparity_px:g} and {high:g}; correct one of them'
            )
