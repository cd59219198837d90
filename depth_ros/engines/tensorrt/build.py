"""ONNX -> TensorRT plan, for the library's API generations 8.6, 10 and 11.

The library is handed in, so that ``tensorrt_rtx``, which builds without a GPU, will do as well.
What only some generations have is looked up by name; nothing here asks for a version number but
the choice between strongly typed networks (from 10) and the FP16 flag (8.x).
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import FrameType, ModuleType
from typing import Any

from depth_ros.engines.channel_sums import SUM_MARK
from depth_ros.engines.tensorrt.options import GpuOptions
from depth_ros.engines.tensorrt.timing_cache import TimingFile
from depth_ros.errors import EngineError
from depth_ros.tensors import Progress

logger = logging.getLogger(__name__)
FIRST_STRONGLY_TYPED = 10
SAVE_TIMINGS_S = 5.0
_FREE_LAYERS = ('CONVOLUTION', 'DECONVOLUTION')
_HEAVY_TACTICS = ('CUBLAS', 'CUBLAS_LT', 'CUDNN')


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRequest:
    """What to build.

    Attributes:
        onnx: The graph, serialised, in the precision it is to run in (8.x: in float32).
        path: File it came from; for messages, and for weights beside it.
        precision: ``'f32'``, ``'bf16'`` or ``'f16'``.
        options: Further choices.
        workspace_bytes: Limit of scratch memory.
        timings: Where measured layer times are kept; None keeps none.
        progress: Called with phase and fraction.
    """

    onnx: bytes
    path: str
    precision: str
    options: GpuOptions
    workspace_bytes: int
    timings: TimingFile | None = None
    progress: Progress | None = None


def is_strongly_typed(trt: ModuleType, options: GpuOptions) -> bool:
    """Whether precision is what the graph says; the DLA takes flags as long as there are any."""
    if major_version(trt) < FIRST_STRONGLY_TYPED:
        return False
    return options.dla_core < 0 or not hasattr(trt.BuilderFlag, 'FP16')


def major_version(trt: ModuleType) -> int:
    """TensorRT's major version; tensorrt_rtx counts for itself and is like 11."""
    flags = trt.NetworkDefinitionCreationFlag
    if not hasattr(flags, 'EXPLICIT_BATCH'):
        return 11
    return int(str(trt.__version__).partition('.')[0])


def build_plan(trt: ModuleType, request: PlanRequest) -> bytes:
    """Build an engine and return it serialised.

    Raises:
        EngineError: If the parser or the builder refuses; includes their messages.
        KeyboardInterrupt: If asked to stop; what was timed so far is kept.
    """
    log = library_log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(_network_flags(trt, request.options))
    _parse(trt, network, log, request)
    config = builder.create_builder_config()
    _configure(trt, config, builder, request)
    if not is_strongly_typed(trt, request.options) and request.precision != 'f32':
        _pin_to_float32(trt, network)
    return _build(trt, builder, network, config, log, request)


@lru_cache(maxsize=4)
def library_log(trt: ModuleType) -> Any:
    """Return the process's one TensorRT logger; it passes errors on and remembers the last."""

    class LibraryLog(trt.ILogger):  # type: ignore[name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = ''

        def log(self, severity: Any, message: str) -> None:
            name = getattr(severity, 'name', str(severity))
            if name in ('ERROR', 'INTERNAL_ERROR'):
                self.last_error = message.strip()
                logger.warning('TensorRT: %s', self.last_error)
            elif name == 'WARNING':
                logger.debug('TensorRT: %s', message.strip())

    return LibraryLog()


def _network_flags(trt: ModuleType, options: GpuOptions) -> int:
    flags = trt.NetworkDefinitionCreationFlag
    bits = 0
    if is_strongly_typed(trt, options):
        bits |= 1 << int(flags.STRONGLY_TYPED)
    if major_version(trt) < FIRST_STRONGLY_TYPED:
        bits |= 1 << int(flags.EXPLICIT_BATCH)
    return bits


def _parse(trt: ModuleType, network: Any, log: Any, request: PlanRequest) -> None:
    parser = trt.OnnxParser(network, log)
    if parser.parse(request.onnx, request.path):
        return
    reasons = [_describe(parser.get_error(index)) for index in range(parser.num_errors)]
    raise EngineError(
        f'TensorRT {trt.__version__} cannot read {request.path} ({"; ".join(reasons)}); use '
        "engine 'openvino' or 'onnxruntime', or a newer TensorRT"
    )


def _describe(error: Any) -> str:
    """Return operator and reason of a parser error; older generations do not name the operator."""
    operator = getattr(error, 'node_operator', None)
    name = operator() if callable(operator) else f'node {error.node()}'
    return f'{name}: {" ".join(error.desc().split())}'


