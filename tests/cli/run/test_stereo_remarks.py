"""What ``depth-ros run stereo`` takes for outdated, and what it remarks on hints and sizes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.tasks.stereo.shown import read_mask
from tests.cli.conftest import PairOnDisk
from tests.kit.shared_data import shared_path

HINTS = ('--hints', 'depth_topic', '--hint-depth')
ASCII_PLY = """ply
format ascii 1.0
element vertex 1
property float x
property float y
property float z
end_header
0 0 2
"""


def run(pair: PairOnDisk, out: Path, *words: object) -> int:
    files = (pair.left, pair.right, '--calibration', pair.calibration, '-o', out)
    return main(['run', 'stereo', *map(str, files), *map(str, words)])


def summary_of(out: Path) -> dict:
    return json.loads((out / 'summary.json').read_text())


def test_another_unit_and_another_mask_are_done_again(pair: PairOnDisk, tmp_path: Path) -> None:
    out, hint, mask = tmp_path / 'out', tmp_path / 'hint.png', tmp_path / 'mask.png'
    cv2.imwrite(str(hint), np.rint(pair.view.left.depth * 10_000).astype(np.uint16))
    cv2.imwrite(str(mask), np.full((60, 96), 255, np.uint8))
    words = (*HINTS, hint, '--mask', mask, '--write', 'disparity', '--min-confidence', 0)
    run(pair, out, *words)
    assert summary_of(out)['hint_used'] == 0.0
    assert run(pair, out, *words, '--hint-unit-m', 0.0001) == 0
    assert (summary_of(out)['skipped'], summary_of(out)['hint_used'] > 0.5) == (0, True)
    assert run(pair, out, *words, '--hint-unit-m', 0.0001) == 0
    assert summary_of(out)['skipped'] == 1
    half = np.full((60, 96), 255, np.uint8)
    half[:, :48] = 0
    cv2.imwrite(str(mask), half)
    assert run(pair, out, *words, '--hint-unit-m', 0.0001) == 0
    assert summary_of(out)['skipped'] == 0
    assert np.isnan(np.load(out / 'room_left_disparity.npy')[:, :96]).all()


@pytest.mark.parametrize(
    ('spoil', 'sentence'),
    [
        (lambda depth, disparity: depth * 1000, 'are these millimetres?'),
        (lambda depth, disparity: disparity, 'is this disparity in pixels?'),
        (lambda depth, disparity: np.full_like(depth, np.nan), 'hold no depth above 0'),
        (lambda depth, disparity: -depth, 'hold no depth above 0'),
    ],
)
def test_hints_that_are_left_out_are_told_with_a_cause(
    pair: PairOnDisk, tmp_path: Path, capsys: pytest.CaptureFixture, spoil, sentence: str
) -> None:
    hint = tmp_path / 'hint.npy'
    np.save(hint, spoil(pair.view.left.depth, pair.view.left_disparity).astype(np.float32))
    run(pair, tmp_path / 'out', *HINTS, hint, '--min-confidence', 0, '--write', 'disparity')
    told = capsys.readouterr().err
    assert 'hints of room_left were left out' in told and sentence in told
    assert json.loads((tmp_path / 'out' / 'room_left.json').read_text())['hint_used'] == 0.0


@pytest.mark.parametrize(
    ('unit', 'suffix', 'sentence'),
    [
        ('-1', '.png', 'must be 1e-06 to 1 m a step'),
        ('nan', '.png', 'must be 1e-06 to 1 m a step'),
        ('1000', '.png', 'must be 1e-06 to 1 m a step'),
        ('0.001', '.npy', 'for 16-bit images'),
    ],
)
def test_units_that_nothing_has_are_refused(
    pair: PairOnDisk,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    unit: str,
    suffix: str,
    sentence: str,
) -> None:
    hint = tmp_path / f'hint{suffix}'
    np.save(tmp_path / 'hint.npy', pair.view.left.depth)
    assert run(pair, tmp_path / 'out', *HINTS, hint, f'--hint-unit-m={unit}') == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize('suffix', ['.npz', '.png', '.ply'])
def test_other_files_as_hints_are_told_what_is_taken(
    pair: PairOnDisk, tmp_path: Path, capsys: pytest.CaptureFixture, suffix: str
) -> None:
    hint = tmp_path / f'hint{suffix}'
    np.savez(tmp_path / 'hint.npz', depth=pair.view.left.depth)
    cv2.imwrite(str(tmp_path / 'hint.png'), np.full((24, 32, 3), 9, np.uint8))
    (tmp_path / 'hint.ply').write_text(ASCII_PLY)
    assert run(pair, tmp_path / 'out', *HINTS, hint) == 2
    told = capsys.readouterr().err
    assert 'give a .npy (H, W) of floats in metres' in told and 'docs/cli.md shows how' in told


def test_metres_need_a_calibration(
    pair: PairOnDisk, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    np.save(tmp_path / 'hint.npy', pair.view.left.depth)
    words = [pair.left, pair.right, '-o', tmp_path / 'out', *HINTS, tmp_path / 'hint.npy']
    assert main(['run', 'stereo', *map(str, words)]) == 2
    assert '--hint-depth is in metres' in capsys.readouterr().err


def test_nothing_known_is_no_success(
    pair: PairOnDisk, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    mask = tmp_path / 'mask.png'
    cv2.imwrite(str(mask), np.zeros((60, 96), np.uint8))
    assert run(pair, tmp_path / 'out', '--model', 'sgbm', '--mask', mask) == 2
    told = capsys.readouterr().err
    assert 'no pixel of room_left is known' in told and f'mask {mask}' in told
    words = ('--model', 'sgbm', '--mask', mask, '--min-confidence', '0.9', '--overwrite')
    assert run(pair, tmp_path / 'out', *words) == 2
    assert (
        'min_confidence 0.9 leaves out what is less sure; 0 keeps all' in capsys.readouterr().err
    )


def test_tiny_and_tall_images_and_previous_of_one_pair(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2000, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'l.png'), noise[:, :24])
    cv2.imwrite(str(tmp_path / 'r.png'), noise[:, 4:28])
    words = [tmp_path / 'l.png', tmp_path / 'r.png', '-o', tmp_path / 'out']
    words += ['--hints', 'previous', '--min-confidence', 0, '--write', 'disparity']
    main(['run', 'stereo', *map(str, words)])
    told = capsys.readouterr().err
    assert 'field of view' not in told
    assert 'l is 24x2000, below 64 px a side' in told
    assert 'previous of a single pair are none' in told


def test_masks_have_any_bits_and_an_alpha(tmp_path: Path) -> None:
    deep = np.array([[0, 1, 255, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / 'deep.png'), deep)
    assert read_mask(str(tmp_path / 'deep.png')).tolist() == [[False, True, True, True]]
    clear = np.array([[[9, 9, 9, 0], [9, 9, 9, 255], [0, 0, 0, 255]]], np.uint8)
    cv2.imwrite(str(tmp_path / 'clear.png'), clear)
    assert read_mask(str(tmp_path / 'clear.png')).tolist() == [[False, True, False]]


def test_what_the_calibration_calls_useful_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared_path('data/oakd_stereo')
    words = ['run', 'stereo', str(folder), '-o', str(tmp_path), '--model', 'sgbm']
    words += ['--calibration', str(folder / 'stereodemo_calibration.json'), '--write', 'depth']
    told = 'useful by the calibration: 1 to 5 m, columns 0% to 95%, rows 4% to 100%;'
    assert main(words) == 0
    assert capsys.readouterr().err.count(told) == 1
    assert main([*words, '--no-calibrated-limits']) == 0
    assert told not in capsys.readouterr().err
