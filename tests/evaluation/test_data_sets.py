"""Which sets a data folder has, and how measured depth is read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.evaluation.data_sets import DataSet, find_sets
from depth_ros.evaluation.tables import markdown_table, number, percent
from depth_ros.files.depth import read_depth

SETS = {name: DataSet(folder=f'folder_{name}', load=lambda folder: [folder.name]) for name in 'ab'}


def test_what_is_absent_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / 'folder_b').mkdir()
    found = find_sets(tmp_path, SETS)
    assert list(found.present) == ['b'] and list(found.load('b')) == ['folder_b']
    assert found.note == f'{tmp_path} has no folder_a: left out'
    (tmp_path / 'folder_a').mkdir()
    assert find_sets(tmp_path, SETS).note == ''


@pytest.mark.parametrize(('folder', 'got'), [('', 'none of them'), ('absent', 'no such folder')])
def test_without_any_set_all_are_named(tmp_path: Path, folder: str, got: str) -> None:
    (tmp_path / 'folder_a').write_text('a file is no folder')
    with pytest.raises(InputError, match=f'folder_a, folder_b.*{got}.*--data'):
        find_sets(tmp_path / folder, SETS)


def test_depth_is_metres_and_nan(tmp_path: Path) -> None:
    path = tmp_path / 'depth.png'
    cv2.imwrite(str(path), np.array([[0, 1500], [65535, 1]], np.uint16))
    np.testing.assert_allclose(read_depth(path), [[np.nan, 1.5], [65.535, 0.001]])
    np.testing.assert_allclose(read_depth(path, unit_m=1 / 5000)[0, 1], 0.3)


@pytest.mark.parametrize('image', [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.uint16)])
def test_what_is_no_depth_is_refused(tmp_path: Path, image: np.ndarray) -> None:
    path = tmp_path / 'depth.png'
    with pytest.raises(InputError, match=r'depth\.png.*no image'):
        read_depth(path)
    cv2.imwrite(str(path), image)
    with pytest.raises(InputError, match='16-bit depth PNG of one channel, got uint'):
        read_depth(path)


def test_a_table_has_dashes_for_what_is_not_known() -> None:
    text = markdown_table(('a', 'b'), [[number(float('nan'), digits=2), percent(0.1234)]])
    assert text == '| a | b |\n| --- | --- |\n| - | 12.3 |'
