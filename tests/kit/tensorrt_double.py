"""Stand-ins for TensorRT 8.6, 10 and 11: each has what its generation has, and nothing else.

A "plan" is the ONNX file it was built from; engines run it with ONNX Runtime on the memory of
``cuda_double``. What the builder was told is written down.
"""

from __future__ import annotations

import ctypes
import pickle
from dataclasses import dataclass, field
from enum import IntEnum
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError

from tests.kit import cuda_double

VERSIONS = {'8.6': '8.6.2.3', '10': '10.3.0.30', '11': '11.4.0.106'}
MAGIC = b'plan of the double\n'
TIMED = b'timed layers'


@dataclass
class Record:
    """What the builder was told, and how it is to behave."""

    flags: set[str] = field(default_factory=set)
    cleared: set[str] = field(default_factory=set)
    network_flags: set[str] = field(default_factory=set)
    settings: dict[str, Any] = field(default_factory=dict)
    tactics: int | None = None
    timings_given: list[bytes] = field(default_factory=list)
    pinned: list[str] = field(default_factory=list)
    onnx: list[bytes] = field(default_factory=list)
    num_builds: int = 0
    dies_at_step: int | None = None
    on_step: Any = None
    fails: bool = False
    is_unreadable: bool = False
    is_capturable: bool = True
    runs: int = 0


def tensorrt_double(generation: str, cuda: cuda_double.FakeCuda) -> ModuleType:
    """Make the module; ``module.record`` is its ``Record``."""
    number = int(generation.partition('.')[0])
    trt = cuda_double.module('tensorrt')
    trt.__version__ = VERSIONS[generation]
    trt.record = Record()
    _add_enums(trt, number)
    _add_builder(trt, number)
    _add_runtime(trt, number, cuda)
    return trt


def _enum(name: str, *members: str) -> type[IntEnum]:
    return IntEnum(name, [(member, index) for index, member in enumerate(members)])


def _add_enums(trt: ModuleType, number: int) -> None:
    flags = ['TF32', 'GPU_FALLBACK', 'VERSION_COMPATIBLE']
    if number < 11:
        flags += ['FP16', 'INT8', 'OBEY_PRECISION_CONSTRAINTS', 'PREFER_PRECISION_CONSTRAINTS']
    trt.BuilderFlag = _enum('BuilderFlag', *flags)
    creation = {8: ['EXPLICIT_BATCH'], 10: ['EXPLICIT_BATCH', 'STRONGLY_TYPED']}
    trt.NetworkDefinitionCreationFlag = _enum(
        'NetworkDefinitionCreationFlag', *creation.get(number, ['STRONGLY_TYPED'])
    )
    heavy = [] if number == 11 else ['CUBLAS', 'CUBLAS_LT', 'CUDNN']
    trt.TacticSource = _enum('TacticSource', *heavy, 'EDGE_MASK_CONVOLUTIONS', 'JIT_CONVOLUTIONS')
    trt.MemoryPoolType = _enum('MemoryPoolType', 'WORKSPACE', 'TACTIC_DRAM')
    trt.HardwareCompatibilityLevel = _enum('HardwareCompatibilityLevel', 'NONE', 'AMPERE_PLUS')
    trt.DeviceType = _enum('DeviceType', 'GPU', 'DLA')
    trt.TensorIOMode = _enum('TensorIOMode', 'NONE', 'INPUT', 'OUTPUT')
    trt.DataType = _enum('DataType', 'FLOAT', 'HALF', 'INT8', 'INT32', 'BOOL', 'UINT8', 'INT64')
    trt.LayerType = _enum('LayerType', 'CONVOLUTION', 'ELEMENTWISE', 'CONCATENATION')


