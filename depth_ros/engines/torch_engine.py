"""torch itself: the reference for exports and tests, and desktop GPUs without TensorRT.

On CUDA the module runs in channels-last memory and is captured into a CUDA graph, so that a frame
costs one launch. Half precision is torch's autocast: convolutions and matrix products in float16,
while sampling, softmax and norms stay in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from depth_ros.engines.cpu_runtime import default_threads
from depth_ros.engines.session import NUM_SLOTS, SessionEngine
from depth_ros.errors import EngineError
from depth_ros.tensors import EngineInfo, Tensors, TensorSpec

NUM_WARMUPS = 3
"""Runs before a capture: libraries choose their kernels and allocate in them."""

Outputs = tuple[torch.Tensor, ...]
MadeT = TypeVar('MadeT')
logger = logging.getLogger(__name__)


class TorchEngine(SessionEngine):
    """Runs a module on the CPU as it is, or on a CUDA device, captured once.

    Setting the number of threads changes it for the whole process: torch has one pool.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        graph: str = 'torch',
        num_threads: int = 0,
        device: str = 'cpu',
        precision: str = 'f32',
        capture: GraphCapture | None = None,
    ) -> None:
        """Take a module, into evaluation mode.

        Args:
            module: Takes one tensor per input, in order; gives a tensor, or one per output.
            inputs: Specs of its inputs.
            outputs: Specs of its outputs.
            graph: Name shown in diagnostics.
            num_threads: CPU threads, 0 for the default.
            device: ``'cpu'``, ``'cuda'`` or ``'cuda:1'``.
            precision: ``'f32'``; on CUDA also ``'f16'``.
            capture: Recorder of the graph; None takes CUDA's, and none on the CPU.

        Raises:
            EngineError: If the device or the precision cannot be had.
        """
        expect_device(device, precision)
        threads = num_threads or default_threads()
        torch.set_num_threads(threads)
        module = module.eval()
        is_plain = device == 'cpu' and capture is None
        session = (
            _TorchSession(module, inputs, outputs)
            if is_plain
            else DeviceSession(
                module, inputs, outputs, device=device, precision=precision, capture=capture
            )
        )
        super().__init__(
            info=EngineInfo(
                runtime='torch' if is_plain else 'torch_cuda',
                version=torch.__version__,
                precision=precision,
                device=device,
                graph=graph,
                num_threads=threads,
            ),
            inputs=inputs,
            outputs=outputs,
            session=session,
        )


def expect_device(device: str, precision: str) -> None:
    """Require that a device is there and computes in a precision.

    Raises:
        EngineError: Saying what to set instead.
    """
    if device == 'cpu' and precision != 'f32':
        raise EngineError(
            f"engine 'torch' runs in 'f32' only, got precision {precision!r}; use engine "
            "'torch_cuda' on a machine with a GPU"
        )
    if precision not in ('f32', 'f16'):
        raise EngineError(
            f"engine 'torch_cuda' runs in 'f32' or 'f16', got precision {precision!r}; use 'f16'"
        )
    if device != 'cpu' and not torch.cuda.is_available():
        raise EngineError(
            f"engine 'torch_cuda' needs a CUDA device and torch {torch.__version__} sees none; "
            "install a CUDA build of torch and the driver, or use engine 'auto'"
        )


class _TorchSession:
    """Computes at once, in ``start``; every frame has outputs of its own."""

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> None:
        self._module: torch.nn.Module | None = module
        self._inputs = inputs
        self._specs = outputs
        self._outputs: list[Tensors] = [{}] * NUM_SLOTS

    def start(self, slot: int, tensors: Tensors) -> None:
        assert self._module is not None
        arguments = to_torch(tensors, self._inputs)
        try:
            self._outputs[slot] = run_module(self._module, arguments, self._specs)
        except RuntimeError as error:
            raise _failed(error) from error

    def wait(self, slot: int) -> Tensors:
        return self._outputs[slot]

    def close(self) -> None:
        self._module = None
        self._outputs = [{}] * NUM_SLOTS


