"""What the odometry node publishes: odometry, path, status, direction and TF."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from geometry_msgs.msg import PoseStamped, QuaternionStamped, Vector3Stamped
from nav_msgs.msg import Odometry, Path
from rclpy.node import Node

from depth_ros.ros.node.endpoints import open_publisher
from depth_ros.ros.node.local_topics import AnyPublisher
from depth_ros.ros.node.qos import output_profile, publisher_events
from depth_ros.ros.node.roles import Job
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate
from depth_ros.ros.node.transforms import TransformSender, transform_message
from depth_ros.ros.odometry.messages import (
    direction_message,
    odometry_message,
    pose_message,
    rotation_message,
    status_message,
)
from depth_ros.ros.odometry.mounting import MountingQueue, WaitingPose
from depth_ros.ros.odometry.parameters import OdometryParameters
from depth_ros.tasks.odometry.body import BodyTracker, Mounting
from depth_ros.tasks.odometry.values import OdometryOutput, OdometryState
from depth_ros_interfaces.msg import OdometryStatus

ODOMETRY, PATH, STATUS = 'odometry', 'path', 'odometry/status'
DIRECTION, ROTATION = 'direction', 'rotation'
KINDS: dict[str, type] = {
    ODOMETRY: Odometry,
    PATH: Path,
    STATUS: OdometryStatus,
    DIRECTION: Vector3Stamped,
    ROTATION: QuaternionStamped,
}
NO_TF = (
    'publish_tf is true, but tf2_msgs is not installed, so there is no transform from odom_frame: '
    'type: apt install ros-$ROS_DISTRO-tf2-msgs, or set publish_tf to false'
)


NO_BASE = (
    'no TF: base_frame is empty, so the pose is that of the optical frame, whose parent on TF is '
    'its mount; set base_frame to base_link, or to a frame that has no parent'
)


class OdometryPublishers:
    """Publishes the state after every frame; a pose only for frames that were placed.

    Attributes:
        last_output_s: Monotonic clock of the last processed frame; 0 before the first.
        last: The last output, or None.
    """

    def __init__(
        self, node: Node, parameters: OdometryParameters, warn: ThrottledWarnings
    ) -> None:
        """Advertise every topic."""
        self.parameters = parameters
        self.last_output_s = 0.0
        self.last: OdometryOutput | None = None
        self._warn = warn
        self._log = node.get_logger()
        self._frame_id = ''
        self._body = BodyTracker(max_gap_s=parameters.settings.tracking.max_gap_s)
        self._path: deque[PoseStamped] = deque(maxlen=parameters.max_path_poses)
        self._mounting = MountingQueue(node, parameters, warn, self._publish_pose)
        self._tf = transform_sender(node, parameters)
        self._publishers = {name: self._advertise(node, name) for name in KINDS}
        self._clock = node.get_clock()
        self._rate = TopicRate(node.resolve_topic_name(ODOMETRY))

    def set_parameters(self, parameters: OdometryParameters) -> None:
        """Use other parameters from the next output on."""
        self.parameters = parameters
        self._body.max_gap_s = parameters.settings.tracking.max_gap_s
        if self._path.maxlen != parameters.max_path_poses:
            self._path = deque(self._path, maxlen=parameters.max_path_poses)

    def publish_alone(self, job: Job[Any]) -> None:
        """Publish nothing: no topic of this node goes without a result."""

    def rates(self) -> Sequence[TopicRate]:
        """Return how the odometry goes out."""
        return [self._rate]

    def details(self) -> Mapping[str, str]:
        """Return the state for diagnostics and the report."""
        last = self.last
        if last is None:
            return {'state': OdometryState.INITIALISING.value}
        return {
            'state': last.state.value,
            'reason': last.reason.value,
            'num_inliers': str(last.counts.num_inliers),
            'num_keyframes': str(last.num_keyframes),
            'num_lost': str(last.num_lost),
            'metric': str(self.parameters.settings.is_metric).lower(),
            'waiting_for_mount': str(self._mounting.num_waiting),
            'dropped_without_mount': str(self._mounting.num_dropped),
        }

    def wanted(self) -> bool:
        """Always want everything: a frame that is not tracked is a gap in the odometry."""
        return True

    def publish(self, output: OdometryOutput, *, stamp_ns: int, frame_id: str) -> None:
        """Publish the result of a frame."""
        self.last_output_s = time.monotonic()
        self._frame_id = frame_id
        if self.last is not None and output.session < self.last.session:
            return  # from before a reset: its origin no longer exists
        if self.last is None or output.session > self.last.session:
            self._start_again()
        if output.pose is not None:
            self._mounting.put(output.pose, stamp_ns=stamp_ns, frame_id=frame_id)
        elif output.is_keyframe:
            self._mounting.start_again(stamp_ns)
        if output.direction is not None:
            for name, make in ((DIRECTION, direction_message), (ROTATION, rotation_message)):
                message = make(output.direction, stamp_ns=stamp_ns, frame_id=frame_id)
                self._publishers[name].publish(message)
        self.publish_status(output)

    def publish_status(self, output: OdometryOutput) -> None:
        """Publish the state, after a frame or a change without one."""
        if self.last is not None and output.session > self.last.session:
            self._start_again()
        self._tell_change(output)
        self.last = output
        message = status_message(
            output,
            frame_id=self._frame_id,
            frontend=self.parameters.settings.model,
            is_metric=self.parameters.settings.is_metric,
        )
        self._publishers[STATUS].publish(message)

    def poll(self) -> None:
        """Publish poses whose mounting has come meanwhile."""
        self._mounting.poll()

    def _start_again(self) -> None:
        self._mounting.start_again(0)
        self._path.clear()
        self._body.forget()

    def _publish_pose(self, waiting: WaitingPose, mounting: Mounting) -> None:
        stamp_ns, frame_id = waiting.stamp_ns, waiting.frame_id
        body = self._body.moved(waiting.pose, stamp_ns, mounting)
        message = odometry_message(
            body,
            stamp_ns=stamp_ns,
            odom_frame=self.parameters.odom_frame,
            child_frame=self.parameters.base_frame or frame_id,
        )
        self._publishers[ODOMETRY].publish(message)
        self._rate.add(stamp_ns, frame_id, self._clock.now().nanoseconds)
        if self._tf is not None:
            self._tf.send(transform_message(message))
        self._path.append(pose_message(message))
        if self._publishers[PATH].get_subscription_count():
            self._publishers[PATH].publish(Path(header=message.header, poses=list(self._path)))

    def _advertise(self, node: Node, name: str) -> AnyPublisher:
        return open_publisher(
            node,
            KINDS[name],
            name,
            output_profile(self.parameters),
            events=publisher_events(node.resolve_topic_name(name), self._warn),
        )

    def _tell_change(self, output: OdometryOutput) -> None:
        """Log changes of state, once each."""
        if self.last is not None and self.last.state is output.state:
            return
        words = f'{output.state.value}: {output.text}' if output.text else output.state.value
        is_fine = output.state in (OdometryState.TRACKING, OdometryState.INITIALISING)
        # Two calls: rclpy refuses one call site that logs at two severities.
        if is_fine:
            self._log.info(words)
        else:
            self._log.warning(words)


def transform_sender(node: Node, parameters: OdometryParameters) -> TransformSender | None:
    """Return where transforms go, or None after a line that says why there are none.

    Without ``base_frame`` the pose is that of the optical frame, which has a parent on a robot:
    its mount. A second parent would tear the tree apart.
    """
    log = node.get_logger()
    if not parameters.publish_tf:
        return None
    if not parameters.base_frame:
        log.info(NO_BASE)
        return None
    sender = TransformSender(node)
    if not sender.is_open:
        log.warning(NO_TF)
    return sender