def _add_builder(trt: ModuleType, number: int) -> None:
    record: Record = trt.record

    class ILogger:
        Severity = _enum('Severity', 'INTERNAL_ERROR', 'ERROR', 'WARNING', 'INFO')

    class Tensor:
        def __init__(self, dtype: Any) -> None:
            self.dtype = dtype

    class Layer:
        """One node; from 11 on its precision can only be read off its types."""

        def __init__(self, node: Any) -> None:
            kinds = {'Conv': 'CONVOLUTION', 'Concat': 'CONCATENATION'}
            self.type = trt.LayerType[kinds.get(node.op_type, 'ELEMENTWISE')]
            self.name = node.name
            self.num_outputs = 1
            is_integer = node.op_type == 'Concat'
            kind = trt.DataType.UINT8 if is_integer else trt.DataType.FLOAT
            self._name, self._output = node.op_type, Tensor(kind)

        def get_output(self, index: int) -> Tensor:
            return self._output

        if number < 11:

            @property
            def precision(self) -> None:
                return None

            @precision.setter
            def precision(self, kind: Any) -> None:
                assert kind == trt.DataType.FLOAT
                record.pinned.append(self._name)

            def set_output_type(self, index: int, kind: Any) -> None:
                assert kind == trt.DataType.FLOAT

    class Network:
        def __init__(self) -> None:
            self.onnx = b''

        @property
        def num_layers(self) -> int:
            return len(onnx.load_from_string(self.onnx).graph.node)

        def get_layer(self, index: int) -> Layer:
            return Layer(onnx.load_from_string(self.onnx).graph.node[index])

    class ParserError:
        def __init__(self, text: str) -> None:
            self._text = text

        def desc(self) -> str:
            return self._text

        def node(self) -> int:
            return 3

        if number >= 10:

            def node_operator(self) -> str:
                return 'Transpose'

    class OnnxParser:
        def __init__(self, network: Network, log: Any) -> None:
            self._network, self._errors = network, []

        @property
        def num_errors(self) -> int:
            return len(self._errors)

        def get_error(self, index: int) -> ParserError:
            return self._errors[index]

        def parse(self, model: bytes, path: str) -> bool:
            try:
                opset = onnx.load_from_string(model).opset_import[0].version
            except DecodeError:
                self._errors.append(ParserError('no protobuf'))
                return False
            if number < 10 and opset > 17:
                self._errors.append(ParserError(f'opset {opset} is too new'))
            self._network.onnx = model
            record.onnx.append(model)
            return not self._errors

    class TimingCache:
        def __init__(self, content: bytes) -> None:
            self.content = content

        def serialize(self) -> bytes:
            return self.content

    class Config:
        """Settings that the generation does not have cannot be set."""

        __slots__ = (
            'DLA_core',
            'builder_optimization_level',
            'default_device_type',
            'hardware_compatibility_level',
            'max_aux_streams',
            '_cache',
            *(('progress_monitor',) if number >= 10 else ()),
        )

        def __init__(self) -> None:
            self.builder_optimization_level, self.max_aux_streams = 3, 4
            if number >= 10:
                self.progress_monitor = None

        def __setattr__(self, name: str, value: Any) -> None:
            object.__setattr__(self, name, value)
            record.settings[name] = value

        def set_flag(self, flag: Any) -> None:
            record.flags.add(trt.BuilderFlag(flag).name)

        def clear_flag(self, flag: Any) -> None:
            record.cleared.add(trt.BuilderFlag(flag).name)

        def set_memory_pool_limit(self, pool: Any, size: int) -> None:
            assert pool == trt.MemoryPoolType.WORKSPACE
            record.settings['workspace'] = size

        def get_tactic_sources(self) -> int:
            return (1 << len(trt.TacticSource)) - 1

        def set_tactic_sources(self, sources: int) -> bool:
            record.tactics = sources
            return True

        def create_timing_cache(self, content: bytes) -> TimingCache:
            record.timings_given.append(content)
            return TimingCache(content)

        def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
            assert not ignore_mismatch
            self._cache = cache
            return True

    class Builder:
        num_DLA_cores = 2  # noqa: N815 - the library's name

        def __init__(self, log: Any) -> None:
            assert isinstance(log, ILogger)
            self._log = log

        def create_network(self, flags: int = 0) -> Network:
            kinds = trt.NetworkDefinitionCreationFlag
            record.network_flags = {kind.name for kind in kinds if flags & (1 << int(kind))}
            if number == 8:
                assert 'EXPLICIT_BATCH' in record.network_flags, 'implicit batch takes no ONNX'
            return Network()

        def create_builder_config(self) -> Config:
            return Config()

        def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
            record.num_builds += 1
            if record.fails:
                self._log.log(ILogger.Severity.ERROR, 'no tactic fits')
                return None
            monitor = getattr(config, 'progress_monitor', None)
            if monitor:
                monitor.phase_start('Tactics', None, 4)
            for step in range(4):
                config._cache.content += TIMED
                if record.on_step:
                    record.on_step(step)
                if record.dies_at_step == step:
                    raise MemoryError('killed')
                if monitor and not monitor.step_complete('Tactics', step):
                    return None
            if monitor:
                monitor.phase_finish('Tactics')
            return MAGIC + pickle.dumps((trt.__version__, network.onnx))

    for item in (ILogger, OnnxParser, Builder):
        setattr(trt, item.__name__, item)
    if number >= 10:
        trt.IProgressMonitor = type('IProgressMonitor', (), {})


