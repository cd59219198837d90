"""Open a model for a task: its recipe, the engines of its graphs, and the model on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from depth_ros.engines.choice import AUTO_PRESET
from depth_ros.entries import ModelEntry, Service
from depth_ros.errors import ParameterError
from depth_ros.models.registry import model_entry
from depth_ros.tasks.pipeline import NetworkSettings, Pipeline
from depth_ros.tensors import Options, Progress, Task

if TYPE_CHECKING:
    from depth_ros.engines.recipe import TrainingRig
    from depth_ros.engines.sizes import SizeStep


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OpenedModel:
    """A model ready to run.

    Attributes:
        pipeline: Model and engines; the caller closes it.
        training_rig: The camera that its weights were trained with, where the recipe states one.
    """

    pipeline: Pipeline
    training_rig: TrainingRig | None = None


def open_model(
    task: Task,
    settings: NetworkSettings,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
    auto_preset: str = '',
) -> OpenedModel:
    """Open a model and, where it has any, the engines it needs.

    Args:
        task: What it is to serve.
        settings: The task's: which model, engine, size and weights, and what the model's entry
            asks for beyond.
        options: Options of the recipe; what is 0 or empty takes the preset's.
        progress: Called with a phase and a fraction (None where unknown) during long work.
        auto_preset: Preset that is taken for ``auto``; empty takes the recipe's default size.

    Raises:
        ParameterError: If the model does not serve the task or refuses a setting.
        WeightsError: If there are no weights; says what to type.
        EngineError: If the runtime is missing or refuses.
    """
    from depth_ros.engines.sizes import settled

    entry = model_entry(settings.model, task)
    service = entry.services[task]
    if not entry.needs_weights:
        model = entry.load(task)(**arguments_of(service, settings))
        return OpenedModel(pipeline=Pipeline(model))
    choice = settled(settings.engine, auto_preset)
    settled_settings = replace(settings, engine=choice)
    return _open_network(entry, task, settled_settings, _given(options), progress)


def graphs_of(service: Service, settings: NetworkSettings) -> tuple[str, ...] | None:
    """Return the graphs to open for a task; None opens all of the recipe.

    Raises:
        ParameterError: If the setting that chooses one names another.
    """
    if not service.chosen_by:
        return service.graphs or None
    chosen: str = getattr(settings, service.chosen_by)
    if chosen not in service.graphs:
        raise ParameterError(
            f'{service.chosen_by} must be one of {", ".join(service.graphs)}, got {chosen!r}'
        )
    return (chosen,)


def arguments_of(
    service: Service,
    settings: NetworkSettings,
    options: Options | None = None,
    training_rig: TrainingRig | None = None,
) -> dict[str, object]:
    """Return what the factory takes beyond the engine's size.

    Args:
        service: Says what, and where it comes from.
        settings: The task's.
        options: The recipe's, as decided.
        training_rig: The recipe's.
    """
    kinds = {'settings': settings, 'options': options, 'training_rig': training_rig}
    found: dict[str, object] = {}
    for argument, source in service.arguments.items():
        kind, _, name = source.partition('.')
        origin = kinds[kind]
        found[argument] = origin[name] if isinstance(origin, Mapping) else getattr(origin, name)
    return found


def _open_network(
    entry: ModelEntry,
    task: Task,
    settings: NetworkSettings,
    options: Options,
    progress: Progress | None,
) -> OpenedModel:
    from depth_ros.engines.build import open_graphs
    from depth_ros.engines.recipe import load_recipe

    service = entry.services[task]
    recipe = load_recipe(entry.recipe or entry.name)
    graphs = graphs_of(service, settings)
    choice = settings.engine
    decided = recipe.variant(preset=choice.preset or None, size=choice.size, options=options)
    arguments = arguments_of(service, settings, decided.options, recipe.training_rig)
    engines = open_graphs(recipe, choice, graphs=graphs, options=options, progress=progress)
    first = next(iter(engines.values()))
    _, height, width, *_ = first.inputs[0].shape
    model = entry.load(task)(engine_height=height, engine_width=width, **arguments)
    return OpenedModel(pipeline=Pipeline(model, engines), training_rig=recipe.rig_of(first.info))


def _given(options: Options | None) -> Options:
    return {name: value for name, value in (options or {}).items() if value}


def steps_to_choose(settings: NetworkSettings, task: Task) -> tuple[SizeStep, ...]:
    """Return the presets that ``preset: auto`` chooses from; none where it is not asked to.

    Raises:
        ParameterError: If the model does not serve the task.
    """
    from depth_ros.engines.recipe import load_recipe
    from depth_ros.engines.sizes import steps_of

    entry = model_entry(settings.model, task)
    choice = settings.engine
    if choice.preset != AUTO_PRESET or choice.size or not entry.needs_weights:
        return ()
    return steps_of(load_recipe(entry.recipe or entry.name), choice)
