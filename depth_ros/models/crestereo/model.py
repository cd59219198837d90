"""CREStereo's NumPy side: fit a rectified pair to the engine, bring the disparity back."""

from __future__ import annotations

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.preprocess import (
    Placement,
    fit_from_name,
    fit_size,
    place_image,
    unplace_disparity,
)
from depth_ros.models.base import Engines, Prepared
from depth_ros.results import DisparityResult
from depth_ros.tensors import Tensors, TensorSpec, check_tensors

GRAPH = 'crestereo'
INFINITY_MARGIN_PX = 2.0
"""How far, in engine pixels, a far point's disparity may fall below that of infinity."""


class CreStereoModel:
    """Recurrent stereo matching; ``StereoModel`` of ``models.base``.

    The network's search has no limits. Disparities more than ``INFINITY_MARGIN_PX`` below that
    of a point at infinity belong to no point in front of the cameras and become NaN, as do those
    above ``max_disparity_px``.
    """

    name = 'crestereo'
    graphs: tuple[str, ...] = (GRAPH,)

    def __init__(
        self,
        *,
        engine_height: int,
        engine_width: int,
        fit: str = 'native',
        max_disparity_px: float = 0.0,
    ) -> None:
        """Describe the engine the frames are fitted to.

        Args:
            engine_height: Rows of the engine's inputs.
            engine_width: Columns of the engine's inputs.
            fit: ``'native'``, ``'resize'`` or ``'pad'``; see ``preprocess.Fit``.
            max_disparity_px: Largest disparity to believe, in frame pixels; 0 takes the frame's
                width, beyond which nothing can match.

        Raises:
            ParameterError: If a value is out of range.
        """
        if min(engine_height, engine_width) <= 0 or not max_disparity_px >= 0.0:
            raise ParameterError(
                'engine_height and engine_width must be positive and max_disparity_px at least '
                f'0, got {engine_height}, {engine_width} and {max_disparity_px!r}; correct them'
            )
        self._engine_size = (engine_height, engine_width)
        self._fit = fit_from_name(fit)
        self._max_disparity_px = max_disparity_px
        self._output = TensorSpec(
            name='disparity', shape=(1, engine_height, engine_width), dtype='float32', unit='px'
        )

    def preprocess(self, frame: RectifiedStereo) -> Prepared[Placement]:
        """Fit both images to the engine: uint8 (1, H, W, 3) RGB."""
        height, width = frame.left.shape[:2]
        placement = fit_size((height, width), self._engine_size, fit=self._fit)
        feeds = {
            'left': _batch_of_one(place_image(frame.left, placement)),
            'right': _batch_of_one(place_image(frame.right, placement)),
        }
        return Prepared(feeds=feeds, context=placement)

    def infer(self, engines: Engines, prepared: Prepared[Placement]) -> Tensors:
        """Run the one graph."""
        return engines[GRAPH].infer(prepared.feeds)

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[Placement], frame: RectifiedStereo
    ) -> DisparityResult:
        """Bring the disparity to the frame's own size and pixels."""
        check_tensors(outputs, (self._output,), what="outputs of 'crestereo'")
        placement = prepared.context
        disparity = unplace_disparity(outputs['disparity'][0], placement)
        lowest = frame.camera.cx_offset_px - INFINITY_MARGIN_PX * placement.disparity_scale
        highest = self._max_disparity_px or float(placement.frame_width)
        with np.errstate(invalid='ignore'):
            disparity[~((disparity >= lowest) & (disparity <= highest))] = np.nan
        return DisparityResult(
            disparity=disparity,
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            min_disparity_px=lowest,
            max_disparity_px=highest,
        )


def _batch_of_one(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image)[np.newaxis]
