"""Runtimes for tests: one right, one that computes something else, one that cannot be opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from depth_ros.engines.artifact import Artifact
from depth_ros.engines.runtime import BuildSettings, RuntimeEntry
from depth_ros.errors import EngineError
from tests.kit.callable_engine import CallableEngine
from tests.kit.toy_graph import toy_function

EVENTS: list[str] = []
"""What was built, loaded and run, in order; tests clear it."""


class ExactRuntime:
    """Runs the toy network in NumPy."""

    version = '1.0'
    error = 0.0

    def refusal(self, settings: BuildSettings) -> str:
        return '' if settings.precision in ('f32', 'bf16') else 'no such precision; use f32'

    def device(self) -> str:
        return 'toy device'

    def options(self, settings: BuildSettings) -> Mapping[str, str]:
        return {'num_threads': str(settings.num_threads)}

    def build(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> CallableEngine:
        EVENTS.append('build')
        (folder / 'plan').write_bytes(b'a compiled engine')
        return self._engine(artifact)

    def load(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> CallableEngine:
        EVENTS.append('load')
        assert (folder / 'plan').read_bytes() == b'a compiled engine'
        return self._engine(artifact)

    def _engine(self, artifact: Artifact) -> CallableEngine:
        def run(tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
            EVENTS.append('run')
            return {'disparity': toy_function(tensors)['disparity'] + np.float32(self.error)}

        manifest = artifact.manifest
        return CallableEngine(
            run, inputs=manifest.inputs, outputs=manifest.outputs, graph=artifact.name
        )


class WrongRuntime(ExactRuntime):
    """Every value is off by a hundredth."""

    error = 0.01


class BrokenRuntime(ExactRuntime):
    """Cannot compile anything."""

    def build(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> CallableEngine:
        raise EngineError('the compiler gave up; use another engine')


def entry(factory: str, *, library: str = 'json', unavailable: str = '') -> RuntimeEntry:
    """Make a line for the table of runtimes; ``library`` decides whether it seems installed."""
    return RuntimeEntry(
        module='tests.kit.toy_runtime',
        factory=factory,
        library=library,
        packages=(library,),
        pip=f'pip install {library}',
        unavailable=unavailable,
    )
