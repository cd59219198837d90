"""Training recipes: everything that decides what comes out, in one frozen value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib import import_module

from depth_ros.errors import RecipeError
from depth_ros.training.step import Descent
from depth_ros.training.task import TrainTask

RECIPE_MODULES = ('crestereo', 'mvsnet', 'monodepth2', 'loftr', 'tio_depth')
"""Packages of ``depth_ros.training`` whose ``recipes`` module holds a table ``RECIPES``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One schedule of a training in several: what it changes; None keeps what the recipe says.

    Attributes:
        name: As typed after ``--stage``.
        task: Other samples, losses or parts to learn, for the same network.
        steps: Of this stage.
        batch_size: Samples per step.
        learning_rate: Peak.
        validation_samples: Size of the fixed validation set.
    """

    name: str
    task: TrainTask | None = None
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    validation_samples: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainRecipe:
    """How a network is trained.

    Attributes:
        name: As typed after ``depth-ros train``, and the stem of the weights.
        task: Network, data, loss and validation.
        seed: Of the first weights; the samples have their own.
        steps: Optimizer steps of a full run.
        batch_size: Samples per step.
        streams: Worker processes that draw samples.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        warm_up: Share of the run until the peak.
        clip: Largest gradient norm.
        average: Factor of the running average of the weights.
        mixed: Whether convolutions run in bfloat16; coordinates and losses never do.
        validation_samples: Size of the fixed validation set.
        stages: Schedules that follow one another, each on the weights of the one before; empty
            for a training in one.
        stage: Which of them this is, where ``schedules`` made it.
    """

    name: str
    task: TrainTask
    seed: int = 1
    steps: int = 32000
    batch_size: int = 4
    streams: int = 1
    learning_rate: float = 7e-4
    weight_decay: float = 1e-4
    warm_up: float = 0.04
    clip: float = 5.0
    average: float = 0.999
    mixed: bool = True
    validation_samples: int = 64
    stages: tuple[Stage, ...] = ()
    stage: str = ''

    @property
    def descent(self) -> Descent:
        """How weights follow the gradient."""
        return Descent(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warm_up=self.warm_up,
            clip=self.clip,
        )


@lru_cache(maxsize=1)
def recipes() -> dict[str, TrainRecipe]:
    """Return all recipes by name."""
    modules = [import_module(f'depth_ros.training.{name}.recipes') for name in RECIPE_MODULES]
    return {name: recipe for module in modules for name, recipe in module.RECIPES.items()}


def find_recipe(name: str) -> TrainRecipe:
    """Look a recipe up.

    Raises:
        RecipeError: If there is none of that name.
    """
    if name not in recipes():
        raise RecipeError(f'there is no training recipe {name!r}; use one of {sorted(recipes())}')
    return recipes()[name]


def schedules(recipe: TrainRecipe) -> list[TrainRecipe]:
    """Return a recipe for each stage, in their order; one without stages stands for itself."""
    return [_at(recipe, stage) for stage in recipe.stages] or [recipe]


def find_schedule(recipe: TrainRecipe, stage: str) -> TrainRecipe:
    """Return the recipe of one stage.

    Raises:
        RecipeError: If there is none of that name.
    """
    for schedule in schedules(recipe):
        if recipe.stages and schedule.stage == stage:
            return schedule
    known = [one.name for one in recipe.stages] or 'none'
    raise RecipeError(f'{recipe.name} has no stage {stage!r}; its stages are: {known}')


def shared_out(chosen: Sequence[TrainRecipe], steps: int) -> list[TrainRecipe]:
    """Return for each schedule its part of ``steps``, at least one."""
    total = sum(one.steps for one in chosen)
    return [replace(one, steps=max(1, round(steps * one.steps / total))) for one in chosen]


def _at(recipe: TrainRecipe, stage: Stage) -> TrainRecipe:
    given = {item.name: getattr(stage, item.name) for item in fields(stage)}
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(recipe, stages=(), stage=changes.pop('name'), **changes)
