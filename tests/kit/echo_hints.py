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
    settings: StereoSettings,
    seen: list[np.ndarray],
    *,
    height: int,
    width: int,
    sigma_px: float | None = None,
) -> StereoProcessor:
    """Open it; every hint (1, 2, height, width) that it is given goes into ``seen``.

    With ``sigma_px`` it tells its error, too: that, and ten times as much in the lower half.
    """

    def run(feeds: Tensors) -> Tensors:
        seen.append(feeds['hint'].copy())
        hint = feeds['hint'][:, 0]
        found = {'disparity': np.where(hint < 0, np.float32(UNTOLD_PX), hint)}
        if sigma_px is not None:
            found['sigma'] = np.full(hint.shape, sigma_px, np.float32)
            found['sigma'][:, height // 2 :] *= 10.0
        return found

    image = (1, height, width, 3)
    names = ('disparity',) if sigma_px is None else ('disparity', 'sigma')
    engine = CallableEngine(
        run,
        inputs=[
            TensorSpec(name='left', shape=image, dtype='uint8'),
            TensorSpec(name='right', shape=image, dtype='uint8'),
            TensorSpec(name='hint', shape=(1, 2, height, width), dtype='float32'),
        ],
        outputs=[TensorSpec(name=name, shape=image[:3], dtype='float32') for name in names],
    )
    model = CreStereoHintedModel(engine_height=height, engine_width=width)
    return StereoProcessor(Pipeline(model, {'crestereo': engine}), settings)
