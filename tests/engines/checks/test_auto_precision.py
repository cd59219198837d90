"""Precision ``auto``: lower where the gate passes, float32 where not, refusals remembered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines.build import open_engine
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.checks.gate_measures import StereoMeasure
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.errors import ArtifactError
from depth_ros.tensors import Engine, Tensors, TensorSpec
from tests.kit import gate_doubles
from tests.kit.engine_choice import asked
from tests.kit.gate_doubles import EVENTS, GateRuntime, write_artifact

LIMITS = StereoMeasure(epe_change_px=0.05, moved_share=0.005, moved_above_px=1.0)
PAIR = tuple(
    TensorSpec(name=name, shape=(1, 40, 50, 3), dtype='uint8') for name in ('left', 'right')
)
MAP = (TensorSpec(name='disparity', shape=(1, 40, 50), dtype='float32'),)
BUILD_ALL = ['build f32', 'build bf16']
Open = Callable[..., Engine]


def ramp(tensors: Tensors) -> dict[str, np.ndarray]:
    rows = np.linspace(1.0, 20.0, 40, dtype='f4')[None, :, None]
    return {'disparity': np.repeat(rows, 50, axis=2)}


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open by ``auto``; bf16 is off by ``error`` px."""
    EVENTS.clear()
    for name in ('openvino', 'onnxruntime'):
        lower = RUNTIMES[name].lower_precision
        monkeypatch.setitem(RUNTIMES, name, replace(gate_doubles.entry(), lower_precision=lower))
    monkeypatch.setattr(GateRuntime, 'truth', staticmethod(ramp), raising=False)

    def run(error: float, *, source: str = 'toy.pth', **settings: object) -> Engine:
        def wrong(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {'disparity': outputs['disparity'] + np.float32(error)}

        monkeypatch.setattr(GateRuntime, 'wrong', staticmethod(wrong), raising=False)
        onnx = write_artifact(tmp_path, inputs=PAIR, outputs=MAP, source=source)
        arguments = {'runtime': 'openvino', 'precision': 'auto', 'gate': LIMITS, **settings}
        return open_engine(onnx, cache=EngineCache(tmp_path / 'cache'), **asked(**arguments))

    return run


def builds() -> list[str]:
    return [event for event in EVENTS if event.startswith(('build', 'load'))]


def offset(engine: Engine) -> float:
    """How far the engine's result is from float32's: which of the two it is."""
    with engine:
        images = {spec.name: np.zeros(spec.shape, np.uint8) for spec in PAIR}
        return float((engine.infer(images)['disparity'] - ramp({})['disparity']).mean())


def test_lower_precision_is_taken_where_the_gate_passes(opened: Open) -> None:
    assert offset(opened(0.03)) == pytest.approx(0.03, abs=1e-5)
    assert builds() == BUILD_ALL
    EVENTS.clear()
    assert offset(opened(0.03)) == pytest.approx(0.03, abs=1e-5)
    assert builds() == ['load bf16'], 'nothing is measured twice'


def test_float32_is_taken_where_the_gate_refuses(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger='depth_ros')
    assert offset(opened(0.3)) == 0.0
    assert 'in f32' in caplog.text and 'epe_change_px 0.3' in caplog.text


def test_a_refusal_is_remembered_with_its_figures(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    opened(0.3).close()
    EVENTS.clear()
    caplog.set_level(logging.INFO, logger='depth_ros')
    assert offset(opened(0.3)) == 0.0
    assert builds() == ['load f32'], 'the refused engine is not built again'
    assert 'epe_change_px 0.3' in caplog.text


def test_a_remembered_refusal_binds_auto_only(opened: Open) -> None:
    opened(0.3).close()
    assert offset(opened(0.03, precision='bf16')) == pytest.approx(0.03, abs=1e-5)
    with pytest.raises(ArtifactError, match='epe_change_px'):
        opened(0.3, precision='bf16', gate=StereoMeasure(
            epe_change_px=0.2, moved_share=0.005, moved_above_px=1.0
        ))  # fmt: skip


def test_other_limits_are_measured_anew(opened: Open) -> None:
    opened(0.3).close()
    wide = StereoMeasure(epe_change_px=0.5, moved_share=0.005, moved_above_px=1.0)
    assert offset(opened(0.3, gate=wide)) == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize('text', ['', '{', '[]', '{"refusal": 3'])
def test_a_damaged_memory_is_measured_anew(opened: Open, tmp_path: Path, text: str) -> None:
    opened(0.3).close()
    (memory,) = (tmp_path / 'cache' / 'refusals').iterdir()
    memory.write_text(text)
    EVENTS.clear()
    assert offset(opened(0.3)) == 0.0
    assert 'build bf16' in builds()


def test_runtimes_without_a_lower_precision_run_float32(opened: Open) -> None:
    assert offset(opened(0.03, runtime='onnxruntime')) == 0.0
    assert builds() == ['build f32']


def test_made_up_weights_run_float32(opened: Open) -> None:
    assert offset(opened(0.0, source='synthetic:1')) == 0.0
    assert builds() == ['build f32']


def test_given_tolerances_bind_the_float32_engine(opened: Open) -> None:
    from depth_ros.engines.checks.golden import Tolerance

    opened(0.3, tolerance=Tolerance(mean=1e-3)).close()
    EVENTS.clear()
    opened(0.3, tolerance=Tolerance(mean=1e-3)).close()
    assert builds() == ['load f32']
