"""OpenVINO on the CPU: the default runtime where there is no GPU.

OpenVINO 2026.4 gives the calling thread an alternate signal stack on CPUs with AMX, and frees it
with the last compiled model, still registered. Python's handlers run on that stack, so the next
Ctrl-C would end the process with a segmentation fault: ``_kept_signal_stack`` prevents that.

The compiled model is exported to one file of ours instead of OpenVINO's own cache folder, so
that its hash can be verified before it is loaded. That file does not fix the precision: loaded
without a hint it runs in bf16 where the CPU has it (2026.4), so every load states it anew: always
float32, since what runs in bf16 is written into the graph (``precision.py``).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openvino as ov

from depth_ros.engines.artifact import Artifact
from depth_ros.engines.calibrations import INT8
from depth_ros.engines.cpu_runtime import CpuRuntime, cpu_flags, num_threads
from depth_ros.engines.openvino.precision import executed_precision, lower, lowered_kinds
from depth_ros.engines.runtime import BuildSettings
from depth_ros.engines.session import NUM_SLOTS, SessionEngine
from depth_ros.errors import EngineError
from depth_ros.tensors import Tensors, TensorSpec

_BLOB = 'openvino.blob'
_PRECISIONS = ('f32', 'bf16', INT8)
BF16_FLAGS = frozenset({'amx_bf16', 'avx512_bf16'})
"""CPUs with one of these calculate in bf16."""


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (('pointer', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t))


@contextmanager
def _kept_signal_stack() -> Iterator[None]:
    """Return this thread back the signal stack it had before, which mostly is none."""
    if not sys.platform.startswith('linux'):
        yield
        return
    library, before = ctypes.CDLL(None), _Stack()
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)


class OpenVinoRuntime(CpuRuntime):
    """OpenVINO as the builder sees it."""

    def __init__(self) -> None:
        super().__init__('openvino', ov.__version__)

    def refusal(self, settings: BuildSettings) -> str:
        """Refuse bf16 on CPUs without bf16 arithmetic, where it would only be converted."""
        if settings.precision not in _PRECISIONS:
            return f"OpenVINO engines have no precision {settings.precision!r}; use 'f32'"
        if settings.precision == 'bf16' and not BF16_FLAGS & cpu_flags():
            return (
                f"precision 'bf16' needs a CPU with the flag {' or '.join(sorted(BF16_FLAGS))}, "
                "which this one lacks; use precision 'f32'"
            )
        return ''

    def options(self, settings: BuildSettings) -> Mapping[str, str]:
        """Threads are compiled in, which operations keep float32, and frames of a calibration."""
        options = {'num_threads': str(num_threads(settings))}
        if settings.calibrated is not None:
            return {**options, 'calibration': settings.calibrated.calibration.digest}
        if settings.precision == 'f32':
            return options
        return {**options, 'cast': lowered_kinds(settings.also_low)}

    @_kept_signal_stack()
    def build(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> SessionEngine:
        """Compile, export, and load the export, so that the check sees what later runs load."""
        (folder / _BLOB).write_bytes(self._exported(artifact, settings))
        compiled = self._imported(settings, folder)
        _expect_precision(executed_precision(compiled), settings.precision)
        return self._opened(artifact, settings, compiled)

    @_kept_signal_stack()
    def load(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> SessionEngine:
        """Import the compiled model; what it really executes was read back when it was built."""
        return self._opened(artifact, settings, self._imported(settings, folder))

    def _exported(self, artifact: Artifact, settings: BuildSettings) -> bytes:
        """Compile; what that took is freed before the export is loaded."""
        core = ov.Core()
        try:
            model = _read(core, artifact.onnx, settings)
            exported = core.compile_model(model, 'CPU', _config(settings)).export_model()
        except RuntimeError as error:
            raise EngineError(
                f'OpenVINO {self.version} cannot compile {artifact.onnx} ({_brief(error)}); use '
                "engine 'onnxruntime', or export the graph again"
            ) from error
        return exported if isinstance(exported, bytes) else exported.getvalue()

    def _imported(self, settings: BuildSettings, folder: Path) -> ov.CompiledModel:
        blob = (folder / _BLOB).read_bytes()
        try:
            return ov.Core().import_model(blob, 'CPU', _config(settings))
        except RuntimeError as error:
            raise EngineError(
                f'OpenVINO {self.version} cannot load {folder / _BLOB} ({_brief(error)}); remove '
                f'it, the next start builds it again: rm -r {str(folder)!r}'
            ) from error

    def _opened(
        self, artifact: Artifact, settings: BuildSettings, compiled: ov.CompiledModel
    ) -> SessionEngine:
        hint = compiled.get_property('INFERENCE_PRECISION_HINT').to_string()
        _expect_precision(hint, 'f32')
        session = _OpenVinoSession(compiled, artifact)
        return self._engine(artifact, settings, session, precision=settings.precision)


class _OpenVinoSession:
    """Two infer requests of one compiled model."""

    def __init__(self, compiled: ov.CompiledModel, artifact: Artifact) -> None:
        _expect_ports(compiled.inputs, artifact.manifest.inputs, artifact)
        _expect_ports(compiled.outputs, artifact.manifest.outputs, artifact)
        self._requests = [compiled.create_infer_request() for _ in range(NUM_SLOTS)]
        self._inputs = [spec.name for spec in artifact.manifest.inputs]
        self._outputs = [spec.name for spec in artifact.manifest.outputs]

    def start(self, slot: int, tensors: Tensors) -> None:
        request = self._requests[slot]
        for name in self._inputs:
            np.copyto(request.get_tensor(name).data, tensors[name])
        request.start_async()

    def wait(self, slot: int) -> Tensors:
        request = self._requests[slot]
        try:
            request.wait()
        except RuntimeError as error:
            raise EngineError(
                f"OpenVINO failed while running ({_brief(error)}); use engine 'onnxruntime', or "
                'report the graph'
            ) from error
        return {name: request.get_tensor(name).data for name in self._outputs}

    def close(self) -> None:
        self._requests.clear()


def _read(core: ov.Core, onnx: Path, settings: BuildSettings) -> ov.Model:
    """Read a graph, or what a calibration made of it; for bf16 write casts into it."""
    if settings.calibrated is not None:
        return core.read_model(settings.calibrated.path)
    model = core.read_model(onnx)
    if settings.precision != 'f32':
        lower(model, also_low=settings.also_low)
    return model


def _config(settings: BuildSettings) -> dict[str, str]:
    """Return how to compile and load; where nothing is said, threads are tied to cores.

    Tied ones wait while a camera driver or a subscriber has their core, though another is free.
    """
    return {
        'ENABLE_CPU_PINNING': 'NO',
        'PERFORMANCE_HINT': 'LATENCY',
        'NUM_STREAMS': '1',
        'INFERENCE_NUM_THREADS': str(num_threads(settings)),
        'INFERENCE_PRECISION_HINT': 'f32',
    }


def _expect_precision(executed: str, asked: str) -> str:
    """Compare what the compiled model says it runs at with what was asked for."""
    named = {'float32': 'f32', 'bfloat16': 'bf16'}
    got = named.get(executed, executed)
    if got != asked:
        raise EngineError(
            f'OpenVINO would execute in {got!r} instead of {asked!r}; set precision to {got!r} '
            "or use engine 'onnxruntime'"
        )
    return got


def _expect_ports(
    ports: list[ov.ConstOutput], specs: tuple[TensorSpec, ...], artifact: Artifact
) -> None:
    """Compare the compiled graph's inputs or outputs with the manifest."""
    found = {
        port.any_name: (tuple(port.shape), np.dtype(port.element_type.to_dtype()))
        for port in ports
    }
    expected = {spec.name: (spec.shape, np.dtype(spec.dtype)) for spec in specs}
    artifact.expect_ports(found, expected)


def _brief(error: Exception) -> str:
    """Return the last non-empty line of OpenVINO's stack of messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