def _configure(trt: ModuleType, config: Any, builder: Any, request: PlanRequest) -> None:
    options = request.options
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, request.workspace_bytes)
    if hasattr(config, 'builder_optimization_level'):
        config.builder_optimization_level = options.level
    # TF32 rounds float32 mantissas to 10 bits.
    config.clear_flag(trt.BuilderFlag.TF32)
    if options.low_memory:
        _spare_memory(trt, config)
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware_compatible:
        level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
        config.hardware_compatibility_level = level
    if not is_strongly_typed(trt, options) and request.precision == 'f16':
        config.set_flag(trt.BuilderFlag.FP16)
        config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    if options.dla_core >= 0:
        _use_dla(trt, config, builder, options.dla_core)


def _spare_memory(trt: ModuleType, config: Any) -> None:
    """Disable helper streams and libraries that need large workspaces."""
    if hasattr(config, 'max_aux_streams'):
        config.max_aux_streams = 0
    sources = config.get_tactic_sources()
    for name in _HEAVY_TACTICS:
        source = getattr(trt.TacticSource, name, None)
        if source is not None:
            sources &= ~(1 << int(source))
    config.set_tactic_sources(sources)


def _use_dla(trt: ModuleType, config: Any, builder: Any, core: int) -> None:
    if core >= builder.num_DLA_cores:
        raise EngineError(
            f'DLA core {core} was asked for, this machine has {builder.num_DLA_cores}; leave '
            'the option dla_core of TensorRT out to run on the GPU'
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _pin_to_float32(trt: ModuleType, network: Any) -> None:
    """Fix all but convolutions to float32, because the flag of 8.x is for the whole network."""
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type.name in _FREE_LAYERS and SUM_MARK not in layer.name:
            continue
        outputs = range(layer.num_outputs)
        floats = [i for i in outputs if layer.get_output(i).dtype == trt.DataType.FLOAT]
        if floats:
            layer.precision = trt.DataType.FLOAT
        for output in floats:
            layer.set_output_type(output, trt.DataType.FLOAT)


def _build(
    trt: ModuleType, builder: Any, network: Any, config: Any, log: Any, request: PlanRequest
) -> bytes:
    timings = request.timings
    cache = config.create_timing_cache(timings.read() if timings else b'')
    config.set_timing_cache(cache, False)
    keeper = _Keeper(cache, timings)
    monitor = _monitor(trt, keeper, request.progress)
    if monitor is not None and hasattr(config, 'progress_monitor'):
        config.progress_monitor = monitor
    with _stoppable(keeper):
        try:
            plan = builder.build_serialized_network(network, config)
        finally:
            keeper.save()
    if keeper.is_stopped:
        raise KeyboardInterrupt
    if plan is None:
        raise EngineError(
            f'TensorRT {trt.__version__} cannot build {request.path} '
            f'({log.last_error or "it gives no reason"}); try --tensorrt low_memory=true '
            "if memory ran out, else use engine 'openvino'"
        )
    return bytes(plan)


class _Keeper:
    """Saves the timing cache periodically, and stops the build on request."""

    def __init__(self, cache: Any, timings: TimingFile | None) -> None:
        self.is_stopped = False
        self._cache = cache
        self._timings = timings
        self._lock = threading.Lock()
        self._saved_s = time.monotonic()

    def tick(self) -> bool:
        """Save if that is due; return whether to go on."""
        if time.monotonic() - self._saved_s >= SAVE_TIMINGS_S:
            self.save()
        return not self.is_stopped

    def save(self) -> None:
        """Save now; a cache that cannot be written costs time at the next build only."""
        if self._timings is None:
            return
        with self._lock:
            self._saved_s = time.monotonic()
            self._timings.write(bytes(self._cache.serialize()))


def _monitor(trt: ModuleType, keeper: _Keeper, progress: Progress | None) -> Any:
    """Make a progress monitor, None where the generation has none (8.x)."""
    if not hasattr(trt, 'IProgressMonitor'):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps
            self._tell(phase_name, 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._tell(phase_name, step + 1)
            return keeper.tick()

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

        def _tell(self, phase_name: str, done: int) -> None:
            if progress is not None:
                progress(f'TensorRT: {phase_name}', done / max(1, self._steps[phase_name]))

    return Monitor()


@contextmanager
def _stoppable(keeper: _Keeper) -> Iterator[None]:
    """Turn Ctrl-C in a command line into a stop at the next step, which keeps the timings."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        keeper.is_stopped = True

    previous = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
