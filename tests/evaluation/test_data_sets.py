"""Which sets a data folder has, and how measured depth is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.errors import InputError
from depth_ros.evaluation.data_sets import DataSet, find_sets
from depth_ros.evaluation.tables import markdown_table, number, percent

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


def test_a_table_has_dashes_for_what_is_not_known() -> None:
    text = markdown_table(('a', 'b'), [[number(float('nan'), digits=2), percent(0.1234)]])
    assert text == '| a | b |\n| --- | --- |\n| - | 12.3 |'
