"""What ``matcher_node`` opens in the ROS graph."""

from __future__ import annotations

from depth_ros.ros.matcher.inputs import SERVICE
from depth_ros.ros.matcher.parameters import MatcherParameters
from depth_ros.ros.matcher.topics import OUTPUT_TOPICS
from depth_ros.ros.node.access import Access, cameras, publishing


def access_of(parameters: MatcherParameters) -> Access:
    """Return topics and services beside those of every node."""
    outputs = publishing(topic.name for topic in OUTPUT_TOPICS)
    access = outputs | Access(replies=frozenset([SERVICE]))
    return access if parameters.input == 'none' else access | cameras(parameters, '')
