"""TiO-Depth's training in its three stages."""

from __future__ import annotations

from depth_ros.training.recipe import Stage, TrainRecipe
from depth_ros.training.tio_depth.steps import Step
from depth_ros.training.tio_depth.task import TioTask

_EPOCH = 2825
"""Batches of 8 in the 22,600 pairs of KITTI's Eigen training split."""

RECIPES: dict[str, TrainRecipe] = {
    'tio_depth': TrainRecipe(
        name='tio_depth',
        task=TioTask(steps=(Step.MONO,)),
        batch_size=8,
        streams=8,
        learning_rate=1e-4,
        weight_decay=0.0,
        warm_up=0.01,
        clip=10.0,
        validation_samples=32,
        stages=(
            Stage(name='mono', steps=20 * _EPOCH),
            Stage(name='stereo', steps=10 * _EPOCH, task=TioTask(steps=(Step.MONO, Step.STEREO))),
            Stage(name='distil', steps=20 * _EPOCH, task=TioTask(steps=tuple(Step))),
        ),
    ),
}
"""Batch size, rate and lengths are the published ones (50 epochs in all).

``mono`` trains the encoder and the shared decoder (step 1) and begins best with an ImageNet Swin
Transformer (``--weights swin_tiny_patch4_window7_224.pth``); ``stereo`` goes on with step 1 and
trains the matching too (step 2); ``distil`` goes on with both and trains the distilled branch
(step 3). Every batch goes through all steps of its stage, as published.

With ``--data`` they read KITTI's raw data, without it they draw rooms. Different from the paper:
one schedule per stage that warms up and falls along a cosine, instead of a constant rate that is
halved four times; AdamW without decay, with its usual momenta, for Adam with 0.5; one optimizer
for all steps (``parts.py``); no stochastic depth in the encoder.
"""
