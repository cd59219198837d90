"""A topic of metric depth in, raw or compressed, with a calibration of its own if there is one."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ImageError
from depth_ros.geometry.resample import depth_camera
from depth_ros.messages.depth import decode_any_depth
from depth_ros.messages.headers import stamp_ns
from depth_ros.results import DepthResult, DepthScale
from depth_ros.ros.node.camera_input import CameraInfoCache, ImageMessage
from depth_ros.ros.node.parameters import DepthParameters
from depth_ros.ros.node.qos import camera_info_profile, input_profile
from depth_ros.ros.node.roles import InputTopic
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.watched_topic import WatchedTopic

INFO = 'camera_info'


class DepthInput:
    """Subscribes to depth images and to the camera_info beside them, which may never come.

    Attributes:
        topic: Topic of the images.
        info: Cache of their calibration; empty where the depth is registered to the image.
    """

    def __init__(
        self,
        node: Node,
        parameters: DepthParameters,
        *,
        name: str,
        on_depth: Callable[[ImageMessage], None],
        warn: ThrottledWarnings,
    ) -> None:
        """Subscribe.

        Args:
            node: Owner of the subscriptions.
            parameters: How it is sent, and its unit.
            name: Name of the depth topic, e.g. ``'depth/image'``.
            on_depth: Called with every depth message.
            warn: Throttled warnings.
        """
        transport = parameters.depth_transport
        self._unit_m = parameters.depth_unit_m
        info_name = _info_name(node, name)
        self.info = CameraInfoCache(node.resolve_topic_name(info_name))
        self.topic = WatchedTopic(
            node,
            Image if transport == 'raw' else CompressedImage,
            name if transport == 'raw' else f'{name}/{transport}',
            on_depth,
            profile=input_profile(parameters),
            warn=warn,
            timeout_s=parameters.input_timeout_s,
        )
        self.info.subscribe(node, info_name, profile=camera_info_profile(parameters), warn=warn)

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return [self.topic, *self.info.topics()]

    def result(self, message: ImageMessage, camera: PinholeCamera) -> DepthResult:
        """Decode depth. Any thread.

        Args:
            message: Depth message.
            camera: The image's calibration.

        Raises:
            InputError: If it cannot be used, or nothing says what it shows.
        """
        try:
            depth = decode_any_depth(message, unit_m=self._unit_m)
        except ImageError as error:
            raise ImageError(f'depth_{error.reason}', f'depth: {error}') from error
        height, width = depth.shape
        own = self.info.camera() if self.info.num_received else None
        return DepthResult(
            depth=depth,
            camera=depth_camera(camera, height=height, width=width, own=own),
            stamp_ns=stamp_ns(message.header.stamp),
            scale=DepthScale.METRIC,
        )


def _info_name(node: Node, name: str) -> str:
    """Return the topic of the calibration: remapped, else beside the images wherever those are."""
    usual = f'{name.rpartition("/")[0]}/{INFO}'
    is_remapped = node.resolve_topic_name(usual) != node.resolve_topic_name(
        usual, only_expand=True
    )
    return usual if is_remapped else f'{node.resolve_topic_name(name).rpartition("/")[0]}/{INFO}'
