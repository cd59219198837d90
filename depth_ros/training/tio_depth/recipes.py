"""The three stages of TiO-Depth's training; each begins with the weights of the one before."""

from __future__ import annotations

from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.tio_depth.steps import Step
from depth_ros.training.tio_depth.task import TioTask

_EPOCH = 2825
"""Batches of 8 in the 22,600 pairs of KITTI's Eigen training split."""


def _stage(name: str, *, epochs: int, steps: tuple[Step, ...]) -> TrainRecipe:
    return TrainRecipe(
        name=name,
        task=TioTask(steps=steps),
        steps=epochs * _EPOCH,
        batch_size=8,
        streams=8,
        learning_rate=1e-4,
        weight_decay=0.0,
        warm_up=0.01,
        clip=10.0,
        validation_samples=32,
    )


RECIPES: dict[str, TrainRecipe] = {
    recipe.name: recipe
    for recipe in (
        _stage('tio_depth_mono', epochs=20, steps=(Step.MONO,)),
        _stage('tio_depth_stereo', epochs=10, steps=(Step.MONO, Step.STEREO)),
        _stage('tio_depth_distil', epochs=20, steps=(Step.MONO, Step.STEREO, Step.DISTIL)),
    )
}
"""Recipes by name; batch size, rate and lengths are the published ones (50 epochs in all).

``_mono`` trains the encoder and the shared decoder (step 1) and begins best with an ImageNet Swin
Transformer (``--weights swin_tiny_patch4_window7_224.pth``); ``_stereo`` goes on with step 1 and
trains the matching too (step 2); ``_distil`` goes on with both and trains the distilled branch
(step 3). Every batch goes through all steps of its stage, as published.

With ``--data`` they read KITTI's raw data, without it they draw rooms. Different from the paper:
one schedule per stage that warms up and falls along a cosine, instead of a constant rate that is
halved four times; AdamW without decay, with its usual momenta, for Adam with 0.5; one optimizer
for all steps (``parts.py``); no stochastic depth in the encoder.
"""
