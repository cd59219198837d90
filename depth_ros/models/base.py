"""What every model is: three steps between a frame and a result, and the graphs it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Generic, Protocol, TypeVar

from depth_ros.errors import ParameterError
from depth_ros.frames import RectifiedStereo
from depth_ros.results import DisparityResult
from depth_ros.tensors import Engine, Task, Tensors

FrameT_contra = TypeVar('FrameT_contra', contravariant=True)
ResultT_co = TypeVar('ResultT_co', covariant=True)
PreparedT = TypeVar('PreparedT')
Engines = Mapping[str, Engine]


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
        factories: Names by task, for a model whose tasks need different ones.
        tasks: What it can serve.
        graphs: Graphs of the recipe a task needs, where it is not all of them.
        needs_weights: Whether it runs a trained network.
        summary: One line for ``depth-ros info`` and the docs.
    """

    module: str
    factory: str = ''
    factories: Mapping[Task, str] = field(default_factory=dict)
    tasks: tuple[Task, ...]
    graphs: Mapping[Task, tuple[str, ...]] = field(default_factory=dict)
    needs_weights: bool
    summary: str

    def load(self, task: Task) -> Callable[..., Model]:
        """Import the module and give the factory for the task."""
        name = self.factories.get(task, self.factory)
        return getattr(import_module(self.module), name)  # type: ignore[no-any-return]


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
    'crestereo_tiny': ModelEntry(
        module='depth_ros.models.crestereo.model',
        factory='CreStereoModel',
        tasks=(Task.STEREO,),
        needs_weights=True,
        summary='The small CREStereo that this project trains and ships: no download, CPU or GPU',
    ),
    'tio_depth': ModelEntry(
        module='depth_ros.models.tio_depth.model',
        factories={Task.STEREO: 'TioStereoModel', Task.MONO: 'TioMonoModel'},
        tasks=(Task.STEREO, Task.MONO),
        graphs={Task.STEREO: ('stereo',), Task.MONO: ('refine',)},
        needs_weights=True,
        summary='TiO-Depth (Zhou and Dong 2023): one set of weights for mono and stereo',
    ),
    'monodepth2': ModelEntry(
        module='depth_ros.models.monodepth2.model',
        factory='Monodepth2Model',
        tasks=(Task.MONO,),
        needs_weights=True,
        summary='Monodepth2 (Godard et al. 2019): relative depth of one image, light and fast',
    ),
    'loftr': ModelEntry(
        module='depth_ros.models.loftr.model',
        factory='LoftrModel',
        tasks=(Task.MATCHING,),
        needs_weights=True,
        summary='LoFTR (Sun et al. 2021): matches without keypoints, also where texture is poor',
    ),
    'sift': ModelEntry(
        module='depth_ros.models.keypoints.model',
        factory='sift_model',
        tasks=(Task.MATCHING,),
        needs_weights=False,
        summary='SIFT keypoints with ratio test and mutual check: matching without weights',
    ),
    'orb': ModelEntry(
        module='depth_ros.models.keypoints.model',
        factory='orb_model',
        tasks=(Task.MATCHING,),
        needs_weights=False,
        summary='ORB keypoints with ratio test and mutual check: the fastest matcher',
    ),
    'mvsnet': ModelEntry(
        module='depth_ros.models.mvsnet.model',
        factory='MvsnetModel',
        tasks=(Task.MULTIVIEW,),
        needs_weights=True,
        summary='MVSNet (Yao et al. 2018): depth from posed views by a variance volume',
    ),
}
"""Every model by name. Adding one adds a folder, a recipe and a line here."""


DEFAULT_STEREO_MODEL = 'crestereo_tiny'
"""What stereo runs where nothing else is asked for: dense, and its weights ship."""

DEFAULT_KEYFRAME_MODEL = 'sgbm'
"""What gives odometry its metres: what it does not know it leaves out."""


def models_of(*tasks: Task) -> tuple[str, ...]:
    """Name the models that serve one of the tasks, in the table's order."""
    return tuple(name for name, entry in MODELS.items() if set(tasks) & set(entry.tasks))


def model_entry(name: str, task: Task) -> ModelEntry:
    """Look a model up.

    Raises:
        ParameterError: If no model of that name serves the task.
    """
    entry = MODELS.get(name)
    if entry is None or task not in entry.tasks:
        known = ', '.join(models_of(task))
        raise ParameterError(
            f'model {name!r} does not serve {task.value}; set model to one of: {known}'
        )
    return entry
