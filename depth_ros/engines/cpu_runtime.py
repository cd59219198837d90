"""What the runtimes on a CPU share: the device, threads, and how a session becomes an engine.

The CPU's flags decide the precision, its cores the number of threads.
"""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from pathlib import Path

from depth_ros.engines.artifact import Artifact
from depth_ros.engines.runtime import BuildSettings
from depth_ros.engines.session import Session, SessionEngine
from depth_ros.tensors import EngineInfo

_CPUINFO = Path('/proc/cpuinfo')
_IDENTITY_KEYS = ('vendor_id', 'cpu family', 'model', 'CPU implementer', 'CPU part')


class CpuRuntime:
    """Base of CPU runtimes; a subclass builds and loads.

    Attributes:
        version: Exact version of the library.
    """

    def __init__(self, name: str, version: str) -> None:
        """Take the name in ``RUNTIMES`` and the version of the library."""
        self.version = version
        self._name = name

    def device(self) -> str:
        """CPU model and flags."""
        return cpu_identity()

    def _engine(
        self, artifact: Artifact, settings: BuildSettings, session: Session, *, precision: str
    ) -> SessionEngine:
        return SessionEngine(
            info=EngineInfo(
                runtime=self._name,
                version=self.version,
                precision=precision,
                device='cpu',
                graph=artifact.name,
                num_threads=num_threads(settings),
            ),
            inputs=artifact.manifest.inputs,
            outputs=artifact.manifest.outputs,
            session=session,
        )


def num_threads(settings: BuildSettings) -> int:
    """Threads asked for, or what suits this CPU."""
    return settings.num_threads or default_threads()


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """Instruction-set flags as Linux names them, e.g. ``'amx_bf16'``; empty where unknown."""
    info = _cpu_info()
    return frozenset((info.get('flags') or info.get('Features') or '').split())


@lru_cache(maxsize=1)
def cpu_identity() -> str:
    """What a compiled CPU engine depends on: architecture, model numbers and every flag."""
    info = _cpu_info()
    numbers = [f'{key}={info[key]}' for key in _IDENTITY_KEYS if key in info]
    return ' '.join([platform.machine(), *numbers, *sorted(cpu_flags())])


def default_threads() -> int:
    """Return the default number of threads.

    One core is left to the rest of the robot, except on machines with one or two: there both
    work, or the frame time would double.
    """
    cores = _usable_cores()
    return cores if cores <= 2 else cores - 1


def _usable_cores() -> int:
    """Count the physical cores this process may run on; hyper-threads count once."""
    allowed = sorted(os.sched_getaffinity(0))
    siblings = {_siblings(cpu) for cpu in allowed}
    return max(1, len(siblings))


def _siblings(cpu: int) -> str:
    path = Path(f'/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list')
    try:
        return path.read_text(encoding='ascii').strip()
    except OSError:
        return str(cpu)


def _cpu_info() -> dict[str, str]:
    """Read the first processor's block of ``/proc/cpuinfo``."""
    try:
        block = _CPUINFO.read_text(encoding='utf-8', errors='replace').split('\n\n', 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(':') for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
