"""What every model is: three steps between a frame and a result, and the graphs it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import Generic, Protocol, TypeVar

from depth_ros.engines.base import Engine
from depth_ros.errors import ParameterError
from depth_ros.frames import RectifiedStereo
from depth_ros.results import DisparityResult
from depth_ros.tensors import Tensors

FrameT_contra = TypeVar('FrameT_contra', contravariant=True)
ResultT_co = TypeVar('ResultT_co', covariant=True)
PreparedT = TypeVar('PreparedT')
Engines = Mapping[str, Engine]


class Task(Enum):
    """What a node asks of a model; one model may serve several."""

    STEREO = 'stereo'
    MONO = 'mono'
    MULTIVIEW = 'multiview'
    MATCHING = 'matching'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prepared(Generic[PreparedT]):
    """A frame fitted to the engines.

    Attributes:
        feeds: Named arrays for the first graph; valid until the next ``preprocess`` call.
        context: Whatever the model needs to undo the fitting; opaque to the pipeline.
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
        """Run the graphs and give their final outputs."""

    def postprocess(
        self, outputs: Tensors, prepared: Prepared, frame: FrameT_contra
    ) -> ResultT_co:
        """Undo the fitting and give a result in the frame's own pixels."""


StereoModel = Model[RectifiedStereo, DisparityResult]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """One line of the table of models.

    Attributes:
        module: Module to import when the model is asked for.
        factory: Name of the callable in it; its docstring says what it takes.
        tasks: What it can serve.
        needs_weights: Whether it runs a trained network.
        summary: One line for ``depth-ros info`` and the docs.
    """

    module: str
    factory: str
    tasks: tuple[Task, ...]
    needs_weights: bool
    summary: str

    def load(self) -> Callable[..., Model]:
        """Import the module and give the factory."""
        return getattr(import_module(self.module), self.factory)  # type: ignore[no-any-return]


MODELS: dict[str, ModelEntry] = {
    'sgbm': ModelEntry(
        module='depth_ros.models.sgbm.model',
        factory='SgbmModel',
        tasks=(Task.STEREO,),
        needs_weights=False,
        summary="OpenCV's semi-global block matching: the baseline that needs no weights",
    ),
    'crestereo': ModelEntry(
        module='depth_ros.models.crestereo.model',
        factory='CreStereoModel',
        tasks=(Task.STEREO,),
        needs_weights=True,
        summary='CREStereo (Li et al. 2022): recurrent stereo matching with a cascade',
    ),
}
"""Every model by name. Adding one adds a folder, a recipe and a line here."""


def model_entry(name: str, task: Task) -> ModelEntry:
    """Look a model up.

    Raises:
        ParameterError: If no model of that name serves the task.
    """
    entry = MODELS.get(name)
    if entry is None or task not in entry.tasks:
        known = ', '.join(key for key, value in MODELS.items() if task in value.tasks)
        raise ParameterError(
            f'model {name!r} does not serve {task.value}; set model to one of: {known}'
        )
    return entry
