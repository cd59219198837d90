"""TensorRT on NVIDIA GPUs, 8.6 to 11: plans from ONNX, replayed as CUDA graphs.

Building and running take the library's Python package and ``cuda-python``, no torch. See
``tensorrt_build`` for the builder, ``cuda_graph`` for how a frame runs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from depth_ros.engines.artifact import Artifact
from depth_ros.engines.calibrations import INT8, INT8_RUNTIME
from depth_ros.engines.runtime import BuildSettings, is_importable
from depth_ros.engines.session import SessionEngine
from depth_ros.engines.tensorrt.build import (
    FIRST_STRONGLY_TYPED,
    PlanRequest,
    build_plan,
    is_strongly_typed,
    library_log,
    major_version,
)
from depth_ros.engines.tensorrt.cuda_graph import GraphedStep
from depth_ros.engines.tensorrt.cuda_memory import Cuda
from depth_ros.engines.tensorrt.jetpack import TENSORRT_MISSING
from depth_ros.engines.tensorrt.options import GpuOptions, gpu_options
from depth_ros.engines.tensorrt.timing_cache import TimingFile
from depth_ros.errors import DeviceLostError, EngineError
from depth_ros.tensors import EngineInfo, Tensors

logger = logging.getLogger(__name__)
_PLAN = 'tensorrt.plan'
_OPSET_BEFORE_10 = 17
_BF16_CAPABILITY = (8, 0)
_DTYPES = {
    'FLOAT': 'float32',
    'HALF': 'float16',
    'INT8': 'int8',
    'UINT8': 'uint8',
    'INT32': 'int32',
    'INT64': 'int64',
    'BOOL': 'bool',
}
_lost_objects: list[object] = []
"""Engines of a lost GPU: freeing them would call a driver that no longer responds."""


class TensorRtRuntime:
    """TensorRT as the builder sees it."""

    def __init__(self) -> None:
        """Import the library and find the GPU.

        Raises:
            EngineError: If the library, cuda-python, the driver or the GPU is missing.
        """
        try:
            import tensorrt as trt
        except (ImportError, OSError) as error:
            raise EngineError(
                f'tensorrt cannot be imported ({error}); {TENSORRT_MISSING}'
            ) from error
        self._trt = trt
        self._cuda = Cuda()
        self.version: str = str(trt.__version__)

    def refusal(self, settings: BuildSettings) -> str:
        """16 bit needs the package onnx from TensorRT 10 on, bf16 a GPU from Ampere on."""
        options = _options(settings)
        if settings.precision == INT8:
            return f"precision 'int8' runs on engine {INT8_RUNTIME!r} only; use 'f16' or that"
        if settings.precision == 'bf16' and self._cuda.capability() < _BF16_CAPABILITY:
            return "precision 'bf16' needs a GPU from Ampere on; use 'f16' or 'f32'"
        if settings.precision == 'bf16' and not is_strongly_typed(self._trt, options):
            return "precision 'bf16' needs TensorRT 10 or newer without DLA; use 'f16' or 'f32'"
        if options.dla_core >= 0 and settings.precision != 'f16':
            return f"the DLA computes in 'f16' only, got {settings.precision!r}; set precision"
        if self._must_rewrite(settings) and not is_importable('onnx'):
            return (
                f'building {settings.precision!r} for TensorRT {self.version} rewrites the graph, '
                'which needs the package onnx here, once; type: pip install onnx'
            )
        return ''

    def device(self) -> str:
        """GPU name, capability, memory and driver."""
        return self._cuda.identity()

    def options(self, settings: BuildSettings) -> Mapping[str, str]:
        """Every option the plan was built with."""
        return _options(settings).as_text()

    def build(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> SessionEngine:
        """Build a plan and load it, so that the check sees what later runs load."""
        (folder / _PLAN).write_bytes(self._plan(artifact, settings))
        return self.load(artifact, settings, folder)

    def load(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> SessionEngine:
        """Load a plan and record its CUDA graphs."""
        options = _options(settings)
        session = _TensorRtSession(self._trt, self._cuda, artifact, folder / _PLAN, options)
        return SessionEngine(
            info=EngineInfo(
                runtime='tensorrt',
                version=self.version,
                precision=settings.precision,
                device='cuda:0' if options.dla_core < 0 else f'dla:{options.dla_core}',
                graph=artifact.name,
            ),
            inputs=artifact.manifest.inputs,
            outputs=artifact.manifest.outputs,
            session=session,
        )

    def _plan(self, artifact: Artifact, settings: BuildSettings) -> bytes:
        options = _options(settings)
        workspace_bytes = options.workspace_bytes(self._cuda.total_memory())
        if options.builder == 'torch_tensorrt':
            builder = _import_torch_builder()
            plan: bytes = builder.build_torch_plan(
                artifact, settings, options=options, workspace_bytes=workspace_bytes
            )
            return plan
        request = PlanRequest(
            onnx=self._graph(artifact, settings),
            path=str(artifact.onnx),
            precision=settings.precision,
            options=options,
            workspace_bytes=workspace_bytes,
            timings=self._timings(settings),
            progress=settings.progress,
        )
        return build_plan(self._trt, request)

    def _graph(self, artifact: Artifact, settings: BuildSettings) -> bytes:
        """Return the graph as this generation wants it."""
        if not self._must_rewrite(settings):
            return artifact.onnx.read_bytes()
        from depth_ros.engines.tensorrt.onnx_precision import rewrite

        is_strong = is_strongly_typed(self._trt, _options(settings))
        return rewrite(
            artifact.onnx,
            precision=settings.precision if is_strong else 'f32',
            opset=None if self._reads_opset_18 else _OPSET_BEFORE_10,
        )

    @property
    def _reads_opset_18(self) -> bool:
        return major_version(self._trt) >= FIRST_STRONGLY_TYPED

    def _must_rewrite(self, settings: BuildSettings) -> bool:
        is_lowered = settings.precision != 'f32' and is_strongly_typed(
            self._trt, _options(settings)
        )
        return is_lowered or not self._reads_opset_18

    def _timings(self, settings: BuildSettings) -> TimingFile | None:
        root = _options(settings).timing_root(settings.cache_root)
        if root is None:
            return None
        return TimingFile(root, version=self.version, device=self.device())


class _TensorRtSession:
    """A loaded plan with its context and its recorded step."""

    def __init__(
        self, trt: Any, cuda: Cuda, artifact: Artifact, plan: Path, options: GpuOptions
    ) -> None:
        manifest = artifact.manifest
        self._runtime = trt.Runtime(library_log(trt))
        if options.dla_core >= 0:
            self._runtime.DLA_core = options.dla_core
        if options.version_compatible:
            self._runtime.engine_host_code_allowed = True
        self._engine = self._runtime.deserialize_cuda_engine(plan.read_bytes())
        if self._engine is None:
            raise EngineError(
                f'TensorRT {trt.__version__} cannot load {plan} '
                f'({library_log(trt).last_error or "it gives no reason"}); remove it, the next '
                f'start builds it again: rm -r {str(plan.parent)!r}'
            )
        # torch-tensorrt renames the ports; their order is that of the artefact.
        self._names = _tensor_names(
            trt, self._engine, artifact, by_order=options.builder == 'torch_tensorrt'
        )
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(
                f'there is too little GPU memory to run {artifact.name}; end other programs, '
                'choose a smaller size, or build with --tensorrt low_memory=true'
            )
        self._step = GraphedStep(
            cuda, manifest.inputs, manifest.outputs, self._context.execute_async_v3
        )
        try:
            self._prepare()
        except DeviceLostError:
            self._abandon()
            raise
        except EngineError:
            self._step.close()
            raise

    def start(self, slot: int, tensors: Tensors) -> None:
        try:
            self._step.start(slot, tensors)
        except DeviceLostError:
            self._abandon()
            raise

    def wait(self, slot: int) -> Tensors:
        try:
            return self._step.wait(slot)
        except DeviceLostError:
            self._abandon()
            raise

    def close(self) -> None:
        self._step.close()
        del self._context, self._engine, self._runtime

    def _prepare(self) -> None:
        for name, address in self._step.addresses.items():
            if not self._context.set_tensor_address(self._names[name], address):
                raise EngineError(
                    f'TensorRT takes no buffer for {name!r}; remove the cached engine and build '
                    'it again'
                )
        self._step.record(is_capturable=self._is_capturable)

    def _is_capturable(self, stream: int) -> bool:
        """Whether the context can be captured; assume yes where the library cannot tell."""
        ask = getattr(self._context, 'is_stream_capturable', None)
        return True if ask is None else bool(ask(stream))

    def _abandon(self) -> None:
        """Never release the library's objects once the GPU is lost."""
        _lost_objects.extend((self._context, self._engine, self._runtime))


