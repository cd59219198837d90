"""``depth-ros run match``: what it writes and what it refuses."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.pictures.panels import write_picture
from tests.kit.cli_process import depth_ros, expect_one_sentence
from tests.kit.match_scenes import shifted_pair

SHIFT = (24, 16)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('match')
    pair = shifted_pair(0, 200, 280, SHIFT)
    paths = folder / 'a.png', folder / 'b.png'
    for path, image in zip(paths, (pair.first, pair.second), strict=True):
        write_picture(path, image)
    return paths


def run(files, output, *more):
    return main(['run', 'match', *map(str, files), '-o', str(output), *more])


@pytest.mark.parametrize('model', ['sift', 'orb'])
def test_matches_picture_and_record_are_written(files, tmp_path, model, capsys):
    assert run(files, tmp_path / 'new', '--model', model, '--max-matches', '200') == 0
    arrays = np.load(tmp_path / 'new' / 'a_b_matches.npz')
    moved = arrays['points_first'] - arrays['points_second']
    assert len(moved) == 200
    np.testing.assert_allclose(np.median(moved, axis=0), SHIFT, atol=0.5)
    assert arrays['inliers'].mean() > 0.8
    corner = arrays['homography'] @ (100, 100, 1)
    np.testing.assert_allclose(corner[:2] / corner[2], (76, 84), atol=0.5)
    record = json.loads((tmp_path / 'new' / 'a_b_matches.json').read_text())
    assert record['num_matches'] == 200 and record['num_found'] > 200
    assert record['status'] == 'ok' and record['first']['file'].endswith('a.png')
    picture = cv2.imread(str(tmp_path / 'new' / 'a_b_matches.png'))
    assert picture.shape == (200, 560, 3)
    line = capsys.readouterr().out.splitlines()[0]
    assert model in line and 'hold' in line


def test_a_calibration_gives_the_pose(pair, tmp_path):
    words = ['--calibration', str(pair.calibration), '--max-matches', '0']
    assert run((pair.left, pair.right), tmp_path, *words) == 0
    arrays = np.load(tmp_path / 'room_left_room_right_matches.npz')
    pose = arrays['second_from_first']
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=0.03)
    np.testing.assert_allclose(pose[:3, 3], (-1, 0, 0), atol=0.25)
    assert arrays['covariance'].shape == (6, 6)


def test_masks_are_read(files, tmp_path):
    mask = np.zeros((200, 280, 3), np.uint8)
    mask[:, :140] = 255
    write_picture(tmp_path / 'mask.png', mask)
    assert run(files, tmp_path, '--first-mask', str(tmp_path / 'mask.png')) == 0
    assert np.load(tmp_path / 'a_b_matches.npz')['points_first'][:, 0].max() < 140


def test_a_photograph_is_no_mask(files, tmp_path, capsys):
    photograph = np.zeros((200, 280, 3), np.uint8)
    photograph[5, 5] = 1, 2, 3
    write_picture(tmp_path / 'photograph.png', photograph)
    assert run(files, tmp_path, '--first-mask', str(tmp_path / 'photograph.png')) == 2
    said = capsys.readouterr().err
    assert 'photograph.png must be grey' in said and 'has colours' in said


def test_the_cap_and_identical_images_are_told(files, tmp_path, capsys):
    assert run((files[0], files[0]), tmp_path, '--max-matches', '5') == 0
    said = capsys.readouterr().out
    assert '--max-matches keeps the best 5, raise it to 8 or more' in said
    assert 'both images are identical' in said
    assert run(files, tmp_path, '--max-matches', '0') == 0
    said = capsys.readouterr().out
    assert '--max-matches' not in said and 'are identical' not in said


def test_blank_images_are_a_result(tmp_path):
    blank = tmp_path / 'blank.png'
    write_picture(blank, np.full((60, 80, 3), 90, np.uint8))
    assert run((blank, blank), tmp_path) == 0
    record = json.loads((tmp_path / 'blank_blank_matches.json').read_text())
    assert record['status'] == 'too_few' and record['num_matches'] == 0


def test_wrong_words_end_in_one_sentence(files, tmp_path):
    outcome = depth_ros('run', 'match', files[0], tmp_path / 'c.png', cwd=tmp_path)
    expect_one_sentence(outcome, 'c.png', 'check the path')


@pytest.mark.parametrize(
    'words, part',
    [
        (['--model', 'surf'], 'surf'),
        (['--engine', 'tpu'], 'tpu'),
        (['--max-matches', '-3'], '--max-matches must be within 0..'),
        (['--model', 'loftr', '--variant', 'mars'], 'mars'),
        (['--model', 'loftr', '--weights', 'nowhere.ckpt'], 'nowhere.ckpt'),
        (['--first-mask', 'nowhere.png'], 'nowhere.png'),
    ],
)
def test_what_cannot_be_is_refused(files, tmp_path, words, part, capsys):
    assert run(files, tmp_path, *words) == 2
    error = capsys.readouterr().err
    assert part in error and len(error.strip().splitlines()) == 1
