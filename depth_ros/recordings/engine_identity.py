"""What computes, told by what it computes: results of two engines of one identity are equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

import cv2
import numpy as np

from depth_ros import __version__
from depth_ros.camera import PinholeCamera
from depth_ros.engines.checks.golden import digest_tensors, golden_inputs
from depth_ros.tasks.pipeline import NetworkSettings, Pipeline

SettingsT = TypeVar('SettingsT', bound=NetworkSettings)


def engine_identity(
    *pipelines: Pipeline,
    model: str,
    threads: int,
    cameras: Sequence[PinholeCamera | None] = (),
) -> str:
    """Return a hash of model, engines and library versions, in hexadecimal.

    Every engine runs once on fixed inputs, and what comes out is part of the hash: other weights,
    another runtime or another processor that rounds otherwise have another identity.

    Args:
        pipelines: Models and engines.
        model: Name of the model.
        threads: CPU threads of a worker.
        cameras: Calibrations of a file; None where the recording gives them.
    """
    lines = [f'depth_ros {__version__}', f'opencv {cv2.__version__}', f'numpy {np.__version__}']
    lines += [f'model {model}', f'threads {threads}']
    lines += [camera.fingerprint().hex() for camera in cameras if camera is not None]
    engines = [entry for pipeline in pipelines for entry in sorted(pipeline.engines.items())]
    for name, engine in engines:
        outputs = engine.infer(golden_inputs(engine.inputs))
        lines.append(f'{name} {engine.info.describe()} {digest_tensors(outputs)}')
    return sha256('\n'.join(lines).encode()).hexdigest()


def with_threads(settings: SettingsT, threads: int) -> SettingsT:
    """Return settings whose engines use so many threads, unless they say a number themselves."""
    engine = settings.engine
    return replace(settings, engine=replace(engine, num_threads=engine.num_threads or threads))
