"""A mono network that knows the answer: the real model on an engine that gives rendered truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.engines.recipe import TrainingRig
from depth_ros.models.monodepth2.model import Monodepth2Model
from depth_ros.scenes.solids import render, room
from depth_ros.tasks.mono.processor import MonoPipeline, MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tensors import Tensors, TensorSpec
from tests.kit.callable_engine import CallableEngine

HEIGHT, WIDTH = 120, 160
CAMERA = ideal_camera(
    fx=100.0, fy=100.0, cx=79.5, cy=59.5, height=HEIGHT, width=WIDTH, frame_id='left_eye'
)
UNIT_M = 5.0
"""Metres for each unit of the relative depth that the double gives."""

FLOOR_M = 1.1
"""The room's floor lies so far below the camera."""

RIG = TrainingRig(metres_per_unit=2 * UNIT_M, focal_over_width=2 * CAMERA.fx / CAMERA.width)


def room_depth(camera: PinholeCamera = CAMERA) -> np.ndarray:
    return render(room(), camera).depth


def room_image(camera: PinholeCamera = CAMERA) -> np.ndarray:
    return render(room(), camera).image


def truth_pipeline(*, graph: str = 'monodepth2-depth-120x160') -> MonoPipeline:
    """Whatever it is shown, the network sees the room."""
    disparity = (UNIT_M / room_depth() - 0.01) / 9.99

    def infer(feeds: Tensors) -> dict[str, np.ndarray]:
        assert feeds['image'].dtype == np.uint8
        return {'disparity': disparity[np.newaxis].astype(np.float32)}

    engine = CallableEngine(
        infer,
        inputs=(TensorSpec(name='image', shape=(1, HEIGHT, WIDTH, 3), dtype='uint8'),),
        outputs=(TensorSpec(name='disparity', shape=(1, HEIGHT, WIDTH), dtype='float32'),),
        graph=graph,
    )
    model = Monodepth2Model(engine_height=HEIGHT, engine_width=WIDTH)
    return Pipeline(model, {'depth': engine})


def open_truth(settings: MonoSettings, *, progress: Any = None) -> MonoProcessor:
    """Stand in for ``open_mono``; ``tio_depth`` has made-up weights and no training rig here."""
    if settings.model == 'tio_depth':
        return MonoProcessor(truth_pipeline(graph='tio_depth-refine [synthetic:1]'), settings)
    return MonoProcessor(truth_pipeline(), settings, training_rig=RIG)
