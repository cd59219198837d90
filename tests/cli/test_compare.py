"""``depth-ros compare`` and the disparity files it reads."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.cli.compare import _judged
from depth_ros.cli.main import main
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.cli_process import depth_ros, expect_one_sentence
from tests.kit.shared_data import shared_path

NAN = np.nan


def test_a_file_against_truth_has_known_errors(tmp_path, capsys):
    truth = np.full((10, 10), 20.0, np.float32)
    estimate = truth.copy()
    estimate[0] = NAN
    estimate[1] += 1.5
    estimate[2] -= 9.0
    np.save(tmp_path / 'truth.npy', truth)
    np.save(tmp_path / 'mine.npy', estimate)
    words = ['compare', str(tmp_path / 'mine.npy'), '--truth', str(tmp_path / 'truth.npy')]
    assert main(words) == 0
    line = capsys.readouterr().out.splitlines()[1].split()
    assert line[1:] == [f'{10.5 / 9:.3f}', '22.22', '11.11', '11.11', '90.0', '100']
    assert main([*words, '--json']) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record['epe_px'] == pytest.approx(10.5 / 9)
    assert record['density'] == 0.9


def test_model_and_file_against_truth_in_one_process(pair, tmp_path):
    np.save(tmp_path / 'exact.npy', pair.view.left_disparity)
    outcome = depth_ros(
        'compare',
        'sgbm',
        'exact.npy',
        '--pair',
        pair.left,
        pair.right,
        '--calibration',
        pair.calibration,
        '--truth',
        pair.truth,
        '--json',
        cwd=tmp_path,
    )
    assert outcome.code == 0, outcome.err
    sgbm, exact = json.loads(outcome.out)
    assert sgbm['contender'] == 'sgbm'
    assert 0.01 < sgbm['epe_px'] < 1.0
    assert sgbm['density'] > 0.7
    assert (exact['epe_px'], exact['density']) == (0.0, 1.0)


def test_without_truth_the_first_is_the_reference(tmp_path, capsys):
    for name, value in (('a', 5.0), ('b', 5.5), ('c', 9.0)):
        np.save(tmp_path / f'{name}.npy', np.full((4, 4), value, np.float32))
    assert main(['compare', *(str(tmp_path / f'{name}.npy') for name in 'abc')]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[1:3]] == ['0.500', '4.000']
    assert 'no truth' in lines[3]


def test_nothing_in_common_is_null_in_json(tmp_path, capsys):
    np.save(tmp_path / 'a.npy', np.full((4, 4), NAN))
    np.save(tmp_path / 'b.npy', np.ones((4, 4)))
    words = ['compare', str(tmp_path / 'a.npy'), '--truth', str(tmp_path / 'b.npy'), '--json']
    assert main(words) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record['epe_px'] is None


def test_motorcycle_is_as_good_as_the_matcher_alone(tmp_path, capsys):
    folder = shared_path('data/middlebury_motorcycle')
    (tmp_path / 'calib.txt').write_text(
        'cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]\n'
        'cam1=[994.978 0 342.279; 0 994.978 254.877; 0 0 1]\n'
        'doffs=31.086\nbaseline=193.001\nwidth=741\nheight=500\n'
    )
    words = ['compare', 'sgbm', '--truth', str(folder / 'motorcycle_disp.npz'), '--json']
    words += ['--calibration', str(tmp_path / 'calib.txt'), '--pair']
    words += [str(folder / f'motorcycle_{side}.png') for side in ('left', 'right')]
    assert main(words) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record['epe_px'] < 1.3
    assert record['density'] > 0.85
    assert record['bad2'] < 0.08


@pytest.mark.parametrize(
    ('words', 'parts'),
    [
        (['sgbm'], ['--truth']),
        (['sgbm', '--truth', 'TRUTH'], ['--pair', '--calibration']),
        (['a:b:c:d', '--truth', 'TRUTH'], ['MODEL[:ENGINE[:PRECISION]]']),
        (['monet', '--truth', 'TRUTH'], ["no stereo model 'monet'"]),
        (['small.npy', '--truth', 'TRUTH'], ['one size', '(120, 192)', '(2, 3)']),
        (['small.npy', 'a_depth.npy'], ['disparity in pixels', 'a_depth.npy', '_disparity.npy']),
        (['small.npy', '--truth', 'a_depth_mm.png'], ['disparity in pixels', 'a_depth_mm.png']),
        (['none.npy', '--truth', 'TRUTH'], ['no disparity file none.npy']),
        (['small.npy', '--truth', 'truth.exr'], ['no disparity file truth.exr']),
        ([], ['CONTENDER', '--help']),
    ],
)
def test_mistakes_are_told_in_one_sentence(pair, tmp_path, words, parts):
    np.save(tmp_path / 'small.npy', np.ones((2, 3), np.float32))
    given = [pair.truth if word == 'TRUTH' else word for word in words]
    expect_one_sentence(depth_ros('compare', *given, cwd=tmp_path), *parts)


def test_only_what_is_missing_is_asked_for(capsys):
    assert main(['compare', 'sgbm', 'b.npy', '--pair', 'left.png', 'right.png']) == 2
    said = capsys.readouterr().err
    assert 'add --calibration FILE, or' in said and '--pair' not in said


def test_which_pixels_are_compared_is_told() -> None:
    hinted = StereoSettings(model='crestereo_tiny_hinted')
    assert _judged([StereoSettings(model='sgbm'), None]).startswith('all pixels')
    assert 'of crestereo_tiny_hinted only pixels 0.5 sure' in _judged([None, hinted])
    assert _judged([replace(hinted, min_confidence=0.0)]).startswith('all pixels')
