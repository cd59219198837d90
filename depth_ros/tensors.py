"""Where models and engines meet: named static arrays, the task, the engine, what is exported.

Neither imports the other; both import these types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

import numpy as np

from depth_ros.errors import ShapeError

Tensors = Mapping[str, np.ndarray]
OptionValue = int | float | str | bool
Options = Mapping[str, OptionValue]
EngineT = TypeVar('EngineT', bound='Engine')
Progress = Callable[[str, 'float | None'], None]
"""Called with what is being done and, where known, how much of it, 0..1."""


class Task(Enum):
    """A task that a model serves; one model may serve several."""

    STEREO = 'stereo'
    MONO = 'mono'
    MULTIVIEW = 'multiview'
    MATCHING = 'matching'
    MOTION = 'motion'


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: The graph's own name for it, e.g. ``'left'``.
        shape: Static shape, every dimension positive.
        dtype: NumPy name of the element type, e.g. ``'uint8'`` or ``'float32'``.
        unit: What one unit of the value is, e.g. ``'px'``, ``'m'`` or ``''``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str = ''

    def describe(self) -> str:
        """Return dtype and shape as text, e.g. ``uint8(1, 480, 640, 3)``."""
        return f'{self.dtype}{self.shape}'


def check_tensors(tensors: Tensors, specs: Sequence[TensorSpec], *, what: str) -> None:
    """Check names, shapes and dtypes at a border.

    Args:
        tensors: What came.
        specs: What is expected; names must match exactly.
        what: Whose border it is, for the message, e.g. ``"inputs of 'crestereo'"``.

    Raises:
        ShapeError: Naming the tensor, what was expected and what came.
    """
    expected = {spec.name: spec for spec in specs}
    if set(tensors) != set(expected):
        raise ShapeError(
            f'{what}: expected tensors {sorted(expected)}, got {sorted(tensors)}; '
            'pass exactly the named tensors'
        )
    for name, spec in expected.items():
        array = tensors[name]
        if tuple(array.shape) != spec.shape or array.dtype != np.dtype(spec.dtype):
            raise ShapeError(
                f'{what}: {name!r} must be {spec.describe()}, '
                f'got {array.dtype}{tuple(array.shape)}; fit the frame to the engine size first'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineInfo:
    """Identity of a loaded engine, as shown in diagnostics.

    Attributes:
        runtime: ``'openvino'``, ``'onnxruntime'``, ``'tensorrt'``, ``'torch'`` or ``'callable'``.
        version: Exact version of the runtime.
        precision: ``'f32'``, ``'bf16'``, ``'f16'`` or ``'int8'``, as executed.
        device: ``'cpu'``, ``'cuda:0'``, ...
        graph: Name and size of the graph, e.g. ``'crestereo-240x320-it4'``.
        num_threads: CPU threads used, 0 where that means nothing.
        is_stereo_trained: Whether the weights say they were trained on stereo pairs; None where
            they say nothing.
    """

    runtime: str
    version: str
    precision: str
    device: str
    graph: str
    num_threads: int = 0
    is_stereo_trained: bool | None = None

    @property
    def is_untrained(self) -> bool:
        """Whether the weights are made up; then ``graph`` ends with ``[synthetic:SEED]``."""
        return '[synthetic:' in self.graph

    def describe(self) -> str:
        """Return the identity in one line."""
        return f'{self.graph} on {self.runtime} {self.version} ({self.precision}, {self.device})'


class Ticket(Protocol):
    """A frame under way in an engine."""

    def result(self) -> Tensors:
        """Wait and return the outputs; views are valid until the second next ``submit``."""


class Engine(Protocol):
    """A loaded graph. Inputs are checked at the border; outputs are owned by the engine.

    Attributes:
        info: What it is.
        inputs: Specs of what ``infer`` takes.
        outputs: Specs of what it gives.
    """

    info: EngineInfo
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def infer(self, tensors: Tensors) -> Tensors:
        """Run one frame.

        The outputs may be views into engine memory, valid until the next call.

        Raises:
            ShapeError: If names, shapes or dtypes are not those of ``inputs``.
            EngineError: If the runtime fails.
        """

    def submit(self, tensors: Tensors) -> Ticket:
        """Start one frame; at most two may be under way. Same errors as ``infer``."""

    def close(self) -> None:
        """Free the runtime's memory; further calls raise EngineError. Twice is harmless."""

    def __enter__(self: EngineT) -> EngineT:
        """Return itself."""

    def __exit__(self, *exception: object) -> None:
        """Close."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Exportable:
    """One graph of a network at one size, weights loaded, in evaluation mode.

    Attributes:
        module: ``torch.nn.Module`` whose ``forward`` takes the inputs in order and gives one
            tensor, or a tuple in the order of ``outputs``. Typed ``object`` so that this module
            needs no torch.
        inputs: Specs in the order of ``forward``'s arguments.
        outputs: Specs in the order of ``forward``'s results.
        examples: Values for inputs that noise cannot stand for (projections, depth ranges);
            inputs named here are taken from it in the golden check.
    """

    module: object
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)
