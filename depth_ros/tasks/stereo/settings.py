"""What stereo runs with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from depth_ros.models.registry import DEFAULT_STEREO_MODEL
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.tasks.pipeline import network_key


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoSettings:
    """What to run and how; every field is also a parameter of ``stereo_node``.

    Attributes:
        model: Name in ``depth_ros.models.registry.MODELS``.
        engine: Runtime, or ``'auto'``.
        precision: ``'f32'`` or ``'bf16'``.
        preset: Named size of the recipe, or empty for its default.
        size: ``(height, width)`` of the engine, overriding the preset; None takes the preset's.
        iterations: Update steps, 0 takes the preset's.
        stages: Coarse-to-fine passes, 0 takes the preset's.
        weights: Checkpoint file; empty takes shipped or already exported ones.
        num_threads: CPU threads of the engine, 0 lets the engine choose.
        tensorrt: Options of TensorRT builds as NAME=VALUE words, e.g. ``low_memory=true``.
        baseline_m: Baseline where CameraInfo has none, else 0.
        min_depth_m: Nearer becomes ``-Inf``.
        max_depth_m: Farther becomes ``+Inf``.
        left_right_check: Match the mirrored pair too: doubles the time, gives confidence, and
            makes disparities of zero confidence unknown.
        confidence_threshold_px: Left-right difference at which confidence reaches 0.
        disparity_sigma_px: Standard deviation of disparity that ``sigma`` assumes.
        speckle_size_px: Connected areas smaller than this become unknown; 0 switches it off.
        speckle_difference_px: Step that separates two areas.
        fill_holes: Fill unknown disparities from the background of their row.
        sgbm: Settings of the classical matcher.
    """

    model: str = DEFAULT_STEREO_MODEL
    engine: str = 'auto'
    precision: str = 'f32'
    preset: str = ''
    size: tuple[int, int] | None = None
    iterations: int = 0
    stages: int = 0
    weights: str = ''
    num_threads: int = 0
    tensorrt: str = ''
    baseline_m: float = 0.0
    min_depth_m: float = 0.0
    max_depth_m: float = math.inf
    left_right_check: bool = False
    confidence_threshold_px: float = 1.0
    disparity_sigma_px: float = 0.5
    speckle_size_px: int = 0
    speckle_difference_px: float = 1.0
    fill_holes: bool = False
    sgbm: SgbmSettings = field(default_factory=SgbmSettings)

    @property
    def pipeline_key(self) -> tuple[object, ...]:
        """What a pipeline depends on; two settings of one key can share it."""
        return (*network_key(self), self.iterations, self.stages, self.sgbm)
