"""Monodepth2's NumPy side: fit frames to the engines, turn outputs into depth and motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.frames import ImagePair, MonoFrame
from depth_ros.geometry.preprocess import Fit, Placement, fit_size, resize_image, unplace_map
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_vector
from depth_ros.models.base import Engines, Prepared
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tensors import Tensors, TensorSpec, check_tensors

GRAPH = 'depth'
POSE_GRAPH = 'pose'
MIN_DEPTH, MAX_DEPTH = 0.1, 100.0
"""Depths, in the network's own unit, that disparities of 1 and 0 stand for."""


class Monodepth2Model:
    """Depth of one image; ``Model[MonoFrame, DepthResult]`` of ``models.base``.

    Depth is relative: in the unit of the rig the weights were trained with, for the focal length
    it had, and without any unit for weights trained on single cameras.
    """

    name = 'monodepth2'
    graphs: tuple[str, ...] = (GRAPH,)

    def __init__(self, *, engine_height: int, engine_width: int) -> None:
        """Describe the engine the frames are stretched to.

        Args:
            engine_height: Rows of the engine's input.
            engine_width: Columns of the engine's input.

        Raises:
            ParameterError: If a size is not positive.
        """
        self._engine_size = _checked_size(engine_height, engine_width)
        self._output = TensorSpec(
            name='disparity', shape=(1, engine_height, engine_width), dtype='float32'
        )

    def preprocess(self, frame: MonoFrame) -> Prepared[Placement]:
        """Fit the image to the engine: uint8 (1, H, W, 3) RGB."""
        height, width = frame.image.shape[:2]
        placement = fit_size((height, width), self._engine_size, fit=Fit.RESIZE)
        image = resize_image(frame.image, self._engine_size)
        return Prepared(feeds={'image': image[np.newaxis]}, context=placement)

    def infer(self, engines: Engines, prepared: Prepared[Placement]) -> Tensors:
        """Run the one graph."""
        return engines[GRAPH].infer(prepared.feeds)

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[Placement], frame: MonoFrame
    ) -> DepthResult:
        """Bring the disparity to the frame's size and turn it into depth; NaN where invalid."""
        check_tensors(outputs, (self._output,), what="outputs of 'monodepth2'")
        disparity = unplace_map(outputs['disparity'][0], prepared.context)
        return DepthResult(
            depth=depth_from_disparity(disparity),
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            scale=DepthScale.RELATIVE,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MotionResult:
    """How the camera moved between two images.

    Attributes:
        second_from_first: ``(4, 4)`` float64; takes points from the first image's optical frame
            into the second's. The rotation is in rad; the translation has the unknown unit of
            the network's depth.
    """

    second_from_first: np.ndarray

    @property
    def first_from_second(self) -> np.ndarray:
        """The inverse, ``(4, 4)``: where the second camera is, seen from the first."""
        return inverse(self.second_from_first)


class Monodepth2Pose:
    """Motion between two images; ``Model[ImagePair, MotionResult]`` of ``models.base``.

    The network was trained on images in order of time: ``first`` must be the earlier one. For
    the motion back in time take ``MotionResult.first_from_second``.
    """

    name = 'monodepth2'
    graphs: tuple[str, ...] = (POSE_GRAPH,)

    def __init__(self, *, engine_height: int, engine_width: int) -> None:
        """Describe the engine as for ``Monodepth2Model``."""
        self._engine_size = _checked_size(engine_height, engine_width)
        self._outputs = tuple(
            TensorSpec(name=name, shape=(1, 3), dtype='float32')
            for name in ('axis_angle', 'translation')
        )

    def preprocess(self, frame: ImagePair) -> Prepared[None]:
        """Fit both images to the engine: uint8 (1, H, W, 3) RGB."""
        feeds = {
            'first': resize_image(frame.first, self._engine_size)[np.newaxis],
            'second': resize_image(frame.second, self._engine_size)[np.newaxis],
        }
        return Prepared(feeds=feeds, context=None)

    def infer(self, engines: Engines, prepared: Prepared[None]) -> Tensors:
        """Run the one graph."""
        return engines[POSE_GRAPH].infer(prepared.feeds)

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[None], frame: ImagePair
    ) -> MotionResult:
        """Join rotation and translation."""
        check_tensors(outputs, self._outputs, what="pose outputs of 'monodepth2'")
        motion = motion_matrix(outputs['axis_angle'][0], outputs['translation'][0])
        return MotionResult(second_from_first=motion)


def depth_from_disparity(disparity: np.ndarray) -> np.ndarray:
    """Turn sigmoid disparities into relative depth, float32 ``MIN_DEPTH`` to ``MAX_DEPTH``.

    Disparity runs linearly from ``1 / MAX_DEPTH`` to ``1 / MIN_DEPTH`` (section 5 of the paper).
    Values outside 0..1 and NaN become NaN.
    """
    low, high = 1.0 / MAX_DEPTH, 1.0 / MIN_DEPTH
    with np.errstate(invalid='ignore'):
        is_known = (disparity >= 0.0) & (disparity <= 1.0)
    scaled = np.where(is_known, low + (high - low) * disparity, np.nan)
    return np.asarray(1.0 / scaled, np.float32)


def motion_matrix(axis_angle: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Join axis times angle (rad) and a translation, three numbers each, to ``(4, 4)`` float64."""
    return rigid(rotation_from_vector(np.asarray(axis_angle, np.float64)), translation)


def _checked_size(height: int, width: int) -> tuple[int, int]:
    if min(height, width) <= 0:
        raise ParameterError(
            f'engine_height and engine_width must be positive, got {height} and {width}; correct '
            'them'
        )
    return height, width
