"""What depth of one camera runs with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from depth_ros.errors import ParameterError
from depth_ros.models.registry import DEFAULT_MODELS
from depth_ros.tasks.pipeline import network_key
from depth_ros.tensors import Task


class ScaleMode(Enum):
    """Where the factor from relative to metric depth comes from."""

    NONE = 'none'
    FIXED = 'fixed'
    TRAINING_RIG = 'training_rig'
    CAMERA_HEIGHT = 'camera_height'
    REFERENCE_DEPTH = 'reference_depth'


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleSettings:
    """How to find the scale; ``check`` says what a mode needs.

    Attributes:
        mode: Where the factor comes from.
        factor: For ``fixed``: metres per unit of relative depth, above 0.
        camera_height_m: For ``camera_height``: height of the optical centre above the ground.
        camera_pitch_rad: Tilt of the optical axis below the horizon, positive looking down.
        camera_roll_rad: Positive where the image's right side is lower.
        max_tilt_rad: Largest angle between the plane's normal and the expected vertical.
        min_ground_fraction: Share of the lower image that must lie on the ground plane, 0..1.
        window_s: Seconds of stamps over which ``camera_height`` takes the median.
        min_common_pixels: For ``reference_depth``: pixels at which both depths are known.
        max_spread: For ``reference_depth``: largest relative spread of the ratios.
        max_stamp_difference_s: For ``reference_depth``: largest difference of the two stamps.
    """

    mode: ScaleMode = ScaleMode.NONE
    factor: float = 0.0
    camera_height_m: float = 0.0
    camera_pitch_rad: float = 0.0
    camera_roll_rad: float = 0.0
    max_tilt_rad: float = 0.26
    min_ground_fraction: float = 0.3
    window_s: float = 2.0
    min_common_pixels: int = 100
    max_spread: float = 0.5
    max_stamp_difference_s: float = 0.1

    def check(self) -> None:
        """Refuse values out of range, and a mode without what it needs.

        Raises:
            ParameterError: Naming the value and what to set.
        """
        for name, is_right, needed in _RULES:
            value = getattr(self, name)
            if not is_right(value):
                raise ParameterError(f'scale.{name} must be {needed}, got {value!r}; correct it')
        needs = _NEEDS.get(self.mode, '')
        if needs and not getattr(self, needs) > 0.0:
            raise ParameterError(
                f'scale.mode {self.mode.value!r} needs scale.{needs} above 0, '
                f'got {getattr(self, needs)!r}; measure it and set it'
            )


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0.0


def _is_not_negative(value: float) -> bool:
    return math.isfinite(value) and value >= 0.0


def _is_fraction(value: float) -> bool:
    return 0.0 < value <= 1.0


def _is_below_right_angle(value: float) -> bool:
    return abs(value) < math.pi / 2.0


_Rule = tuple[str, Callable[[float], bool], str]


_RULES: tuple[_Rule, ...] = (
    ('factor', _is_not_negative, 'a finite number, 0 where unset'),
    ('camera_height_m', _is_not_negative, 'finite metres, 0 where unset'),
    ('camera_pitch_rad', _is_below_right_angle, 'between -pi/2 and pi/2'),
    ('camera_roll_rad', _is_below_right_angle, 'between -pi/2 and pi/2'),
    ('max_tilt_rad', lambda value: 0.0 < value < math.pi / 2.0, 'between 0 and pi/2'),
    ('min_ground_fraction', _is_fraction, 'above 0 and at most 1'),
    ('window_s', _is_not_negative, '0 or more seconds'),
    ('min_common_pixels', lambda value: value >= 1, '1 or more'),
    ('max_spread', _is_positive, 'above 0'),
    ('max_stamp_difference_s', _is_not_negative, '0 or more seconds'),
)


_NEEDS = {ScaleMode.FIXED: 'factor', ScaleMode.CAMERA_HEIGHT: 'camera_height_m'}


@dataclass(frozen=True, kw_only=True, slots=True)
class MonoSettings:
    """What to run and how; every field is also a parameter of ``mono_node``.

    Attributes:
        model: Name in ``depth_ros.models.registry.MODELS``.
        engine: Runtime, or ``'auto'``.
        precision: ``'f32'`` or a lower one of the recipe.
        preset: Named size of the recipe, or empty for its default.
        size: ``(height, width)`` of the engine, overriding the preset; None takes the preset's.
        weights: Checkpoint file or folder; empty takes shipped or already exported ones.
        num_threads: CPU threads of the engine, 0 lets the engine choose.
        tensorrt: Options of TensorRT builds as NAME=VALUE words, e.g. ``low_memory=true``.
        path: Inference path of ``tio_depth``: ``'refine'`` or the faster ``'mono'``.
        min_depth_m: Nearer metric depth becomes ``-Inf``.
        max_depth_m: Farther metric depth becomes ``+Inf``.
        scale: Where metres come from.
    """

    model: str = DEFAULT_MODELS[Task.MONO]
    engine: str = 'auto'
    precision: str = 'f32'
    preset: str = ''
    size: tuple[int, int] | None = None
    weights: str = ''
    num_threads: int = 0
    tensorrt: str = ''
    path: str = 'refine'
    min_depth_m: float = 0.0
    max_depth_m: float = math.inf
    scale: ScaleSettings = field(default_factory=ScaleSettings)

    @property
    def pipeline_key(self) -> tuple[object, ...]:
        """What a pipeline depends on; two settings of one key can share it."""
        return (*network_key(self), self.path)
