"""ONNX Runtime on the CPU: runs everywhere, in float32."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as states

from depth_ros.engines.artifact import Artifact
from depth_ros.engines.cpu_runtime import CpuRuntime, num_threads
from depth_ros.engines.runtime import BuildSettings
from depth_ros.engines.session import NUM_SLOTS, SessionEngine
from depth_ros.errors import EngineError
from depth_ros.tensors import Tensors, TensorSpec

_ERRORS = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
)
_SEVERITY_ERROR = 3


class OnnxRuntimeRuntime(CpuRuntime):
    """ONNX Runtime as the builder sees it. Nothing is kept: sessions load from the ONNX file."""

    def __init__(self) -> None:
        super().__init__('onnxruntime', ort.__version__)

    def refusal(self, settings: BuildSettings) -> str:
        """Refuse all but float32: its CPU kernels have no bf16 arithmetic."""
        if settings.precision != 'f32':
            return (
                f'ONNX Runtime engines have no precision {settings.precision!r} on a CPU; '
                "use 'f32'"
            )
        return ''

    def options(self, settings: BuildSettings) -> Mapping[str, str]:
        """Threads."""
        return {'num_threads': str(num_threads(settings))}

    def build(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> SessionEngine:
        """Open a session; same as ``load``."""
        return self.load(artifact, settings, folder)

    def load(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> SessionEngine:
        """Open a session on the ONNX file."""
        try:
            session = ort.InferenceSession(
                str(artifact.onnx), _session_options(settings), providers=['CPUExecutionProvider']
            )
        except _ERRORS as error:
            raise EngineError(
                f'ONNX Runtime {self.version} cannot load {artifact.onnx} ({error}); use engine '
                "'openvino', or export the graph again"
            ) from error
        _expect_nodes(session.get_inputs(), artifact.manifest.inputs, artifact)
        _expect_nodes(session.get_outputs(), artifact.manifest.outputs, artifact)
        opened = _OnnxRuntimeSession(session)
        return self._engine(artifact, settings, opened, precision='f32')


class _OnnxRuntimeSession:
    """Computes at once, in ``start``; every frame has outputs of its own."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session: ort.InferenceSession | None = session
        self._names = [node.name for node in session.get_outputs()]
        self._outputs: list[Tensors] = [{}] * NUM_SLOTS

    def start(self, slot: int, tensors: Tensors) -> None:
        assert self._session is not None
        feeds = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        try:
            values = self._session.run(self._names, feeds)
        except _ERRORS as error:
            raise EngineError(
                f"ONNX Runtime failed while running ({error}); use engine 'openvino', or report "
                'the graph'
            ) from error
        self._outputs[slot] = dict(zip(self._names, values, strict=True))

    def wait(self, slot: int) -> Tensors:
        return self._outputs[slot]

    def close(self) -> None:
        self._session = None
        self._outputs = [{}] * NUM_SLOTS


def _session_options(settings: BuildSettings) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads(settings)
    options.inter_op_num_threads = 1
    options.log_severity_level = _SEVERITY_ERROR
    # Threads that spin between frames would take CPU time from the rest of the robot.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    return options


def _expect_nodes(
    nodes: list[ort.NodeArg], specs: tuple[TensorSpec, ...], artifact: Artifact
) -> None:
    """Compare the graph's inputs or outputs with the manifest."""
    found = {node.name: (tuple(node.shape), node.type) for node in nodes}
    expected = {spec.name: (spec.shape, _type_name(spec.dtype)) for spec in specs}
    artifact.expect_ports(found, expected)


def _type_name(dtype: str) -> str:
    names = {'float32': 'float', 'float64': 'double'}
    return f'tensor({names.get(dtype, dtype)})'
