"""TiO-Depth's NumPy side: fit frames to the engine, turn its disparity into results."""

from __future__ import annotations

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.frames import MonoFrame, RectifiedStereo
from depth_ros.geometry.preprocess import (
    Fit,
    Placement,
    fit_size,
    resize_image,
    unplace_disparity,
    unplace_map,
)
from depth_ros.models.base import Engines, Prepared
from depth_ros.results import DepthResult, DepthScale, DisparityResult
from depth_ros.tensors import Tensors, TensorSpec, check_tensors

STEREO_GRAPH = 'stereo'
MONO_GRAPHS = ('refine', 'mono')
MIN_DISPARITY_PX, MAX_DISPARITY_PX = 2.0, 300.0
"""First and last of the 49 levels, in pixels of the engine; results lie between them."""


class TioStereoModel:
    """Depth of a rectified pair; ``StereoModel`` of ``models.base``.

    Disparity is in pixels of the frame: metres come from the user's focal length and baseline,
    nothing of the training rig is in it.
    """

    name = 'tio_depth'
    graphs: tuple[str, ...] = (STEREO_GRAPH,)

    def __init__(self, *, engine_height: int, engine_width: int) -> None:
        """Describe the engine the frames are stretched to.

        Args:
            engine_height: Rows of the engine's inputs.
            engine_width: Columns of the engine's inputs.

        Raises:
            ParameterError: If a size is not positive.
        """
        self._engine = _Engine(engine_height, engine_width)

    def preprocess(self, frame: RectifiedStereo) -> Prepared[Placement]:
        """Fit both images to the engine: uint8 (1, H, W, 3) RGB."""
        return self._engine.prepare({'left': frame.left, 'right': frame.right})

    def infer(self, engines: Engines, prepared: Prepared[Placement]) -> Tensors:
        """Run the one graph."""
        return engines[STEREO_GRAPH].infer(prepared.feeds)

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[Placement], frame: RectifiedStereo
    ) -> DisparityResult:
        """Bring the disparity to the frame's own size and pixels; NaN where invalid."""
        placement = prepared.context
        disparity = unplace_disparity(self._engine.disparity(outputs), placement)
        disparity[~np.isfinite(disparity)] = np.nan
        return DisparityResult(
            disparity=disparity,
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            min_disparity_px=MIN_DISPARITY_PX * placement.disparity_scale,
            max_disparity_px=MAX_DISPARITY_PX * placement.disparity_scale,
        )


class TioMonoModel:
    """Depth of one image; ``Model[MonoFrame, DepthResult]`` of ``models.base``.

    Depth is relative, in baselines of the training rig and for its focal length: in metres it is
    ``metres_per_unit * depth * (fx / frame width) / focal_over_width``.
    """

    name = 'tio_depth'

    def __init__(
        self,
        *,
        engine_height: int,
        engine_width: int,
        path: str = 'refine',
        focal_over_width: float = 0.58,
    ) -> None:
        """Describe the engine the frames are stretched to.

        Args:
            engine_height: Rows of the engine's input.
            engine_width: Columns of the engine's input.
            path: ``'refine'``, the branch distilled from stereo that the published figures are
                of, or ``'mono'``.
            focal_over_width: Focal length of the training rig over its image width.

        Raises:
            ParameterError: If a value is out of range.
        """
        if path not in MONO_GRAPHS or not focal_over_width > 0.0:
            raise ParameterError(
                f'path must be one of {", ".join(MONO_GRAPHS)} and focal_over_width positive, '
                f'got {path!r} and {focal_over_width!r}; correct them'
            )
        self.graphs: tuple[str, ...] = (path,)
        self._engine = _Engine(engine_height, engine_width)
        self._focal_px = focal_over_width * engine_width

    def preprocess(self, frame: MonoFrame) -> Prepared[Placement]:
        """Fit the image to the engine: uint8 (1, H, W, 3) RGB."""
        return self._engine.prepare({'image': frame.image})

    def infer(self, engines: Engines, prepared: Prepared[Placement]) -> Tensors:
        """Run the one graph."""
        return engines[self.graphs[0]].infer(prepared.feeds)

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[Placement], frame: MonoFrame
    ) -> DepthResult:
        """Bring the disparity to the frame's size and turn it into depth; NaN where invalid."""
        disparity = unplace_map(self._engine.disparity(outputs), prepared.context)
        with np.errstate(invalid='ignore'):
            disparity[~((disparity > 0.0) & (disparity < np.inf))] = np.nan
        return DepthResult(
            depth=np.float32(self._focal_px) / disparity,
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            scale=DepthScale.RELATIVE,
        )


class _Engine:
    """Common part of all tasks' graphs: their size, and disparity (1, H, W) as output."""

    def __init__(self, height: int, width: int) -> None:
        if min(height, width) <= 0:
            raise ParameterError(
                f'engine_height and engine_width must be positive, got {height} and {width}; '
                'correct them'
            )
        self.size = (height, width)
        self._output = TensorSpec(
            name='disparity', shape=(1, height, width), dtype='float32', unit='px'
        )

    def prepare(self, images: dict[str, np.ndarray]) -> Prepared[Placement]:
        """Fit images of one size to the engine."""
        frame_size = next(iter(images.values())).shape
        placement = fit_size((frame_size[0], frame_size[1]), self.size, fit=Fit.RESIZE)
        feeds = {
            name: resize_image(image, self.size)[np.newaxis] for name, image in images.items()
        }
        return Prepared(feeds=feeds, context=placement)

    def disparity(self, outputs: Tensors) -> np.ndarray:
        """Return the checked disparity (H, W) in pixels of the engine."""
        check_tensors(outputs, (self._output,), what="outputs of 'tio_depth'")
        return outputs['disparity'][0]
