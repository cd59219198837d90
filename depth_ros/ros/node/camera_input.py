"""One camera's topics in: subscriptions, the last calibration, what is missing, decoding."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError, ImageError, InputError
from depth_ros.frames import MonoFrame
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.messages.images import decode_any_image
from depth_ros.ros.node.parameters import CameraParameters
from depth_ros.ros.node.qos import camera_info_profile, input_profile, subscription_events
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings

ImageMessage: TypeAlias = Image | CompressedImage
IMAGE_NAMES = {'raw': 'image_raw', 'rectified': 'image_rect'}
MESSAGE_TYPES: dict[str, type] = {'raw': Image, 'compressed': CompressedImage}
SILENT_S = 5.0
INFO_GRACE_S = 2.0


class CameraInfoCache:
    """The last calibration of one camera; converted only when it changes.

    A broken camera_info replaces a good one: depth by a stale calibration would be wrong.
    """

    def __init__(self, topic: str) -> None:
        """Start without a calibration; ``topic`` is for messages."""
        self.topic = topic
        self.num_received = 0
        self._camera: PinholeCamera | None = None
        self._problem: CalibrationError | None = None
        self._fingerprint: tuple[object, ...] = ()

    @property
    def problem(self) -> CalibrationError | None:
        """What is wrong with the last camera_info, or None."""
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
        """Say that no camera_info came, and what to do."""
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
) -> MonoFrame:
    """Decode an image message.

    Args:
        message: Image or CompressedImage.
        camera: Its calibration.
        stamp_ns: Its stamp.
        is_rectified: Whether it is rectified already.
        label: Which camera, for errors; empty where there is one.

    Raises:
        InputError: Naming the camera.
    """
    prefix = f'{label}: ' if label else ''
    try:
        return MonoFrame(
            image=decode_any_image(message),
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
        image_topic: Resolved name; empty before ``subscribe``.
        num_received: Images received.
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
        self.info = CameraInfoCache(node.resolve_topic_name(f'{self._prefix}camera_info'))
        self.image_topic = ''
        self.num_received = 0
        self.num_lost = 0
        self._subscribed_s = 0.0
        self._last_image_s = 0.0

    def topic_for(self, kind: str) -> str:
        """Return the resolved name of the images for ``'raw'`` or ``'rectified'``."""
        topic = f'{self._prefix}{IMAGE_NAMES[kind]}'
        if self._parameters.image_transport == 'compressed':
            topic += '/compressed'
        return self._node.resolve_topic_name(topic)

    def has_publisher(self, kind: str) -> bool:
        """Whether somebody publishes such images."""
        return self._node.count_publishers(self.topic_for(kind)) > 0

    def subscribe(self, kind: str) -> None:
        """Subscribe to camera_info and to ``'raw'`` or ``'rectified'`` images."""
        self.image_topic = self.topic_for(kind)
        self._subscribed_s = self._last_image_s = time.monotonic()
        self._node.create_subscription(
            CameraInfo,
            self.info.topic,
            self._on_info,
            camera_info_profile(self._parameters),
            event_callbacks=subscription_events(self.info.topic, self._warn),
        )
        self._node.create_subscription(
            MESSAGE_TYPES[self._parameters.image_transport],
            self.image_topic,
            self._on_message,
            input_profile(self._parameters),
            event_callbacks=subscription_events(self.image_topic, self._warn, self._on_lost),
        )

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for the topic on which nothing comes."""
        now = time.monotonic()
        silent_s = now - self._last_image_s
        if silent_s > SILENT_S:
            publishers = self._node.count_publishers(self.image_topic)
            text = (
                f'no image on {self.image_topic} for {silent_s:.0f} s ({publishers} publishers): '
                'check the camera and the name (ros2 topic list), or set '
                f'{self.name or "camera"}:= of the launch file'
            )
            return [(f'no_{self._label}image', text)]
        if self.info.num_received or now - self._subscribed_s < INFO_GRACE_S:
            return []
        return [(f'no_{self._label}camera_info', self.info.missing_text())]

    @property
    def _prefix(self) -> str:
        return f'{self.name}/' if self.name else ''

    @property
    def _label(self) -> str:
        return f'{self.name}_' if self.name else ''

    def _on_info(self, message: CameraInfo) -> None:
        try:
            self.info.update(message)
        except CalibrationError as error:
            self._warn(error.reason, str(error))

    def _on_message(self, message: ImageMessage) -> None:
        self._last_image_s = time.monotonic()
        self.num_received += 1
        self._on_image(message)

    def _on_lost(self, count: int) -> None:
        self.num_lost += count
        self._warn(
            f'lost_{self.name or "images"}',
            f'{self.num_lost} images of {self.image_topic} were lost between the processes '
            "so far: start the camera with this package's config/fastdds.xml as "
            'FASTDDS_DEFAULT_PROFILES_FILE too, or raise input_depth (docs/topics.md)',
        )


def choose_input(cameras: list[CameraInput], wanted: str) -> str:
    """Return ``'raw'`` or ``'rectified'``, or nothing while ``'auto'`` sees no publisher."""
    if wanted != 'auto':
        return wanted
    for kind in ('rectified', 'raw'):
        if all(camera.has_publisher(kind) for camera in cameras):
            return kind
    return ''


def no_publisher_text(camera: CameraInput) -> str:
    """Say that ``input`` is ``auto`` and nobody publishes yet."""
    names = ' or '.join(camera.topic_for(kind) for kind in IMAGE_NAMES)
    return f'input is auto and nobody publishes {names} yet'