def _options(settings: BuildSettings) -> GpuOptions:
    return settings.gpu if settings.gpu is not None else gpu_options()


def _import_torch_builder() -> ModuleType:
    if not is_importable('torch'):
        raise EngineError(
            'builder torch_tensorrt needs torch, which is not installed; use '
            '--tensorrt builder=onnx, which needs none'
        )
    return import_module('depth_ros.engines.tensorrt.torch_tensorrt_builder')


def _tensor_names(trt: Any, engine: Any, artifact: Artifact, *, by_order: bool) -> dict[str, str]:
    """Compare the plan's ports with the manifest; return the plan's names by the manifest's."""
    all_names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    ours_to_its: dict[str, str] = {}
    for mode, specs in (
        (trt.TensorIOMode.INPUT, artifact.manifest.inputs),
        (trt.TensorIOMode.OUTPUT, artifact.manifest.outputs),
    ):
        names = [name for name in all_names if engine.get_tensor_mode(name) == mode]
        ours = [spec.name for spec in specs] if by_order else names
        found = {
            mine: (tuple(engine.get_tensor_shape(its)), _dtype(engine, its))
            for mine, its in zip(ours, names, strict=False)
        }
        expected = {spec.name: (spec.shape, spec.dtype) for spec in specs}
        artifact.expect_ports(found if len(names) == len(specs) else names, expected)
        ours_to_its.update(zip(ours, names, strict=True))
    return ours_to_its


def _dtype(engine: Any, name: str) -> str:
    kind = engine.get_tensor_dtype(name).name
    return _DTYPES.get(kind, kind)
