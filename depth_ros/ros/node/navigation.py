"""What costmaps get of a depth image: obstacles, free rays and a scan.

Nothing is computed for topics without subscribers, nor while nobody says how the camera sits on
the robot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import LaserScan, PointCloud2, PointField

from depth_ros.geometry.cloud_filters import without_flying_pixels, without_outliers
from depth_ros.geometry.cloud_settings import Ground
from depth_ros.geometry.costmap_clouds import clearing_cloud, marking_cloud
from depth_ros.geometry.depth import flat_cloud
from depth_ros.geometry.flat_scan import flat_scan
from depth_ros.geometry.free_space import Sight, above_floor, look
from depth_ros.geometry.mounting import odd_mount
from depth_ros.messages.clouds import fill_point_cloud
from depth_ros.messages.scans import fill_laser_scan
from depth_ros.results import DepthResult
from depth_ros.ros.node.cloud_parameters import CloudParameters
from depth_ros.ros.node.diagnostics import LEFT_OUT
from depth_ros.ros.node.placing import Placing
from depth_ros.ros.node.publishers import OutputTopic, TopicPublishers
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate

FREE_RGB = (0, 160, 255)
"""Colour of the ends of free rays."""

ODD_MOUNT = (
    'by navigation.base_from_camera or TF the camera {frame!r} {odd}; if it does not, the place '
    'is that of a frame with x ahead and not of the optical frame (z ahead, y down): for a camera '
    'that looks forward the rotation is -0.5 0.5 -0.5 0.5'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class NavigationWanted:
    """All topics are derived from one sight; the scan has a frame of its own."""

    sight: bool = True
    scan: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NavigationView:
    """One depth image as a robot sees it.

    Attributes:
        sight: Obstacles and free rays.
        rgb: ``(h, w, 3)`` uint8 colours of its pixels.
        scan_from_base: ``(4, 4)``, the scan's frame from the robot's; None where it is unknown or
            no scan is wanted.
    """

    sight: Sight
    rgb: np.ndarray
    scan_from_base: np.ndarray | None


class NavigationPublishers:
    """Publishes ``points/obstacles``, ``points/clearing`` and ``scan``."""

    def __init__(self, node: Node, parameters: CloudParameters, warn: ThrottledWarnings) -> None:
        """Advertise; TF is listened to once somebody subscribes."""
        self._warn = warn
        self._parameters = parameters
        self._placing = Placing(node)
        self._left_out = ''
        self._told_mount = ''
        self._topics: TopicPublishers[NavigationView, CloudParameters, NavigationWanted] = (
            TopicPublishers(node, parameters, warn, NAVIGATION_TOPICS)
        )

    def set_parameters(self, parameters: CloudParameters) -> None:
        """Use other parameters from the next output on."""
        self._parameters = parameters
        self._topics.set_parameters(parameters)

    def rates(self) -> Sequence[TopicRate]:
        """Return how the messages of every topic go out."""
        return self._topics.rates()

    def details(self) -> Mapping[str, str]:
        """Return why topics with subscribers get nothing, for diagnostics; empty if they do."""
        is_told = bool(self._left_out) and self._topics.wanted() is not None
        return {LEFT_OUT: self._left_out} if is_told else {}

    def is_wanted(self) -> bool:
        """Whether one of the topics has a subscriber."""
        is_wanted = self._topics.wanted() is not None
        if is_wanted:
            self._placing.listen(self._parameters.navigation)
        return is_wanted

    def publish(
        self, depth: DepthResult | None, rgb: np.ndarray, *, stamp_ns: int, frame_id: str
    ) -> None:
        """Publish what a depth image says, on every topic that has subscribers.

        Args:
            depth: Metric depth; None publishes nothing.
            rgb: ``(H, W, 3)`` uint8 colours of the same pixels.
            stamp_ns: Of the image.
            frame_id: Optical frame.
        """
        if depth is None or not self._topics.is_due(stamp_ns):
            return
        settings = self._parameters.navigation
        base_from_camera = self._placing.camera_at(stamp_ns, frame_id, settings)
        if base_from_camera is None:
            self._left_out = self._placing.problem
            self._warn('no_base_frame', self._left_out)
            return
        self._tell_odd_mount(base_from_camera, frame_id)
        scan_from_base = self._scan_from_base(stamp_ns)
        # Set once an image: diagnostics may ask at any time.
        self._left_out = self._placing.problem
        view = NavigationView(
            sight=see(depth, base_from_camera, self._parameters),
            rgb=rgb[:: settings.stride, :: settings.stride],
            scan_from_base=scan_from_base,
        )
        self._topics.publish(view, stamp_ns=stamp_ns, frame_id=frame_id)

    def _scan_from_base(self, stamp_ns: int) -> np.ndarray | None:
        """Look the scan's frame up, if somebody wants the scan; the clouds do without it."""
        wanted = self._topics.wanted()
        if wanted is None or not wanted.scan:
            return None
        found = self._placing.scan_at(stamp_ns, self._parameters.navigation)
        if found is None:
            self._warn('no_scan_frame', self._placing.problem)
        return found

    def _tell_odd_mount(self, base_from_camera: np.ndarray, frame_id: str) -> None:
        """Warn of a camera that sits oddly, once for each way."""
        odd = odd_mount(base_from_camera)
        if odd and odd != self._told_mount:
            self._warn('odd_mount', ODD_MOUNT.format(frame=frame_id, odd=odd))
        self._told_mount = odd or self._told_mount


