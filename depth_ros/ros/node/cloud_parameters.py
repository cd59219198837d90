"""Parameters of nodes that publish metric clouds, imported without ROS."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.geometry.cloud_settings import CloudSettings, NavigationSettings
from depth_ros.geometry.mounting import base_from_camera
from depth_ros.ros.node.parameters import NodeParameters, cloud_stride_setting
from depth_ros.settings import nested


@dataclass(frozen=True, kw_only=True)
class CloudParameters(NodeParameters):
    """Parameters of ``points`` and of what costmaps get."""

    cloud_stride: int = cloud_stride_setting()
    cloud: CloudSettings = nested(CloudSettings, prefix='cloud.')
    navigation: NavigationSettings = nested(NavigationSettings, prefix='navigation.')

    def check_together(self) -> None:
        """Refuse a place of the camera that is none."""
        base_from_camera(self.navigation.base_from_camera, name='navigation.base_from_camera')
