"""What ``mono_node`` opens in the ROS graph."""

from __future__ import annotations

from depth_ros.ros.mono.inputs import REFERENCE
from depth_ros.ros.mono.parameters import MonoParameters
from depth_ros.ros.mono.topics import OUTPUT_TOPICS
from depth_ros.ros.node.access import Access, cameras, costmaps, metric_depth, poses, publishing
from depth_ros.tasks.mono.settings import ScaleMode


def access_of(parameters: MonoParameters) -> Access:
    """Return topics and services beside those of every node."""
    outputs = publishing(topic.name for topic in OUTPUT_TOPICS) | costmaps(parameters)
    access = outputs | cameras(parameters, '') | poses(parameters)
    if parameters.settings.scale.mode is ScaleMode.REFERENCE_DEPTH:
        access |= metric_depth(REFERENCE, parameters.depth_transport)
    return access
