"""Pipeline: one model with its engines, three timed stages a frame."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from depth_ros.errors import ParameterError
from depth_ros.models.base import Model
from depth_ros.tensors import Engine

FrameT = TypeVar('FrameT')
ResultT = TypeVar('ResultT')


class NetworkSettings(Protocol):
    """What the settings of every task say about the network; see ``StereoSettings``."""

    @property
    def model(self) -> str:
        """Name in ``MODELS`` and of the recipe."""

    @property
    def engine(self) -> str:
        """Runtime, or ``'auto'``."""

    @property
    def precision(self) -> str:
        """E.g. ``'f32'``."""

    @property
    def preset(self) -> str:
        """Named size, or empty."""

    @property
    def size(self) -> tuple[int, int] | None:
        """``(height, width)`` of the engine, or None."""

    @property
    def weights(self) -> str:
        """Checkpoint, or empty."""

    @property
    def num_threads(self) -> int:
        """CPU threads, or 0."""

    @property
    def tensorrt(self) -> str:
        """Options of TensorRT builds, or empty."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Timed(Generic[ResultT]):
    """A result with what its stages cost.

    Attributes:
        result: What the model gave.
        stages_s: Wall seconds by stage: ``preprocess``, ``infer``, ``postprocess``.
    """

    result: ResultT
    stages_s: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What runs, for logs, diagnostics and summaries."""

    model: str
    engine: str
    precision: str
    size: str


class Pipeline(Generic[FrameT, ResultT]):
    """A model and the engines of its graphs; not thread-safe, one worker owns it."""

    def __init__(
        self, model: Model[FrameT, ResultT], engines: Mapping[str, Engine] | None = None
    ) -> None:
        """Take ownership of the engines.

        Raises:
            ParameterError: If the engines are not those of ``model.graphs``.
        """
        self.model = model
        self.engines = dict(engines or {})
        if set(self.engines) != set(model.graphs):
            raise ParameterError(
                f'model {model.name!r} needs engines for {list(model.graphs)!r}, '
                f'got {sorted(self.engines)!r}; open them with depth_ros.engines.build'
            )

    def run(self, frame: FrameT) -> Timed[ResultT]:
        """Run one frame through the three stages."""
        start = time.perf_counter()
        prepared = self.model.preprocess(frame)
        ready = time.perf_counter()
        outputs = self.model.infer(self.engines, prepared)
        inferred = time.perf_counter()
        result = self.model.postprocess(outputs, prepared, frame)
        stages = {
            'preprocess': ready - start,
            'infer': inferred - ready,
            'postprocess': time.perf_counter() - inferred,
        }
        return Timed(result=result, stages_s=stages)

    @property
    def is_untrained(self) -> bool:
        """Whether an engine runs made-up weights, so that results mean nothing."""
        return any(engine.info.is_untrained for engine in self.engines.values())

    def describe(self) -> str:
        """Say the model and its engines in one line."""
        engines = '; '.join(engine.info.describe() for engine in self.engines.values())
        return f'{self.model.name}: {engines or "no engine needed"}'

    def close(self) -> None:
        """Close every engine."""
        for engine in self.engines.values():
            engine.close()


def identity_of(pipeline: Pipeline[FrameT, ResultT], model: str) -> Identity:
    """Return a pipeline's model, engine, precision and size in words."""
    engines = list(pipeline.engines.values())
    size = 'input'
    if engines:
        _, height, width, *_ = engines[0].inputs[0].shape
        size = f'{height}x{width}'
    return Identity(
        model=model,
        engine=engines[0].info.runtime if engines else 'opencv',
        precision=engines[0].info.precision if engines else 'int16',
        size=size,
    )


def network_key(settings: NetworkSettings) -> tuple[object, ...]:
    """Return what every pipeline depends on; two settings of other keys cannot share one."""
    return (
        settings.model,
        settings.engine,
        settings.precision,
        settings.preset,
        settings.size,
        settings.weights,
        settings.num_threads,
        settings.tensorrt,
    )
