"""Results out: every topic as one line of a table, made only for who subscribes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from stereo_msgs.msg import DisparityImage

from depth_ros.camera import rectified_camera
from depth_ros.geometry import organised_cloud
from depth_ros.messages import (
    fill_camera_info,
    fill_disparity,
    fill_header,
    fill_image,
    fill_point_cloud,
)
from depth_ros.postprocess import colorize_disparity
from depth_ros.results import DepthResult
from depth_ros.ros.complaints import Complaints
from depth_ros.ros.parameters import StereoParameters
from depth_ros.ros.qos import output_profile, publisher_events
from depth_ros.stereo import StereoOutput, Wanted

Message: TypeAlias = Image | DisparityImage | PointCloud2 | CameraInfo
Make = Callable[[StereoOutput, StereoParameters], Message]


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputTopic:
    """One line of the table of topics.

    Attributes:
        name: Relative name.
        message_type: Its type.
        make: Makes the message, header excepted.
        needs: What has to be computed for it beyond disparity.
        rides_along: Whether it is published with every output but is no reason to compute one.
        meaning: One line for the docs.
    """

    name: str
    message_type: type
    make: Make
    needs: Wanted = Wanted(depth=False)
    rides_along: bool = False
    meaning: str


class StereoPublishers:
    """Publishes one output on every topic that somebody subscribes to."""

    def __init__(self, node: Node, parameters: StereoParameters, complain: Complaints) -> None:
        """Advertise every topic."""
        self.parameters = parameters
        self._publishers: list[tuple[OutputTopic, Publisher]] = []
        for topic in OUTPUT_TOPICS:
            resolved = node.resolve_topic_name(topic.name)
            publisher = node.create_publisher(
                topic.message_type,
                topic.name,
                output_profile(parameters),
                event_callbacks=publisher_events(resolved, complain),
            )
            self._publishers.append((topic, publisher))

    def wanted(self) -> Wanted | None:
        """Say what somebody subscribes to; None if nobody does."""
        needs = [
            topic.needs
            for topic, publisher in self._publishers
            if not topic.rides_along and publisher.get_subscription_count()
        ]
        if not needs:
            return None
        return Wanted(
            depth=any(need.depth for need in needs),
            confidence=any(need.confidence for need in needs),
            sigma=any(need.sigma for need in needs),
        )

    def publish(self, output: StereoOutput, *, stamp_ns: int, frame_id: str) -> None:
        """Publish to whom it may concern; a part that was not computed is left out."""
        for topic, publisher in self._publishers:
            if publisher.get_subscription_count() and _is_computed(topic.needs, output):
                message = topic.make(output, self.parameters)
                fill_header(message.header, stamp_ns=stamp_ns, frame_id=frame_id)
                if isinstance(message, DisparityImage):
                    message.image.header = message.header
                publisher.publish(message)


def _is_computed(needs: Wanted, output: StereoOutput) -> bool:
    """Whether the output has it; somebody may have subscribed while it was computed."""
    depth = output.depth
    return (
        (depth is not None or not (needs.depth or needs.sigma))
        and (output.disparity.confidence is not None or not needs.confidence)
        and (not needs.sigma or (depth is not None and depth.sigma is not None))
    )


def _disparity(output: StereoOutput, parameters: StereoParameters) -> Message:
    message = DisparityImage()
    fill_disparity(message, output.disparity)
    return message


def _disparity_color(output: StereoOutput, parameters: StereoParameters) -> Message:
    result = output.disparity
    highest = parameters.color_max_disparity_px or result.max_disparity_px
    lowest = min(parameters.color_min_disparity_px, highest - 1.0)
    rgb = colorize_disparity(result.disparity, min=lowest, max=highest)
    return _image(np.ascontiguousarray(rgb[:, :, ::-1]), 'bgr8')


def _depth_image(output: StereoOutput, parameters: StereoParameters) -> Message:
    return _image(_depth(output).depth, '32FC1')


def _sigma(output: StereoOutput, parameters: StereoParameters) -> Message:
    sigma = _depth(output).sigma
    assert sigma is not None
    return _image(sigma, '32FC1')


def _confidence(output: StereoOutput, parameters: StereoParameters) -> Message:
    assert output.disparity.confidence is not None
    return _image(output.disparity.confidence, '32FC1')


def _points(output: StereoOutput, parameters: StereoParameters) -> Message:
    depth = _depth(output)
    cloud = organised_cloud(
        depth.depth, output.rectified.left, depth.camera, stride=parameters.cloud_stride
    )
    message = PointCloud2()
    fill_point_cloud(message, cloud, PointField)
    return message


def _left_image(output: StereoOutput, parameters: StereoParameters) -> Message:
    return _image(output.rectified.left, 'rgb8')


def _right_image(output: StereoOutput, parameters: StereoParameters) -> Message:
    return _image(output.rectified.right, 'rgb8')


def _left_info(output: StereoOutput, parameters: StereoParameters) -> Message:
    message = CameraInfo()
    fill_camera_info(message, rectified_camera(output.rectified.camera.left))
    return message


def _right_info(output: StereoOutput, parameters: StereoParameters) -> Message:
    message = CameraInfo()
    fill_camera_info(message, rectified_camera(output.rectified.camera.right))
    return message


def _image(values: np.ndarray, encoding: str) -> Image:
    message = Image()
    fill_image(message, values, encoding)
    return message


def _depth(output: StereoOutput) -> DepthResult:
    assert output.depth is not None
    return output.depth


OUTPUT_TOPICS: tuple[OutputTopic, ...] = (
    OutputTopic(
        name='disparity',
        message_type=DisparityImage,
        make=_disparity,
        meaning='Disparity in pixels of the rectified image, offset of cx removed so that '
        '`Z = f * T / d`; unknown is `min_disparity - 1`',
    ),
    OutputTopic(
        name='disparity/color',
        message_type=Image,
        make=_disparity_color,
        meaning='`bgr8` picture of it for RViz: far blue, near red, unknown black',
    ),
    OutputTopic(
        name='depth/image',
        message_type=Image,
        make=_depth_image,
        needs=Wanted(depth=True),
        meaning='`32FC1` metres along the optical axis; NaN unknown, +Inf beyond `max_depth_m`, '
        '-Inf nearer than `min_depth_m` (REP 117, 118)',
    ),
    OutputTopic(
        name='depth/camera_info',
        message_type=CameraInfo,
        make=_left_info,
        rides_along=True,
        meaning='Calibration of the rectified left image, which is that of `depth/image`',
    ),
    OutputTopic(
        name='points',
        message_type=PointCloud2,
        make=_points,
        needs=Wanted(depth=True),
        meaning='Organised cloud in the left optical frame: x, y, z in metres and packed rgb, 16 '
        'bytes a point; every depth that is not finite is a NaN point',
    ),
    OutputTopic(
        name='confidence',
        message_type=Image,
        make=_confidence,
        needs=Wanted(depth=False, confidence=True),
        meaning='`32FC1` 0..1 by left-right consistency; matching twice, so it doubles the time',
    ),
    OutputTopic(
        name='depth/sigma',
        message_type=Image,
        make=_sigma,
        needs=Wanted(depth=False, sigma=True),
        meaning='`32FC1` standard deviation of depth in metres for `disparity_sigma_px`',
    ),
    OutputTopic(
        name='rectified/left/image',
        message_type=Image,
        make=_left_image,
        meaning='`rgb8` rectified left image',
    ),
    OutputTopic(
        name='rectified/left/camera_info',
        message_type=CameraInfo,
        make=_left_info,
        rides_along=True,
        meaning='Its calibration: no distortion, R = I, K from P',
    ),
    OutputTopic(
        name='rectified/right/image',
        message_type=Image,
        make=_right_image,
        meaning='`rgb8` rectified right image, with the same stamp and frame as the left one',
    ),
    OutputTopic(
        name='rectified/right/camera_info',
        message_type=CameraInfo,
        make=_right_info,
        rides_along=True,
        meaning='Its calibration; `P[0, 3] = -fx * baseline` in metres',
    ),
)
"""Every output of the node but diagnostics."""
