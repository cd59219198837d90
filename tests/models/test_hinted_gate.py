"""Inputs of the accuracy gate of the network with hints."""

from __future__ import annotations

import numpy as np

from depth_ros.engines.checks.gate_images import GATE_SCENES
from depth_ros.models.layers.hint_inputs import ALONE, WRONG_PX, gate_feeds, spoiled_hint
from depth_ros.tensors import TensorSpec

HEIGHT, WIDTH = 96, 128
IMAGE = (1, HEIGHT, WIDTH, 3)
INPUTS = (
    TensorSpec(name='left', shape=IMAGE, dtype='uint8'),
    TensorSpec(name='right', shape=IMAGE, dtype='uint8'),
    TensorSpec(name='hint', shape=(1, 2, HEIGHT, WIDTH), dtype='float32'),
)


def test_every_scene_is_a_pair_with_a_hint_but_one() -> None:
    feeds = gate_feeds(INPUTS, engines={}, scenes=GATE_SCENES)
    assert set(feeds) == set(GATE_SCENES) and ALONE in feeds
    for name, tensors in feeds.items():
        for spec in INPUTS:
            assert tensors[spec.name].shape == spec.shape
            assert tensors[spec.name].dtype == spec.dtype
        assert tensors['hint'][0, 1].any() == (name != ALONE)
        assert not np.array_equal(tensors['left'], tensors['right'])


def test_the_hint_is_right_but_in_one_square_and_unknown_beside_edges() -> None:
    disparity = np.full((HEIGHT, WIDTH), 6.0)
    disparity[:, :40] = 20.0
    hint = spoiled_hint(disparity)
    measured = hint.trust == 1.0
    error = np.abs(hint.disparity - disparity)[measured]
    wrong = error > 0
    assert 0.01 < wrong.mean() < 0.05 and (error[wrong] == WRONG_PX).all()
    assert (hint.trust[:, 40] < 1.0).all()
    assert 0.05 < (~measured).mean() < 0.3
