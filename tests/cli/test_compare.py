"""``depth-ros compare`` and the disparity files it reads."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from depth_ros.cli.kit.disparities import read_disparity
from depth_ros.cli.main import main
from depth_ros.errors import InputError
from tests.kit.cli_process import depth_ros, expect_one_sentence
from tests.kit.shared_data import shared_path

NAN = np.nan
MAP = np.array([[1.5, NAN, 3.25], [0.25, 200.0, NAN]], np.float32)


def write_pfm(path, values, order='<f4'):
    scale = b'-1.0' if order == '<f4' else b'1.0'
    filled = np.where(np.isnan(values), np.inf, values)[::-1].astype(order)
    height, width = values.shape
    path.write_bytes(b'Pf\n%d %d\n%s\n' % (width, height, scale) + filled.tobytes())


@pytest.mark.parametrize('kind', ['npy', 'npz', 'pfm', 'big-endian pfm'])
def test_float_files_give_what_was_written(tmp_path, kind):
    path = tmp_path / f'd.{kind.split()[-1]}'
    if kind == 'npy':
        np.save(path, MAP)
    elif kind == 'npz':
        np.savez(path, np.where(np.isnan(MAP), np.inf, MAP).astype(np.float64))
    else:
        write_pfm(path, MAP, '>f4' if kind.startswith('big') else '<f4')
    np.testing.assert_array_equal(read_disparity(path), MAP)


def test_png_of_8_bits_is_pixels_and_of_16_bits_kitti(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.array([[0, 7, 255]], np.uint8))
    np.testing.assert_array_equal(read_disparity(tmp_path / 'a.png'), [[NAN, 7, 255]])
    cv2.imwrite(str(tmp_path / 'b.png'), np.array([[0, 256, 384]], np.uint16))
    np.testing.assert_array_equal(read_disparity(tmp_path / 'b.png'), [[NAN, 1, 1.5]])


def spoil(folder):
    np.savez(folder / 'two.npz', a=MAP, b=MAP)
    np.save(folder / 'cube.npy', np.zeros((2, 2, 2)))
    np.save(folder / 'pickle.npy', np.array([{}], object), allow_pickle=True)
    (folder / 'text.npy').write_text('hello')
    (folder / 'text.npz').write_text('hello')
    (folder / 'empty.npy').write_bytes(b'')
    (folder / 'text.png').write_text('hello')
    cv2.imwrite(str(folder / 'colour.png'), np.zeros((4, 4, 3), np.uint8))
    (folder / 'cut.pfm').write_bytes(b'Pf\n10 10\n-1.0\n' + b'\0' * 40)
    (folder / 'colour.pfm').write_bytes(b'PF\n1 1\n-1.0\n' + b'\0' * 12)
    (folder / 'short.pfm').write_bytes(b'Pf\n')
    (folder / 'd.exr').write_bytes(b'x')


@pytest.mark.parametrize(
    'name',
    [
        'two.npz',
        'cube.npy',
        'pickle.npy',
        'text.npy',
        'text.npz',
        'empty.npy',
        'text.png',
        'colour.png',
        'cut.pfm',
        'colour.pfm',
        'short.pfm',
        'd.exr',
        'absent.npy',
    ],
)
def test_what_is_no_disparity_is_refused_by_name(tmp_path, name):
    spoil(tmp_path)
    with pytest.raises(InputError, match=name):
        read_disparity(tmp_path / name)


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
        (['none.npy', '--truth', 'TRUTH'], ['no disparity file none.npy']),
        (['small.npy', '--truth', 'truth.exr'], ['no disparity file truth.exr']),
        ([], ['CONTENDER', '--help']),
    ],
)
def test_mistakes_are_told_in_one_sentence(pair, tmp_path, words, parts):
    np.save(tmp_path / 'small.npy', MAP)
    given = [pair.truth if word == 'TRUTH' else word for word in words]
    expect_one_sentence(depth_ros('compare', *given, cwd=tmp_path), *parts)
