"""What ``stereo_node`` opens in the ROS graph."""

from __future__ import annotations

from depth_ros.ros.node.access import (
    TF,
    Access,
    cameras,
    costmaps,
    metric_depth,
    poses,
    publishing,
)
from depth_ros.ros.stereo.hint_inputs import DEPTH_IMAGE, POINTS
from depth_ros.ros.stereo.parameters import StereoParameters
from depth_ros.ros.stereo.topics import OUTPUT_TOPICS
from depth_ros.tasks.stereo.settings import DEPTH_HINTS, PREVIOUS_HINTS


def access_of(parameters: StereoParameters) -> Access:
    """Return topics and services beside those of every node."""
    outputs = publishing(topic.name for topic in OUTPUT_TOPICS) | costmaps(parameters)
    return outputs | cameras(parameters, 'left', 'right') | _hints(parameters)


def _hints(parameters: StereoParameters) -> Access:
    """Return what hints need: another sensor, and poses by which they are moved."""
    words, access = parameters.settings.hint_words, Access()
    if DEPTH_HINTS in words:
        access |= _sensor(parameters)
    if parameters.pose_source != 'none' and {DEPTH_HINTS, PREVIOUS_HINTS} & set(words):
        access |= poses(parameters)
    return access


def _sensor(parameters: StereoParameters) -> Access:
    tf = Access() if parameters.left_from_depth.strip() else Access(subscribes=frozenset(TF))
    if parameters.depth_topic == 'image':
        return tf | metric_depth(DEPTH_IMAGE, parameters.depth_transport)
    return tf | Access(subscribes=frozenset([POINTS]))
