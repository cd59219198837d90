"""What ``multiview_node`` opens in the ROS graph."""

from __future__ import annotations

from depth_ros.ros.multiview.inputs import RANGE_POINTS
from depth_ros.ros.multiview.node import FUSED
from depth_ros.ros.multiview.parameters import MultiviewParameters
from depth_ros.ros.multiview.topics import OUTPUT_TOPICS
from depth_ros.ros.node.access import Access, cameras, poses, publishing


def access_of(parameters: MultiviewParameters) -> Access:
    """Return topics and services beside those of every node."""
    outputs = publishing([*(topic.name for topic in OUTPUT_TOPICS), FUSED])
    services = Access(replies=frozenset(('~/save_map', '~/reset', '~/finish')))
    access = outputs | services | cameras(parameters, '') | poses(parameters)
    if parameters.depth_source == 'cloud':
        access |= Access(subscribes=frozenset([RANGE_POINTS]))
    return access
