"""Outputs of the mono node: every topic as one line of a table."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_ros.geometry.postprocess import colorize_depth
from depth_ros.ros.mono.job import MonoJob
from depth_ros.ros.mono.parameters import MonoParameters
from depth_ros.ros.node.diagnostics import status_from
from depth_ros.ros.node.publishers import (
    OutputTopic,
    fill_info,
    fill_map,
    fill_points,
    points_rate_hz,
)
from depth_ros.tasks.mono.scale import Scaled
from depth_ros.tasks.mono.settings import RefineMode, ScaleMode
from depth_ros.tasks.mono.values import MonoOutput, MonoWanted

RELATIVE = MonoWanted(depth=False)
METRIC = MonoWanted(depth=True)
PAINTED_PERCENT = (1.0, 99.0)
MAP_WORDS = {True: 'fitted', False: 'left out: it contradicts keyframes, or they tell no shift'}
FROM_KEYFRAMES = 'metres come from keyframes (refine), not from a scale'


def is_metric(parameters: MonoParameters) -> bool:
    """Whether ``scale.mode`` gives metres."""
    return parameters.settings.scale.mode is not ScaleMode.NONE


def may_be_metric(parameters: MonoParameters) -> bool:
    """Whether there may be metres: of the scale, or of keyframes."""
    return is_metric(parameters) or parameters.settings.refine is not RefineMode.NONE


def scale_values(mode: ScaleMode, scaled: Scaled | None) -> dict[str, str]:
    """Return the scale of a frame as key-values; empty where it is not known."""
    factor = scaled.factor if scaled else None
    spread = scaled.spread if scaled else None
    return {
        'scale_mode': mode.value,
        'scale_factor': '' if factor is None else f'{factor:.6g}',
        'scale_spread': '' if spread is None else f'{spread:.4g}',
        'scale_shift_per_m': f'{scaled.shift:.6g}' if scaled and scaled.shift else '',
        'scale_refused': scaled.slug if scaled else '',
    }


def refine_values(output: MonoOutput | None) -> dict[str, str]:
    """Return how the last depth was refined as key-values; empty where it was not."""
    refined = output.refined if output else None
    refused = output.refusal[0] if output and output.refusal else ''
    fit = refined.fit if refined else None
    return {
        'mono_network': '' if output is None else ('yes' if output.has_network else 'none'),
        'keyframe_age_s': f'{refined.age_s:.3f}' if refined else '',
        'fit_spread': f'{fit.spread:.4g}' if fit else '',
        'mono_map': MAP_WORDS[refined.is_map_used] if refined and fit else '',
        'refine_refused': refused,
    }


def _relative(message: Image, output: MonoOutput, parameters: MonoParameters) -> bool:
    return fill_map(message, output.relative.depth if output.has_network else None)


def _relative_color(message: Image, output: MonoOutput, parameters: MonoParameters) -> bool:
    if not output.has_network:
        return False
    rgb = relative_picture(output.relative.depth)
    return fill_map(message, rgb[:, :, ::-1], 'bgr8')


def relative_picture(depth: np.ndarray) -> np.ndarray:
    """Paint depth without a unit by its own range, ``(H, W, 3)`` uint8 RGB, unknown black.

    The range leaves out the nearest and the farthest hundredth. RViz alone would paint most of it
    black: it takes the limits of float images as whole numbers.
    """
    known = depth[np.isfinite(depth)]
    if not known.size:
        return np.zeros((*depth.shape, 3), np.uint8)
    low, high = (float(value) for value in np.percentile(known, PAINTED_PERCENT))
    return colorize_depth(depth, min=low, max=max(high, np.nextafter(np.float32(low), np.inf)))


def _depth(message: Image, output: MonoOutput, parameters: MonoParameters) -> bool:
    return fill_map(message, output.depth.depth if output.depth else None)


def _points(message: PointCloud2, output: MonoOutput, parameters: MonoParameters) -> bool:
    if output.depth is None:
        return False
    rgb, stride = output.frame.image, parameters.cloud_stride
    return fill_points(message, output.depth, rgb, stride=stride, filters=parameters.cloud)


def _sigma(message: Image, output: MonoOutput, parameters: MonoParameters) -> bool:
    return fill_map(message, output.depth.sigma if output.depth else None)


def _source(message: Image, output: MonoOutput, parameters: MonoParameters) -> bool:
    return fill_map(message, output.source, 'mono8')


def _metric_info(message: CameraInfo, output: MonoOutput, parameters: MonoParameters) -> bool:
    if output.depth is None and not is_metric(parameters):
        return False
    return _info(message, output, parameters)


def _confidence(message: Image, output: MonoOutput, parameters: MonoParameters) -> bool:
    return fill_map(message, output.relative.confidence)


def _info(message: CameraInfo, output: MonoOutput, parameters: MonoParameters) -> bool:
    return fill_info(message, output.frame.camera)


def _info_alone(message: CameraInfo, job: MonoJob, parameters: MonoParameters) -> None:
    fill_info(message, job.image.camera)


def _scale(message: DiagnosticArray, output: MonoOutput, parameters: MonoParameters) -> bool:
    scaled = output.scaled
    if scaled is None:
        return False
    level = DiagnosticStatus.WARN if output.depth is None else DiagnosticStatus.OK
    has_keyframes = output.refined is not None and scaled.factor is None
    reason = FROM_KEYFRAMES if has_keyframes else output.reason or scaled.reason
    values = scale_values(parameters.settings.scale.mode, scaled)
    message.status = [status_from('scale', level, reason, values)]
    return True


def _image(message: Image, output: MonoOutput, parameters: MonoParameters) -> bool:
    return fill_map(message, output.frame.image, 'rgb8')


OUTPUT_TOPICS = (
    OutputTopic(
        name='relative_depth/image',
        message_type=Image,
        fill=_relative,
        needs=RELATIVE,
        meaning='`32FC1` depth up to an unknown factor, as the network gives it; NaN unknown. '
        'Never metres',
    ),
    OutputTopic(
        name='relative_depth/color',
        message_type=Image,
        fill=_relative_color,
        needs=RELATIVE,
        meaning='`bgr8` picture of it for RViz, by the range of each frame: far blue, near red, '
        'unknown black',
    ),
    OutputTopic(
        name='relative_depth/camera_info',
        message_type=CameraInfo,
        fill=_info,
        needs=RELATIVE,
        rides_along=True,
        alone=_info_alone,
        meaning='Calibration of the rectified image, which is that of `relative_depth/image`',
    ),
    OutputTopic(
        name='depth/image',
        message_type=Image,
        fill=_depth,
        needs=METRIC,
        is_served=may_be_metric,
        meaning='`32FC1` metres along the optical axis; NaN unknown, +Inf beyond `max_depth_m`, '
        '-Inf nearer than `min_depth_m` (REP 117, 118); silent while neither keyframes nor '
        '`scale.mode` give metres',
    ),
    OutputTopic(
        name='depth/camera_info',
        message_type=CameraInfo,
        fill=_metric_info,
        needs=METRIC,
        rides_along=True,
        alone=_info_alone,
        is_served=may_be_metric,
        meaning='Calibration of the rectified image, which is that of `depth/image`',
    ),
    OutputTopic(
        name='depth/sigma',
        message_type=Image,
        fill=_sigma,
        needs=METRIC,
        is_served=may_be_metric,
        meaning='`32FC1` metres, standard deviation of `depth/image`, NaN where that is unknown; '
        'with `refine` only, or where `scale.mode` measures its spread and keyframes failed',
    ),
    OutputTopic(
        name='depth/source',
        message_type=Image,
        fill=_source,
        needs=METRIC,
        is_served=may_be_metric,
        meaning='`mono8`, whose depth a pixel has: 0 unknown, 1 a keyframe, 2 the mono map fitted '
        'to keyframes, 3 the mono map in the scale of `scale.mode`; with `refine` only',
    ),
    OutputTopic(
        name='points',
        message_type=PointCloud2,
        fill=_points,
        max_rate_hz=points_rate_hz,
        needs=METRIC,
        is_served=may_be_metric,
        meaning='Organised cloud in the optical frame: x, y, z in metres and packed rgb, 16 bytes '
        'a point; every depth that is not finite is a NaN point, and every flying pixel; silent '
        'as `depth/image` is',
    ),
    OutputTopic(
        name='confidence',
        message_type=Image,
        fill=_confidence,
        needs=RELATIVE,
        meaning='`32FC1` 0..1 where the model gives one; `monodepth2` and `tio_depth` do not',
    ),
    OutputTopic(
        name='scale',
        message_type=DiagnosticArray,
        fill=_scale,
        needs=METRIC,
        meaning='Of each frame: `scale_factor` (metres for each unit of relative depth), its '
        'relative `scale_spread` where it is measured, or why there are no metres, or that they '
        'are of keyframes',
    ),
    OutputTopic(
        name='rectified/image',
        message_type=Image,
        fill=_image,
        needs=RELATIVE,
        meaning='`rgb8` rectified image',
    ),
    OutputTopic(
        name='rectified/camera_info',
        message_type=CameraInfo,
        fill=_info,
        needs=RELATIVE,
        rides_along=True,
        alone=_info_alone,
        meaning='Its calibration: no distortion, R = I, K from P',
    ),
)
"""Every output of the node but diagnostics."""
