"""Parameters of the stereo node, imported without ROS; see ``node_parameters``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from depth_ros.errors import ParameterError
from depth_ros.models.registry import DEFAULT_STEREO_MODEL, models_of
from depth_ros.ros.node.parameter_specs import LARGEST_INTEGER, described
from depth_ros.ros.node.parameters import CameraParameters, check_depth_range
from depth_ros.tensors import Task

if TYPE_CHECKING:
    from depth_ros.tasks.stereo.settings import StereoSettings


@dataclass(frozen=True, kw_only=True)
class StereoParameters(CameraParameters):
    """Every parameter of ``stereo_node``, with its default; described by ``specs()``."""

    model: str = described(
        DEFAULT_STEREO_MODEL,
        'Matcher. A change is prepared in the background and swapped between two frames.',
        choices=models_of(Task.STEREO),
        opens_engine=True,
    )
    iterations: int = described(
        0,
        "Update steps of a recurrent network; 0 takes the preset's.",
        minimum=0,
        maximum=64,
        opens_engine=True,
    )
    stages: int = described(
        0,
        "Coarse-to-fine passes of a network; 0 takes the preset's.",
        minimum=0,
        maximum=4,
        opens_engine=True,
    )
    input: str = described(
        'raw',
        'raw: subscribe to left/image_raw and right/image_raw and rectify them by camera_info. '
        'rectified: subscribe to left/image_rect and right/image_rect and take them as they are. '
        'auto: whichever of the two topics has a publisher first.',
        choices=('raw', 'rectified', 'auto'),
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
        opens_engine=True,
    )
    sgbm_min_disparity: int = described(
        0,
        'Where the search starts; negative only for verged cameras.',
        unit='px',
        minimum=-1024,
        maximum=1024,
        name='sgbm.min_disparity',
        opens_engine=True,
    )
    sgbm_block_size: int = described(
        5,
        'Edge of the matched block, odd.',
        unit='px',
        minimum=1,
        maximum=21,
        name='sgbm.block_size',
        opens_engine=True,
    )
    sgbm_uniqueness_percent: int = described(
        10,
        'By how much the best cost must beat the second best.',
        unit='%',
        minimum=0,
        maximum=100,
        name='sgbm.uniqueness_percent',
        opens_engine=True,
    )
    sgbm_prefilter_cap: int = described(
        31,
        'Largest image gradient that counts.',
        unit='grey levels',
        minimum=1,
        maximum=127,
        name='sgbm.prefilter_cap',
        opens_engine=True,
    )
    sgbm_smoothness_small: int = described(
        8,
        'Penalty of a disparity step of one pixel.',
        minimum=1,
        maximum=1000,
        name='sgbm.smoothness_small',
        opens_engine=True,
    )
    sgbm_smoothness_large: int = described(
        32,
        'Penalty of a larger step; above sgbm.smoothness_small.',
        minimum=1,
        maximum=1000,
        name='sgbm.smoothness_large',
        opens_engine=True,
    )
    sgbm_mode: str = described(
        '3way',
        'Along how many directions costs are summed: more is slower.',
        choices=('3way', '5way', '8way', '4way'),
        name='sgbm.mode',
        opens_engine=True,
    )
    sgbm_use_color: bool = described(
        False, 'Match RGB instead of grey.', name='sgbm.use_color', opens_engine=True
    )
    color_min_disparity_px: float = described(
        0.0, 'Disparity painted blue on disparity/color.', unit='px'
    )
    color_max_disparity_px: float = described(
        0.0,
        "Disparity painted red on disparity/color; 0 takes the matcher's largest.",
        unit='px',
    )

    def check_together(self) -> None:
        """Refuse values that contradict each other."""
        check_depth_range(self.min_depth_m, self.max_depth_m)
        _check_colors(self)
        _check_matcher(self)


def stereo_settings(parameters: StereoParameters) -> StereoSettings:
    """Return what the processor runs on.

    Raises:
        ParameterError: If the matcher refuses its settings.
    """
    from depth_ros.models.sgbm.settings import SgbmMode, SgbmSettings
    from depth_ros.tasks.stereo.settings import StereoSettings

    return StereoSettings(
        model=parameters.model,
        **parameters.engine_choice,
        iterations=parameters.iterations,
        stages=parameters.stages,
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


def _check_colors(parameters: StereoParameters) -> None:
    high = parameters.color_max_disparity_px
    if high and not parameters.color_min_disparity_px < high:
        raise ParameterError(
            'color_min_disparity_px must be below color_max_disparity_px, got '
            f'{parameters.color_min_disparity_px:g} and {high:g}; correct one of them'
        )


def _check_matcher(parameters: StereoParameters) -> None:
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
