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
    image_message,
    info_message,
    points_message,
    points_rate_hz,
)
from depth_ros.tasks.mono.processor import MonoOutput, MonoWanted
from depth_ros.tasks.mono.scale import Scaled
from depth_ros.tasks.mono.settings import RefineMode, ScaleMode

RELATIVE = MonoWanted(depth=False)
METRIC = MonoWanted(depth=True)
PAINTED_PERCENT = (1.0, 99.0)


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
        'refine_refused': refused,
    }


def _relative(output: MonoOutput, parameters: MonoParameters) -> Image | None:
    if not output.has_network:
        return None
    return image_message(output.relative.depth, '32FC1')


def _relative_color(output: MonoOutput, parameters: MonoParameters) -> Image | None:
    if not output.has_network:
        return None
    rgb = relative_picture(output.relative.depth)
    return image_message(np.ascontiguousarray(rgb[:, :, ::-1]), 'bgr8')


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


def _depth(output: MonoOutput, parameters: MonoParameters) -> Image | None:
    return image_message(output.depth.depth, '32FC1') if output.depth else None


def _points(output: MonoOutput, parameters: MonoParameters) -> PointCloud2 | None:
    if output.depth is None:
        return None
    rgb, stride = output.frame.image, parameters.cloud_stride
    return points_message(output.depth, rgb, stride=stride, filters=parameters.cloud)


def _sigma(output: MonoOutput, parameters: MonoParameters) -> Image | None:
    sigma = output.depth.sigma if output.depth else None
    return None if sigma is None else image_message(sigma, '32FC1')


def _source(output: MonoOutput, parameters: MonoParameters) -> Image | None:
    return None if output.source is None else image_message(output.source, 'mono8')


def _metric_info(output: MonoOutput, parameters: MonoParameters) -> CameraInfo | None:
    if output.depth is None and not is_metric(parameters):
        return None
    return _info(output, parameters)


def _confidence(output: MonoOutput, parameters: MonoParameters) -> Image | None:
    confidence = output.relative.confidence
    return None if confidence is None else image_message(confidence, '32FC1')


def _info(output: MonoOutput, parameters: MonoParameters) -> CameraInfo:
    return info_message(output.frame.camera)


def _info_alone(job: MonoJob, parameters: MonoParameters) -> CameraInfo:
    return info_message(job.image.camera)


def _scale(output: MonoOutput, parameters: MonoParameters) -> DiagnosticArray | None:
    scaled = output.scaled
    if scaled is None:
        return None
    level = DiagnosticStatus.WARN if scaled.factor is None else DiagnosticStatus.OK
    values = scale_values(parameters.settings.scale.mode, scaled)
    return DiagnosticArray(status=[status_from('scale', level, scaled.reason, values)])


def _image(output: MonoOutput, parameters: MonoParameters) -> Image:
    return image_message(np.ascontiguousarray(output.frame.image), 'rgb8')


OUTPUT_TOPICS = (
    OutputTopic(
        name='relative_depth/image',
        message_type=Image,
        make=_relative,
        needs=RELATIVE,
        meaning='`32FC1` depth up to an unknown factor, as the network gives it; NaN unknown. '
        'Never metres',
    ),
    OutputTopic(
        name='relative_depth/color',
        message_type=Image,
        make=_relative_color,
        needs=RELATIVE,
        meaning='`bgr8` picture of it for RViz, by the range of each frame: far blue, near red, '
        'unknown black',
    ),
    OutputTopic(
        name='relative_depth/camera_info',
        message_type=CameraInfo,
        make=_info,
        needs=RELATIVE,
        rides_along=True,
        alone=_info_alone,
        meaning='Calibration of the rectified image, which is that of `relative_depth/image`',
    ),
    OutputTopic(
        name='depth/image',
        message_type=Image,
        make=_depth,
        needs=METRIC,
        is_served=may_be_metric,
        meaning='`32FC1` metres along the optical axis; NaN unknown, +Inf beyond `max_depth_m`, '
        '-Inf nearer than `min_depth_m` (REP 117, 118); silent while neither keyframes nor '
        '`scale.mode` give metres',
    ),
    OutputTopic(
        name='depth/camera_info',
        message_type=CameraInfo,
        make=_metric_info,
        needs=METRIC,
        rides_along=True,
        alone=_info_alone,
        is_served=may_be_metric,
        meaning='Calibration of the rectified image, which is that of `depth/image`',
    ),
    OutputTopic(
        name='depth/sigma',
        message_type=Image,
        make=_sigma,
        needs=METRIC,
        is_served=may_be_metric,
        meaning='`32FC1` metres, standard deviation of `depth/image`, NaN where that is unknown; '
        'with `refine` only, or where `scale.mode` measures its spread and keyframes failed',
    ),
    OutputTopic(
        name='depth/source',
        message_type=Image,
        make=_source,
        needs=METRIC,
        is_served=may_be_metric,
        meaning='`mono8`, whose depth a pixel has: 0 unknown, 1 a keyframe, 2 the mono map fitted '
        'to keyframes, 3 the mono map in the scale of `scale.mode`; with `refine` only',
    ),
    OutputTopic(
        name='points',
        message_type=PointCloud2,
        make=_points,
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
        make=_confidence,
        needs=RELATIVE,
        meaning='`32FC1` 0..1 where the model gives one; `monodepth2` and `tio_depth` do not',
    ),
    OutputTopic(
        name='scale',
        message_type=DiagnosticArray,
        make=_scale,
        needs=METRIC,
        is_served=is_metric,
        meaning='Of each frame: `scale_factor` (metres for each unit of relative depth), its '
        'relative `scale_spread` where it is measured, or why it is not known',
    ),
    OutputTopic(
        name='rectified/image',
        message_type=Image,
        make=_image,
        needs=RELATIVE,
        meaning='`rgb8` rectified image',
    ),
    OutputTopic(
        name='rectified/camera_info',
        message_type=CameraInfo,
        make=_info,
        needs=RELATIVE,
        rides_along=True,
        alone=_info_alone,
        meaning='Its calibration: no distortion, R = I, K from P',
    ),
)
"""Every output of the node but diagnostics."""
