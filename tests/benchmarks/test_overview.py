"""The table of all tasks: who is the best rival, what is counted; races open what they name."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack

import pytest

from depth_ros.errors import EngineError
from tests.kit.shared_data import REPOSITORY

torch = pytest.importorskip('torch', reason='torch is absent')
pytest.importorskip('openvino', reason='openvino is absent')
sys.path.insert(0, str(REPOSITORY / 'benchmarks'))

import arithmetic
import crestereo_engines
import engine_race
import loftr_engines
import overview
import timing

FIGURES = {
    'title': 'a network',
    'unit': 'pairs',
    'gflop': 20.0,
    'ms': {
        'OpenVINO f32': {'p50': 200.0, 'p95': 210.0},
        'torch eager f32': {'p50': 400.0, 'p95': 410.0},
        'ONNX Runtime f32': {'p50': 250.0, 'p95': 900.0},
        'SGBM': {'p50': 40.0, 'p95': 41.0},
    },
    'refused': {},
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_a_row_names_the_best_of_each_kind_and_the_floor() -> None:
    row = overview.table({'stereo': FIGURES}, 100.0).splitlines()[2]
    assert cells(row)[:5] == ['stereo', 'a network', '**5** pairs', '200.0', '210.0']
    assert cells(row)[5:] == ['4 ONNX Runtime', '25 SGBM', '5 (20 GFLOP)']


def test_what_has_no_network_has_no_floor_and_no_other_engine() -> None:
    times = {'SIFT': {'p50': 100.0, 'p95': 110.0}, 'ORB': {'p50': 50.0, 'p95': 60.0}}
    row = overview.table({'odometry': {**FIGURES, 'gflop': 0.0, 'ms': times}}, 100.0)
    assert cells(row.splitlines()[2])[2:] == ['**10** pairs', '100.0', '110.0', '-', '20 ORB', '-']


def test_work_is_that_of_a_known_convolution() -> None:
    module = torch.nn.Conv2d(3, 8, 3, padding=1)
    expected = 2 * 3 * 8 * 9 * 16 * 20 / 1e9
    found = arithmetic.count_gflop(lambda: module(torch.zeros(1, 3, 16, 20)))
    assert found == pytest.approx(expected)


def test_runtimes_are_opened_ours_first_and_refusals_of_others_are_told() -> None:
    def open_one(engine: str) -> overview.Run:
        if engine == missing:
            raise EngineError('is not installed')
        return lambda: engine

    with ExitStack() as stack:
        race = overview.Race(argparse.Namespace(), stack)
        missing = 'onnxruntime'
        race.add_network(open_one)
        runs = [(name, run()) for name, run in race.runs.items()]
        assert runs == [('OpenVINO f32', 'openvino'), ('torch eager f32', 'torch')]
        assert race.refused == {'ONNX Runtime f32': 'is not installed'}
        missing = 'openvino'
        with pytest.raises(EngineError):
            race.add_network(open_one)


@pytest.mark.nightly
@pytest.mark.parametrize('task', overview.TASKS)
def test_each_task_runs_in_torch(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, 'RUNTIMES', {overview.REFERENCE: overview.TORCH})
    monkeypatch.setattr(overview, 'OURS', overview.REFERENCE)
    monkeypatch.setattr(overview, 'NUM_WARMUPS', 0)
    entry = overview.measure(overview.TASKS[task], argparse.Namespace(rounds=1, threads=1))
    assert all(at['p50'] > 0 for at in entry['ms'].values())
    names = {
        'stereo': ['torch eager f32', 'SGBM'],
        'matching': ['torch eager f32', 'SIFT'],
        'odometry': ['SIFT', 'ORB'],
    }
    assert list(entry['ms']) == names.get(task, ['torch eager f32'])
    gflop = {'stereo': 19.7, 'mono': 16.0, 'multi-view': 7.3, 'matching': 2.6, 'odometry': 0}
    assert entry['gflop'] == pytest.approx(gflop[task], rel=0.02)


def in_torch_alone(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(engine_race, 'CONTENDERS', engine_race.CONTENDERS[:1])
    monkeypatch.setattr(sys, 'argv', ['benchmark', '--rounds', '1', '--threads', '1', *words])


def test_race_of_crestereo_runs(monkeypatch, capsys, tmp_path) -> None:
    in_torch_alone(monkeypatch)
    monkeypatch.setattr(timing, 'OUT', tmp_path)
    monkeypatch.setattr(crestereo_engines, 'CASES', (((64, 96), 2),))
    crestereo_engines.main()
    assert '64x96, 2 iterations' in capsys.readouterr().out
    record = json.loads((tmp_path / 'crestereo_engines.json').read_text(encoding='utf-8'))
    assert list(record['cases']['64x96 it2']['engines']) == ['torch eager f32']


def test_race_of_loftr_runs(monkeypatch, capsys, tmp_path) -> None:
    in_torch_alone(monkeypatch, '--size', '64', '96', '--matches', '8')
    monkeypatch.setattr(timing, 'OUT', tmp_path)
    loftr_engines.main()
    assert '64x96, 8 matches' in capsys.readouterr().out
    record = json.loads((tmp_path / 'loftr_engines.json').read_text(encoding='utf-8'))
    assert list(record['engines']) == ['torch eager f32']
