"""What a job writes of odometry, and its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from depth_ros.messages.headers import fill_header
from depth_ros.messages.poses import fill_motion, fill_velocity
from depth_ros.recordings.outcome import OutputChannel
from depth_ros.recordings.wire import ODOMETRY, TRANSFORMS, blank, blank_transform
from depth_ros.settings import Settings, described
from depth_ros.tasks.odometry.body import BodyPose

POSES, TF = 0, 1
"""Places of the channels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometryOutputs(Settings):
    """What is written."""

    namespace: str = described('odometry', 'First part of the name of the topic of poses.')
    poses: bool = described(True, 'Pose and velocity with covariances: odometry.')
    tf: bool = described(True, 'The same as transform from odom_frame to the camera, on /tf.')
    odom_frame: str = described('odom', 'Frame of the poses, REP 105.')


def odometry_channels(outputs: OdometryOutputs) -> Mapping[int, OutputChannel]:
    """Return the channels that are asked for."""
    channels = {
        POSES: (outputs.poses, f'/{outputs.namespace.strip("/")}/odometry', ODOMETRY),
        TF: (outputs.tf, '/tf', TRANSFORMS),
    }
    return {
        place: OutputChannel(topic=topic, kind=kind, metadata={})
        for place, (is_wanted, topic, kind) in channels.items()
        if is_wanted
    }


def odometry_messages(
    body: BodyPose, outputs: OdometryOutputs, *, stamp_ns: int, frame_id: str
) -> dict[int, Any]:
    """Return the messages of a pose, by the place of their channel."""
    makers = {POSES: _poses, TF: _transforms}
    return {
        place: makers[place](body, outputs.odom_frame, stamp_ns, frame_id)
        for place in odometry_channels(outputs)
    }


def _poses(body: BodyPose, odom_frame: str, stamp_ns: int, frame_id: str) -> Any:
    message = blank(ODOMETRY)
    message.child_frame_id = frame_id
    fill_header(message.header, stamp_ns=stamp_ns, frame_id=odom_frame)
    pose = message.pose.pose
    fill_motion(pose.position, pose.orientation, body.odom_from_base)
    message.pose.covariance = body.covariance.ravel()
    fill_velocity(message.twist, body.velocity, body.velocity_covariance)
    return message


def _transforms(body: BodyPose, odom_frame: str, stamp_ns: int, frame_id: str) -> Any:
    transform = blank_transform()
    transform.child_frame_id = frame_id
    fill_header(transform.header, stamp_ns=stamp_ns, frame_id=odom_frame)
    motion = transform.transform
    fill_motion(motion.translation, motion.rotation, body.odom_from_base)
    message = blank(TRANSFORMS)
    message.transforms = [transform]
    return message
