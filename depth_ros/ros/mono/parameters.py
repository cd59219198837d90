"""Parameters of the mono node, imported without ROS; see ``node_parameters``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from depth_ros.models.registry import DEFAULT_MODELS, graph_choices, models_of
from depth_ros.ros.node.parameter_specs import LARGEST_INTEGER, described
from depth_ros.ros.node.parameters import CameraParameters, check_depth_range
from depth_ros.tensors import Task

if TYPE_CHECKING:
    from depth_ros.tasks.mono.settings import MonoSettings

RIGHT_ANGLE_RAD = 1.57


@dataclass(frozen=True, kw_only=True)
class MonoParameters(CameraParameters):
    """Every parameter of ``mono_node``, with its default; described by ``specs()``."""

    model: str = described(
        DEFAULT_MODELS[Task.MONO],
        'Network. A change is prepared in the background and swapped between two frames.',
        choices=models_of(Task.MONO),
        opens_engine=True,
    )
    weights: str = described(
        '',
        'Checkpoint file or folder; empty takes shipped or exported weights.',
        opens_engine=True,
    )
    path: str = described(
        'refine',
        'Inference path of tio_depth: refine is the one of the published figures, mono is faster.',
        choices=graph_choices(Task.MONO, 'path'),
        opens_engine=True,
    )
    min_depth_m: float = described(
        0.0, 'Nearer metric depth becomes -Inf, and no point.', unit='m', minimum=0.0
    )
    max_depth_m: float = described(
        math.inf, 'Farther metric depth becomes +Inf, and no point.', unit='m', minimum=0.0
    )
    cloud_stride: int = described(
        1, 'Every n-th pixel and row becomes a point.', unit='px', minimum=1, maximum=64
    )
    scale_mode: str = described(
        'none',
        'Where metres come from. none: nowhere, depth is published on relative_depth/image only. '
        'fixed: scale.factor. training_rig: the rig that the weights were trained with. '
        'camera_height: the ground plane and scale.camera_height_m. reference_depth: metric depth '
        'on reference/depth/image.',
        choices=('none', 'fixed', 'training_rig', 'camera_height', 'reference_depth'),
        name='scale.mode',
    )
    scale_factor: float = described(
        0.0,
        'For fixed: metres for each unit of relative depth.',
        minimum=0.0,
        maximum=1e9,
        name='scale.factor',
    )
    scale_camera_height_m: float = described(
        0.0,
        'For camera_height: height of the camera above the ground.',
        unit='m',
        minimum=0.0,
        maximum=1000.0,
        name='scale.camera_height_m',
    )
    scale_camera_pitch_rad: float = described(
        0.0,
        'For camera_height: tilt of the optical axis below the horizon.',
        unit='rad',
        minimum=-RIGHT_ANGLE_RAD,
        maximum=RIGHT_ANGLE_RAD,
        name='scale.camera_pitch_rad',
    )
    scale_camera_roll_rad: float = described(
        0.0,
        "For camera_height: positive where the image's right side is lower.",
        unit='rad',
        minimum=-RIGHT_ANGLE_RAD,
        maximum=RIGHT_ANGLE_RAD,
        name='scale.camera_roll_rad',
    )
    scale_max_tilt_rad: float = described(
        0.26,
        'For camera_height: largest angle between the ground found and the expected one.',
        unit='rad',
        minimum=0.01,
        maximum=RIGHT_ANGLE_RAD,
        name='scale.max_tilt_rad',
    )
    scale_min_ground_fraction: float = described(
        0.3,
        'For camera_height: share of the lower image that must lie on the ground.',
        minimum=0.01,
        maximum=1.0,
        name='scale.min_ground_fraction',
    )
    scale_window_s: float = described(
        2.0,
        'For camera_height: time over which the median of the factor is taken.',
        unit='s',
        minimum=0.0,
        maximum=3600.0,
        name='scale.window_s',
    )
    scale_min_common_pixels: int = described(
        100,
        'For reference_depth: pixels at which both depths must be known.',
        unit='px',
        minimum=1,
        maximum=LARGEST_INTEGER,
        name='scale.min_common_pixels',
    )
    scale_max_spread: float = described(
        0.5,
        'For reference_depth: largest relative spread of the ratios.',
        minimum=0.001,
        maximum=100.0,
        name='scale.max_spread',
    )
    scale_max_stamp_difference_s: float = described(
        0.1,
        'For reference_depth: how much older than the image the reference may be.',
        unit='s',
        minimum=0.0,
        maximum=3600.0,
        name='scale.max_stamp_difference_s',
    )

    def check_together(self) -> None:
        """Refuse values that contradict each other."""
        check_depth_range(self.min_depth_m, self.max_depth_m)


def mono_settings(parameters: MonoParameters) -> MonoSettings:
    """Return what the processor runs on.

    Raises:
        ParameterError: If ``scale.mode`` lacks what it needs.
    """
    from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode, ScaleSettings

    scale = ScaleSettings(
        mode=ScaleMode(parameters.scale_mode),
        factor=parameters.scale_factor,
        camera_height_m=parameters.scale_camera_height_m,
        camera_pitch_rad=parameters.scale_camera_pitch_rad,
        camera_roll_rad=parameters.scale_camera_roll_rad,
        max_tilt_rad=parameters.scale_max_tilt_rad,
        min_ground_fraction=parameters.scale_min_ground_fraction,
        window_s=parameters.scale_window_s,
        min_common_pixels=parameters.scale_min_common_pixels,
        max_spread=parameters.scale_max_spread,
        max_stamp_difference_s=parameters.scale_max_stamp_difference_s,
    )
    scale.check()
    return MonoSettings(
        model=parameters.model,
        **parameters.engine_choice,
        path=parameters.path,
        min_depth_m=parameters.min_depth_m,
        max_depth_m=parameters.max_depth_m,
        scale=scale,
    )
