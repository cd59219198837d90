"""Recipes of the small network, in stages, and of the full one."""

from __future__ import annotations

from dataclasses import replace

from depth_ros.scenes.layered.samples import SampleSettings
from depth_ros.training.crestereo.hinted import HintedPairs, HintedTask
from depth_ros.training.crestereo.hints import HintSettings
from depth_ros.training.crestereo.networks import (
    FullStereo,
    HalfStereo,
    HintedStereo,
    TinyStereo,
)
from depth_ros.training.crestereo.pairs import DrawnPairs, SetPairs
from depth_ros.training.crestereo.task import StereoTask
from depth_ros.training.recipe import Stage, TrainRecipe

_WIDE = SampleSettings(
    seed=2,
    scene_height=128,
    scene_width=448,
    height=96,
    width=384,
    max_disparity=130.0,
    bare=0.12,
    min_contrast=0.5,
)
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
_OF_FULL_SIZE = replace(
    _ROOMS,
    seed=4,
    scene_height=320,
    scene_width=640,
    height=256,
    width=512,
    max_disparity=192.0,
)


_TEXTURED = replace(
    _LONG_ROWS,
    seed=35,
    crowding=(0.12, 0.68, 0.20),
    deep=0.25,
    bare=0.15,
    plain=0.1,
    blades=0.15,
    mirrored=0.03,
    min_contrast=0.7,
    grainy=1.0,
    texels=(0.7, 1.2),
    noise=(0.2, 1.2),
    row_shift=0.05,
)
"""Grain and hardly any noise, so that SGBM errs on them nearly as seldom as on real pairs; see the
card."""


_WHOLE = replace(_TEXTURED, seed=37, scene_height=160, height=128)
"""Sides that are multiples of 32."""


def _drawn(samples: SampleSettings, *, small_errors: float = 0.0) -> StereoTask:
    return StereoTask(
        network=TinyStereo(small_errors=small_errors), pairs=DrawnPairs(samples=samples)
    )


def _hinted(samples: SampleSettings, *, worse: float, learns_error: bool = False) -> HintedTask:
    pairs = HintedPairs(samples=samples, hints=HintSettings(worse=worse))
    return HintedTask(network=HintedStereo(learns_error=learns_error), pairs=pairs)


RECIPES: dict[str, TrainRecipe] = {
    'crestereo_tiny': TrainRecipe(
        name='crestereo_tiny',
        task=_drawn(SampleSettings()),
        stages=(
            Stage(name='first', steps=3000),
            # As many pixels in longer rows, so that more false matches compete and disparities
            # grow, and more texture, as real images have.
            Stage(name='wide', steps=2500, task=_drawn(_WIDE)),
            # Taller and fuller scenes with more large steps of disparity, fewer overexposed
            # ones, and reflections.
            Stage(name='rooms', steps=8700, task=_drawn(_ROOMS)),
            # Many objects without texture of their own before busy surfaces, and more long
            # narrow ones, which the previous stage did not separate from the background.
            Stage(name='plain', steps=5200, task=_drawn(_PLAIN)),
            # The same scenes in longer rows, twice.
            Stage(name='fine', steps=5300, task=_drawn(_LONG_ROWS)),
            Stage(name='fine_again', steps=6400, task=_drawn(_LONG_ROWS)),
            # Such scenes drawn anew, a lower rate, and more weight on small errors.
            Stage(
                name='close',
                steps=4500,
                learning_rate=5e-4,
                task=_drawn(replace(_LONG_ROWS, seed=7), small_errors=3.0),
            ),
        ),
    ),
    # Begins with the weights of crestereo_tiny: --weights weights/crestereo_tiny.safetensors.
    'crestereo_tiny_hinted': TrainRecipe(
        name='crestereo_tiny_hinted',
        task=_hinted(_TEXTURED, worse=0.6),
        average=0.998,
        validation_samples=32,
        stages=(
            Stage(name='hints', steps=6000, learning_rate=1.5e-4),
            # Of the error head alone, on pairs that are matched about as badly as real ones.
            Stage(
                name='error',
                steps=600,
                learning_rate=2e-3,
                validation_samples=8,
                task=_hinted(replace(_TEXTURED, seed=36), worse=0.8, learns_error=True),
            ),
        ),
    ),
    # Begins with the weights of crestereo_tiny_hinted, which stay as they are.
    'crestereo_tiny_half': TrainRecipe(
        name='crestereo_tiny_half',
        task=HintedTask(
            network=HalfStereo(),
            pairs=HintedPairs(samples=_WHOLE, hints=HintSettings(worse=0.6)),
        ),
        steps=2000,
        learning_rate=1.5e-3,
        average=0.998,
        mixed=False,
        validation_samples=16,
    ),
    'crestereo': TrainRecipe(
        name='crestereo',
        task=StereoTask(network=FullStereo(), pairs=DrawnPairs(samples=_OF_FULL_SIZE)),
        steps=100_000,
        batch_size=8,
        streams=12,
        learning_rate=4e-4,
        clip=1.0,
    ),
    'crestereo_dataset': TrainRecipe(
        name='crestereo_dataset',
        task=StereoTask(network=FullStereo(), pairs=SetPairs()),
        steps=300_000,
        batch_size=16,
        streams=12,
        learning_rate=4e-4,
        clip=1.0,
    ),
}
"""Recipes by name; lengths of the small network's stages are those that the shipped weights had.

``crestereo`` is the full-size network on drawn scenes, ``crestereo_dataset`` on the authors' set
with their sizes, steps and rate; both want a GPU.
"""