def _add_runtime(trt: ModuleType, number: int, cuda: cuda_double.FakeCuda) -> None:
    record: Record = trt.record

    class Context:
        def __init__(self, engine: Engine) -> None:
            self._engine, self._addresses = engine, {}

        def set_tensor_address(self, name: str, address: int) -> bool:
            self._addresses[name] = address
            return name in self._engine.ports

        def execute_async_v3(self, stream_handle: int) -> bool:
            assert isinstance(stream_handle, int)
            stream = cuda.stream(stream_handle)
            if stream.captured is not None and not record.is_capturable:
                return False
            stream.put(self._run)
            return True

        def _run(self) -> None:
            record.runs += 1
            feeds = {
                name: self._array(name, writable=False)
                for name, (mode, *_) in self._engine.ports.items()
                if mode == trt.TensorIOMode.INPUT
            }
            names = [node.name for node in self._engine.session.get_outputs()]
            values = self._engine.session.run(names, feeds)
            for name, value in zip(names, values, strict=True):
                self._array(name, writable=True)[...] = value

        def _array(self, name: str, *, writable: bool) -> np.ndarray:
            _, shape, kind = self._engine.ports[name]
            dtype = {'FLOAT': np.float32, 'UINT8': np.uint8}[kind.name]
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            block = (ctypes.c_ubyte * size).from_address(self._addresses[name])
            view = np.frombuffer(block, dtype=dtype).reshape(shape)
            return view if writable else view.copy()

        if number >= 11:

            def is_stream_capturable(self, stream: int) -> bool:
                return record.is_capturable

    class Engine:
        def __init__(self, content: bytes) -> None:
            self.session = ort.InferenceSession(content, providers=['CPUExecutionProvider'])
            kinds = {'tensor(uint8)': trt.DataType.UINT8, 'tensor(float)': trt.DataType.FLOAT}
            self.ports = {
                node.name: (mode, tuple(node.shape), kinds[node.type])
                for mode, nodes in (
                    (trt.TensorIOMode.INPUT, self.session.get_inputs()),
                    (trt.TensorIOMode.OUTPUT, self.session.get_outputs()),
                )
                for node in nodes
            }

        @property
        def num_io_tensors(self) -> int:
            return len(self.ports)

        def get_tensor_name(self, index: int) -> str:
            return list(self.ports)[index]

        def get_tensor_mode(self, name: str) -> Any:
            return self.ports[name][0]

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return self.ports[name][1]

        def get_tensor_dtype(self, name: str) -> Any:
            return self.ports[name][2]

        def create_execution_context(self) -> Context:
            return Context(self)

    class Runtime:
        def __init__(self, log: Any) -> None:
            self._log = log

        def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
            if record.is_unreadable or not plan.startswith(MAGIC):
                self._log.log(trt.ILogger.Severity.ERROR, 'magic tag does not match')
                return None
            made_by, content = pickle.loads(plan[len(MAGIC) :])
            assert made_by == trt.__version__
            return Engine(content)

    trt.Runtime = Runtime
