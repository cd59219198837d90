"""The real runtimes behind ``open_engine``: cached loads, threads, foreign and broken graphs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines.artifact import file_digest, load_artifact, manifest_path
from depth_ros.engines.build import open_engine
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.runtime import RUNTIMES, BuildSettings
from depth_ros.errors import EngineError
from tests.kit.child_environment import child_environment
from tests.kit.toy_graph import toy_frames, toy_function, write_toy_artifact

ONNX_RUNTIMES = ('openvino', 'onnxruntime')


@pytest.fixture(params=ONNX_RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param, reason=f'the runtime {request.param} is absent')
    return str(request.param)


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return write_toy_artifact(tmp_path)


def test_built_and_loaded_engines_compute_alike(onnx: Path, tmp_path: Path, runtime: str) -> None:
    frame, cache = toy_frames(1)[0], EngineCache(tmp_path / 'cache')
    results = []
    for _ in range(2):
        with open_engine(
            onnx, EngineChoice(runtime=runtime, num_threads=1), cache=cache
        ) as engine:
            assert engine.info.num_threads == 1
            assert engine.info.version == RUNTIMES[runtime].load().version
            results.append(engine.infer(frame)['disparity'].copy())
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0], toy_function(frame)['disparity'], atol=1e-5, rtol=0)


def test_file_that_is_no_graph_is_refused(tmp_path: Path, runtime: str) -> None:
    onnx = write_toy_artifact(tmp_path)
    onnx.write_bytes(b'certainly no graph')
    body = json.loads(manifest_path(onnx).read_text())
    del body['manifest_sha256']
    artifact = load_rewritten(onnx, body)
    folder = tmp_path / 'built'
    folder.mkdir()
    with pytest.raises(EngineError, match='export'):
        RUNTIMES[runtime].load().build(artifact, BuildSettings(num_threads=1), folder)


def test_graph_that_differs_from_its_manifest_is_refused(tmp_path: Path, runtime: str) -> None:
    onnx = write_toy_artifact(tmp_path)
    body = json.loads(manifest_path(onnx).read_text())
    del body['manifest_sha256']
    body['inputs'][0]['shape'] = [1, 12, 24, 3]
    artifact = load_rewritten(onnx, body)
    folder = tmp_path / 'built'
    folder.mkdir()
    with pytest.raises(EngineError, match='where its manifest says'):
        RUNTIMES[runtime].load().build(artifact, BuildSettings(num_threads=1), folder)


def load_rewritten(onnx: Path, body: dict):  # type: ignore[no-untyped-def]
    """Write a manifest that is consistent in itself and load it."""
    from depth_ros.engines import artifact

    body['onnx_sha256'] = file_digest(onnx)
    sealed = {**body, 'manifest_sha256': artifact._body_digest(body)}
    manifest_path(onnx).write_text(json.dumps(sealed))
    return load_artifact(onnx)


def test_openvino_executes_in_float32_also_from_the_cache(onnx: Path, tmp_path: Path) -> None:
    """A blob loaded without a precision hint would run in bf16 where the CPU has it."""
    pytest.importorskip('openvino', reason='the runtime openvino is absent')
    runtime, settings = RUNTIMES['openvino'].load(), BuildSettings(num_threads=1)
    artifact = load_artifact(onnx)
    for open_it in (runtime.build, runtime.load):
        with open_it(artifact, settings, tmp_path) as engine:
            compiled = engine._session._requests[0].get_compiled_model()
            assert compiled.get_property('INFERENCE_NUM_THREADS') == 1
            precisions = {
                node.get_rt_info()['layerType'].astype(str): node.get_rt_info()[
                    'runtimePrecision'
                ].astype(str)
                for node in compiled.get_runtime_model().get_ops()
            }
            assert precisions['Convolution'] == 'f32', precisions


def test_openvino_blob_that_does_not_load_says_how_to_rebuild(onnx: Path, tmp_path: Path) -> None:
    pytest.importorskip('openvino', reason='the runtime openvino is absent')
    (tmp_path / 'openvino.blob').write_bytes(b'no blob')
    with pytest.raises(EngineError, match='rm -r'):
        RUNTIMES['openvino'].load().load(load_artifact(onnx), BuildSettings(), tmp_path)


def test_signal_after_openvino_closed_is_survived(onnx: Path, tmp_path: Path) -> None:
    """Where the CPU has AMX, OpenVINO leaves a freed signal stack with the calling thread."""
    pytest.importorskip('openvino', reason='the runtime openvino is absent')
    program = (
        'import os, signal, sys\n'
        'from pathlib import Path\n'
        'from depth_ros.engines.build import open_engine\n'
        'from depth_ros.engines.choice import EngineChoice\n'
        'from depth_ros.engines.cache import EngineCache\n'
        'path, cache = Path(sys.argv[1]), EngineCache(Path(sys.argv[2]))\n'
        'choice = EngineChoice(runtime="openvino")\n'
        'for _ in range(2):\n'
        '    open_engine(path, choice, cache=cache).close()\n'
        'try:\n'
        '    os.kill(os.getpid(), signal.SIGINT)\n'
        '    signal.pause()\n'
        'except KeyboardInterrupt:\n'
        '    print("heard")\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', program, str(onnx), str(tmp_path / 'cache')],
        capture_output=True,
        text=True,
        env=child_environment(),
        check=False,
        timeout=120,
    )
    assert result.stdout.strip() == 'heard', (result.returncode, result.stderr)
