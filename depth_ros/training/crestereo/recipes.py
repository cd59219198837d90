"""Recipes of the small network (stages of one training, and an ablation) and of the full one."""

from __future__ import annotations

from dataclasses import replace

from depth_ros.models.crestereo.network_tiny import TinyConfig
from depth_ros.scenes.layered.samples import SampleSettings
from depth_ros.training.crestereo.full import CreStereoTask
from depth_ros.training.crestereo.pairs import DrawnPairs, SetPairs
from depth_ros.training.crestereo.task import TinyStereoTask
from depth_ros.training.recipe import TrainRecipe

_ROOMS = SampleSettings(
    seed=3,
    scene_height=160,
    scene_width=448,
    height=128,
    width=384,
    max_disparity=140.0,
    bare=0.15,
    min_contrast=0.5,
    crowding=(0.05, 0.60, 0.35),
    deep=0.35,
    burnt=0.1,
    mirrored=0.15,
)
_PLAIN = replace(_ROOMS, seed=5, plain=0.3, blades=0.2)
_LONG_ROWS = replace(_PLAIN, seed=6, scene_height=144, scene_width=512, height=112, width=448)

_BLIND = TinyConfig(row_scales=(1,), hypothesis=False)

RECIPES: dict[str, TrainRecipe] = {
    'crestereo_tiny': TrainRecipe(name='crestereo_tiny', task=TinyStereoTask()),
    'crestereo_tiny_wide': TrainRecipe(
        name='crestereo_tiny_wide',
        task=TinyStereoTask(
            samples=SampleSettings(
                seed=2,
                scene_height=128,
                scene_width=448,
                height=96,
                width=384,
                max_disparity=130.0,
                bare=0.12,
                min_contrast=0.5,
            )
        ),
    ),
    'crestereo_tiny_rooms': TrainRecipe(
        name='crestereo_tiny_rooms', task=TinyStereoTask(samples=_ROOMS)
    ),
    'crestereo_tiny_plain': TrainRecipe(
        name='crestereo_tiny_plain', task=TinyStereoTask(samples=_PLAIN)
    ),
    'crestereo_tiny_fine': TrainRecipe(
        name='crestereo_tiny_fine', task=TinyStereoTask(samples=_LONG_ROWS)
    ),
    'crestereo_tiny_close': TrainRecipe(
        name='crestereo_tiny_close',
        task=TinyStereoTask(samples=replace(_LONG_ROWS, seed=7), small_errors=3.0),
        learning_rate=5e-4,
    ),
    'crestereo_tiny_blind': TrainRecipe(
        name='crestereo_tiny_blind', task=TinyStereoTask(network=_BLIND)
    ),
    'crestereo_tiny_blinded': TrainRecipe(
        name='crestereo_tiny_blinded', task=TinyStereoTask(network=_BLIND, samples=_LONG_ROWS)
    ),
    'crestereo_tiny_uncompared': TrainRecipe(
        name='crestereo_tiny_uncompared',
        task=TinyStereoTask(network=TinyConfig(compare=False)),
    ),
    'crestereo': TrainRecipe(
        name='crestereo',
        task=CreStereoTask(
            pairs=DrawnPairs(
                samples=replace(
                    _ROOMS,
                    seed=4,
                    scene_height=320,
                    scene_width=640,
                    height=256,
                    width=512,
                    max_disparity=192.0,
                )
            )
        ),
        steps=100_000,
        batch_size=8,
        streams=12,
        learning_rate=4e-4,
        clip=1.0,
    ),
    'crestereo_dataset': TrainRecipe(
        name='crestereo_dataset',
        task=CreStereoTask(pairs=SetPairs()),
        steps=300_000,
        batch_size=16,
        streams=12,
        learning_rate=4e-4,
        clip=1.0,
    ),
}
"""Recipes by name.

``_wide`` is the second stage, begun with ``--restart``: as many pixels in longer rows, so that
more false matches compete and disparities grow, and more texture, as real images have.
``_rooms`` is the third: taller and fuller scenes with more large steps of disparity, fewer
overexposed ones, and reflections.
``_plain`` is the fourth: many objects without texture of their own before busy surfaces, and more
long narrow ones, which the third lost against their background.
``_fine`` is the fifth, from which on the network has its half-resolution level and one update less
at 1/4: the same scenes in longer rows.
``_close`` is the sixth: such scenes drawn anew, a lower rate, and more weight on small errors.
``crestereo`` is the full-size network on drawn scenes, ``crestereo_dataset`` on the authors' set
with their sizes, steps and rate; both want a GPU.
``_blind`` is the ablation without sight of the whole row, ``_blinded`` the same on the scenes of
``_fine``, to be begun from weights that had it, and ``_uncompared`` that without the local
correlation at the row's best match.
"""
