"""Where the poses of a camera come from: odometry, poses of the camera, or TF."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node

from depth_ros.errors import InputError, ParameterError
from depth_ros.messages.headers import stamp_ns
from depth_ros.messages.poses import motion_of
from depth_ros.ros.node.parameters import PoseParameters
from depth_ros.ros.node.qos import input_profile
from depth_ros.ros.node.roles import InputTopic
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.transforms import (
    CameraMount,
    transform_listener,
)
from depth_ros.ros.node.watched_topic import WatchedTopic
from depth_ros.streams.pose_track import PoseTrack

REMEDY = ': start the odometry, or remap it'
NO_EXTRINSIC = (
    'the poses are of {base!r} and the images of {camera!r}, and nobody says how the camera sits: '
    'set base_from_camera to x y z qx qy qz qw{tf}'
)


class PoseSource(Protocol):
    """Returns the pose of the camera at a stamp."""

    @property
    def world_frame(self) -> str:
        """Frame of the poses; empty before the first."""

    @property
    def num_received(self) -> int:
        """Messages received."""

    def at(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return ``(4, 4)`` world from camera; None if it may still come.

        Raises:
            InputError: If there will be none.
        """

    def expected_at(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return ``(4, 4)`` world from camera, going on as it moved last; None if unknown.

        Raises:
            InputError: If nobody says how the camera sits.
        """

    def expects(self, camera_frame: str) -> bool:
        """Whether poses have come at all, so that waiting for one makes sense."""

    def why_not(self, camera_frame: str) -> InputError | None:
        """Return why no pose came for an image that waited long; None where nothing is known."""

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) if no poses arrive."""


class TopicPoses:
    """Poses from a topic, interpolated between their stamps."""

    def __init__(
        self,
        node: Node,
        parameters: PoseParameters,
        warn: ThrottledWarnings,
        *,
        kind_of_source: str = '',
        timeout_s: float | None = None,
    ) -> None:
        """Subscribe.

        Args:
            node: Owner of the subscription.
            parameters: The node's.
            warn: Throttled warnings.
            kind_of_source: Key of ``TOPICS``; empty takes ``pose_source``.
            timeout_s: Longest silence; None takes that of the images.
        """
        self.world_frame = ''
        self._warn = warn
        self._track = PoseTrack(max_gap_ns=round(1e9 * parameters.max_pose_gap_s))
        self._child_frame = ''
        self._refused: InputError | None = None
        self._mount = CameraMount(node, parameters.base_from_camera)
        kind, name, callback = TOPICS[kind_of_source or parameters.pose_source]
        self._topic: WatchedTopic[Odometry | PoseStamped] = WatchedTopic(
            node,
            kind,
            name,
            lambda message: callback(self, message),
            profile=input_profile(parameters),
            warn=warn,
            timeout_s=parameters.input_timeout_s if timeout_s is None else timeout_s,
        )

    @property
    def num_received(self) -> int:
        """Messages received."""
        return self._topic.num_received

    def at(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return world from camera at a stamp; see ``PoseSource``."""
        pose = self._track.at(stamp)
        mount = None if pose is None else self._base_from_camera(stamp, camera_frame)
        return None if pose is None or mount is None else pose @ mount

    def expected_at(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return world from camera, extrapolated where need be; see ``PoseSource``."""
        pose = self._track.expected_at(stamp)
        mount = None if pose is None else self._base_from_camera(stamp, camera_frame)
        return None if pose is None or mount is None else pose @ mount

    def expects(self, camera_frame: str) -> bool:
        """Whether a message has come."""
        return self._topic.num_received > 0

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return [self._topic]

    def missing(self) -> list[tuple[str, str]]:
        """Return a warning while no pose arrives."""
        return self._topic.missing('no_pose_topic', 'pose', REMEDY)

    def on_odometry(self, message: Odometry) -> None:
        """Take an odometry message."""
        self._add(message, message.pose.pose, message.child_frame_id)

    def on_pose(self, message: PoseStamped) -> None:
        """Take a pose, which is the camera's."""
        self._add(message, message.pose, '')

    def _add(self, message: Odometry | PoseStamped, pose: Pose, child_frame: str) -> None:
        self.world_frame, self._child_frame = message.header.frame_id, child_frame
        try:
            self._track.add(
                stamp_ns(message.header.stamp), motion_of(pose.position, pose.orientation)
            )
        except InputError as error:
            self._refused = error
            self._warn(error.reason, f'{self._topic.name}: {error}')
        else:
            self._refused = None

    def _base_from_camera(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return the mounting at the stamp, so that it may move; None while TF may have it yet."""
        if not self._mount.is_set and self._child_frame in ('', camera_frame):
            return np.eye(4)
        found = self._mount.at(stamp, self._child_frame, camera_frame)
        if found is None and not self._mount.has_tf:
            raise InputError('no_extrinsic', self._no_extrinsic(camera_frame))
        return found

    def why_not(self, camera_frame: str) -> InputError | None:
        """Return why a pose did not come, where it is known; see ``PoseSource``."""
        if self._refused is not None:
            return self._refused
        is_placed = self._mount.is_set or self._child_frame in ('', camera_frame)
        if is_placed or (self._mount.has_tf and not self._mount.problem):
            return None
        return InputError('no_extrinsic', self._no_extrinsic(camera_frame))

    def _no_extrinsic(self, camera_frame: str) -> str:
        tf = (
            f', or publish it: {self._mount.problem}'
            if self._mount.has_tf
            else ' (tf2_ros is not installed)'
        )
        return NO_EXTRINSIC.format(base=self._child_frame, camera=camera_frame, tf=tf)


TOPICS: dict[str, tuple[type, str, Callable[..., None]]] = {
    'odometry': (Odometry, 'odometry', TopicPoses.on_odometry),
    'pose': (PoseStamped, 'pose', TopicPoses.on_pose),
}
"""Message, relative name and callback by ``pose_source``."""


class TransformPoses:
    """Poses from TF."""

    def __init__(self, node: Node, parameters: PoseParameters) -> None:
        """Listen.

        Raises:
            ParameterError: If tf2_ros is not installed.
        """
        self.world_frame = parameters.world_frame
        self.num_received = 0
        listener = transform_listener(node)
        if listener is None:
            raise ParameterError(
                'pose_source tf needs tf2_ros, which is not installed; type: apt install '
                'ros-$ROS_DISTRO-tf2-ros-py, or set pose_source to odometry or pose'
            )
        self._tf = listener

    def at(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return world from camera at a stamp; None while TF does not have it."""
        return self._tf.at(self.world_frame, camera_frame, stamp)

    def expected_at(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return world from camera at a stamp, where TF has it; TF extrapolates nothing."""
        return self.at(stamp, camera_frame)

    def expects(self, camera_frame: str) -> bool:
        """Whether TF has any transform to the camera."""
        return self._tf.at(self.world_frame, camera_frame, 0) is not None

    def why_not(self, camera_frame: str) -> InputError | None:
        """Return what tf2 said; see ``PoseSource``."""
        return InputError('no_pose', self._tf.problem) if self._tf.problem else None

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return []

    def missing(self) -> list[tuple[str, str]]:
        """Return no warning: TF sends nothing while the robot stands still."""
        return []


class AutoPoses:
    """Poses from whichever there is: odometry once a message came, else TF where it has them.

    Nothing is expected: without both, images have no poses and nobody is warned.
    """

    def __init__(self, node: Node, parameters: PoseParameters, warn: ThrottledWarnings) -> None:
        """Subscribe to odometry, and listen to TF where it is installed."""
        self._topic = TopicPoses(
            node, parameters, warn, kind_of_source='odometry', timeout_s=float('inf')
        )
        self._transforms: TransformPoses | None = None
        try:
            self._transforms = TransformPoses(node, parameters)
        except ParameterError:
            return

    @property
    def _source(self) -> TopicPoses | TransformPoses:
        if self._topic.num_received or self._transforms is None:
            return self._topic
        return self._transforms

    @property
    def world_frame(self) -> str:
        """Frame of the poses; empty before the first."""
        return self._source.world_frame

    @property
    def num_received(self) -> int:
        """Messages of odometry received."""
        return self._topic.num_received

    def at(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return world from camera at a stamp; see ``PoseSource``."""
        return self._source.at(stamp, camera_frame)

    def expected_at(self, stamp: int, camera_frame: str) -> np.ndarray | None:
        """Return world from camera, extrapolated where need be; see ``PoseSource``."""
        return self._source.expected_at(stamp, camera_frame)

    def expects(self, camera_frame: str) -> bool:
        """Whether the source has had any pose."""
        return self._source.expects(camera_frame)

    def why_not(self, camera_frame: str) -> InputError | None:
        """Return why a pose did not come, where it is known; see ``PoseSource``."""
        return self._source.why_not(camera_frame)

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return self._topic.topics()

    def missing(self) -> list[tuple[str, str]]:
        """Return no warning: there need be no poses."""
        return []


def open_poses(node: Node, parameters: PoseParameters, warn: ThrottledWarnings) -> PoseSource:
    """Open the source that ``pose_source`` names.

    Raises:
        ParameterError: If it needs what is not installed.
    """
    if parameters.pose_source == 'tf':
        return TransformPoses(node, parameters)
    if parameters.pose_source == 'auto':
        return AutoPoses(node, parameters, warn)
    return TopicPoses(node, parameters, warn)