class DeviceConstants(TorchFunctionMode):
    """Makes tensors on a device, and those with values only once.

    Networks write constants as ``torch.arange`` or ``torch.tensor`` in ``forward``. Without a
    device they would land on the CPU; with values they are copied from the host, which cannot be
    captured. So every module is made and run inside this.
    """

    def __init__(self, device: str | torch.device) -> None:
        super().__init__()
        self._device = torch.device(device)
        self._known: dict[str, torch.Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Return cached results for ``torch.tensor`` of plain values; forward other calls."""
        kwargs = kwargs or {}
        if func is not torch.tensor or isinstance(args[0], (torch.Tensor, np.ndarray)):
            return func(*args, **kwargs)
        key = repr((args, sorted(kwargs.items(), key=str)))
        if key not in self._known:
            self._known[key] = func(*args, **{'device': self._device, **kwargs})
        return self._known[key]

    def entered(self) -> ExitStack:
        """Return a context with the device as default and this mode on."""
        stack = ExitStack()
        stack.enter_context(self._device)
        stack.enter_context(self)
        return stack


def made_on(
    device: str | torch.device,
    state: Mapping[str, torch.Tensor],
    make: Callable[[Mapping[str, torch.Tensor]], MadeT],
) -> MadeT:
    """Make something from weights on a device: what it precomputes lies there, too."""
    if str(device) == 'cpu':
        return make(state)
    with torch.device(device):
        return make({name: tensor.to(device) for name, tensor in state.items()})


class GraphCapture(Protocol):
    """Records the launches of a function on static tensors; tests replace it."""

    def record(self, run: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        """Return the static outputs, and what fills them anew from the static inputs.

        Raises:
            RuntimeError: If something in the function cannot be captured.
        """


class CudaGraphCapture:
    """The real one: warm up on a side stream, then capture (torch's own recipe)."""

    def record(self, run: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        """Warm up and capture."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(NUM_WARMUPS):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = run()
        return outputs, graph.replay


class DeviceSession:
    """Static inputs on a device, replayed as one graph where it can be captured."""

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        *,
        device: str,
        precision: str,
        capture: GraphCapture | None = None,
    ) -> None:
        """Move the module and record it.

        Args:
            module: In evaluation mode; best made by ``made_on``.
            inputs: Specs of its inputs.
            outputs: Specs of its outputs.
            device: Where it runs.
            precision: ``'f32'`` or ``'f16'``.
            capture: Recorder; None takes CUDA's.
        """
        self._specs = outputs
        self._names = [spec.name for spec in inputs]
        self._static = [
            torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype), device=device)
            for spec in inputs
        ]
        moved = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._replay, self._results = self._recorded(
            moved, device, precision, capture or CudaGraphCapture()
        )
        self._outputs: list[Tensors] = [{}] * NUM_SLOTS

    def start(self, slot: int, tensors: Tensors) -> None:
        """Copy in, run, and copy out: frames of both slots share the static memory."""
        try:
            with torch.inference_mode():
                for static, name in zip(self._static, self._names, strict=True):
                    static.copy_(torch.from_numpy(np.ascontiguousarray(tensors[name])))
                self._replay()
                results = zip(self._specs, self._results(), strict=True)
                values = {spec.name: _host_copy(value, spec) for spec, value in results}
        except RuntimeError as error:
            raise _failed(error) from error
        self._outputs[slot] = values

    def wait(self, slot: int) -> Tensors:
        """Return what ``start`` computed."""
        return self._outputs[slot]

    def close(self) -> None:
        """Free the device's memory."""
        self._replay, self._results = _closed, _no_outputs
        self._static = []
        self._outputs = [{}] * NUM_SLOTS

    def _recorded(
        self, module: torch.nn.Module, device: str, precision: str, capture: GraphCapture
    ) -> tuple[Callable[[], None], Callable[[], Outputs]]:
        """Capture the module, or run it launch by launch where that is impossible."""
        constants = DeviceConstants(device)

        def run() -> Outputs:
            with (
                torch.inference_mode(),
                constants.entered(),
                _autocast(device, precision),
                _exact(precision),
            ):
                return as_outputs(module(*self._static), self._specs)

        try:
            outputs, replay = capture.record(run)
        except RuntimeError as error:
            logger.warning('no CUDA graph, kernels are launched one by one: %s', error)
            latest: list[Outputs] = [()]

            def launch() -> None:
                latest[0] = run()

            return launch, lambda: latest[0]
        return replay, lambda: outputs


def run_module(
    module: torch.nn.Module, arguments: Sequence[torch.Tensor], outputs: Sequence[TensorSpec]
) -> dict[str, np.ndarray]:
    """Run a module once without gradients and name what it gives.

    Raises:
        EngineError: If it gives another number of outputs than there are specs.
    """
    with torch.inference_mode():
        values = as_outputs(module(*arguments), outputs)
    return {spec.name: value.numpy() for spec, value in zip(outputs, values, strict=True)}


def as_outputs(values: object, outputs: Sequence[TensorSpec]) -> Outputs:
    """Return a module's result as a tuple, one tensor per spec.

    Raises:
        EngineError: If it gives another number of outputs than there are specs.
    """
    found = tuple(values) if isinstance(values, (tuple, list)) else (values,)
    if len(found) != len(outputs):
        raise EngineError(
            f'the network gave {len(found)} outputs and declares {len(outputs)}; '
            'fix exportable() in its network.py'
        )
    return found


def to_torch(tensors: Tensors, specs: Sequence[TensorSpec]) -> tuple[torch.Tensor, ...]:
    """Copy named arrays into torch tensors, in the order of the specs."""
    return tuple(torch.from_numpy(np.array(tensors[spec.name])) for spec in specs)


def _host_copy(value: torch.Tensor, spec: TensorSpec) -> np.ndarray:
    """Copy to the host, also from the host: the static memory is the next frame's."""
    copied: np.ndarray = value.to('cpu', getattr(torch, spec.dtype), copy=True).numpy()
    return copied


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    """Return half precision without its weight cache, which must not live in a capture."""
    if precision == 'f32':
        return nullcontext()
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.float16, cache_enabled=False)


def _exact(precision: str) -> AbstractContextManager[object]:
    """Keep convolutions from rounding float32 to ten bits (TF32), which cuDNN does by default."""
    return torch.backends.cudnn.flags(benchmark=True, allow_tf32=precision != 'f32')


def _closed() -> None:
    """Do nothing; replaces the replay of a closed session."""


def _no_outputs() -> Outputs:
    return ()


def _failed(error: RuntimeError) -> EngineError:
    return EngineError(
        f'torch failed while running ({error}); lower the engine size if memory ran out'
    )
