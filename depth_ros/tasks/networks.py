"""Open a network for a task: its recipe, the engines of its graphs, and the model on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from depth_ros.engines.progress import Progress
from depth_ros.engines.recipe import Recipe, TrainingRig, load_recipe
from depth_ros.models.base import model_entry
from depth_ros.tasks.pipeline import NetworkSettings, Pipeline
from depth_ros.tensors import Engine, EngineInfo, Task

ModelArguments = Mapping[str, int | float | str | bool]


class EngineChoice(TypedDict):
    """What the settings of every task have beside the model: pass it on as ``**choice``.

    Attributes:
        engine: Runtime, or ``'auto'``.
        precision: E.g. ``'f32'``.
        preset: Named size of the recipe, or empty for its default.
        size: ``(height, width)`` of the engine, or None for the preset's.
        weights: Checkpoint, or empty.
        num_threads: CPU threads, 0 lets the engine choose.
        tensorrt: Options of TensorRT builds as NAME=VALUE words; see ``gpu_options``.
    """

    engine: str
    precision: str
    preset: str
    size: tuple[int, int] | None
    weights: str
    num_threads: int
    tensorrt: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OpenedNetwork:
    """A network ready to run.

    Attributes:
        pipeline: Model and engines; the taker closes it.
        recipe: What the engines were made from.
    """

    pipeline: Pipeline
    recipe: Recipe

    @property
    def info(self) -> EngineInfo:
        """The first engine's."""
        return next(iter(self.pipeline.engines.values())).info

    @property
    def training_rig(self) -> TrainingRig | None:
        """The camera that these weights were trained with, where the recipe states one."""
        return self.recipe.rig_of(self.info)


def open_engines(
    recipe: Recipe | str,
    settings: NetworkSettings,
    *,
    graphs: Sequence[str] | None = None,
    options: Mapping[str, int | str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Engine]:
    """Open the engines of a recipe's graphs by name; arguments and errors of ``open_network``."""
    from depth_ros.engines.build import open_graphs

    return open_graphs(
        recipe,
        graphs=graphs,
        preset=settings.preset or None,
        size=settings.size,
        options={name: value for name, value in (options or {}).items() if value},
        weights=settings.weights or None,
        runtime=settings.engine,
        precision=settings.precision,
        num_threads=settings.num_threads,
        tensorrt=settings.tensorrt,
        progress=progress,
    )


def open_network(
    task: Task,
    settings: NetworkSettings,
    *,
    graphs: Sequence[str] | None = None,
    options: Mapping[str, int | str] | None = None,
    arguments: ModelArguments | None = None,
    progress: Progress | None = None,
) -> OpenedNetwork:
    """Open a model and the engines it needs.

    Args:
        task: What it is to serve.
        settings: Which model, engine, size and weights.
        graphs: Graphs of the recipe to open; None opens all.
        options: Options of the recipe; what is 0 or empty takes the preset's.
        arguments: What the model's factory takes beyond the engine's size.
        progress: Called with a phase and a fraction (None where unknown) during long work.

    Raises:
        ParameterError: If the model does not serve the task.
        WeightsError: If there are no weights; says what to type.
        EngineError: If the runtime is missing or refuses.
    """
    factory = model_entry(settings.model, task).load(task)
    recipe = load_recipe(settings.model)
    engines = open_engines(recipe, settings, graphs=graphs, options=options, progress=progress)
    _, height, width, *_ = next(iter(engines.values())).inputs[0].shape
    model = factory(engine_height=height, engine_width=width, **(arguments or {}))
    return OpenedNetwork(pipeline=Pipeline(model, engines), recipe=recipe)
