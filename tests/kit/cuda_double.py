"""A stand-in for cuda-python: a GPU in host memory whose work is done when somebody waits for it.

What a stream is told is queued, and run by the first call that synchronises. So whoever reads
host buffers too early, or mixes up the two sets, sees old numbers.
"""

# ruff: noqa: N815 - the names are the library's
from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from enum import IntEnum
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest


class cudaError_t(IntEnum):  # noqa: N801 - the library's name
    """The codes that tests use."""

    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorIllegalAddress = 700
    cudaErrorStreamCaptureUnsupported = 900


class cudaMemcpyKind(IntEnum):  # noqa: N801 - the library's name
    """Directions of a copy."""

    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class cudaStreamCaptureMode(IntEnum):  # noqa: N801 - the library's name
    """How strict a capture is."""

    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1


class Stream:
    """Work that waits; while captured it goes into a graph instead."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.queue: list[Callable[[], None]] = []
        self.captured: list[Callable[[], None]] | None = None

    def __int__(self) -> int:
        return self.handle

    def put(self, work: Callable[[], None]) -> None:
        (self.queue if self.captured is None else self.captured).append(work)

    def drain(self) -> None:
        queue, self.queue = self.queue, []
        for work in queue:
            work()


class FakeCuda:
    """The device; ``fail`` makes a call fail, ``calls`` lists them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failures: dict[str, cudaError_t] = {}
        self.sticky: cudaError_t | None = None
        self.memory: dict[int, ctypes.Array] = {}
        self.streams: dict[int, Stream] = {}
        self.driver = 12060
        self.capability = (8, 7)

    def fail(self, name: str, code: cudaError_t) -> None:
        self.failures[name] = code

    def make(self, name: str, run: Callable[..., object]) -> Callable[..., tuple]:
        def call(*arguments: object) -> tuple:
            self.calls.append(name)
            if self.sticky is not None:
                return (self.sticky, None)
            if name in self.failures:
                code = self.failures.pop(name)
                if code == cudaError_t.cudaErrorIllegalAddress:
                    self.sticky = code
                return (code, None)
            value = run(*arguments)
            success = cudaError_t.cudaSuccess
            return (success,) if value is None else (success, value)

        return call

    def stream(self, handle: int) -> Stream:
        return self.streams[handle]

    # What the functions do, by the library's names.

    def cudaGetDeviceCount(self) -> int:
        return 1

    def cudaGetDeviceProperties(self, device: int) -> SimpleNamespace:
        major, minor = self.capability
        return SimpleNamespace(
            name=b'Double GPU\0\0', major=major, minor=minor, totalGlobalMem=8 << 30
        )

    def cudaDriverGetVersion(self) -> int:
        return self.driver

    def cudaRuntimeGetVersion(self) -> int:
        return 12060

    def cudaMalloc(self, size: int) -> int:
        block = (ctypes.c_ubyte * size)()
        ctypes.memset(block, 0xAB, size)
        address = ctypes.addressof(block)
        self.memory[address] = block
        return address

    cudaMallocHost = cudaMalloc

    def cudaFree(self, address: int) -> None:
        del self.memory[address]

    cudaFreeHost = cudaFree

    def cudaMemset(self, address: int, value: int, size: int) -> None:
        ctypes.memset(address, value, size)

    def cudaStreamCreateWithFlags(self, flags: int) -> Stream:
        handle = 1000 + len(self.streams)
        self.streams[handle] = Stream(handle)
        return self.streams[handle]

    def cudaStreamDestroy(self, stream: Stream) -> None:
        del self.streams[stream.handle]

    def cudaStreamSynchronize(self, stream: Stream) -> None:
        stream.drain()

    def cudaMemcpyAsync(
        self, target: int, source: int, size: int, kind: cudaMemcpyKind, stream: Stream
    ) -> None:
        assert isinstance(kind, cudaMemcpyKind)
        stream.put(lambda: ctypes.memmove(target, source, size) and None)

    def cudaStreamBeginCapture(self, stream: Stream, mode: cudaStreamCaptureMode) -> None:
        assert mode == cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        assert not stream.queue, 'work before the capture has not been waited for'
        stream.captured = []

    def cudaStreamEndCapture(self, stream: Stream) -> list:
        captured, stream.captured = stream.captured, None
        assert captured is not None
        return captured

    def cudaGraphInstantiateWithFlags(self, graph: list, flags: int) -> tuple:
        return tuple(graph)

    def cudaGraphDestroy(self, graph: list) -> None:
        graph.clear()

    def cudaGraphLaunch(self, graph: tuple, stream: Stream) -> None:
        for work in graph:
            stream.put(work)

    def cudaGraphExecDestroy(self, graph: tuple) -> None:
        pass

    def cudaEventCreateWithFlags(self, flags: int) -> list:
        return [None]

    def cudaEventRecord(self, event: list, stream: Stream) -> None:
        event[0] = stream

    def cudaEventSynchronize(self, event: list) -> None:
        if event[0] is not None:
            event[0].drain()

    def cudaEventDestroy(self, event: list) -> None:
        pass


def install(patch: pytest.MonkeyPatch, *, is_old: bool = False) -> FakeCuda:
    """Put the stand-in where ``import cuda`` finds it: 11.x has ``cuda.cudart`` only."""
    fake = FakeCuda()
    name = 'cuda.cudart' if is_old else 'cuda.bindings.runtime'
    runtime = module(name)
    for attribute in dir(FakeCuda):
        if attribute.startswith('cuda'):
            setattr(runtime, attribute, fake.make(attribute, getattr(fake, attribute)))
    runtime.cudaGetLastError = lambda: (fake.sticky or cudaError_t.cudaSuccess,)
    runtime.cudaMemcpyKind = cudaMemcpyKind
    runtime.cudaStreamCaptureMode = cudaStreamCaptureMode
    for entry in [key for key in sys.modules if key.split('.')[0] == 'cuda']:
        patch.delitem(sys.modules, entry)
    parts = name.split('.')
    for depth in range(1, len(parts)):
        patch.setitem(sys.modules, '.'.join(parts[:depth]), module('.'.join(parts[:depth])))
    patch.setitem(sys.modules, name, runtime)
    return fake


def module(name: str) -> ModuleType:
    """Make an empty package that ``find_spec`` finds and nothing can be imported from."""
    made = ModuleType(name)
    made.__spec__ = ModuleSpec(name, loader=None, is_package=True)
    made.__path__ = []
    return made
