"""Recipes of LoFTR: the small network in two stages, and the full size."""

from __future__ import annotations

from depth_ros.training.loftr.losses import LossSettings
from depth_ros.training.loftr.posed_source import PosedSettings
from depth_ros.training.loftr.samples import PairSettings
from depth_ros.training.loftr.task import LoftrTask
from depth_ros.training.recipe import Stage, TrainRecipe

ENGINE_GRID = (60, 80)
"""Cells of the largest usual engine, 480x640."""
RELEASED = LossSettings(focus=2.0, wrong=1.0, fine_matches=800, min_true=200)
"""As the official training has it: focal, all pairs of cells supervised."""

RECIPES: dict[str, TrainRecipe] = {
    'loftr_tiny': TrainRecipe(
        name='loftr_tiny',
        task=LoftrTask(known_grid=ENGINE_GRID),
        clip=2.0,
        mixed=False,
        stages=(
            Stage(name='small', steps=60000, learning_rate=1e-3),
            # Images nearer to the engine's size, so that more cells compete for each match.
            Stage(
                name='large',
                task=LoftrTask(
                    known_grid=ENGINE_GRID, pairs=PairSettings(seed=2, height=320, width=416)
                ),
                steps=8000,
                batch_size=2,
                learning_rate=4e-4,
                validation_samples=32,
            ),
        ),
    ),
    'loftr_indoor': TrainRecipe(
        name='loftr_indoor',
        task=LoftrTask(
            network='indoor_ds_new',
            posed=PosedSettings(layout='scannet', height=480, width=640),
            losses=RELEASED,
        ),
        steps=400000,
        batch_size=4,
        streams=8,
        learning_rate=4e-4,
        weight_decay=0.1,
        clip=0.5,
        validation_samples=32,
    ),
    'loftr_outdoor': TrainRecipe(
        name='loftr_outdoor',
        task=LoftrTask(
            network='outdoor_ds',
            posed=PosedSettings(layout='megadepth', height=840, width=840, is_padded=True),
            losses=RELEASED,
        ),
        steps=400000,
        batch_size=2,
        streams=8,
        learning_rate=2.5e-4,
        weight_decay=0.1,
        clip=0.5,
        validation_samples=32,
    ),
}
"""Recipes by name.

``loftr_indoor`` reads ScanNet and ``loftr_outdoor`` MegaDepth from ``--data``; both need a GPU.
Learning rates are those of the paper's supplement, scaled with the batch; the outdoor network
keeps the position table of the official weights that it is compared with.
"""
