"""Outputs of the multi-view node: every topic of a reference as one line of a table."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.ros.multiview.job import KeyframeOutput, KeyframeWanted, MultiviewJob
from depth_ros.ros.multiview.parameters import MultiviewParameters
from depth_ros.ros.node.publishers import OutputTopic, image_message, info_message, points_message

DEPTH = KeyframeWanted(depth=True)


def _depth(output: KeyframeOutput, parameters: MultiviewParameters) -> Image:
    return image_message(output.output.depth.depth, '32FC1')


def _info(output: KeyframeOutput, parameters: MultiviewParameters) -> CameraInfo:
    return info_message(output.output.frame.reference.camera)


def _info_alone(job: MultiviewJob, parameters: MultiviewParameters) -> CameraInfo:
    return info_message(job.views.reference.camera)


def _confidence(output: KeyframeOutput, parameters: MultiviewParameters) -> Image | None:
    confidence = output.output.depth.confidence
    return None if confidence is None else image_message(confidence, '32FC1')


def _points(output: KeyframeOutput, parameters: MultiviewParameters) -> PointCloud2:
    image = output.output.frame.reference.image
    return points_message(output.output.depth, image, stride=parameters.cloud_stride)


def _image(output: KeyframeOutput, parameters: MultiviewParameters) -> Image:
    return image_message(np.ascontiguousarray(output.output.frame.reference.image), 'rgb8')


OUTPUT_TOPICS = (
    OutputTopic(
        name='depth/image',
        message_type=Image,
        make=_depth,
        needs=DEPTH,
        meaning='`32FC1` metres along the optical axis of the reference keyframe, whose stamp and '
        'frame it has; NaN unknown',
    ),
    OutputTopic(
        name='depth/camera_info',
        message_type=CameraInfo,
        make=_info,
        needs=DEPTH,
        rides_along=True,
        alone=_info_alone,
        meaning='Calibration of the rectified reference, which is that of `depth/image`',
    ),
    OutputTopic(
        name='confidence',
        message_type=Image,
        make=_confidence,
        needs=DEPTH,
        meaning='`32FC1` photometric confidence, 0..1: probability of the four hypotheses '
        'around the depth; 0 where the depth is unknown',
    ),
    OutputTopic(
        name='points',
        message_type=PointCloud2,
        make=_points,
        needs=DEPTH,
        meaning='Organised cloud of the reference in its optical frame: x, y, z in metres and '
        'packed rgb, 16 bytes a point; unknown depth is a NaN point',
    ),
    OutputTopic(
        name='rectified/image',
        message_type=Image,
        make=_image,
        needs=DEPTH,
        rides_along=True,
        alone=_info_alone,
        meaning='`rgb8` rectified image of the reference',
    ),
)
"""Every topic of a reference; ``fused/points`` is published by the node itself."""
