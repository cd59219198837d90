"""One camera's topics in: subscriptions, the last calibration, what is missing, decoding."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError, ImageError, InputError
from depth_ros.frames import MonoFrame
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.messages.images import announced_size, decode_any_image
from depth_ros.ros.node.parameters import CameraParameters
from depth_ros.ros.node.qos import camera_info_profile, input_profile
from depth_ros.ros.node.roles import InputTopic
from depth_ros.ros.node.shared_memory import SharedMemoryTeller
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.watched_topic import WatchedTopic

ImageMessage: TypeAlias = Image | CompressedImage
IMAGE_NAMES = {'raw': 'image_raw', 'rectified': 'image_rect'}
MESSAGE_TYPES: dict[str, type] = {'raw': Image, 'compressed': CompressedImage}
INFO_GRACE_S = 2.0
ONE_OF_A_RIG = ('', 'left')
"""Cameras whose size is looked at."""


class CameraInfoCache:
    """The last calibration of one camera; converted only when it changes.

    A broken camera_info replaces a good one: depth by a stale calibration would be wrong.
    """

    def __init__(self, topic: str) -> None:
        """Start without a calibration; ``topic`` is for messages."""
        self.topic = topic
        self.num_received = 0
        self._topic: WatchedTopic[CameraInfo] | None = None
        self._camera: PinholeCamera | None = None
        self._problem: CalibrationError | None = None
        self._fingerprint: tuple[object, ...] = ()

    @property
    def problem(self) -> CalibrationError | None:
        """Error of the last camera_info, or None."""
        return self._problem

    def update(self, message: CameraInfo) -> None:
        """Take a camera_info.

        Raises:
            CalibrationError: The first time that a broken one comes.
        """
        self.num_received += 1
        fingerprint = _fingerprint(message)
        if fingerprint == self._fingerprint:
            return
        self._fingerprint = fingerprint
        self._camera, self._problem = None, None
        try:
            self._camera = camera_from_info(message)
        except CalibrationError as error:
            self._problem = CalibrationError(error.reason, f'{self.topic}: {error}')
            raise self._problem from error

    def subscribe(
        self, node: Node, name: str, *, profile: QoSProfile, warn: ThrottledWarnings
    ) -> None:
        """Follow a topic; a broken camera_info becomes a warning."""

        def take(message: CameraInfo) -> None:
            try:
                self.update(message)
            except CalibrationError as error:
                warn(error.reason, str(error))

        self._topic = WatchedTopic(node, CameraInfo, name, take, profile=profile, warn=warn)

    def topics(self) -> list[WatchedTopic[CameraInfo]]:
        """Return what is subscribed to."""
        return [self._topic] if self._topic else []

    def camera(self) -> PinholeCamera:
        """Return the calibration.

        Raises:
            InputError: If there is none or it is broken.
        """
        if self._problem is not None:
            raise self._problem
        if self._camera is None:
            raise InputError('no_camera_info', self.missing_text())
        return self._camera

    def missing_text(self) -> str:
        """Return the warning that no camera_info arrived, with the remedy."""
        return (
            f'no camera_info on {self.topic}: publish the calibration there, or remap that name '
            'to where your driver publishes it'
        )


def _fingerprint(message: CameraInfo) -> tuple[object, ...]:
    roi = message.roi
    numbers = (message.d, message.k, message.r, message.p)
    return (
        message.header.frame_id,
        message.distortion_model,
        (message.height, message.width, message.binning_x, message.binning_y),
        (roi.x_offset, roi.y_offset, roi.height, roi.width),
        *(np.asarray(array, np.float64).tobytes() for array in numbers),
    )


def decode_frame(
    message: ImageMessage,
    camera: PinholeCamera,
    *,
    stamp_ns: int,
    is_rectified: bool,
    label: str = '',
    low_bits: int = 16,
) -> MonoFrame:
    """Decode an image message.

    Args:
        message: Image or CompressedImage.
        camera: Its calibration.
        stamp_ns: Its stamp.
        is_rectified: Whether it is rectified already.
        label: Which camera, for errors; empty where there is one.
        low_bits: Bits that a 16-bit camera fills.

    Raises:
        InputError: Naming the camera.
    """
    prefix = f'{label}: ' if label else ''
    try:
        if isinstance(message, CompressedImage):  # its header may claim gigabytes
            camera.check_image_size(*announced_size(message))
        return MonoFrame(
            image=decode_any_image(message, low_bits=low_bits),
            camera=camera,
            stamp_ns=stamp_ns,
            is_rectified=is_rectified,
        )
    except ImageError as error:
        raise ImageError(error.reason, f'{prefix}{error}') from error
    except CalibrationError as error:
        raise CalibrationError(error.reason, f'{prefix}{error}') from error


class CameraInput:
    """One camera: its image topic and its camera_info.

    Attributes:
        info: Cache of its camera_info.
        num_lost: Images that DDS reports as lost.
    """

    def __init__(
        self,
        node: Node,
        parameters: CameraParameters,
        *,
        on_image: Callable[[ImageMessage], None],
        warn: ThrottledWarnings,
        name: str = '',
    ) -> None:
        """Prepare; nothing is subscribed to before ``subscribe``.

        Args:
            node: Owner of the subscriptions.
            parameters: Start values.
            on_image: Called with every image message.
            warn: Throttled warnings.
            name: Namespace of the camera below the node's, e.g. ``'left'``, or empty.
        """
        self.name = name
        self._node = node
        self._parameters = parameters
        self._on_image = on_image
        self._warn = warn
        self._memory = SharedMemoryTeller(node.get_logger().info, warn)
        self.info = CameraInfoCache(node.resolve_topic_name(f'{self._prefix}camera_info'))
        self.num_lost = 0
        self._images: WatchedTopic[ImageMessage] | None = None
        self._subscribed_s = 0.0

    @property
    def image_topic(self) -> str:
        """Resolved name of the images; empty before ``subscribe``."""
        return self._images.name if self._images else ''

    @property
    def num_received(self) -> int:
        """Images received."""
        return self._images.num_received if self._images else 0

    def topic_for(self, kind: str) -> str:
        """Return the resolved name of the images for ``'raw'`` or ``'rectified'``."""
        return self._node.resolve_topic_name(self._name_for(kind))

    def has_publisher(self, kind: str) -> bool:
        """Whether such images have a publisher."""
        return self._node.count_publishers(self.topic_for(kind)) > 0

    def subscribe(self, kind: str) -> None:
        """Subscribe to camera_info and to ``'raw'`` or ``'rectified'`` images."""
        node, parameters = self._node, self._parameters
        self._subscribed_s = time.monotonic()
        self.info.subscribe(
            node,
            f'{self._prefix}camera_info',
            profile=camera_info_profile(parameters),
            warn=self._warn,
        )
        self._images = WatchedTopic(
            node,
            MESSAGE_TYPES[parameters.image_transport],
            self._name_for(kind),
            self._take,
            profile=input_profile(parameters),
            warn=self._warn,
            timeout_s=parameters.input_timeout_s,
            on_lost=self._on_lost,
        )

    def _take(self, message: ImageMessage) -> None:
        if isinstance(message, Image) and self.name in ONE_OF_A_RIG:
            self._memory.look(message.height, message.width)
        self._on_image(message)

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return [*([self._images] if self._images else []), *self.info.topics()]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for the topic without messages."""
        assert self._images is not None, 'subscribe comes first'
        silent = self._images.missing(f'no_{self._label}image', 'image', self._remedy())
        if silent:
            return silent
        is_new = time.monotonic() - self._subscribed_s < INFO_GRACE_S
        if self.info.num_received or is_new:
            return []
        return [(f'no_{self._label}camera_info', self.info.missing_text())]

    @property
    def _prefix(self) -> str:
        return f'{self.name}/' if self.name else ''

    @property
    def _label(self) -> str:
        return f'{self.name}_' if self.name else ''

    def _name_for(self, kind: str) -> str:
        name = f'{self._prefix}{IMAGE_NAMES[kind]}'
        return f'{name}/compressed' if self._parameters.image_transport == 'compressed' else name

    def _remedy(self) -> str:
        return (
            f' ({self._node.count_publishers(self.image_topic)} publishers): check the camera and '
            'the name (ros2 topic list), or set '
            f'{self.name or "camera"}:= of the launch file'
        )

    def _on_lost(self, count: int) -> None:
        self.num_lost += count
        self._warn(
            f'lost_{self.name or "images"}',
            f'{self.num_lost} images of {self.image_topic} were lost between the processes '
            "so far: start the camera with this package's config/fastdds.xml as "
            'FASTDDS_DEFAULT_PROFILES_FILE too, or raise input_depth (docs/topics.md)',
        )
