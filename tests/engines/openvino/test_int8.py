"""Int8 with NNCF itself: a small graph passes the gate, one that int8 cannot hold is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.build import open_engine
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.calibrations import CalibrationFrames, calibrate
from depth_ros.engines.checks.gate_measures import StereoMeasure
from depth_ros.errors import ArtifactError
from depth_ros.tensors import Engine
from tests.kit.child_environment import child_environment
from tests.kit.engine_choice import asked
from tests.kit.scaled_graph import LARGEST_PX, LAYERS, scaled_frames, write_scaled_artifact

pytest.importorskip('openvino', reason='the runtime openvino is absent')
pytest.importorskip('onnx', reason='the package onnx is absent')
pytest.importorskip('nncf', reason='nncf is absent; type: pip install nncf')

ROUNDING_PX = LARGEST_PX / 255.0
"""One step of the range that both channels share, where the other is no louder."""
GATE = StereoMeasure(epe_change_px=2 * ROUNDING_PX, moved_share=0.005, moved_above_px=1.0)


def opened(folder: Path, *, loud: float, first_frame: int = 0, precision: str = 'int8') -> Engine:
    """Calibrate a graph on eight frames and open it; everything is below ``folder``."""
    onnx = write_scaled_artifact(folder, loud=loud)
    frames = CalibrationFrames(feeds=scaled_frames(8, seed=first_frame), source='frames')
    calibrate(load_artifact(onnx), LAYERS, frames, folder / 'cache')
    settings = asked(runtime='openvino', precision=precision, int8=LAYERS, gate=GATE)
    return open_engine(onnx, cache=EngineCache(folder / 'cache'), **settings)


def test_a_graph_that_int8_holds_passes_and_computes_in_int8(tmp_path: Path) -> None:
    frame = scaled_frames(1, seed=1000)[0]
    expected = LARGEST_PX / 255.0 * frame['left'].mean(axis=-1)
    with opened(tmp_path, loud=1.0) as engine:
        disparity = np.array(engine.infer(frame)['disparity'])
        assert engine.info.precision == 'int8'
    error = np.abs(disparity - expected)
    assert 0.0 < error.mean() < 2 * ROUNDING_PX, 'rounded, and no more than that'
    (entry,) = tmp_path.glob('cache/engines/*-int8-*/entry.json')
    checked = json.loads(entry.read_text())
    assert checked['check']['gate']['verdict'] == 'passed'
    assert set(checked['key']['options']) >= {'calibration', 'gate', 'num_threads'}


def test_a_graph_that_int8_cannot_hold_is_refused_with_figures(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as refused:
        opened(tmp_path, loud=1000.0)
    text = str(refused.value)
    assert "precision 'int8' of 'scaled-40x50' fails the accuracy gate against" in text
    assert 'epe_change_px' in text and f'(must be < {2 * ROUNDING_PX:g})' in text
    assert text.endswith("use precision 'f32', or calibrate again on more of what the robot sees")
    assert not list(tmp_path.glob('cache/engines/*-int8-*')), 'it is not kept'


def test_engines_of_other_frames_are_kept_apart(tmp_path: Path) -> None:
    for first_frame in (0, 50, 0):
        opened(tmp_path, loud=1.0, first_frame=first_frame).close()
    assert len(list(tmp_path.glob('cache/engines/*-int8-*'))) == 2


@pytest.mark.nightly
def test_nncf_reports_to_nobody() -> None:
    """pytest would silence it, so that it takes a process of its own."""
    program = (
        'from depth_ros.engines.openvino import int8\n'
        'print(type(int8._nncf().telemetry.telemetry).__name__)'
    )
    done = subprocess.run(
        [sys.executable, '-c', program],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ['MagicMock'], 'its stub'
