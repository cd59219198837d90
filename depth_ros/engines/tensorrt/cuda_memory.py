"""CUDA from Python: checked calls, device memory, pinned host memory; no torch, no pycuda.

Calls go through NVIDIA's package ``cuda-python``: ``cuda.bindings.runtime`` from 12.6 on,
``cuda.cudart`` before. Every call there gives a status code and then its values.
"""

from __future__ import annotations

import ctypes
import logging
import weakref
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from depth_ros.engines.tensorrt.jetpack import CUDA_PYTHON_MISSING
from depth_ros.errors import DeviceLostError, EngineError
from depth_ros.tensors import TensorSpec

logger = logging.getLogger(__name__)
BINDINGS = ('cuda.bindings.runtime', 'cuda.cudart')
STICKY_CODES = frozenset(
    {46, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999}
)
"""Status codes after which every later call of the process fails too.

Illegal address, timeout, destroyed context, assertion, hardware stack, illegal instruction,
misaligned address, address space, program counter, launch failure, tensor memory, and the codes
for a device that is gone or has uncorrectable memory or link errors (CUDA runtime API).
"""
_lost: list[str] = []
"""Why this process cannot use the GPU any more; empty while it can."""


class Cuda:
    """The CUDA runtime on device 0; ``CUDA_VISIBLE_DEVICES`` chooses which that is."""

    def __init__(self) -> None:
        """Import the bindings and find the device.

        Raises:
            DeviceLostError: If the GPU failed in this process before.
            EngineError: If cuda-python, the driver or a GPU is missing.
        """
        expect_device()
        self._runtime = _import_bindings()
        if self.call('cudaGetDeviceCount') < 1:
            raise EngineError(
                'no GPU is visible to CUDA; check nvidia-smi and CUDA_VISIBLE_DEVICES, or use '
                "engine 'openvino'"
            )

    def call(self, name: str, *arguments: object) -> Any:
        """Call a function of the runtime API and return its value, or None if it has none.

        Raises:
            DeviceLostError: If the failure poisons the process.
            EngineError: If it failed otherwise.
        """
        status, *values = getattr(self._runtime, name)(*arguments)
        if int(status) == 0:
            return values[0] if values else None
        raise self._failure(name, status)

    def release(self, name: str, *arguments: object) -> None:
        """Call a function that frees something; do nothing after the device is lost."""
        if _lost:
            return
        try:
            self.call(name, *arguments)
        except EngineError as error:
            logger.warning('freeing GPU memory: %s', error)

    def constant(self, enumeration: str, name: str) -> Any:
        """Return a value of an enumeration of the runtime API."""
        return getattr(getattr(self._runtime, enumeration), name)

    def identity(self) -> str:
        """GPU name, compute capability, memory and driver: what a built engine depends on."""
        properties = self.call('cudaGetDeviceProperties', 0)
        name = properties.name
        name = name.decode() if isinstance(name, bytes) else str(name)
        major, minor = self.capability()
        return (
            f'{name.rstrip(chr(0))} sm_{major}{minor} {self.total_memory() >> 20} MiB '
            f'driver {self.call("cudaDriverGetVersion")} '
            f'runtime {self.call("cudaRuntimeGetVersion")}'
        )

    def capability(self) -> tuple[int, int]:
        """Compute capability, e.g. ``(8, 7)``."""
        properties = self.call('cudaGetDeviceProperties', 0)
        return int(properties.major), int(properties.minor)

    def total_memory(self) -> int:
        """Bytes of GPU memory."""
        return int(self.call('cudaGetDeviceProperties', 0).totalGlobalMem)

    def device_array(self, spec: TensorSpec) -> int:
        """Allocate device memory for a tensor, filled with zeros; return its address."""
        address = int(self.call('cudaMalloc', num_bytes(spec)))
        self.call('cudaMemset', address, 0, num_bytes(spec))
        return address

    def pinned_array(self, spec: TensorSpec) -> np.ndarray:
        """Allocate page-locked host memory; freed when the last view of the array is gone."""
        size = num_bytes(spec)
        address = int(self.call('cudaMallocHost', size))
        block = _block_type(size).from_address(address)
        weakref.finalize(block, self.release, 'cudaFreeHost', address)
        array = np.frombuffer(block, dtype=spec.dtype).reshape(spec.shape)
        array.fill(0)
        return array

    def clear_error(self) -> None:
        """Clear the last non-sticky error."""
        self._runtime.cudaGetLastError()

    def _failure(self, name: str, status: object) -> EngineError:
        code = int(status)  # type: ignore[call-overload]
        word = getattr(status, 'name', str(status))
        self.clear_error()
        if code not in STICKY_CODES:
            return EngineError(
                f'CUDA call {name} failed with {word} ({code}); {_REMEDIES.get(code, _GENERAL)}'
            )
        reason = f'{name} failed with {word} ({code})'
        _lost.append(reason)
        return _lost_error(reason)


_GENERAL = "check the driver with nvidia-smi, or use engine 'openvino'"
_REMEDIES = {
    2: 'GPU memory is full: end other programs, choose a smaller size, or build with '
    '--tensorrt low_memory=true',
    35: 'the driver is missing or older than cuda-python wants: install a driver, or the '
    'cuda-python of the CUDA version that nvidia-smi shows',
    100: "there is no GPU here: use engine 'openvino'",
}


def is_device_lost() -> bool:
    """Whether the GPU failed permanently in this process."""
    return bool(_lost)


def expect_device() -> None:
    """Refuse further work on a GPU that failed in this process.

    Raises:
        DeviceLostError: Saying what failed first.
    """
    if _lost:
        raise _lost_error(_lost[0])


def num_bytes(spec: TensorSpec) -> int:
    """Size of a tensor in memory."""
    return int(np.prod(spec.shape, dtype=np.int64)) * np.dtype(spec.dtype).itemsize


def _lost_error(reason: str) -> DeviceLostError:
    return DeviceLostError(
        f'the GPU was lost ({reason}) and this process cannot use it any more; restart the '
        'process, or set cpu_fallback to go on with a CPU engine'
    )


def _block_type(size: int) -> Any:
    """Make a ctypes array type whose values can be referred to weakly."""
    return type('PinnedBlock', (ctypes.c_ubyte * size,), {})


def _import_bindings() -> ModuleType:
    for name in BINDINGS:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise EngineError(CUDA_PYTHON_MISSING)
