"""Training recipes: everything that decides what comes out, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

from depth_ros.errors import RecipeError
from depth_ros.training.task import TrainTask

RECIPE_MODULES = ('crestereo', 'mvsnet', 'monodepth2', 'loftr', 'tio_depth')
"""Packages of ``depth_ros.training`` whose ``recipes`` module holds a table ``RECIPES``."""


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
