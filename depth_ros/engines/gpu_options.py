"""What can be chosen about GPU engines beside the precision; ``DEPTH_ROS_TENSORRT`` sets it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from depth_ros.errors import EngineError

VARIABLE = 'DEPTH_ROS_TENSORRT'
BUILDERS = ('onnx', 'torch_tensorrt')
_TRUE, _FALSE = ('true', 'yes', 'on', '1'), ('false', 'no', 'off', '0')
_DEFAULT_LEVEL, _LOW_MEMORY_LEVEL = 3, 2
_LARGEST_WORKSPACE_MIB, _LOW_MEMORY_WORKSPACE_MIB = 4096, 256


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuOptions:
    """How TensorRT builds an engine.

    Attributes:
        builder: ``'onnx'``: TensorRT's own parser. ``'torch_tensorrt'``: from the checkpoint.
        workspace_mib: Most scratch memory a layer may take, MiB; 0 takes a quarter of the GPU's
            memory, at most 4096.
        low_memory: Build with little memory: 256 MiB of workspace, fewer tactics, no helper
            streams.
        optimization_level: 0..5; -1 takes 3, or 2 with ``low_memory``.
        dla_core: DLA core to run on where the layers allow it; -1 runs on the GPU.
        version_compatible: Let later TensorRT versions load the engine; costs speed.
        hardware_compatible: Let other GPUs from Ampere on load the engine; costs speed.
    """

    builder: str = 'onnx'
    workspace_mib: int = 0
    low_memory: bool = False
    optimization_level: int = -1
    dla_core: int = -1
    version_compatible: bool = False
    hardware_compatible: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            EngineError: Naming the option, what it may be and what came.
        """
        _expect('builder', self.builder, BUILDERS)
        _expect('optimization_level', self.optimization_level, range(-1, 6))
        _expect('dla_core', self.dla_core, range(-1, 4))
        _expect('workspace_mib', self.workspace_mib, range(1 << 20))

    @property
    def level(self) -> int:
        """Optimisation level that is set."""
        if self.optimization_level >= 0:
            return self.optimization_level
        return _LOW_MEMORY_LEVEL if self.low_memory else _DEFAULT_LEVEL

    def workspace_bytes(self, total_memory: int) -> int:
        """Workspace limit on a GPU with so many bytes of memory."""
        mib = self.workspace_mib
        if not mib:
            mib = _LOW_MEMORY_WORKSPACE_MIB if self.low_memory else _LARGEST_WORKSPACE_MIB
            mib = min(mib, total_memory >> 22)
        return mib << 20

    def as_text(self) -> Mapping[str, str]:
        """Give every option for the cache key."""
        return {name: str(value) for name, value in asdict(self).items()}


def options_from_environment(text: str | None = None) -> GpuOptions:
    """Read ``'low_memory=true workspace_mib=512'``; by default from ``DEPTH_ROS_TENSORRT``.

    Raises:
        EngineError: If a name or a value is none.
    """
    words = (os.environ.get(VARIABLE, '') if text is None else text).replace(',', ' ').split()
    kinds = {item.name: type(item.default) for item in fields(GpuOptions)}
    values = {}
    for word in words:
        name, _, value = word.partition('=')
        if name not in kinds:
            raise EngineError(
                f'{VARIABLE} names {name!r}, which is no option; write NAME=VALUE with one of: '
                f'{", ".join(kinds)}'
            )
        values[name] = _parse(name, value, kinds[name])
    return GpuOptions(**values)  # type: ignore[arg-type]


def _parse(name: str, text: str, kind: type) -> object:
    if kind is str:
        return text
    if kind is bool and text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    try:
        if kind is int:
            return int(text)
    except ValueError:
        pass
    raise EngineError(
        f'{VARIABLE}: {name} must be {"true or false" if kind is bool else "a whole number"}, '
        f'got {text!r}; write e.g. {name}={"true" if kind is bool else 1}'
    )


def _expect(name: str, value: object, allowed: tuple[str, ...] | range) -> None:
    if value in allowed:
        return
    words = (
        ', '.join(allowed)
        if isinstance(allowed, tuple)
        else f'{allowed.start} to {allowed.stop - 1}'
    )
    raise EngineError(f'{name} must be one of {words}, got {value!r}; correct {VARIABLE}')
