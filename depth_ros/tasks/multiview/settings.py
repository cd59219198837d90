"""What multi-view depth runs with."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.models.registry import DEFAULT_MODELS
from depth_ros.tasks.pipeline import network_key
from depth_ros.tensors import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class MultiViewSettings:
    """What to run and how; every field is also a parameter of ``multiview_node``.

    Attributes:
        model: Name in ``depth_ros.models.registry.MODELS``.
        engine: Runtime, or ``'auto'``.
        precision: ``'f32'``, or a lower one that the recipe offers.
        preset: Named size of the recipe, or empty for its default.
        size: ``(height, width)`` of the engine, overriding the preset; None takes the preset's.
        num_depths: Depth hypotheses, 0 takes the preset's.
        num_sources: Most source views used, 0 takes the preset's; a frame may have fewer, and
            of more the first are taken.
        weights: Checkpoint file; empty takes shipped or already exported ones.
        num_threads: CPU threads of the engine, 0 lets the engine choose.
        tensorrt: Options of TensorRT builds as NAME=VALUE words, e.g. ``low_memory=true``.
        sampling: ``'linear'`` spreads the hypotheses evenly over depth, ``'inverse'`` over
            inverse depth (fine near, coarse far).
        fit: ``'resize'`` or ``'pad'``; how frames are brought to the engine's size.
        upsampling: ``'guarded'``, ``'bilinear'`` or ``'nearest'``; see
            ``models.mvsnet.upsample.Upsampling``.
        min_overlap: Smallest share of the reference that a source must see, 0..1.
        min_confidence: Depths of lower photometric confidence become unknown; 0 keeps all.
    """

    model: str = DEFAULT_MODELS[Task.MULTIVIEW]
    engine: str = 'auto'
    precision: str = 'f32'
    preset: str = ''
    size: tuple[int, int] | None = None
    num_depths: int = 0
    num_sources: int = 0
    weights: str = ''
    num_threads: int = 0
    tensorrt: str = ''
    sampling: str = 'linear'
    fit: str = 'resize'
    upsampling: str = 'guarded'
    min_overlap: float = 0.1
    min_confidence: float = 0.0

    @property
    def pipeline_key(self) -> tuple[object, ...]:
        """What a pipeline depends on; two settings of one key can share it."""
        return (
            *network_key(self),
            self.num_depths,
            self.num_sources,
            self.sampling,
            self.fit,
            self.upsampling,
        )
