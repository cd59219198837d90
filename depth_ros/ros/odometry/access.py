"""What ``odometry_node`` opens in the ROS graph."""

from __future__ import annotations

from depth_ros.ros.node.access import TF, Access, cameras, metric_depth, publishing
from depth_ros.ros.odometry.inputs import DEPTH
from depth_ros.ros.odometry.parameters import OdometryParameters
from depth_ros.ros.odometry.topics import KINDS
from depth_ros.tasks.odometry.settings import Source


def access_of(parameters: OdometryParameters) -> Access:
    """Return topics and services beside those of every node."""
    access = publishing(KINDS) | Access(replies=frozenset(['~/reset']))
    if parameters.base_frame and parameters.publish_tf:
        access |= publishing(['/tf'])
    if parameters.base_frame and not parameters.base_from_camera.strip():
        access |= Access(subscribes=frozenset(TF))
    return access | _inputs(parameters)


def _inputs(parameters: OdometryParameters) -> Access:
    source = parameters.settings.source
    if source is Source.STEREO:
        return cameras(parameters, 'left', 'right')
    if source is Source.RGBD:
        return cameras(parameters, '') | metric_depth(DEPTH, parameters.depth_transport)
    return cameras(parameters, '')
