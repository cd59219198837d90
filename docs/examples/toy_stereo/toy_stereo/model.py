"""The NumPy side: fit a pair to the engine, bring the disparity back to the frame's pixels."""

from __future__ import annotations

import numpy as np

from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.preprocess import Fit, Placement, fit_size, place_image, unplace_disparity
from depth_ros.models.base import Engines, Prepared
from depth_ros.results import DisparityResult
from depth_ros.tensors import Tensors

GRAPH = 'disparity'
NUM_DISPARITIES = 32


class ToyStereo:
    """``StereoModel`` of ``depth_ros.models.base``: three steps around one graph."""

    name = 'toy_stereo'
    graphs: tuple[str, ...] = (GRAPH,)

    def __init__(self, *, engine_height: int, engine_width: int) -> None:
        """Take the size that the engine was built for."""
        self._size = (engine_height, engine_width)

    def preprocess(self, frame: RectifiedStereo) -> Prepared[Placement]:
        """Fit both images to the engine: uint8 (1, H, W, 3) RGB."""
        height, width = frame.left.shape[:2]
        placement = fit_size((height, width), self._size, fit=Fit.RESIZE)
        images = {'left': frame.left, 'right': frame.right}
        feeds = {
            name: np.ascontiguousarray(place_image(image, placement))[np.newaxis]
            for name, image in images.items()
        }
        return Prepared(feeds=feeds, context=placement)

    def infer(self, engines: Engines, prepared: Prepared[Placement]) -> Tensors:
        """Run the one graph."""
        return engines[GRAPH].infer(prepared.feeds)

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[Placement], frame: RectifiedStereo
    ) -> DisparityResult:
        """Bring the disparity to the frame's own size and pixels."""
        placement = prepared.context
        return DisparityResult(
            disparity=unplace_disparity(outputs['disparity'][0], placement),
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            min_disparity_px=0.0,
            max_disparity_px=(NUM_DISPARITIES - 1) * placement.disparity_scale,
        )
