"""What every engine is: static named arrays in, static named arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeVar

from depth_ros.tensors import Tensors, TensorSpec

EngineT = TypeVar('EngineT', bound='Engine')


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineInfo:
    """Identity of a loaded engine, as shown in diagnostics.

    Attributes:
        runtime: ``'openvino'``, ``'onnxruntime'``, ``'tensorrt'``, ``'torch'`` or ``'callable'``.
        version: Exact version of the runtime.
        precision: ``'f32'``, ``'bf16'`` or ``'f16'``, as executed.
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
        """Say all of it in one line."""
        return f'{self.graph} on {self.runtime} {self.version} ({self.precision}, {self.device})'


class Ticket(Protocol):
    """A frame under way in an engine."""

    def result(self) -> Tensors:
        """Wait and give the outputs; views are valid until the second next ``submit``."""


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
        """Give itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FinishedTicket:
    """Ticket of an engine that computes at once."""

    outputs: Tensors

    def result(self) -> Tensors:
        """Give the outputs."""
        return self.outputs
