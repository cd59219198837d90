"""What others know about a pair: measured points or depth, and how the rig moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from depth_ros.camera import PinholeCamera, rectified_camera
from depth_ros.errors import InputError
from depth_ros.frames import KnownBeside
from depth_ros.geometry.projection import measured_points
from depth_ros.geometry.rigid import inverse
from depth_ros.messages.clouds import decode_cloud
from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.node.depth_input import DepthInput
from depth_ros.ros.node.poses import PoseSource, open_poses
from depth_ros.ros.node.qos import input_profile
from depth_ros.ros.node.roles import InputTopic
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.transforms import CameraMount
from depth_ros.ros.node.watched_topic import WatchedTopic
from depth_ros.ros.stereo.parameters import StereoParameters
from depth_ros.tasks.stereo.settings import DEPTH_HINTS, PREVIOUS_HINTS

POINTS, DEPTH_IMAGE = 'hints/points', 'hints/depth/image'
NUM_KEPT = 30
REMEDY = ': publish it, remap that name, or leave depth_topic out of hints'
NO_MOUNT = (
    'hints are in frame {sensor!r} and the left image in {camera!r}, and nobody says how the two '
    'sit: set left_from_depth to x y z qx qy qz qw{tf}'
)
Tell: TypeAlias = Callable[[str, str], None]
"""Takes a reason and a sentence."""
DepthMessage: TypeAlias = PointCloud2 | Image | CompressedImage


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PendingBeside:
    """What is known beside a pair, its points not decoded yet.

    Attributes:
        world_from_camera: ``(4, 4)``, None where nobody knows.
        points: Gives the points in the left camera's frame; the worker's thread asks.
    """

    world_from_camera: np.ndarray | None
    points: Callable[[], np.ndarray | None]

    def decode(self) -> KnownBeside:
        """Decode the points."""
        return KnownBeside(points_m=self.points(), world_from_camera=self.world_from_camera)


class HintInputs:
    """Subscribes to what the hints need that are asked for."""

    def __init__(self, node: Node, parameters: StereoParameters, warn: ThrottledWarnings) -> None:
        """Prepare; nothing is subscribed to before ``follow``."""
        self._node = node
        self._parameters = parameters
        self._warn = warn
        self._sensor: _Sensor | None = None
        self._poses: PoseSource | None = None
        self._left_out: dict[str, str] = {}

    def follow(self, parameters: StereoParameters) -> None:
        """Subscribe while hints need it, and no longer.

        Raises:
            ParameterError: If poses are to come from what is not installed.
        """
        before = self.topics()
        self._parameters = parameters
        if self._needs_depth and self._sensor is None:
            self._sensor = _Sensor(self._node, parameters, self._warn, self._tell)
        if self._needs_poses and self._poses is None and parameters.pose_source != 'none':
            self._poses = open_poses(self._node, parameters, self._warn)
        wanted = self.topics()
        for topic in before:
            if topic not in wanted:
                topic.pause()
        for topic in wanted:
            topic.is_needed = False  # there are results without a hint
            if topic not in before:
                topic.resume()

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        sensor, poses = self._sensor_in_use, self._poses_in_use
        return [*(sensor.topics() if sensor else []), *(poses.topics() if poses else [])]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for topics without messages, and why hints were left out.

        The latter since the last call: diagnostics tell what is so now.
        """
        sensor, poses = self._sensor_in_use, self._poses_in_use
        silent = [*(sensor.missing() if sensor else []), *(poses.missing() if poses else [])]
        left_out, self._left_out = self._left_out, {}
        return [*silent, *left_out.items()]

    def at(self, stamp: int, frame_id: str, camera: PinholeCamera) -> PendingBeside:
        """Return what is known of a pair.

        Args:
            stamp: Of the left image, ns.
            frame_id: Frame of the left image.
            camera: Its calibration.
        """
        pose = self._pose(stamp, frame_id)
        message = self._message(stamp)
        if self._sensor is None or message is None:
            return PendingBeside(world_from_camera=pose, points=lambda: None)
        place = self._place(message, frame_id, stamp=stamp, pose=pose)
        decode = self._sensor.decode

        def points() -> np.ndarray | None:
            return None if place is None else _placed(decode, message, camera, place, self._tell)

        return PendingBeside(world_from_camera=pose, points=points)

    @property
    def _needs_depth(self) -> bool:
        return DEPTH_HINTS in self._parameters.settings.hint_words

    @property
    def _needs_poses(self) -> bool:
        return self._needs_depth or PREVIOUS_HINTS in self._parameters.settings.hint_words

    @property
    def _sensor_in_use(self) -> _Sensor | None:
        return self._sensor if self._needs_depth else None

    @property
    def _poses_in_use(self) -> PoseSource | None:
        return self._poses if self._needs_poses else None

    def _tell(self, reason: str, text: str) -> None:
        """Warn of a hint that is left out, and remember it for diagnostics; any thread."""
        self._warn(reason, text)
        self._left_out[reason] = text

    def _message(self, stamp: int) -> DepthMessage | None:
        """Return the message nearest to a stamp, unless it is too old."""
        sensor = self._sensor_in_use
        if sensor is None:
            return None
        message = sensor.nearest(stamp)
        if message is None:
            return None
        apart_s = abs(stamp_ns(message.header.stamp) - stamp) / 1e9
        if apart_s <= self._parameters.max_hint_age_s:
            return message
        self._tell(
            'stale_hint',
            f'the nearest {sensor.name} is {apart_s:.3f} s from the pair, more than '
            f'max_hint_age_s ({self._parameters.max_hint_age_s:g}): no hint; publish it faster, '
            'compare the clocks, or raise max_hint_age_s',
        )
        return None

    def _place(
        self, message: DepthMessage, frame_id: str, *, stamp: int, pose: np.ndarray | None
    ) -> np.ndarray | None:
        """Return ``(4, 4)`` left camera at its stamp from sensor at its own; None if unknown."""
        assert self._sensor is not None
        taken = stamp_ns(message.header.stamp)
        mount = self._sensor.mount(taken, frame_id, message.header.frame_id)
        if mount is None or taken == stamp or self._poses is None:
            return mount
        then = self._pose(taken, frame_id)
        return None if pose is None or then is None else inverse(pose) @ then @ mount

    def _pose(self, stamp: int, frame_id: str) -> np.ndarray | None:
        poses = self._poses_in_use
        if poses is None:
            return None
        try:
            return poses.expected_at(stamp, frame_id)
        except InputError as error:
            self._tell(error.reason, f'hints are not moved: {error}')
            return None


