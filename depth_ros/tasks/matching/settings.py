"""What matching runs with."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.models.registry import DEFAULT_MODELS, model_entry
from depth_ros.tasks.pipeline import network_key
from depth_ros.tensors import Task

MIN_CONFIDENCE = 0.2
"""Threshold of LoFTR's paper; for SIFT and ORB it stands for a ratio of 0.8."""

INLIER_THRESHOLD_PX = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchSettings:
    """What to run and how; every field is also a parameter of ``matcher_node``.

    Attributes:
        frontend: Name in ``depth_ros.models.registry.MODELS``.
        variant: Which official checkpoint the weights of ``loftr`` are, e.g. ``'indoor_ds'``;
            empty takes the recipe's.
        engine: Runtime of a network, or ``'auto'``.
        precision: ``'f32'`` or ``'bf16'``.
        preset: Named size of the recipe, or empty for its default.
        size: ``(height, width)`` of the engine, overriding the preset; None takes the preset's.
        weights: Checkpoint file; empty takes shipped or already exported ones.
        num_threads: CPU threads of the engine, 0 lets the engine choose.
        tensorrt: Options of TensorRT builds as NAME=VALUE words, e.g. ``low_memory=true``.
        engine_matches: Most matches that LoFTR's graph refines, 0 takes the preset's.
        max_keypoints: Keypoints of ``sift`` and ``orb`` in each image, 0 takes their default.
        max_matches: Best matches to give, 0 gives all; LoFTR has at most ``engine_matches``.
        min_confidence: Matches at or below it are dropped; negative takes the frontend's own,
            see ``default_min_confidence``.
    """

    frontend: str = DEFAULT_MODELS[Task.MATCHING]
    variant: str = ''
    engine: str = 'auto'
    precision: str = 'f32'
    preset: str = ''
    size: tuple[int, int] | None = None
    weights: str = ''
    num_threads: int = 0
    tensorrt: str = ''
    engine_matches: int = 0
    max_keypoints: int = 0
    max_matches: int = 1024
    min_confidence: float = -1.0

    @property
    def model(self) -> str:
        """The frontend, by the name that settings of every task have."""
        return self.frontend

    @property
    def pipeline_key(self) -> tuple[object, ...]:
        """What a pipeline depends on; two settings of one key can share it."""
        return (*network_key(self), self.variant, self.engine_matches, self.max_keypoints)

    @property
    def default_min_confidence(self) -> float:
        """Threshold below which matches of this frontend are doubtful."""
        return self._default('min_confidence', MIN_CONFIDENCE)

    @property
    def inlier_threshold_px(self) -> float:
        """Distance to a model beyond which a match of this frontend is no inlier."""
        return self._default('inlier_threshold_px', INLIER_THRESHOLD_PX)

    def _default(self, name: str, usual: float) -> float:
        service = model_entry(self.model, Task.MATCHING).services[Task.MATCHING]
        return service.defaults.get(name, usual)
