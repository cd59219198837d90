"""What the runtimes on a CPU share: the device, threads, and how a session becomes an engine."""

from __future__ import annotations

from depth_ros.engines.artifact import Artifact
from depth_ros.engines.cpu import cpu_identity, default_threads
from depth_ros.engines.runtime import BuildSettings
from depth_ros.engines.session import Session, SessionEngine
from depth_ros.tensors import EngineInfo


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