def _placed(
    decode: Callable[[DepthMessage, PinholeCamera], np.ndarray],
    message: DepthMessage,
    camera: PinholeCamera,
    place: np.ndarray,
    tell: Tell,
) -> np.ndarray | None:
    """Decode points and take them to the left camera; None after a warning."""
    try:
        points = decode(message, camera)
    except InputError as error:
        tell(f'hint_{error.reason}', f'hints cannot be used: {error}')
        return None
    return points @ place[:3, :3].T.astype(np.float32) + place[:3, 3].astype(np.float32)


class _Sensor:
    """The last messages of another sensor, and where it sits."""

    def __init__(
        self, node: Node, parameters: StereoParameters, warn: ThrottledWarnings, tell: Tell
    ) -> None:
        """Subscribe to points or to depth images; ``tell`` hears why one makes no hint."""
        self._tell = tell
        self._mount = CameraMount(node, parameters.left_from_depth, name='left_from_depth')
        self._kept: deque[DepthMessage] = deque(maxlen=NUM_KEPT)
        self._depth: DepthInput | None = None
        if parameters.depth_topic == 'image':
            self._depth = DepthInput(
                node, parameters, name=DEPTH_IMAGE, on_depth=self._kept.append, warn=warn
            )
            self._topic: WatchedTopic = self._depth.topic
        else:
            self._topic = WatchedTopic(
                node,
                PointCloud2,
                POINTS,
                self._kept.append,
                profile=input_profile(parameters),
                warn=warn,
                timeout_s=parameters.input_timeout_s,
            )
        node.get_logger().info(f'hints are made of {self._topic.name}')

    @property
    def name(self) -> str:
        """Topic of the messages."""
        return self._topic.name

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return self._depth.topics() if self._depth else [self._topic]

    def missing(self) -> list[tuple[str, str]]:
        """Return a warning while nothing arrives."""
        return self._topic.missing('no_hint_topic', 'measured depth', REMEDY)

    def nearest(self, stamp: int) -> DepthMessage | None:
        """Return the message whose stamp is nearest; None before the first."""
        return min(
            list(self._kept),
            key=lambda message: abs(stamp_ns(message.header.stamp) - stamp),
            default=None,
        )

    def mount(self, stamp: int, camera_frame: str, frame_id: str) -> np.ndarray | None:
        """Return ``(4, 4)`` left camera from sensor; None after a warning where nobody knows."""
        if not self._mount.is_set and frame_id in ('', camera_frame):
            return np.eye(4)
        found = self._mount.at(stamp, camera_frame, frame_id)
        if found is None:
            why = f', or publish it: {self._mount.problem}' if self._mount.has_tf else ''
            tf = why or ' (tf2_ros is not installed)'
            self._tell(
                'no_hint_mount', NO_MOUNT.format(sensor=frame_id, camera=camera_frame, tf=tf)
            )
        return found

    def decode(self, message: DepthMessage, camera: PinholeCamera) -> np.ndarray:
        """Return the points ``(N, 3)`` float32 in the sensor's own frame; any thread.

        Raises:
            InputError: If the message cannot be used.
        """
        if isinstance(message, PointCloud2):
            return decode_cloud(message)[..., :3].reshape(-1, 3)
        assert self._depth is not None
        result = self._depth.result(message, rectified_camera(camera))
        assert result.camera is not None, 'depth that is measured has a camera'
        return measured_points(result.depth, result.camera)
