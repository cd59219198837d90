"""What can be chosen about TensorRT engines beside the precision.

Written as NAME=VALUE words in the option ``--tensorrt`` of commands and the parameter ``tensorrt``
of nodes, in the environment variable ``DEPTH_ROS_TENSORRT``, and as a mapping in a recipe. For
each option the first of these that names it counts.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NoReturn

from depth_ros.errors import EngineError
from depth_ros.files.given_path import given_path
from depth_ros.tensors import OptionValue

VARIABLE = 'DEPTH_ROS_TENSORRT'
OPTION = '--tensorrt'
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
        timing_cache: Folder for measured layer times, e.g. one that robots share; empty keeps
            them in the engine cache.
    """

    builder: str = 'onnx'
    workspace_mib: int = 0
    low_memory: bool = False
    optimization_level: int = -1
    dla_core: int = -1
    version_compatible: bool = False
    hardware_compatible: bool = False
    timing_cache: str = ''

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

    def timing_root(self, cache_root: Path | None) -> Path | None:
        """Folder of measured layer times; None keeps none."""
        return (
            given_path(self.timing_cache, what='timing_cache') if self.timing_cache else cache_root
        )

    def as_text(self) -> Mapping[str, str]:
        """Return every option that the engine depends on, for the cache key."""
        values = {name: str(value) for name, value in asdict(self).items()}
        del values['timing_cache']
        return values

    def as_arguments(self) -> str:
        """Write what is not the default as arguments of a command; each with a space before."""
        default = asdict(GpuOptions())
        words = [
            f'{name}={str(value).lower() if isinstance(value, bool) else value}'
            for name, value in asdict(self).items()
            if value != default[name]
        ]
        return ''.join(f' {OPTION} {shlex.quote(word)}' for word in words)


def gpu_options(words: str = '', *, recipe: Mapping[str, OptionValue] | None = None) -> GpuOptions:
    """Decide the options.

    Args:
        words: ``'low_memory=true workspace_mib=512'``, from a command or a node's parameter.
        recipe: Values of the recipe; the environment goes before them, ``words`` before both.

    Raises:
        EngineError: If a name or a value is none.
    """
    values = {
        **from_mapping(recipe or {}, where='the recipe'),
        **from_words(os.environ.get(VARIABLE, ''), where=VARIABLE),
        **from_words(words, where=OPTION),
    }
    return GpuOptions(**values)  # type: ignore[arg-type]


def from_words(text: str, *, where: str) -> dict[str, object]:
    """Read NAME=VALUE words, separated by spaces or commas.

    Raises:
        EngineError: Naming ``where`` they were written, if a name or a value is none.
    """
    pairs = [word.partition('=')[::2] for word in text.replace(',', ' ').split()]
    return {name: _parse(name, value, _kind(name, where), where) for name, value in pairs}


def from_mapping(values: Mapping[str, OptionValue], *, where: str) -> dict[str, object]:
    """Check names and types of values that are typed already.

    Raises:
        EngineError: Naming ``where`` they were written.
    """
    for name, value in values.items():
        if type(value) is not _kind(name, where):
            _refuse(name, value, _kind(name, where), where)
    return dict(values)


def _kind(name: str, where: str) -> type:
    kinds = {item.name: type(item.default) for item in fields(GpuOptions)}
    if name not in kinds:
        raise EngineError(
            f'{where} names {name!r}, which is no option; write NAME=VALUE with one of: '
            f'{", ".join(kinds)}'
        )
    return kinds[name]


def _parse(name: str, text: str, kind: type, where: str) -> object:
    if kind is str:
        return text
    if kind is bool and text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    try:
        if kind is int:
            return int(text)
    except ValueError:
        pass
    return _refuse(name, text, kind, where)


def _refuse(name: str, value: object, kind: type, where: str) -> NoReturn:
    words = {bool: 'true or false', int: 'a whole number', str: 'a text'}
    examples = {bool: 'true', int: '1', str: 'onnx'}
    raise EngineError(
        f'{where}: {name} must be {words[kind]}, got {value!r}; write e.g. {name}={examples[kind]}'
    )


def _expect(name: str, value: object, allowed: tuple[str, ...] | range) -> None:
    if value in allowed:
        return
    words = (
        ', '.join(allowed)
        if isinstance(allowed, tuple)
        else f'{allowed.start} to {allowed.stop - 1}'
    )
    raise EngineError(
        f'{name} must be one of {words}, got {value!r}; correct it in {OPTION}, {VARIABLE} or '
        'the recipe'
    )
