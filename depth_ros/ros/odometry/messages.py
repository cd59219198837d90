"""Odometry's results as messages."""

from __future__ import annotations

from geometry_msgs.msg import (
    PoseStamped,
    QuaternionStamped,
    Vector3Stamped,
)
from nav_msgs.msg import Odometry

from depth_ros.messages.headers import fill_header
from depth_ros.messages.poses import fill_direction, fill_odometry, fill_turn
from depth_ros.tasks.odometry.body import BodyPose
from depth_ros.tasks.odometry.values import Direction, OdometryOutput, OdometryState
from depth_ros_interfaces.msg import OdometryStatus

STATES: dict[OdometryState, int] = {
    OdometryState.INITIALISING: OdometryStatus.INITIALISING,
    OdometryState.TRACKING: OdometryStatus.TRACKING,
    OdometryState.DEGRADED: OdometryStatus.DEGRADED,
    OdometryState.LOST: OdometryStatus.LOST,
}


def status_message(
    output: OdometryOutput, *, frame_id: str, frontend: str, is_metric: bool
) -> OdometryStatus:
    """Return the tracking state as a message."""
    counts = output.counts
    message = OdometryStatus(
        state=STATES[output.state],
        reason=output.text,
        num_matches=counts.num_matches,
        num_inliers=counts.num_inliers,
        inlier_fraction=float(counts.inlier_fraction),
        residual_px=float(counts.residual_px),
        num_keyframes=output.num_keyframes,
        num_frames=output.num_frames,
        num_lost=output.num_lost,
        is_metric=is_metric,
        frontend=frontend,
    )
    fill_header(message.header, stamp_ns=output.stamp_ns, frame_id=frame_id)
    stamp = message.last_pose_stamp
    stamp.sec, stamp.nanosec = divmod(output.last_pose_ns, 1_000_000_000)
    return message


def odometry_message(
    body: BodyPose, *, stamp_ns: int, odom_frame: str, child_frame: str
) -> Odometry:
    """Return pose and velocity; a velocity that is not known is zero with a huge covariance."""
    message = Odometry()
    fill_odometry(message, body, stamp_ns=stamp_ns, odom_frame=odom_frame, child_frame=child_frame)
    return message


def pose_message(message: Odometry) -> PoseStamped:
    """Return the pose alone, for the path."""
    return PoseStamped(header=message.header, pose=message.pose.pose)


def direction_message(direction: Direction, *, stamp_ns: int, frame_id: str) -> Vector3Stamped:
    """Return the direction of travel in the camera's own axes; its length is no distance."""
    message = Vector3Stamped()
    fill_direction(message, direction, stamp_ns=stamp_ns, frame_id=frame_id)
    return message


def rotation_message(direction: Direction, *, stamp_ns: int, frame_id: str) -> QuaternionStamped:
    """Return the rotation since the reference frame."""
    message = QuaternionStamped()
    fill_turn(message, direction, stamp_ns=stamp_ns, frame_id=frame_id)
    return message
