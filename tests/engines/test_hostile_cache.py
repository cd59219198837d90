"""Pipes and devices where the cache has its files, and users without a home."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import depth_ros
from depth_ros.cli.main import main
from depth_ros.engines.build_monitor import BuildTimes
from depth_ros.engines.cache import CacheKey, EngineCache
from depth_ros.engines.checks.gate import RefusalMemory
from depth_ros.errors import ArtifactError, DepthRosError, EngineError
from depth_ros.files.share import cache_root

KEY = CacheKey(
    name='toy', onnx_sha256='a', runtime='toy', version='1', precision='f32', device='toy'
)


def build(folder: Path) -> dict[str, object]:
    (folder / 'plan').write_bytes(b'engine')
    return {}


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to('/dev/zero')


KINDS = pytest.mark.parametrize('replace', [pipe, device])


@KINDS
@pytest.mark.parametrize('name', ['plan', 'entry.json'])
def test_a_file_of_the_cache_is_no_file(
    name: str, replace: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = EngineCache(tmp_path).obtain(KEY, build)
    replace(folder / name)
    with pytest.raises(ArtifactError, match=r'a (pipe|device).*rm -r'):
        EngineCache(tmp_path).obtain(KEY, build)


def test_a_lock_is_a_pipe(tmp_path: Path) -> None:
    (tmp_path / 'locks').mkdir()
    pipe(tmp_path / 'locks' / f'{KEY.folder}.lock')
    with pytest.raises(EngineError, match='cannot be written'):
        EngineCache(tmp_path).obtain(KEY, build)


@KINDS
def test_memory_of_the_cache_that_is_no_file_counts_as_empty(
    replace: Callable[[Path], None], tmp_path: Path
) -> None:
    cache = EngineCache(tmp_path)
    replace(tmp_path / 'build_times.json')
    assert BuildTimes(cache).expected_s('building') is None
    memory = RefusalMemory(tmp_path)
    memory.folder.mkdir()
    replace(memory.folder / f'{KEY.folder}.json')
    assert memory.recall(KEY) == ''


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without an entry, as ``docker run --user 1234`` has it, and no HOME."""
    for name in ('HOME', 'XDG_CACHE_HOME', 'DEPTH_ROS_CACHE'):
        monkeypatch.delenv(name, raising=False)

    def nobody(_: object) -> pwd.struct_passwd:
        raise KeyError('uid not found')

    monkeypatch.setattr(pwd, 'getpwuid', nobody)


@pytest.mark.usefixtures('homeless')
def test_without_a_home_the_cache_is_asked_for() -> None:
    with pytest.raises(DepthRosError, match='DEPTH_ROS_CACHE'):
        cache_root()


@pytest.mark.usefixtures('homeless')
def test_without_a_home_classical_models_work() -> None:
    grey = np.zeros((48, 64, 3), np.uint8)
    camera = depth_ros.ideal_camera(fx=50.0, fy=50.0, cx=31.5, cy=23.5, height=48, width=64)
    rig = depth_ros.stereo_camera(camera, camera, baseline_m=0.1)
    with depth_ros.open_stereo(model='sgbm') as stereo:
        assert stereo(grey, grey, rig).depth.shape == (48, 64)


@pytest.mark.usefixtures('homeless')
@pytest.mark.parametrize('words', [['info'], ['weights', 'list']])
def test_without_a_home_commands_say_one_sentence(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(words)
    printed = capsys.readouterr()
    assert (code == 0) == (words == ['info'])
    assert 'set DEPTH_ROS_CACHE' in printed.out + printed.err
    assert 'Traceback' not in printed.err


@pytest.mark.usefixtures('homeless')
def test_with_a_cache_of_its_own_a_user_needs_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path))
    assert main(['info']) == 0
