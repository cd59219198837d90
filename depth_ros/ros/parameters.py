"""Parameters of the stereo node: one described dataclass, imported without ROS.

``declare`` binds it to rclpy; ``parameter_docs`` writes ``docs/parameters.md`` and
``config/stereo.yaml`` from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

from depth_ros.errors import ParameterError
from depth_ros.ros.parameter_specs import (
    LARGEST_INTEGER,
    RELIABILITIES,
    ParameterSpec,
    ParameterValue,
    check_names,
    described,
    parse_size,
    spec_of,
)

if TYPE_CHECKING:
    from depth_ros.stereo import StereoSettings


@dataclass(frozen=True, kw_only=True)
class StereoParameters:
    """Every parameter of ``stereo_node``, with its default; described by ``specs()``."""

    model: str = described(
        'sgbm',
        'Matcher. A change is prepared in the background and swapped between two frames.',
        choices=('sgbm', 'crestereo'),
    )
    engine: str = described(
        'auto',
        'Runtime of a network; auto takes the first that is installed and says which.',
        choices=('auto', 'tensorrt', 'openvino', 'onnxruntime', 'torch'),
    )
    precision: str = described(
        'f32',
        'Arithmetic of a network where the recipe allows it.',
        choices=('f32', 'bf16', 'f16'),
    )
    preset: str = described('', "Named size of the model's recipe; empty takes its default.")
    size: str = described(
        '', "Engine size as HEIGHTxWIDTH, e.g. 480x640, instead of the preset's; empty takes it."
    )
    iterations: int = described(
        0, "Update steps of a recurrent network; 0 takes the preset's.", minimum=0, maximum=64
    )
    stages: int = described(
        0, "Coarse-to-fine passes of a network; 0 takes the preset's.", minimum=0, maximum=4
    )
    weights: str = described('', 'Checkpoint file; empty takes shipped or exported weights.')
    num_threads: int = described(
        0, 'CPU threads of the engine; 0 lets the runtime choose.', minimum=0, maximum=1024
    )
    input: str = described(
        'raw',
        'raw: subscribe to left/image_raw and right/image_raw and rectify them by camera_info. '
        'rectified: subscribe to left/image_rect and right/image_rect and take them as they are. '
        'auto: whichever of the two topics has a publisher first.',
        choices=('raw', 'rectified', 'auto'),
        is_read_only=True,
    )
    image_transport: str = described(
        'raw',
        'raw: sensor_msgs/Image. compressed: sensor_msgs/CompressedImage (JPEG or PNG) on the '
        'same name with /compressed behind it.',
        choices=('raw', 'compressed'),
        is_read_only=True,
    )
    baseline_m: float = described(
        0.0,
        'Distance between the cameras, for a right camera_info whose P[0, 3] is 0; '
        '0 takes it from camera_info.',
        unit='m',
        minimum=0.0,
        maximum=100.0,
    )
    max_stamp_difference_s: float = described(
        0.01,
        'Largest difference of stamps within a pair; 0 pairs equal stamps only.',
        unit='s',
        minimum=0.0,
        maximum=10.0,
    )
    sync_queue_size: int = described(
        10,
        'Images of one side that may wait for the other side.',
        minimum=1,
        maximum=1000,
    )
    min_depth_m: float = described(
        0.0, 'Nearer depth becomes -Inf, and no point.', unit='m', minimum=0.0
    )
    max_depth_m: float = described(
        math.inf, 'Farther depth becomes +Inf, and no point.', unit='m', minimum=0.0
    )
    cloud_stride: int = described(
        1, 'Every n-th pixel and row becomes a point.', unit='px', minimum=1, maximum=64
    )
    left_right_check: bool = described(
        False,
        'Match the mirrored pair too and drop what disagrees; doubles the time.',
    )
    confidence_threshold_px: float = described(
        1.0,
        'Left-right difference at which confidence reaches 0.',
        unit='px',
        minimum=0.01,
        maximum=100.0,
    )
    disparity_sigma_px: float = described(
        0.5,
        'Standard deviation of disparity that depth/sigma assumes.',
        unit='px',
        minimum=0.0,
        maximum=100.0,
    )
    speckle_size_px: int = described(
        0,
        'Connected areas of fewer pixels become unknown; 0 switches it off.',
        unit='px',
        minimum=0,
        maximum=LARGEST_INTEGER,
    )
    speckle_difference_px: float = described(
        1.0,
        'Disparity step that separates two areas.',
        unit='px',
        minimum=0.0,
        maximum=1000.0,
    )
    fill_holes: bool = described(
        False, 'Fill unknown disparities from the background of their row: invented values.'
    )
    sgbm_num_disparities: int = described(
        128,
        'Width of the search, a multiple of 16.',
        unit='px',
        minimum=16,
        maximum=1024,
        name='sgbm.num_disparities',
    )
    sgbm_min_disparity: int = described(
        0,
        'Where the search starts; negative only for verged cameras.',
        unit='px',
        minimum=-1024,
        maximum=1024,
        name='sgbm.min_disparity',
    )
    sgbm_block_size: int = described(
        5,
        'Edge of the matched block, odd.',
        unit='px',
        minimum=1,
        maximum=21,
        name='sgbm.block_size',
    )
    sgbm_uniqueness_percent: int = described(
        10,
        'By how much the best cost must beat the second best.',
        unit='%',
        minimum=0,
        maximum=100,
        name='sgbm.uniqueness_percent',
    )
    sgbm_prefilter_cap: int = described(
        31,
        'Largest image gradient that counts.',
        unit='grey levels',
        minimum=1,
        maximum=127,
        name='sgbm.prefilter_cap',
    )
    sgbm_smoothness_small: int = described(
        8,
        'Penalty of a disparity step of one pixel.',
        minimum=1,
        maximum=1000,
        name='sgbm.smoothness_small',
    )
    sgbm_smoothness_large: int = described(
        32,
        'Penalty of a larger step; above sgbm.smoothness_small.',
        minimum=1,
        maximum=1000,
        name='sgbm.smoothness_large',
    )
    sgbm_mode: str = described(
        '3way',
        'Along how many directions costs are summed: more is slower.',
        choices=('3way', '5way', '8way', '4way'),
        name='sgbm.mode',
    )
    sgbm_use_color: bool = described(False, 'Match RGB instead of grey.', name='sgbm.use_color')
    color_min_disparity_px: float = described(
        0.0, 'Disparity painted blue on disparity/color.', unit='px'
    )
    color_max_disparity_px: float = described(
        0.0,
        "Disparity painted red on disparity/color; 0 takes the matcher's largest.",
        unit='px',
    )
    input_reliability: str = described(
        'best_effort',
        'Reliability asked of the image publishers; best_effort matches every camera.',
        choices=RELIABILITIES,
        is_read_only=True,
    )
    input_depth: int = described(
        2, 'Queue of each image subscription.', minimum=1, maximum=100, is_read_only=True
    )
    output_reliability: str = described(
        'reliable',
        'Reliability offered to subscribers; reliable matches every subscriber.',
        choices=RELIABILITIES,
        is_read_only=True,
    )
    output_depth: int = described(
        2, 'Queue of each publisher.', minimum=1, maximum=100, is_read_only=True
    )
    diagnostics_period_s: float = described(
        1.0,
        'Time between two diagnostics messages.',
        unit='s',
        minimum=0.05,
        maximum=3600.0,
        is_read_only=True,
    )
    report_file: str = described(
        '', 'JSON file written at exit with all counters; empty writes none.', is_read_only=True
    )

    def __post_init__(self) -> None:
        """Check every value, then what must hold between values."""
        for spec in specs():
            spec.checked(getattr(self, spec.field))
        _check_together(self)

    def values(self) -> Mapping[str, ParameterValue]:
        """Give every value by its ROS name."""
        return MappingProxyType({spec.name: getattr(self, spec.field) for spec in specs()})

    def changed(self, changes: Mapping[str, object]) -> StereoParameters:
        """Give a copy with values set by their ROS names.

        Raises:
            ParameterError: If a name is unknown or a value is refused.
        """
        return parameters_from({**self.values(), **changes})

    @property
    def engine_size(self) -> tuple[int, int] | None:
        """``(height, width)`` of ``size``, None where it is empty."""
        return parse_size(self.size)


def specs() -> tuple[ParameterSpec, ...]:
    """Describe every parameter, in the order of the dataclass."""
    return _SPECS


def parameters_from(values: Mapping[str, object]) -> StereoParameters:
    """Make parameters from values by ROS names; what is missing takes its default.

    Raises:
        ParameterError: If a name is unknown or a value is refused.
    """
    by_name = {spec.name: spec for spec in specs()}
    check_names(values, by_name)
    checked = {by_name[name].field: by_name[name].checked(value) for name, value in values.items()}
    return StereoParameters(**checked)  # type: ignore[arg-type]


def stereo_settings(parameters: StereoParameters) -> StereoSettings:
    """Give what the processor runs on.

    Raises:
        ParameterError: If the matcher refuses its settings.
    """
    from depth_ros.models.sgbm.model import SgbmMode, SgbmSettings
    from depth_ros.stereo import StereoSettings

    return StereoSettings(
        model=parameters.model,
        engine=parameters.engine,
        precision=parameters.precision,
        preset=parameters.preset,
        size=parameters.engine_size,
        iterations=parameters.iterations,
        stages=parameters.stages,
        weights=parameters.weights,
        num_threads=parameters.num_threads,
        baseline_m=parameters.baseline_m,
        min_depth_m=parameters.min_depth_m,
        max_depth_m=parameters.max_depth_m,
        left_right_check=parameters.left_right_check,
        confidence_threshold_px=parameters.confidence_threshold_px,
        disparity_sigma_px=parameters.disparity_sigma_px,
        speckle_size_px=parameters.speckle_size_px,
        speckle_difference_px=parameters.speckle_difference_px,
        fill_holes=parameters.fill_holes,
        sgbm=SgbmSettings(
            num_disparities=parameters.sgbm_num_disparities,
            min_disparity=parameters.sgbm_min_disparity,
            block_size=parameters.sgbm_block_size,
            uniqueness_percent=parameters.sgbm_uniqueness_percent,
            prefilter_cap=parameters.sgbm_prefilter_cap,
            smoothness_small=parameters.sgbm_smoothness_small,
            smoothness_large=parameters.sgbm_smoothness_large,
            mode=SgbmMode(parameters.sgbm_mode),
            use_color=parameters.sgbm_use_color,
        ),
    )


def _check_together(parameters: StereoParameters) -> None:
    parse_size(parameters.size)
    if not parameters.min_depth_m < parameters.max_depth_m:
        raise ParameterError(
            f'min_depth_m must be below max_depth_m, got {parameters.min_depth_m:g} and '
            f'{parameters.max_depth_m:g}; correct one of them'
        )
    high = parameters.color_max_disparity_px
    if high and not parameters.color_min_disparity_px < high:
        raise ParameterError(
            'color_min_disparity_px must be below color_max_disparity_px, got '
            f'{parameters.color_min_disparity_px:g} and {high:g}; correct one of them'
        )
    if parameters.sgbm_num_disparities % 16 or parameters.sgbm_block_size % 2 == 0:
        raise ParameterError(
            'sgbm.num_disparities must be a multiple of 16 and sgbm.block_size odd, got '
            f'{parameters.sgbm_num_disparities} and {parameters.sgbm_block_size}; correct them'
        )
    if not parameters.sgbm_smoothness_small < parameters.sgbm_smoothness_large:
        raise ParameterError(
            'sgbm.smoothness_small must be below sgbm.smoothness_large, got '
            f'{parameters.sgbm_smoothness_small} and {parameters.sgbm_smoothness_large}; '
            'correct one of them'
        )


_SPECS = tuple(spec_of(entry) for entry in fields(StereoParameters))
