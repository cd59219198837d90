"""Parameters of the mono node, imported without ROS; see ``node/parameters``."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.ros.node.parameters import DepthParameters, cloud_stride_setting
from depth_ros.settings import nested
from depth_ros.tasks.mono.settings import MonoSettings


@dataclass(frozen=True, kw_only=True)
class MonoParameters(DepthParameters):
    """Every parameter of ``mono_node``, with its default; described by ``specs()``."""

    settings: MonoSettings = nested(MonoSettings)
    cloud_stride: int = cloud_stride_setting()
