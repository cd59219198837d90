"""Opening engines: order of auto, refusals, the golden check and what the cache spares."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines import build
from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.build import GraphBuild, available_runtimes, open_engine
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.checks.golden import Tolerance
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.runtime import AUTO_ORDER, RUNTIMES, BuildSettings
from depth_ros.errors import ArtifactError, EngineError, ParameterError, RecipeError
from tests.kit import toy_runtime
from tests.kit.engine_choice import asked
from tests.kit.toy_graph import COMMAND, toy_frames, toy_function, write_toy_artifact

ABSENT = 'no_such_library_anywhere'


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return write_toy_artifact(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / 'cache')


@pytest.fixture(autouse=True)
def toy_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's place is taken by a right runtime, ONNX Runtime's by another; no TensorRT."""
    toy_runtime.EVENTS.clear()
    monkeypatch.setitem(RUNTIMES, 'tensorrt', toy_runtime.entry('ExactRuntime', library=ABSENT))
    monkeypatch.setitem(RUNTIMES, 'openvino', toy_runtime.entry('ExactRuntime'))
    monkeypatch.setitem(RUNTIMES, 'onnxruntime', toy_runtime.entry('ExactRuntime'))


def use(monkeypatch: pytest.MonkeyPatch, name: str, factory: str, **kwargs: str) -> None:
    monkeypatch.setitem(RUNTIMES, name, toy_runtime.entry(factory, **kwargs))


def cached(cache: EngineCache) -> list[str]:
    folder = cache.root / 'engines'
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_opened_engine_computes(onnx: Path, cache: EngineCache) -> None:
    frame = toy_frames(1)[0]
    with open_engine(onnx, cache=cache) as engine:
        np.testing.assert_array_equal(
            engine.infer(frame)['disparity'], toy_function(frame)['disparity']
        )


def test_check_runs_once_per_key(onnx: Path, cache: EngineCache) -> None:
    open_engine(onnx, cache=cache).close()
    assert toy_runtime.EVENTS == ['build', 'run']
    open_engine(onnx, cache=cache).close()
    assert toy_runtime.EVENTS == ['build', 'run', 'load']


