"""Recipes of MVSNet: for a CPU on drawn rooms, and the paper's on DTU."""

from __future__ import annotations

from depth_ros.training.mvsnet.dtu import DtuViews
from depth_ros.training.mvsnet.rooms import RoomViews
from depth_ros.training.mvsnet.task import MvsNetTask
from depth_ros.training.recipe import Stage, TrainRecipe

_FINE = MvsNetTask(
    views=RoomViews(
        seed=3,
        scene_height=144,
        scene_width=184,
        height=128,
        width=160,
        depths=(48, 64, 96),
    )
)

RECIPES: dict[str, TrainRecipe] = {
    'mvsnet': TrainRecipe(
        name='mvsnet',
        task=MvsNetTask(),
        mixed=False,
        validation_samples=48,
        stages=(
            # Small views make it trainable on one CPU core.
            Stage(name='coarse', steps=40000, learning_rate=1e-3),
            # Larger views and more hypotheses, so that steps between hypotheses are as small as
            # robots have them.
            Stage(name='fine', task=_FINE, steps=8000, learning_rate=4e-4),
        ),
    ),
    'mvsnet_refined': TrainRecipe(
        name='mvsnet_refined',
        task=MvsNetTask(refinement=True),
        steps=40000,
        learning_rate=1e-3,
        mixed=False,
        validation_samples=48,
    ),
    'mvsnet_large': TrainRecipe(
        name='mvsnet_large',
        task=MvsNetTask(
            views=RoomViews(
                seed=2,
                scene_height=288,
                scene_width=368,
                height=256,
                width=320,
                views=5,
                sources=(2, 3, 4),
                source_chances=(0.5, 0.25, 0.25),
                depths=(64, 96, 128),
            )
        ),
        steps=60000,
        streams=8,
        learning_rate=1e-3,
        validation_samples=48,
    ),
    'mvsnet_dtu': TrainRecipe(
        name='mvsnet_dtu',
        task=MvsNetTask(views=DtuViews()),
        steps=160000,
        batch_size=1,
        streams=4,
        learning_rate=1e-3,
        weight_decay=0.0,
        validation_samples=96,
    ),
}
"""Recipes by name.

``mvsnet`` is the network that ships, trained by its first stage.
``mvsnet_refined`` trains the paper's refinement as well, which the engines leave out.
``mvsnet_large`` is for a GPU: views and hypotheses of the sizes that robots use.
``mvsnet_dtu`` is the paper's training (section 4.1) and needs the DTU set.
"""
