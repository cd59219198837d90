"""Threads of OpenVINO are as many as asked for, and free to go where a core is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.toy_graph import toy_frames, toy_function, write_toy_artifact

ov = pytest.importorskip('openvino', reason='the runtime openvino is absent')

from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.build import open_engine
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.openvino import engine as openvino_engine
from depth_ros.engines.runtime import BuildSettings


def blob_with_tied_threads(onnx: Path) -> bytes:
    """What earlier versions left in the cache."""
    core = ov.Core()
    options = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': '2'}
    compiled = core.compile_model(core.read_model(onnx), 'CPU', options)
    exported = compiled.export_model()
    return exported if isinstance(exported, bytes) else exported.getvalue()


@pytest.mark.parametrize('is_of_old_cache', [False, True])
def test_threads_are_counted_and_not_tied_to_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_of_old_cache: bool
) -> None:
    opened: list[ov.CompiledModel] = []

    class Watched(openvino_engine._OpenVinoSession):
        def __init__(self, compiled: ov.CompiledModel, *others: Any) -> None:
            opened.append(compiled)
            super().__init__(compiled, *others)

    monkeypatch.setattr(openvino_engine, '_OpenVinoSession', Watched)
    artifact = load_artifact(write_toy_artifact(tmp_path))
    settings, runtime = BuildSettings(num_threads=2), openvino_engine.OpenVinoRuntime()
    if is_of_old_cache:
        (tmp_path / 'openvino.blob').write_bytes(blob_with_tied_threads(artifact.onnx))
        engine = runtime.load(artifact, settings, tmp_path)
    else:
        engine = runtime.build(artifact, settings, tmp_path)
    with engine:
        (compiled,) = opened
        assert compiled.get_property('INFERENCE_NUM_THREADS') == 2
        assert compiled.get_property('ENABLE_CPU_PINNING') is False
        frame = toy_frames(1)[0]
        found = engine.infer(frame)['disparity']
        np.testing.assert_allclose(found, toy_function(frame)['disparity'], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(('count', 'words'), [(1, ' with 1 thread'), (2, ' with 2 threads')])
def test_the_log_says_how_many_there_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int, words: str
) -> None:
    choice = EngineChoice(runtime='openvino', num_threads=count)
    with caplog.at_level(logging.INFO, logger='depth_ros'):
        open_engine(
            write_toy_artifact(tmp_path), choice, cache=EngineCache(tmp_path / 'cache')
        ).close()
    assert caplog.records[-1].getMessage().endswith(words)
