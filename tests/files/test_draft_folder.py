"""Folders that are being made: nothing is left of them, whatever ends the work."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from depth_ros.errors import ParameterError
from depth_ros.files.draft_folder import draft_folder, remove_drafts
from depth_ros.files.given_path import given_path


def test_a_draft_that_gets_its_name_stays_and_any_other_goes(tmp_path: Path) -> None:
    with draft_folder(tmp_path, prefix='.kept.') as folder:
        (folder / 'engine').write_text('ready')
        folder.rename(tmp_path / 'kept')
    with pytest.raises(ZeroDivisionError), draft_folder(tmp_path, prefix='.lost.') as folder:
        (folder / 'engine').write_text('half')
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ['kept']


def test_drafts_of_threads_that_still_write_can_be_removed(tmp_path: Path) -> None:
    begun, end = threading.Event(), threading.Event()

    def build() -> None:
        with draft_folder(tmp_path, prefix='.building.') as folder:
            (folder / 'engine').write_text('half')
            begun.set()
            end.wait(20.0)

    thread = threading.Thread(target=build)
    thread.start()
    assert begun.wait(20.0) and len(list(tmp_path.iterdir())) == 1
    remove_drafts()
    assert list(tmp_path.iterdir()) == []
    end.set()
    thread.join(20.0)
    remove_drafts()


def test_given_paths_know_home_folders_and_refuse_unknown_ones() -> None:
    assert given_path('~/w.pth') == Path.home() / 'w.pth'
    assert given_path('w.pth') == Path('w.pth')
    for text in ('~nobody_of_that_name/w.pth', 'w\0.pth'):
        with pytest.raises(ParameterError, match='weights'):
            given_path(text, what='weights')
