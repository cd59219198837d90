"""Second builder of TensorRT plans: torch-tensorrt, from the network instead of its ONNX.

Chosen by ``--tensorrt builder=torch_tensorrt`` where its versions fit each other. The
plan is loaded, checked, gated and cached like one that TensorRT's own parser led to.
"""

from __future__ import annotations

import copy
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import torch

from depth_ros.engines.artifact import Artifact
from depth_ros.engines.runtime import BuildSettings
from depth_ros.engines.tensorrt.options import GpuOptions
from depth_ros.errors import EngineError
from depth_ros.tensors import Exportable

OTHER_BUILDER = 'use --tensorrt builder=onnx, which needs no torch'
DEVICE = 'cuda'
_LOW_TYPES = {'f16': torch.float16, 'bf16': torch.bfloat16}
_WITH_WEIGHTS = (
    torch.nn.Conv2d,
    torch.nn.Conv3d,
    torch.nn.ConvTranspose2d,
    torch.nn.ConvTranspose3d,
    torch.nn.Linear,
)


def build_torch_plan(
    artifact: Artifact, settings: BuildSettings, *, options: GpuOptions, workspace_bytes: int
) -> bytes:
    """Build a plan from the network; its inputs and outputs are in the artefact's order.

    Args:
        artifact: The exported graph, whose golden outputs the plan will be compared with.
        settings: Precision, and where the network comes from.
        options: Further choices.
        workspace_bytes: Limit of scratch memory.

    Raises:
        EngineError: If versions do not fit, the network is not at hand, or it does not compile.
    """
    library = _library()
    exportable = _network(artifact, settings)
    module = in_precision(exportable.module, settings.precision)
    arguments = [
        torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype), device=DEVICE)
        for spec in exportable.inputs
    ]
    try:
        program = torch.export.export(module.to(DEVICE), tuple(arguments))
        plan = library.dynamo.convert_exported_program_to_serialized_trt_engine(
            program,
            arg_inputs=arguments,
            use_explicit_typing=True,
            disable_tf32=True,
            workspace_size=workspace_bytes,
            optimization_level=options.level,
            version_compatible=options.version_compatible,
            hardware_compatible=options.hardware_compatible,
        )
    except (RuntimeError, TypeError, ValueError, AttributeError, AssertionError) as error:
        reason = str(error).strip().partition('\n')[0] or type(error).__name__
        raise EngineError(
            f'torch-tensorrt {library.__version__} cannot compile {artifact.name} ({reason}); '
            f'{OTHER_BUILDER}'
        ) from error
    return bytes(plan)


def in_precision(module: object, precision: str) -> torch.nn.Module:
    """Return a copy of a network whose layers with weights compute in 16 bit, the rest in 32."""
    assert isinstance(module, torch.nn.Module)
    lowered = copy.deepcopy(module).eval()
    if precision == 'f32':
        return lowered
    kind = _LOW_TYPES[precision]
    for parent in list(lowered.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _WITH_WEIGHTS):
                setattr(parent, name, LowPrecision(child, kind))
    return lowered


class LowPrecision(torch.nn.Module):
    """A layer that computes in 16 bit between float32 values."""

    def __init__(self, layer: torch.nn.Module, kind: torch.dtype) -> None:
        """Take a layer and convert its weights."""
        super().__init__()
        self.layer = layer.to(kind)
        self.kind = kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output in float32."""
        result: torch.Tensor = self.layer(x.to(self.kind)).float()
        return result


def _library() -> ModuleType:
    """Import torch-tensorrt, if it was made for this torch.

    It is looked at before it is imported: with another torch its import fails far from the cause.
    """
    try:
        found = version('torch-tensorrt')
    except PackageNotFoundError as error:
        raise EngineError(
            f'torch-tensorrt is not installed; type: pip install torch-tensorrt=='
            f'{_minor(torch.__version__)}.*, or {OTHER_BUILDER}'
        ) from error
    if _minor(found) != _minor(torch.__version__):
        raise EngineError(
            f'torch-tensorrt {found} is made for torch {_minor(found)}, installed is torch '
            f'{torch.__version__}; type: pip install torch-tensorrt=={_minor(torch.__version__)}'
            f'.*, or {OTHER_BUILDER}'
        )
    try:
        import torch_tensorrt
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(
            f'torch-tensorrt {found} cannot be imported ({error}), often because it wants another '
            f'TensorRT than is installed; {OTHER_BUILDER}'
        ) from error
    library: ModuleType = torch_tensorrt
    return library


def _minor(text: str) -> str:
    return '.'.join(text.split('+')[0].split('.')[:2])


def _network(artifact: Artifact, settings: BuildSettings) -> Exportable:
    if settings.network is None:
        raise EngineError(
            f'builder torch_tensorrt starts from a checkpoint and {artifact.name} was opened '
            f'without one; name it as weights, or {OTHER_BUILDER}'
        )
    network = settings.network()
    assert isinstance(network, Exportable)
    expected = (artifact.manifest.inputs, artifact.manifest.outputs)
    if (network.inputs, network.outputs) != expected:
        raise EngineError(
            f'the checkpoint makes another network than {artifact.name}; name the weights it was '
            'exported from'
        )
    return network
