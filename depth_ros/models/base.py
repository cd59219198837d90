"""Interface of models: three steps from a frame to a result, and the graphs they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from depth_ros.frames import RectifiedStereo
from depth_ros.results import DisparityResult
from depth_ros.tensors import Engine, Tensors

FrameT_contra = TypeVar('FrameT_contra', contravariant=True)
ResultT_co = TypeVar('ResultT_co', covariant=True)
PreparedT = TypeVar('PreparedT')
Engines = Mapping[str, Engine]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prepared(Generic[PreparedT]):
    """A frame fitted to the engines.

    Attributes:
        feeds: Named arrays for the first graph; valid until the next ``preprocess`` call.
        context: What the model needs to undo the fitting; opaque to the pipeline.
    """

    feeds: Tensors
    context: PreparedT


class Model(Protocol[FrameT_contra, ResultT_co]):
    """A model's NumPy side. ``Pipeline`` times the three steps separately.

    Attributes:
        name: Name as in parameters and recipes.
        graphs: Names of the graphs it needs engines for; empty for classical matchers. A model
            may call several engines, or one engine several times, within one ``infer``.
    """

    name: str
    graphs: tuple[str, ...]

    def preprocess(self, frame: FrameT_contra) -> Prepared:
        """Fit the frame to the engines' static sizes."""

    def infer(self, engines: Engines, prepared: Prepared) -> Tensors:
        """Run the graphs and return their final outputs."""

    def postprocess(
        self, outputs: Tensors, prepared: Prepared, frame: FrameT_contra
    ) -> ResultT_co:
        """Undo the fitting and return a result in the frame's own pixels."""


StereoModel = Model[RectifiedStereo, DisparityResult]
