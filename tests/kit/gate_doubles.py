"""A runtime for the accuracy gate: right in float32, wrong by known amounts below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from depth_ros.engines.artifact import (
    Artifact,
    Golden,
    Manifest,
    WeightsRecord,
    file_digest,
    golden_path,
    manifest_path,
)
from depth_ros.engines.checks.golden import GOLDEN_SEED, Tolerance, golden_inputs
from depth_ros.engines.runtime import BuildSettings, RuntimeEntry
from depth_ros.tensors import Tensors, TensorSpec
from tests.kit.callable_engine import CallableEngine

Function = Callable[[Tensors], dict[str, np.ndarray]]
EVENTS: list[str] = []
"""What was built, loaded and run, with its precision; tests clear it."""


class GateRuntime:
    """Gives ``truth`` in float32 and ``wrong(truth)`` in lower precision; tests set both."""

    version = '1.0'
    truth: Function
    wrong: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]

    def refusal(self, settings: BuildSettings) -> str:
        return ''

    def device(self) -> str:
        return 'toy device'

    def options(self, settings: BuildSettings) -> Mapping[str, str]:
        return {}

    def build(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> CallableEngine:
        EVENTS.append(f'build {settings.precision}')
        (folder / 'plan').write_text(settings.precision)
        return self._engine(artifact, settings)

    def load(self, artifact: Artifact, settings: BuildSettings, folder: Path) -> CallableEngine:
        EVENTS.append(f'load {settings.precision}')
        return self._engine(artifact, settings)

    def _engine(self, artifact: Artifact, settings: BuildSettings) -> CallableEngine:
        def run(tensors: Tensors) -> Tensors:
            EVENTS.append(f'run {settings.precision}')
            outputs = type(self).truth(tensors)
            return outputs if settings.precision == 'f32' else type(self).wrong(outputs)

        manifest = artifact.manifest
        return CallableEngine(
            run, inputs=manifest.inputs, outputs=manifest.outputs, graph=artifact.name
        )


class OtherGateRuntime(GateRuntime):
    """Refuses float32, so it cannot be the reference."""

    def refusal(self, settings: BuildSettings) -> str:
        return 'only bf16 here' if settings.precision == 'f32' else ''


def entry(factory: str = 'GateRuntime', *, library: str = 'json') -> RuntimeEntry:
    """Make a line for the table of runtimes."""
    return RuntimeEntry(
        module=__name__,
        factory=factory,
        library=library,
        packages=(library,),
        pip=f'pip install {library}',
    )


def write_artifact(
    folder: Path,
    *,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    source: str = 'toy.pth',
    recipe: str = 'toy',
) -> Path:
    """Write an artefact whose golden outputs are those of ``GateRuntime.truth``."""
    path = folder / f'{recipe}-gated.onnx'
    path.write_bytes(b'not read by the double')
    feeds = golden_inputs(inputs)
    golden = Golden(inputs=feeds, outputs=GateRuntime.truth(feeds))
    golden.save(golden_path(path))
    manifest = Manifest(
        recipe=recipe,
        graph=recipe,
        size=(40, 50),
        options={},
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        weights=WeightsRecord(source=source, sha256='0' * 64, licence='MIT'),
        tolerances={'f32': {'*': Tolerance(mean=1e-6)}, 'bf16': {'*': Tolerance(mean=1e9)}},
        onnx_sha256=file_digest(path),
        golden_seed=GOLDEN_SEED,
        golden_sha256=golden.sha256,
        opset=18,
        exporter='tests',
        command=f'depth-ros build {recipe} --weights FILE --size 40x50',
    )
    manifest_path(path).write_text(manifest.to_json(), encoding='utf-8')
    return path
