"""One step on the GPU: inputs up, network, outputs down, recorded once as a CUDA graph.

There is one set of device buffers and one stream, so frames run one after the other, and two
sets of pinned host buffers, each with its own graph: while one frame computes, the host fills
the inputs of the next and reads the outputs of the one before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from depth_ros.engines.tensorrt.cuda_memory import Cuda, num_bytes
from depth_ros.errors import DeviceLostError, EngineError
from depth_ros.tensors import Tensors, TensorSpec

logger = logging.getLogger(__name__)
_NON_BLOCKING = 1
_BLOCKING_SYNC_NO_TIMING = 1 | 2
_NUM_SETS = 2


class GraphedStep:
    """Buffers, stream and graphs of one network."""

    def __init__(
        self,
        cuda: Cuda,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        enqueue: Callable[[int], bool],
    ) -> None:
        """Allocate everything; ``record`` makes it ready.

        Args:
            cuda: The device.
            inputs: What goes up.
            outputs: What comes down.
            enqueue: Puts the network on the stream of this handle; False if it cannot.
        """
        self._cuda = cuda
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._enqueue = enqueue
        self._graphs: list[object] = []
        self._hosts: list[Mapping[str, np.ndarray]] = []
        self.addresses: dict[str, int] = {}
        self._events: list[object] = []
        self._stream: object = None
        try:
            self._allocate()
        except EngineError:
            self.close()
            raise

    def record(self, *, is_capturable: Callable[[int], bool]) -> None:
        """Run once as it is, then record one graph a set of host buffers.

        What cannot be recorded is enqueued call by call for every frame, which is slower.

        Raises:
            EngineError: If the network does not run.
        """
        self._run(0)
        self._cuda.call('cudaStreamSynchronize', self._stream)
        if not is_capturable(self._handle):
            logger.info('this network cannot be recorded as a CUDA graph; enqueuing each frame')
            return
        try:
            self._graphs = [self._capture(index) for index in range(_NUM_SETS)]
        except DeviceLostError:
            raise
        except EngineError as error:
            logger.warning('no CUDA graph (%s); enqueuing each frame', error)

    def start(self, index: int, tensors: Tensors) -> None:
        """Fill a set of host buffers and start its frame."""
        for name, array in tensors.items():
            np.copyto(self._hosts[index][name], array)
        if self._graphs:
            self._cuda.call('cudaGraphLaunch', self._graphs[index], self._stream)
        else:
            self._run(index)
        self._cuda.call('cudaEventRecord', self._events[index], self._stream)

    def wait(self, index: int) -> Tensors:
        """Sleep until a set's frame is done; return views of its host buffers."""
        self._cuda.call('cudaEventSynchronize', self._events[index])
        return {spec.name: self._hosts[index][spec.name] for spec in self._outputs}

    def close(self) -> None:
        """Free all but host buffers that are still referenced."""
        release = self._cuda.release
        for graph in self._graphs:
            release('cudaGraphExecDestroy', graph)
        for event in self._events:
            release('cudaEventDestroy', event)
        for address in self.addresses.values():
            release('cudaFree', address)
        if self._stream is not None:
            release('cudaStreamDestroy', self._stream)
        self._graphs, self._events, self.addresses, self._stream = [], [], {}, None
        self._hosts = []

    @property
    def _handle(self) -> int:
        return int(self._stream)  # type: ignore[call-overload]

    def _allocate(self) -> None:
        specs = self._inputs + self._outputs
        self._stream = self._cuda.call('cudaStreamCreateWithFlags', _NON_BLOCKING)
        for spec in specs:
            self.addresses[spec.name] = self._cuda.device_array(spec)
        for _ in range(_NUM_SETS):
            self._hosts.append({spec.name: self._cuda.pinned_array(spec) for spec in specs})
            event = self._cuda.call('cudaEventCreateWithFlags', _BLOCKING_SYNC_NO_TIMING)
            self._events.append(event)

    def _run(self, index: int) -> None:
        self._copy(index, self._inputs, is_up=True)
        if not self._enqueue(self._handle):
            self._cuda.call('cudaStreamSynchronize', self._stream)
            raise EngineError(
                'TensorRT refused to run the engine; its reason is in the log above, build it '
                "again or use engine 'openvino'"
            )
        self._copy(index, self._outputs, is_up=False)

    def _copy(self, index: int, specs: Sequence[TensorSpec], *, is_up: bool) -> None:
        kind = 'cudaMemcpyHostToDevice' if is_up else 'cudaMemcpyDeviceToHost'
        direction = self._cuda.constant('cudaMemcpyKind', kind)
        for spec in specs:
            host, device = self._hosts[index][spec.name].ctypes.data, self.addresses[spec.name]
            ends = (device, host) if is_up else (host, device)
            self._cuda.call('cudaMemcpyAsync', *ends, num_bytes(spec), direction, self._stream)

    def _capture(self, index: int) -> object:
        mode = self._cuda.constant('cudaStreamCaptureMode', 'cudaStreamCaptureModeThreadLocal')
        self._cuda.call('cudaStreamBeginCapture', self._stream, mode)
        try:
            self._run(index)
        except EngineError:
            self._cuda.release('cudaStreamEndCapture', self._stream)
            self._cuda.clear_error()
            raise
        graph = self._cuda.call('cudaStreamEndCapture', self._stream)
        executable = self._cuda.call('cudaGraphInstantiateWithFlags', graph, 0)
        self._cuda.release('cudaGraphDestroy', graph)
        return executable