@pytest.mark.parametrize(
    'change',
    [
        {'num_threads': 3},
        {'precision': 'bf16', 'ungated': True},
        {'tolerance': Tolerance(mean=0.5)},
        {'runtime': 'onnxruntime'},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_request_is_checked_anew(onnx: Path, cache: EngineCache, change: dict) -> None:
    open_engine(onnx, cache=cache).close()
    open_engine(onnx, cache=cache, **asked(**change)).close()
    assert toy_runtime.EVENTS == ['build', 'run'] * 2


def test_another_runtime_version_is_checked_anew(
    onnx: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_engine(onnx, cache=cache).close()
    monkeypatch.setattr(toy_runtime.ExactRuntime, 'version', '1.1')
    open_engine(onnx, cache=cache).close()
    assert toy_runtime.EVENTS == ['build', 'run'] * 2


def test_wrong_numbers_are_refused_with_figures(
    onnx: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 'openvino', 'WrongRuntime')
    with pytest.raises(ArtifactError) as caught:
        open_engine(onnx, EngineChoice(runtime='openvino'), cache=cache)
    for words in ('out of tolerance', 'mean 0.01', 'max 0.01', 'mean 1e-05', COMMAND):
        assert words in str(caught.value)
    assert cached(cache) == []


def test_looser_tolerance_must_be_said(
    onnx: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 'openvino', 'WrongRuntime')
    loose = Tolerance(mean=0.02)
    open_engine(
        onnx, EngineChoice(runtime='openvino'), GraphBuild(tolerance=loose), cache=cache
    ).close()
    with pytest.raises(ArtifactError):
        open_engine(onnx, EngineChoice(runtime='openvino'), cache=cache)


def test_auto_passes_over_what_fails_and_says_so(
    onnx: Path,
    cache: EngineCache,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use(monkeypatch, 'openvino', 'WrongRuntime')
    with caplog.at_level(logging.INFO, logger='depth_ros'):
        open_engine(onnx, cache=cache).close()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and 'out of tolerance' in warnings[0].getMessage()
    assert [name.split('-')[2] for name in cached(cache)] == ['onnxruntime']
    last = caplog.records[-1].getMessage()
    assert last.startswith('opened toy-12x20') and f'tensorrt: {ABSENT} is not' in last


def test_auto_takes_the_first_in_order(
    onnx: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AUTO_ORDER == ('tensorrt', 'openvino', 'onnxruntime')
    open_engine(onnx, cache=cache).close()
    use(monkeypatch, 'openvino', 'ExactRuntime', library=ABSENT)
    open_engine(onnx, cache=cache).close()
    use(monkeypatch, 'tensorrt', 'ExactRuntime')
    open_engine(onnx, cache=cache).close()
    assert sorted(name.split('-')[2] for name in cached(cache)) == sorted(AUTO_ORDER)


def test_auto_with_nothing_installed_says_what_to_install(
    onnx: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('openvino', 'onnxruntime'):
        use(monkeypatch, name, 'ExactRuntime', library=ABSENT)
    with pytest.raises(EngineError) as caught:
        open_engine(onnx, cache=cache)
    for words in ('tensorrt:', 'openvino:', 'onnxruntime:', f'pip install {ABSENT}'):
        assert words in str(caught.value)


def test_named_runtime_does_not_fall_back(
    onnx: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 'openvino', 'ExactRuntime', library=ABSENT)
    with pytest.raises(EngineError, match=f'not installed; type: pip install {ABSENT}'):
        open_engine(onnx, EngineChoice(runtime='openvino'), cache=cache)
    use(monkeypatch, 'openvino', 'BrokenRuntime')
    with pytest.raises(EngineError, match='the compiler gave up'):
        open_engine(onnx, EngineChoice(runtime='openvino'), cache=cache)
    assert cached(cache) == []


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('tensorrt', f'pip install {ABSENT}'),
        ('torch', 'does not run exported graphs'),
        ('cuda', "no engine 'cuda'; set engine to one of: auto, tensorrt"),
    ],
)
def test_engines_that_cannot_be_named(
    onnx: Path, cache: EngineCache, name: str, words: str
) -> None:
    if name == 'torch':
        pytest.importorskip('torch', reason='torch is absent')
    with pytest.raises((EngineError, ParameterError), match=words):
        open_engine(onnx, EngineChoice(runtime=name), cache=cache)


def test_tampering_is_an_error_even_for_auto(onnx: Path, cache: EngineCache) -> None:
    onnx.write_bytes(onnx.read_bytes() + b'\0')
    with pytest.raises(ArtifactError, match='SHA-256'):
        open_engine(onnx, cache=cache)
    assert toy_runtime.EVENTS == []


def test_tampered_cache_never_reaches_the_runtime(onnx: Path, cache: EngineCache) -> None:
    open_engine(onnx, EngineChoice(runtime='openvino'), cache=cache).close()
    plan = next(cache.root.glob('engines/*/plan'))
    plan.write_bytes(b'something else')
    toy_runtime.EVENTS.clear()
    with pytest.raises(ArtifactError, match='rm -r'):
        open_engine(onnx, EngineChoice(runtime='openvino'), cache=cache)
    assert toy_runtime.EVENTS == []


def test_precision_without_tolerance_is_refused(onnx: Path) -> None:
    with pytest.raises(RecipeError, match="tolerances for f32, bf16, none for 'f8'"):
        build._tolerances(load_artifact(onnx), 'f8', None)
    with pytest.raises(ParameterError, match="precision cannot be 'f8'"):
        EngineChoice(precision='f8')


def test_negative_threads_are_refused() -> None:
    with pytest.raises(ParameterError, match='num_threads'):
        EngineChoice(num_threads=-1)


def test_progress_names_the_phases(onnx: Path, cache: EngineCache) -> None:
    phases: list[str] = []
    open_engine(onnx, cache=cache, progress=lambda phase, fraction: phases.append(phase)).close()
    assert [phase.split()[0] for phase in phases] == ['compile', 'check']
    open_engine(onnx, cache=cache, progress=lambda phase, fraction: phases.append(phase)).close()
    assert len(phases) == 2, 'a cached engine has nothing to report'


def test_synthetic_weights_show_in_the_identity(tmp_path: Path, cache: EngineCache) -> None:
    onnx = write_toy_artifact(tmp_path, source='synthetic:4')
    with open_engine(onnx, cache=cache) as engine:
        assert engine.info.graph == 'toy-12x20 [synthetic:4]'


def test_runtimes_are_listed_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, 'openvino', 'ExactRuntime', library=ABSENT)
    before = set(sys.modules)
    status = {entry.name: entry for entry in available_runtimes()}
    assert set(status) == set(RUNTIMES)
    assert not {'openvino', 'onnxruntime', 'torch'} & (set(sys.modules) - before)
    assert status['openvino'].version is None
    assert f'pip install {ABSENT}' in status['openvino'].reason
    assert f'pip install {ABSENT}' in status['tensorrt'].reason
    assert status['onnxruntime'].reason == ''


@pytest.mark.parametrize('flag', ['amx_bf16', 'avx512_bf16'])
def test_bf16_needs_a_cpu_that_has_it(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('openvino', reason='the runtime openvino is absent')
    from depth_ros.engines.openvino import engine as openvino_engine

    flags = frozenset({'avx2', 'avx512f'})
    monkeypatch.setattr(openvino_engine, 'cpu_flags', lambda: flags)
    runtime = openvino_engine.OpenVinoRuntime()
    assert flag in runtime.refusal(BuildSettings(precision='bf16'))
    assert runtime.refusal(BuildSettings(precision='f32')) == ''
    assert 'f16' in runtime.refusal(BuildSettings(precision='f16'))
    monkeypatch.setattr(openvino_engine, 'cpu_flags', lambda: flags | {flag})
    assert runtime.refusal(BuildSettings(precision='bf16')) == ''


def test_onnxruntime_refuses_anything_but_f32() -> None:
    pytest.importorskip('onnxruntime', reason='the runtime onnxruntime is absent')
    from depth_ros.engines.onnxruntime_engine import OnnxRuntimeRuntime

    assert 'bf16' in OnnxRuntimeRuntime().refusal(BuildSettings(precision='bf16'))
    assert OnnxRuntimeRuntime().refusal(BuildSettings()) == ''
