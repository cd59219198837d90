"""Recipes: the paper's on KITTI, one's own video, rendered rooms."""

from __future__ import annotations

from dataclasses import replace

from depth_ros.training.monodepth2.network import NetworkSize
from depth_ros.training.monodepth2.supervised_task import SupervisedDepthTask
from depth_ros.training.monodepth2.task import Monodepth2Task
from depth_ros.training.monodepth2.video import FolderVideo, KittiVideo, RoomVideo
from depth_ros.training.recipe import TrainRecipe

SLIM = NetworkSize(widths=(32, 64, 128, 256))
"""Half the channels: a quarter of the weights, for training and running on a CPU."""

PAPER = TrainRecipe(
    name='monodepth2',
    task=Monodepth2Task(),
    steps=66_000,
    batch_size=12,
    streams=8,
    learning_rate=1e-4,
    weight_decay=0.0,
    mixed=False,
)

RECIPES: dict[str, TrainRecipe] = {
    'monodepth2': PAPER,
    'monodepth2_stereo': replace(
        PAPER,
        name='monodepth2_stereo',
        task=Monodepth2Task(video=KittiVideo(with_partner=True)),
    ),
    'monodepth2_video': replace(
        PAPER,
        name='monodepth2_video',
        task=Monodepth2Task(video=FolderVideo()),
        steps=4_000,
        batch_size=4,
        streams=1,
        learning_rate=3e-5,
    ),
    'monodepth2_rooms': replace(
        PAPER,
        name='monodepth2_rooms',
        task=Monodepth2Task(video=RoomVideo(), size=SLIM, height=128, width=160),
        steps=30_000,
        batch_size=8,
        streams=1,
    ),
    'monodepth2_tiny': TrainRecipe(
        name='monodepth2_tiny',
        task=SupervisedDepthTask(),
        steps=60_000,
        batch_size=8,
        learning_rate=1.5e-3,
        weight_decay=1e-3,
        mixed=False,
        validation_samples=128,
    ),
}
"""Recipes by name.

``monodepth2`` is the paper's: KITTI raw, 20 passes of Zhou's split in batches of 12 at 192x640,
float32; best begun with ``--weights`` of a ResNet-18 trained to classify. ``_stereo`` adds the
other camera (the paper's MS), which gives metres. ``_video`` goes on with published weights on
one's own camera. ``_rooms`` is the slim network on rendered rooms, measured against true depth;
``_tiny`` a slimmer one that learns from that depth. Its folder ``--data`` keeps the renders.
"""
