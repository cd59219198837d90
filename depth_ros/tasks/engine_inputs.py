"""What the engines of a pipeline are given while it runs, e.g. to calibrate them on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tensors import Engine, EngineInfo, EngineT, Tensors, TensorSpec, Ticket


class ListenedEngine:
    """An engine with a note of everything it was given.

    Attributes:
        inputs_given: Copies of the inputs, one set a frame, in order.
    """

    def __init__(self, engine: Engine) -> None:
        """Take ownership of an engine."""
        self._engine = engine
        self.info: EngineInfo = engine.info
        self.inputs: tuple[TensorSpec, ...] = engine.inputs
        self.outputs: tuple[TensorSpec, ...] = engine.outputs
        self.inputs_given: list[Tensors] = []

    def infer(self, tensors: Tensors) -> Tensors:
        """Note the inputs and run the engine."""
        self._note(tensors)
        return self._engine.infer(tensors)

    def submit(self, tensors: Tensors) -> Ticket:
        """Note the inputs and start the engine."""
        self._note(tensors)
        return self._engine.submit(tensors)

    def close(self) -> None:
        """Close the engine; what was noted stays."""
        self._engine.close()

    def __enter__(self: EngineT) -> EngineT:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _note(self, tensors: Tensors) -> None:
        self.inputs_given.append({name: np.array(array) for name, array in tensors.items()})


def listen(pipeline: Pipeline) -> Mapping[str, ListenedEngine]:
    """Put a listener before every engine of a pipeline; return them by graph."""
    listeners = {graph: ListenedEngine(engine) for graph, engine in pipeline.engines.items()}
    pipeline.engines = dict(listeners)
    return listeners
