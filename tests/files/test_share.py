"""Data is found in the checkout and in installed copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.errors import DepthRosError
from depth_ros.files import share
from tests.kit.shared_data import REPOSITORY


def test_checkout_serves_its_own_recipes() -> None:
    assert share.share_path('engines/crestereo.yaml').is_file()


def test_named_folder_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / 'engines').mkdir()
    own = tmp_path / 'engines' / 'crestereo.yaml'
    own.write_text('')
    monkeypatch.setenv('DEPTH_ROS_SHARE', str(tmp_path))
    assert share.share_path('engines/crestereo.yaml') == own


@pytest.mark.parametrize('kind', ['prefix', 'ament', 'own prefix'])
def test_installed_copies_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """The module is made to believe it lies in another prefix's site-packages."""
    package = tmp_path / 'ws' / 'lib' / 'python3' / 'site-packages' / 'depth_ros'
    monkeypatch.setattr(share, '__file__', str(package / 'files' / 'share.py'))
    prefix = tmp_path / 'ws' if kind == 'own prefix' else tmp_path / 'other'
    if kind == 'prefix':
        monkeypatch.setattr(share.sys, 'prefix', str(prefix))
    if kind == 'ament':
        monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path / "first"}:{prefix}')
    installed = prefix / 'share' / 'depth_ros' / 'config'
    installed.mkdir(parents=True)
    (installed / 'only_here.yaml').write_text('')
    assert share.share_path('config/only_here.yaml') == installed / 'only_here.yaml'
    assert REPOSITORY not in share.share_roots()


def test_absent_data_names_the_folders_and_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('DEPTH_ROS_SHARE', str(tmp_path))
    assert share.find_share('engines/absent.yaml') is None
    with pytest.raises(DepthRosError) as caught:
        share.share_path('engines/absent.yaml')
    assert str(tmp_path) in str(caught.value) and 'DEPTH_ROS_SHARE' in str(caught.value)