def see(depth: DepthResult, base_from_camera: np.ndarray, parameters: CloudParameters) -> Sight:
    """Filter a depth image as clouds are, and sort its pixels."""
    cloud, settings = parameters.cloud, parameters.navigation
    kept = without_flying_pixels(depth.depth, max_step=cloud.max_edge_step)
    kept = without_outliers(
        kept, min_neighbors=settings.outlier_neighbors, num_sigmas=cloud.outlier_sigma
    )
    if settings.ground is Ground.FITTED:
        base_from_camera = above_floor(kept, depth.camera, base_from_camera)
    return look(kept, depth.camera, base_from_camera, settings)


def _obstacles(message: PointCloud2, view: NavigationView, parameters: CloudParameters) -> bool:
    return _fill(message, *marking_cloud(view.sight, view.rgb, parameters.navigation))


def _clearing(message: PointCloud2, view: NavigationView, parameters: CloudParameters) -> bool:
    ends = clearing_cloud(view.sight, parameters.navigation)
    return _fill(message, ends, np.full(ends.shape, FREE_RGB, np.uint8))


def _fill(message: PointCloud2, points: np.ndarray, colors: np.ndarray) -> bool:
    fill_point_cloud(message, flat_cloud(points, colors), PointField)
    message.is_dense = True
    return True


def _scan(message: LaserScan, view: NavigationView, parameters: CloudParameters) -> bool:
    if view.scan_from_base is None:
        return False
    fill_laser_scan(message, flat_scan(view.sight, view.scan_from_base, parameters.navigation))
    return True


def _max_rate_hz(parameters: CloudParameters) -> float:
    return parameters.navigation.max_rate_hz


def _scan_frame(parameters: CloudParameters) -> str:
    return parameters.navigation.scan_frame or parameters.navigation.base_frame


NAVIGATION_TOPICS: tuple[OutputTopic[NavigationView, CloudParameters, NavigationWanted], ...] = (
    OutputTopic(
        name='points/obstacles',
        message_type=PointCloud2,
        fill=_obstacles,
        needs=NavigationWanted(),
        max_rate_hz=_max_rate_hz,
        meaning='Points of obstacles in the optical frame, within the band of heights and the '
        'range of `navigation.*`: no floor, no NaN, one a voxel; empty where there are none',
    ),
    OutputTopic(
        name='points/clearing',
        message_type=PointCloud2,
        fill=_clearing,
        needs=NavigationWanted(),
        max_rate_hz=_max_rate_hz,
        meaning='Ends of rays that are known to be free, in the optical frame: at the maximum '
        'range, or where the ray leaves the band or comes to the floor; nothing for unknown, no '
        'NaN',
    ),
    OutputTopic(
        name='scan',
        message_type=LaserScan,
        fill=_scan,
        needs=NavigationWanted(scan=True),
        max_rate_hz=_max_rate_hz,
        frame=_scan_frame,
        meaning='The nearest obstacle by angle in `navigation.scan_frame`; +Inf free up to '
        '`range_max`, -Inf too near, NaN unknown (REP 117)',
    ),
)
"""What costmaps get."""
