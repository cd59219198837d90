"""Pipeline: one model with its engines, three timed stages a frame."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import ParameterError
from depth_ros.models.base import Model
from depth_ros.models.registry import DEFAULT_MODELS, models_of, renaming_of
from depth_ros.settings import (
    Settings,
    SettingValue,
    described,
    nested,
    settings_of,
    values_of,
)
from depth_ros.tensors import Engine, Task

FrameT = TypeVar('FrameT')
ResultT = TypeVar('ResultT')


def model_setting(
    *tasks: Task, description: str, noun: str, default: str = '', formerly: str = ''
) -> str:
    """Make the field for a model of the first task or, if there are more, of any of them."""
    return described(
        default or DEFAULT_MODELS[tasks[0]],
        description,
        choices=lambda: models_of(*tasks),
        noun=noun,
        hint=renaming_of,
        formerly=formerly,
        opens_engine=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSettings(Settings):
    """Common settings of every task; each describes ``model`` again."""

    model: str = described('', 'Model.', opens_engine=True)
    engine: EngineChoice = nested(EngineChoice)

    @property
    def pipeline_key(self) -> tuple[SettingValue, ...]:
        """What a pipeline depends on; two settings of one key can share it."""
        values = values_of(self)
        return tuple(
            values[setting.name] for setting in settings_of(type(self)) if setting.opens_engine
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Timed(Generic[ResultT]):
    """A result with the wall time of its stages.

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
        """Return the model and its engines in one line."""
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
        precision=engines[0].info.precision if engines else '',
        size=size,
    )
