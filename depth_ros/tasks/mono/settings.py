"""Settings of mono depth; imported without OpenCV and ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from depth_ros.engines.choice import SYNTHETIC
from depth_ros.models.registry import graph_choices
from depth_ros.settings import (
    LARGEST_INTEGER,
    SettingError,
    Settings,
    check_depth_range,
    described,
    nested,
)
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.pipeline import NetworkSettings, model_setting
from depth_ros.tensors import Task

RIGHT_ANGLE_RAD = 1.57
NUM_SOURCES = 2
"""Of a keyframe; the graphs that ship take so many."""


class ScaleMode(Enum):
    """Where the factor from relative to metric depth comes from."""

    NONE = 'none'
    FIXED = 'fixed'
    TRAINING_RIG = 'training_rig'
    CAMERA_HEIGHT = 'camera_height'
    REFERENCE_DEPTH = 'reference_depth'
    MOTION = 'motion'


_NEEDS = {ScaleMode.FIXED: 'factor', ScaleMode.CAMERA_HEIGHT: 'camera_height_m'}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleSettings(Settings):
    """How to find the scale."""

    mode: ScaleMode = described(
        ScaleMode.NONE,
        'Where metres come from. none: nowhere, depth is published on relative_depth/image only. '
        'fixed: scale.factor. training_rig: the rig that the weights were trained with. '
        'camera_height: the ground plane and scale.camera_height_m. reference_depth: metric depth '
        'on reference/depth/image. motion: points that are followed while the camera moves, by '
        'its poses.',
    )
    factor: float = described(
        0.0, 'For fixed: metres for each unit of relative depth.', minimum=0.0, maximum=1e9
    )
    camera_height_m: float = described(
        0.0,
        'For camera_height: height of the camera above the ground.',
        unit='m',
        minimum=0.0,
        maximum=1000.0,
    )
    camera_pitch_rad: float = described(
        0.0,
        'For camera_height: tilt of the optical axis below the horizon.',
        unit='rad',
        minimum=-RIGHT_ANGLE_RAD,
        maximum=RIGHT_ANGLE_RAD,
    )
    camera_roll_rad: float = described(
        0.0,
        "For camera_height: positive where the image's right side is lower.",
        unit='rad',
        minimum=-RIGHT_ANGLE_RAD,
        maximum=RIGHT_ANGLE_RAD,
    )
    max_tilt_rad: float = described(
        0.26,
        'For camera_height: largest angle between the ground found and the expected one.',
        unit='rad',
        minimum=0.01,
        maximum=RIGHT_ANGLE_RAD,
    )
    min_ground_fraction: float = described(
        0.3,
        'For camera_height: share of the lower image that must lie on the ground.',
        minimum=0.01,
        maximum=1.0,
    )
    window_s: float = described(
        2.0,
        'For camera_height and motion: time over which the scale is taken together.',
        unit='s',
        minimum=0.0,
        maximum=3600.0,
    )
    min_common_pixels: int = described(
        100,
        'For reference_depth: pixels at which both depths must be known.',
        unit='px',
        minimum=1,
        maximum=LARGEST_INTEGER,
    )
    min_points: int = described(
        30,
        'For motion: followed points with a depth that the window must hold.',
        minimum=12,
        maximum=LARGEST_INTEGER,
    )
    max_spread: float = described(
        0.5,
        'For reference_depth and motion: largest relative spread of the ratios.',
        minimum=0.001,
        maximum=100.0,
    )
    max_stamp_difference_s: float = described(
        0.1,
        'For reference_depth: how much older than the image the reference may be.',
        unit='s',
        minimum=0.0,
        maximum=3600.0,
    )

    def check_together(self) -> None:
        """Refuse a mode without what it needs."""
        needs = _NEEDS.get(self.mode, '')
        if needs and not getattr(self, needs) > 0.0:
            raise SettingError(
                f'{{mode}} {self.mode.value!r} needs {{{needs}}} above 0, '
                f'got {getattr(self, needs)!r}; measure it and set it'
            )


class RefineMode(Enum):
    """Whether depth of keyframes refines that of images."""

    AUTO = 'auto'
    MULTIVIEW = 'multiview'
    NONE = 'none'


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyframeDepthSettings(Settings):
    """Multi-view depth of the last keyframes, for ``refine``."""

    preset: str = described(
        'fast',
        'Named size of the multi-view network. Keyframes must be quick: what is older than '
        'max_age_s is not shown.',
        opens_engine=True,
    )
    weights: str = described('', 'Its weights; empty takes those that ship.', opens_engine=True)
    sampling: str = described(
        'inverse',
        'How its depth hypotheses are spread: linear over depth, inverse over inverse depth.',
        choices=('linear', 'inverse'),
        opens_engine=True,
    )
    min_depth_m: float = described(
        0.5,
        'Nearest depth of the search. Nearer things get a wrong depth.',
        unit='m',
        minimum=0.01,
        maximum=1e4,
        opens_engine=True,
    )
    max_depth_m: float = described(
        10.0,
        'Farthest depth of the search.',
        unit='m',
        minimum=0.02,
        maximum=1e5,
        opens_engine=True,
    )
    min_confidence: float = described(
        0.5,
        'Keyframe depth of less photometric confidence is not used.',
        minimum=0.0,
        maximum=1.0,
        opens_engine=True,
    )
    min_baseline_ratio: float = described(
        0.03,
        'Way since the last keyframe, over the typical depth of the search, that makes a new one.',
        minimum=0.001,
        maximum=1.0,
        opens_engine=True,
    )
    max_age_s: float = described(
        1.0,
        'Age of the oldest keyframe that is shown. What has gone since may be seen for so long.',
        unit='s',
        minimum=0.05,
        maximum=60.0,
        opens_engine=True,
    )
    max_width_px: int = described(
        320,
        'Wider images are joined with keyframes at a whole fraction of their size.',
        unit='px',
        minimum=32,
        maximum=4096,
        opens_engine=True,
    )

    def check_together(self) -> None:
        """Require a range of depth, and weights whose depth is one."""
        check_depth_range(self.min_depth_m, self.max_depth_m)
        if self.weights.startswith(SYNTHETIC):
            raise SettingError(
                f'made-up weights give no metres, got {{weights}} {self.weights!r}; leave it '
                'empty for those that ship'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class MonoSettings(NetworkSettings):
    """What to run and how."""

    model: str = model_setting(Task.MONO, description='Network.', noun='mono model')
    path: str = described(
        'refine',
        'Inference path of tio_depth: refine is the one of the published figures, mono is faster.',
        choices=partial(graph_choices, Task.MONO, 'path'),
        opens_engine=True,
    )
    min_depth_m: float = described(
        0.0, 'Nearer metric depth becomes -Inf, and no point.', unit='m', minimum=0.0
    )
    max_depth_m: float = described(
        math.inf, 'Farther metric depth becomes +Inf, and no point.', unit='m', minimum=0.0
    )
    refine: RefineMode = described(
        RefineMode.AUTO,
        'multiview: depth in metres from keyframes of the moving camera, with the mono map fitted '
        'in between; needs poses. auto: the same wherever poses are to be had, and the mono map '
        'alone elsewhere. none: never.',
        opens_engine=True,
    )
    scale: ScaleSettings = nested(ScaleSettings, prefix='scale.', words='--scale')
    keyframes: KeyframeDepthSettings = nested(
        KeyframeDepthSettings, prefix='keyframes.', words='--keyframes'
    )

    def check_together(self) -> None:
        """Require a range of depth."""
        check_depth_range(self.min_depth_m, self.max_depth_m)

    @property
    def multiview(self) -> MultiViewSettings:
        """What computes keyframes: the same runtime and threads, at its own size, in float32."""
        own = self.keyframes
        engine = replace(
            self.engine, precision='f32', preset=own.preset, size=None, weights=own.weights
        )
        return MultiViewSettings(engine=engine, num_sources=NUM_SOURCES, sampling=own.sampling)
