"""Training recipes: everything that decides what comes out, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

from depth_ros.errors import RecipeError
from depth_ros.models.crestereo.network_tiny import TinyConfig
from depth_ros.training.samples import SampleSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainRecipe:
    """How a network is trained.

    Attributes:
        name: As typed after ``depth-ros train``, and the stem of the weights.
        network: Sizes of the network.
        samples: What it sees.
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
        validation_samples: Size of the fixed synthetic validation set.
    """

    name: str
    network: TinyConfig = field(default_factory=TinyConfig)
    samples: SampleSettings = field(default_factory=SampleSettings)
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


RECIPES: dict[str, TrainRecipe] = {
    'crestereo_tiny': TrainRecipe(name='crestereo_tiny'),
    'crestereo_tiny_wide': TrainRecipe(
        name='crestereo_tiny_wide',
        samples=SampleSettings(
            seed=2,
            scene_height=128,
            scene_width=448,
            height=96,
            width=384,
            max_disparity=130.0,
            bare=0.12,
            min_contrast=0.5,
        ),
    ),
    'crestereo_tiny_blind': TrainRecipe(
        name='crestereo_tiny_blind',
        network=TinyConfig(row_scales=(1,), hypothesis=False),
    ),
}
"""Recipes by name.

``_wide`` is the second stage, begun with ``--restart``: as many pixels in longer rows, so that
more false matches compete and disparities grow, and more texture, as real images have.
``_blind`` is the ablation without sight of the whole row.
"""


def find_recipe(name: str) -> TrainRecipe:
    """Look a recipe up.

    Raises:
        RecipeError: If there is none of that name.
    """
    if name not in RECIPES:
        raise RecipeError(f'there is no training recipe {name!r}; use one of {sorted(RECIPES)}')
    return RECIPES[name]
