"""A matcher that answers with the hint it is given, and 7 px where it is given none."""

from __future__ import annotations

import numpy as np

from depth_ros.models.crestereo.hinted_model import CreStereoHintedModel
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tasks.stereo.processor import StereoProcessor
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Tensors, TensorSpec
from tests.kit.callable_engine import CallableEngine

UNTOLD_PX = 7.0


def echo_processor(
    settings: StereoSettings, seen: list[np.ndarray], *, height: int, width: int
) -> StereoProcessor:
    """Open it; every hint (1, 2, height, width) that it is given goes into ``seen``."""

    def run(feeds: Tensors) -> Tensors:
        seen.append(feeds['hint'].copy())
        hint = feeds['hint'][:, 0]
        return {'disparity': np.where(hint < 0, np.float32(UNTOLD_PX), hint)}

    image = (1, height, width, 3)
    engine = CallableEngine(
        run,
        inputs=[
            TensorSpec(name='left', shape=image, dtype='uint8'),
            TensorSpec(name='right', shape=image, dtype='uint8'),
            TensorSpec(name='hint', shape=(1, 2, height, width), dtype='float32'),
        ],
        outputs=[TensorSpec(name='disparity', shape=image[:3], dtype='float32')],
    )
    model = CreStereoHintedModel(engine_height=height, engine_width=width)
    return StereoProcessor(Pipeline(model, {'crestereo': engine}), settings)
