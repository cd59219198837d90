"""``depth-ros evaluate stereo FOLDER`` on tiny rendered pairs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from depth_ros.cli.evaluate.stereo_folder import truth_remark
from depth_ros.cli.main import main
from depth_ros.files.maps import read_disparity
from tests.kit.stereo_truth_folders import LAYOUTS, SIZE, plain, rendered

PARTS = (
    'all',
    'visible',
    'occluded',
    'near edges',
    'off edges',
    'far from edges',
    'textured',
    'plain',
)


def evaluate(*words: object) -> int:
    return main(['evaluate', 'stereo', *map(str, words)])


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp('plain')
    plain(place, rendered())
    return place


def test_sgbm_raw_and_filled_side_by_side(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    json_file, pictures = tmp_path / 'figures.json', tmp_path / 'pictures'
    words = ('--model', 'sgbm', '--json', json_file, '--pictures', pictures)
    assert evaluate(folder, *words) == 0
    shown = capsys.readouterr()
    assert '1 pairs laid out as plain' in shown.err
    assert '| sgbm filled |' in shown.out and 'bad-2 % by parts' in shown.out
    rows = json.loads(json_file.read_text())
    everywhere = {row['method']: row['figures'] for row in rows if row['part'] == 'all'}
    assert everywhere['sgbm filled']['density'] == 1.0 > everywhere['sgbm']['density']
    assert everywhere['sgbm']['bad2'] < 0.1
    hidden = next(r for r in rows if (r['method'], r['part']) == ('sgbm filled', 'occluded'))
    assert 0 < hidden['figures']['num_pixels'] < everywhere['sgbm filled']['num_pixels']
    assert sorted(path.name for path in pictures.iterdir()) == [
        '0001_sgbm.png',
        '0001_sgbm_filled.png',
    ]


@pytest.mark.parametrize('layout', LAYOUTS)
def test_every_layout_is_judged_by_parts(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write, below, word = LAYOUTS[layout]
    write(tmp_path / 'set', rendered())
    json_file = tmp_path / 'figures.json'
    words = ('--model', 'sgbm', '--json', json_file)
    assert evaluate(tmp_path / 'set' / below, *words) == 0
    assert f'1 pairs laid out as {word}' in capsys.readouterr().err
    rows = [row for row in json.loads(json_file.read_text()) if row['method'] == 'sgbm filled']
    by_part = {row['part']: row['figures'] for row in rows}
    assert tuple(by_part) == PARTS
    assert by_part['all']['density'] == 1.0 and by_part['all']['bad2'] < 0.1
    sums = [
        by_part['visible']['num_pixels'] + by_part['occluded']['num_pixels'],
        sum(by_part[part]['num_pixels'] for part in PARTS if 'edges' in part),
        by_part['textured']['num_pixels'] + by_part['plain']['num_pixels'],
    ]
    assert sums == 3 * [by_part['all']['num_pixels']]


def test_networks_are_seen_beside_filled_sgbm(folder: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip('openvino', reason='openvino is not installed')
    assert evaluate(folder, '--model', 'crestereo_tiny', '--engine', 'openvino') == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    assert [line.split('|')[1].strip() for line in lines[2:4]] == [
        'sgbm filled',
        'crestereo_tiny 240x320 openvino:f32',
    ]


@pytest.mark.parametrize(
    ('benchmark', 'layout', 'file'),
    [
        ('kitti_2015', 'kitti_2015', 'disp_0/000000_10.png'),
        ('eth3d', 'eth3d', 'low_res_two_view/room_1l.pfm'),
        ('middlebury', 'middlebury_v3', 'Room/disp0sgbm_filled.pfm'),
    ],
)
def test_submissions(benchmark: str, layout: str, file: str, tmp_path: Path) -> None:
    write, below, _ = LAYOUTS[layout]
    write(tmp_path / 'set', rendered())
    out = tmp_path / 'out'
    words = ('--model', 'sgbm', '--submit', benchmark, '--out', out)
    assert evaluate(tmp_path / 'set' / below, *words) == 0
    assert read_disparity(out / file).shape == SIZE


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['--submit', 'eth3d'], 'go together'),
        (['--limit', '-1'], '--limit must be 0'),
        (['--model', 'sgbm', 'nothing'], 'nothing'),
        (['--model', 'other.onnx'], 'needs its manifest'),
        (['--data', '.'], 'two things to judge'),
    ],
)
def test_what_does_not_go_together_is_told(
    folder: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture
) -> None:
    assert evaluate(folder, *words) == 2
    assert sentence in capsys.readouterr().err


def test_neither_a_folder_nor_data_is_told(capsys: pytest.CaptureFixture) -> None:
    assert evaluate() == 2
    assert 'give FOLDER with stereo pairs and truth, or --data' in capsys.readouterr().err
    assert evaluate('--data', '.', '--model', 'sgbm', 'crestereo_tiny') == 2
    assert 'one model at a time' in capsys.readouterr().err


def test_pairs_without_truth_are_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    plain(tmp_path, rendered())
    (tmp_path / 'truth' / '0001.pfm').unlink()
    assert evaluate(tmp_path, '--model', 'sgbm') == 2
    assert 'has truth; add --submit to write maps' in capsys.readouterr().err


def test_partners_and_truths_that_do_not_fit_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    plain(tmp_path, rendered())
    truth = read_disparity(tmp_path / 'truth' / '0001.pfm')
    np.save(tmp_path / 'truth' / '0001.npy', truth / 16)
    shutil.copy(tmp_path / 'left' / '0001.png', tmp_path / 'left' / '0002.png')
    assert evaluate(tmp_path, '--model', 'sgbm') == 0
    told = capsys.readouterr().err
    assert '1 images have no partner and are left out: 0002' in told
    assert '0001 has 2 truths, truth/0001.npy, truth/0001.pfm; truth/0001.npy is judged' in told
    assert 'is it disparity in pixels of these images (not metres' in told


def test_right_truths_are_not_doubted(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert evaluate(folder, '--model', 'sgbm') == 0
    told = capsys.readouterr().err
    assert not any(word in told for word in ('is it disparity', 'no partner', 'truths'))
    assert truth_remark('x', 30.0, [20.0, 40.0]) == '' == truth_remark('x', float('nan'), [2.0])
    assert 'median of 7.68e+03 px' in truth_remark('x', 7680.0, [30.0])


def test_the_help_says_that_all_pixels_are_judged(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        evaluate('--help')
    assert 'default 0 judges all' in ' '.join(capsys.readouterr().out.split())
