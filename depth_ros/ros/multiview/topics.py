"""Outputs of the multi-view node: every topic of a reference as one line of a table."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.ros.multiview.job import KeyframeOutput, KeyframeWanted, MultiviewJob
from depth_ros.ros.multiview.parameters import MultiviewParameters
from depth_ros.ros.node.publishers import OutputTopic, fill_info, fill_map, fill_points

DEPTH = KeyframeWanted(depth=True)


def _depth(message: Image, output: KeyframeOutput, parameters: MultiviewParameters) -> bool:
    return fill_map(message, output.output.depth.depth)


def _info(message: CameraInfo, output: KeyframeOutput, parameters: MultiviewParameters) -> bool:
    return fill_info(message, output.output.frame.reference.camera)


def _info_alone(message: CameraInfo, job: MultiviewJob, parameters: MultiviewParameters) -> None:
    fill_info(message, job.views.reference.camera)


def _confidence(message: Image, output: KeyframeOutput, parameters: MultiviewParameters) -> bool:
    return fill_map(message, output.output.depth.confidence)


def _points(message: PointCloud2, output: KeyframeOutput, parameters: MultiviewParameters) -> bool:
    image = output.output.frame.reference.image
    return fill_points(message, output.output.depth, image, stride=parameters.cloud_stride)


def _image(message: Image, output: KeyframeOutput, parameters: MultiviewParameters) -> bool:
    return fill_map(message, output.output.frame.reference.image, 'rgb8')


OUTPUT_TOPICS = (
    OutputTopic(
        name='depth/image',
        message_type=Image,
        fill=_depth,
        needs=DEPTH,
        meaning='`32FC1` metres along the optical axis of the reference keyframe, whose stamp and '
        'frame it has; NaN unknown',
    ),
    OutputTopic(
        name='depth/camera_info',
        message_type=CameraInfo,
        fill=_info,
        needs=DEPTH,
        rides_along=True,
        alone=_info_alone,
        meaning='Calibration of the rectified reference, which is that of `depth/image`',
    ),
    OutputTopic(
        name='confidence',
        message_type=Image,
        fill=_confidence,
        needs=DEPTH,
        meaning='`32FC1` photometric confidence, 0..1: probability of the four hypotheses '
        'around the depth; 0 where the depth is unknown',
    ),
    OutputTopic(
        name='points',
        message_type=PointCloud2,
        fill=_points,
        needs=DEPTH,
        meaning='Organised cloud of the reference in its optical frame: x, y, z in metres and '
        'packed rgb, 16 bytes a point; unknown depth is a NaN point',
    ),
    OutputTopic(
        name='rectified/image',
        message_type=Image,
        fill=_image,
        needs=DEPTH,
        rides_along=True,
        alone=_info_alone,
        meaning='`rgb8` rectified image of the reference',
    ),
)
"""Every topic of a reference; ``fused/points`` is published by the node itself."""
