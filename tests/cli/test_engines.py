"""``info``, ``build`` and ``bench``: the commands around engines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from depth_ros.cli.bench import parse_engines
from depth_ros.cli.kit.arguments import parse_options
from depth_ros.cli.main import main
from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import recipe_names
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.errors import ParameterError
from depth_ros.models.registry import MODELS
from tests.kit.cli_process import depth_ros, expect_one_sentence

SMALL = ('--weights', 'synthetic:0', '--size', '64x64', '--option', 'iterations=2')


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """One small export with an engine, made by the command in a process of its own."""
    for module in ('torch', 'onnx', 'onnxscript'):
        pytest.importorskip(module, reason='exporting needs it')
    pytest.importorskip('onnxruntime', reason='the engine of this test')
    folder = tmp_path_factory.mktemp('build')
    outcome = depth_ros(
        'build', 'crestereo', *SMALL, '--engine', 'onnxruntime', '-o', 'carried', cwd=folder
    )
    assert outcome.code == 0, outcome.err
    return folder, outcome


def test_info_names_everything_there_is(tmp_path):
    outcome = depth_ros('info', cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    lines = [line for line in outcome.out.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    for name in (*MODELS, *RUNTIMES, *recipe_names()):
        assert name in outcome.out
    assert str(tmp_path / 'cache') in outcome.out


def test_info_json_says_why_a_runtime_is_not_there(tmp_path):
    outcome = depth_ros('info', '--json', cwd=tmp_path)
    info = json.loads(outcome.out)
    assert {model['name'] for model in info['models']} == set(MODELS)
    assert {entry['name'] for entry in info['runtimes']} == set(RUNTIMES)
    for entry in info['runtimes']:
        assert entry['reason'] or entry['version'], entry
    torch = pytest.importorskip('torch', reason='a build of it without CUDA is not ready for it')
    cuda = next(entry for entry in info['runtimes'] if entry['name'] == 'torch_cuda')
    assert (cuda['reason'] == '') is torch.cuda.is_available()
    assert {export['licence'] for export in info['exports']} == {'Apache-2.0'}
    tensorrt = next(entry for entry in info['runtimes'] if entry['name'] == 'tensorrt')
    assert 'type: ' in tensorrt['reason'] or tensorrt['version']
    crestereo = next(entry for entry in info['recipes'] if entry['name'] == 'crestereo')
    assert crestereo['presets']['accurate'] == '480x640, iterations 10, stages 1'
    assert crestereo['licence'] == 'Apache-2.0'
    folders = {Path(export['file']).parent.name for export in info['exports']}
    assert folders == {'weights'}, 'only what ships'
    assert all(export['problem'] == '' for export in info['exports'])
    assert info['engines'] == []


def test_build_exports_checks_and_copies(built):
    folder, outcome = built
    assert 'crestereo-64x64-it2' in outcome.out
    assert 'built and checked' in outcome.out
    assert 'synthetic:0' in outcome.out, 'made-up weights are named as such'
    (onnx,) = (folder / 'carried').glob('*.onnx')
    assert load_artifact(onnx).manifest.size == (64, 64)
    assert load_artifact(onnx).golden().outputs['disparity'].shape == (1, 64, 64)


def cached_exports(info, folder):
    """Leave out what ships."""
    return [export for export in info['exports'] if Path(export['file']).is_relative_to(folder)]


def test_info_shows_what_was_built(built, monkeypatch, capsys):
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(built[0] / 'cache'))
    assert main(['info', '--json']) == 0
    info = json.loads(capsys.readouterr().out)
    (export,) = cached_exports(info, built[0])
    assert export['weights'] == 'synthetic:0'
    assert export['problem'] == ''
    (engine,) = info['engines']
    assert 'onnxruntime-f32' in engine['folder']
    assert engine['mebibytes'] >= 0


def test_info_survives_a_broken_manifest(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path))
    (tmp_path / 'exports' / 'x').mkdir(parents=True)
    (tmp_path / 'exports' / 'x' / 'a.onnx').write_bytes(b'')
    (tmp_path / 'exports' / 'x' / 'a.json').write_text('{"schema": ')
    assert main(['info', '--json']) == 0
    (export,) = cached_exports(json.loads(capsys.readouterr().out), tmp_path)
    assert 'a.json' in export['problem']


def test_run_uses_the_carried_export(built, pair, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(built[0] / 'cache'))
    words = ['run', 'stereo', str(pair.left), str(pair.right), '--calibration']
    words += [str(pair.calibration), '-o', str(tmp_path), '--model', 'crestereo']
    words += ['--weights', str(built[0] / 'carried'), '--size', '64x64', '--iterations', '2']
    assert main([*words, '--engine', 'onnxruntime']) == 0
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['engine'] == 'onnxruntime'
    assert summary['size'] == '64x64'
    assert np.load(tmp_path / 'room_left_disparity.npy').shape == (120, 192)


def test_bench_gives_ratios_and_leaves_out_what_refuses(built, monkeypatch, capsys):
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(built[0] / 'cache'))
    words = ['bench', 'crestereo', *SMALL, '--rounds', '2', '--json']
    assert main([*words, '--engines', 'onnxruntime,tensorrt,torch']) == 0
    captured = capsys.readouterr()
    first, second = json.loads(captured.out)
    assert (first['name'], second['name']) == ('onnxruntime:f32', 'torch:f32')
    assert first['ratio'] == 1.0
    assert second['ratio'] == pytest.approx(second['p50_ms'] / first['p50_ms'], abs=0.002)
    assert first['mean_difference'] == 0.0
    assert second['mean_difference'] < 1e-3
    assert 'tensorrt:f32 left out: ' in captured.err


def test_bench_leaves_out_a_precision_that_no_layer_has(capsys):
    pytest.importorskip('onnxruntime', reason='the engine of this test')
    words = ['bench', 'crestereo_tiny_half', '--rounds', '1', '--json', '--engines']
    assert main([*words, 'onnxruntime,openvino:int8']) == 0
    captured = capsys.readouterr()
    assert [row['name'] for row in json.loads(captured.out)] == ['onnxruntime:f32']
    refusal = "no graph of 'crestereo_tiny_half' may run in 'int8'"
    assert f'openvino:int8 left out: {refusal}' in captured.err
    assert main([*words, 'openvino:int8']) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f'depth-ros: {refusal}')


def test_bench_prints_a_table(built, monkeypatch, capsys):
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(built[0] / 'cache'))
    words = ['bench', 'crestereo', *SMALL, '--rounds', '1', '--engines', 'onnxruntime']
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('crestereo crestereo-64x64-it2')
    assert lines[1].split() == ['engine', 'p50', 'ms', 'p95', 'ms', 'ratio', 'mean', 'difference']
    assert lines[2].startswith('onnxruntime:f32')


def test_words_become_options_and_engines():
    assert parse_options(['iterations=10', 'a=0.5', 'b=true', 'c=x']) == {
        'iterations': 10,
        'a': 0.5,
        'b': True,
        'c': 'x',
    }
    chosen = parse_engines('openvino,openvino:bf16, torch,torch', EngineChoice(num_threads=2))
    assert chosen == [
        EngineChoice(runtime='openvino', precision='f32', num_threads=2),
        EngineChoice(runtime='openvino', precision='bf16', num_threads=2),
        EngineChoice(runtime='torch', precision='f32', num_threads=2),
    ]
    with pytest.raises(ParameterError, match='RUNTIME'):
        parse_engines(':f32', EngineChoice())


@pytest.mark.parametrize(
    ('words', 'parts'),
    [
        (['build', 'monet', '--weights', 'x'], ["no recipe 'monet'", 'crestereo']),
        (['build', 'crestereo', '--weights', 'none.pth'], ['no weights at', 'none.pth']),
        (['build', 'crestereo'], ['no weights', 'depth-ros build crestereo --weights FILE']),
        (['build', 'crestereo', '--preset', 'best'], ["no preset 'best'", 'accurate']),
        (['build', 'crestereo', '--option', 'iterations=3'], ['iterations', 'one of']),
        (['build', 'crestereo', '--option', 'iterations'], ['NAME=VALUE']),
        (['build', 'crestereo', '--option', 'depth=3'], ["no option 'depth'"]),
        (['build'], ['RECIPE', '--help']),
        (['bench', 'crestereo', '--rounds', '0'], ['--rounds']),
        (['bench', 'crestereo', '--engines', 'abacus'], ["no engine 'abacus'", 'openvino']),
        (['build', 'crestereo', '--engine', 'abacus'], ["no engine 'abacus'", 'auto, tensorrt']),
        (['bench', 'monet'], ["no recipe 'monet'"]),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path, words, parts):
    expect_one_sentence(depth_ros(*words, cwd=tmp_path), *parts)
