"""Outputs of the stereo node: every topic as one line of a table."""

from __future__ import annotations

from typing import TypeAlias

from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from depth_ros.camera import StereoCamera, stereo_camera
from depth_ros.geometry.postprocess import colorize_disparity
from depth_ros.messages.disparity import fill_disparity
from depth_ros.ros.node.pair_inputs import StereoJob
from depth_ros.ros.node.publishers import (
    OutputTopic,
    fill_info,
    fill_map,
    fill_points,
    points_rate_hz,
)
from depth_ros.ros.stereo.parameters import StereoParameters
from depth_ros.tasks.stereo.processor import StereoOutput, Wanted

Topic: TypeAlias = OutputTopic[StereoOutput, StereoParameters, Wanted]


def _disparity(
    message: DisparityImage, output: StereoOutput, parameters: StereoParameters
) -> bool:
    fill_disparity(message, output.disparity)
    return True


def _disparity_color(message: Image, output: StereoOutput, parameters: StereoParameters) -> bool:
    result = output.disparity
    highest = parameters.color_max_disparity_px or result.max_disparity_px
    lowest = min(parameters.color_min_disparity_px, highest - 1.0)
    rgb = colorize_disparity(result.disparity, min=lowest, max=highest)
    return fill_map(message, rgb[:, :, ::-1], 'bgr8')


def _depth_image(message: Image, output: StereoOutput, parameters: StereoParameters) -> bool:
    return fill_map(message, output.depth.depth if output.depth else None)


def _sigma(message: Image, output: StereoOutput, parameters: StereoParameters) -> bool:
    return fill_map(message, output.depth.sigma if output.depth else None)


def _confidence(message: Image, output: StereoOutput, parameters: StereoParameters) -> bool:
    return fill_map(message, output.disparity.confidence)


def _points(message: PointCloud2, output: StereoOutput, parameters: StereoParameters) -> bool:
    if output.depth is None:
        return False
    rgb, stride = output.rectified.left, parameters.cloud_stride
    return fill_points(message, output.depth, rgb, stride=stride, filters=parameters.cloud)


def _left_image(message: Image, output: StereoOutput, parameters: StereoParameters) -> bool:
    return fill_map(message, output.rectified.left, 'rgb8')


def _right_image(message: Image, output: StereoOutput, parameters: StereoParameters) -> bool:
    return fill_map(message, output.rectified.right, 'rgb8')


def _left_info(message: CameraInfo, output: StereoOutput, parameters: StereoParameters) -> bool:
    return fill_info(message, output.rectified.camera.left)


def _right_info(message: CameraInfo, output: StereoOutput, parameters: StereoParameters) -> bool:
    return fill_info(message, output.rectified.camera.right)


def _left_info_alone(message: CameraInfo, job: StereoJob, parameters: StereoParameters) -> None:
    fill_info(message, _rig(job, parameters).left)


def _right_info_alone(message: CameraInfo, job: StereoJob, parameters: StereoParameters) -> None:
    fill_info(message, _rig(job, parameters).right)


def _rig(job: StereoJob, parameters: StereoParameters) -> StereoCamera:
    return stereo_camera(job.left, job.right, baseline_m=parameters.settings.baseline_m)


DISPARITY_ONLY = Wanted(depth=False)

OUTPUT_TOPICS: tuple[Topic, ...] = (
    OutputTopic(
        name='disparity',
        message_type=DisparityImage,
        fill=_disparity,
        needs=DISPARITY_ONLY,
        meaning='Disparity in pixels of the rectified image, offset of cx removed so that '
        '`Z = f * T / d`; unknown is `min_disparity - 1`',
    ),
    OutputTopic(
        name='disparity/color',
        message_type=Image,
        fill=_disparity_color,
        needs=DISPARITY_ONLY,
        meaning='`bgr8` picture of it for RViz: far blue, near red, unknown black',
    ),
    OutputTopic(
        name='depth/image',
        message_type=Image,
        fill=_depth_image,
        needs=Wanted(depth=True),
        meaning='`32FC1` metres along the optical axis; NaN unknown, +Inf beyond `max_depth_m`, '
        '-Inf nearer than `min_depth_m` (REP 117, 118)',
    ),
    OutputTopic(
        name='depth/camera_info',
        message_type=CameraInfo,
        fill=_left_info,
        needs=DISPARITY_ONLY,
        rides_along=True,
        alone=_left_info_alone,
        meaning='Calibration of the rectified left image, which is that of `depth/image`',
    ),
    OutputTopic(
        name='points',
        message_type=PointCloud2,
        fill=_points,
        max_rate_hz=points_rate_hz,
        needs=Wanted(depth=True),
        meaning='Organised cloud in the left optical frame: x, y, z in metres and packed rgb, 16 '
        'bytes a point; every depth that is not finite is a NaN point, and every flying pixel',
    ),
    OutputTopic(
        name='confidence',
        message_type=Image,
        fill=_confidence,
        needs=Wanted(depth=False, confidence=True),
        meaning='`32FC1` 0..1: the chance that the error is below `confidence_threshold_px` where '
        'the model tells its error; else where SGBM gives hints by agreement with it; else by '
        'left-right consistency, which is matching twice and doubles the time',
    ),
    OutputTopic(
        name='depth/sigma',
        message_type=Image,
        fill=_sigma,
        needs=Wanted(depth=False, sigma=True),
        meaning='`32FC1` standard deviation of depth in metres, by the error that the model '
        'tells, else for `disparity_sigma_px`',
    ),
    OutputTopic(
        name='rectified/left/image',
        message_type=Image,
        fill=_left_image,
        needs=DISPARITY_ONLY,
        meaning='`rgb8` rectified left image',
    ),
    OutputTopic(
        name='rectified/left/camera_info',
        message_type=CameraInfo,
        fill=_left_info,
        needs=DISPARITY_ONLY,
        rides_along=True,
        alone=_left_info_alone,
        meaning='Its calibration: no distortion, R = I, K from P',
    ),
    OutputTopic(
        name='rectified/right/image',
        message_type=Image,
        fill=_right_image,
        needs=DISPARITY_ONLY,
        meaning='`rgb8` rectified right image, with the same stamp and frame as the left one',
    ),
    OutputTopic(
        name='rectified/right/camera_info',
        message_type=CameraInfo,
        fill=_right_info,
        needs=DISPARITY_ONLY,
        rides_along=True,
        alone=_right_info_alone,
        meaning='Its calibration; `P[0, 3] = -fx * baseline` in metres',
    ),
)
"""Every output of the node but diagnostics."""
