"""The cache: built once, whole or absent, verified before use, whatever gets killed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from depth_ros.engines import cache as cache_module
from depth_ros.engines.cache import CacheKey, EngineCache
from depth_ros.errors import ArtifactError, EngineError
from depth_ros.files.share import cache_root
from tests.kit.child_environment import child_environment

KEY = CacheKey(
    name='toy-12x20',
    onnx_sha256='a' * 64,
    runtime='toy',
    version='1.0',
    precision='f32',
    device='toy device',
    options={'num_threads': '2'},
)
PAYLOAD = b'a compiled engine'
CHECK = {'disparity': {'mean': 0.25}}
WAIT_S = 30.0

PROGRAM = """
import os, sys, time
from pathlib import Path
from depth_ros.engines.cache import CacheKey, EngineCache
root, log, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
key = CacheKey(name='toy-12x20', onnx_sha256='a' * 64, runtime='toy', version='1.0',
               precision='f32', device='toy device', options={'num_threads': '2'})
def build(folder):
    with log.open('a') as file:
        file.write('build\\n')
    (folder / 'plan').write_bytes(b'a compiled')
    if mode == 'hang':
        log.with_suffix('.ready').touch()
        time.sleep(600)
    time.sleep(0.3)
    (folder / 'plan').write_bytes(b'a compiled engine')
    return {'disparity': {'mean': 0.25}}
folder = EngineCache(root).obtain(key, build)
print((folder / 'plan').read_bytes().decode())
"""


def start(root: Path, log: Path, mode: str) -> subprocess.Popen[str]:
    environment = child_environment()
    return subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(root), str(log), mode],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while not path.exists():
        assert time.monotonic() < deadline, f'{path} never appeared'
        time.sleep(0.01)


def build(folder: Path) -> dict[str, object]:
    (folder / 'plan').write_bytes(PAYLOAD)
    return dict(CHECK)


def refuse(folder: Path) -> dict[str, object]:
    raise AssertionError('must not be built again')


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / 'cache')


def test_builds_once_and_remembers_the_check(cache: EngineCache) -> None:
    folder = cache.obtain(KEY, build)
    assert cache.obtain(KEY, refuse) == folder
    assert (folder / 'plan').read_bytes() == PAYLOAD
    assert json.loads((folder / 'entry.json').read_text())['check'] == CHECK


@pytest.mark.parametrize(
    'change',
    [
        {'onnx_sha256': 'b' * 64},
        {'version': '1.1'},
        {'precision': 'bf16'},
        {'device': 'another CPU'},
        {'runtime': 'other'},
        {'options': {'num_threads': '3'}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_in_the_key_matters(cache: EngineCache, change: dict) -> None:
    first = cache.obtain(KEY, build)
    second = cache.obtain(replace(KEY, **change), build)
    assert first != second


def test_failed_build_leaves_nothing_and_can_be_repeated(cache: EngineCache) -> None:
    def fail(folder: Path) -> dict[str, object]:
        build(folder)
        raise ArtifactError('out of tolerance')

    with pytest.raises(ArtifactError, match='out of tolerance'):
        cache.obtain(KEY, fail)
    assert list((cache.root / 'engines').iterdir()) == []
    assert cache.obtain(KEY, build).is_dir()


def test_folder_gets_its_name_only_when_all_is_on_the_disk(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power may fail between any two flushes: the final name must not exist before the last."""
    final = cache.root / 'engines' / KEY.folder
    flushed: list[tuple[str, bool]] = []

    def note(path: Path) -> None:
        flushed.append((path.name, final.exists()))

    monkeypatch.setattr(cache_module, 'flush_path', note)
    cache.obtain(KEY, build)
    assert [name for name, _ in flushed[:2]] in (['plan', 'entry.json'], ['entry.json', 'plan'])
    assert [is_final for _, is_final in flushed] == [False, False, False, True]
    assert flushed[-1][0] == 'engines'


def test_full_disk_is_an_error_with_a_remedy(cache: EngineCache) -> None:
    def fill(folder: Path) -> dict[str, object]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(EngineError, match=r'No space left.*DEPTH_ROS_CACHE'):
        cache.obtain(KEY, fill)
    assert list((cache.root / 'engines').iterdir()) == []


def test_cache_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(EngineError, match='DEPTH_ROS_CACHE'):
        EngineCache(tmp_path / 'file').obtain(KEY, build)


def test_changed_payload_names_both_hashes_and_the_remedy(cache: EngineCache) -> None:
    folder = cache.obtain(KEY, build)
    (folder / 'plan').write_bytes(b'another engine')
    with pytest.raises(ArtifactError) as caught:
        cache.obtain(KEY, refuse)
    text = str(caught.value)
    assert text.count('SHA-256') == 1 and f"rm -r '{folder}'" in text
    record = json.loads((folder / 'entry.json').read_text())
    assert record['files']['plan'] in text


@pytest.mark.parametrize('damage', ['remove', 'add', 'sidecar', 'garbage', 'no sidecar'])
def test_damaged_folders_are_refused(cache: EngineCache, damage: str) -> None:
    folder = cache.obtain(KEY, build)
    entry = folder / 'entry.json'
    if damage == 'remove':
        (folder / 'plan').unlink()
    elif damage == 'add':
        (folder / 'more').touch()
    elif damage == 'sidecar':
        entry.write_text(entry.read_text().replace('0.25', '0.0'))
    elif damage == 'garbage':
        entry.write_text('[1]')
    else:
        entry.unlink()
    with pytest.raises(ArtifactError, match='rm -r'):
        cache.obtain(KEY, refuse)


def test_folder_of_another_key_is_refused(cache: EngineCache) -> None:
    folder = cache.obtain(KEY, build)
    other = replace(KEY, version='2.0')
    folder.rename(folder.parent / other.folder)
    with pytest.raises(ArtifactError, match=r"'1\.0'.*asked for.*'2\.0'"):
        cache.obtain(other, refuse)


def test_two_processes_build_once(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    builders = [start(tmp_path / 'cache', log, 'build') for _ in range(2)]
    outputs = [builder.communicate(timeout=WAIT_S)[0] for builder in builders]
    assert [output.strip() for output in outputs] == [PAYLOAD.decode()] * 2
    assert log.read_text() == 'build\n'


def test_two_threads_build_once(cache: EngineCache) -> None:
    builds: list[int] = []

    def slow(folder: Path) -> dict[str, object]:
        builds.append(1)
        time.sleep(0.1)
        return build(folder)

    threads = [threading.Thread(target=cache.obtain, args=(KEY, slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WAIT_S)
    assert builds == [1]


def test_killed_builder_leaves_nothing_and_frees_the_lock(tmp_path: Path) -> None:
    root, log = tmp_path / 'cache', tmp_path / 'log'
    builder = start(root, log, 'hang')
    try:
        wait_for(log.with_suffix('.ready'))
    finally:
        builder.send_signal(signal.SIGKILL)
        builder.communicate(timeout=WAIT_S)
    engines = root / 'engines'
    assert not (engines / KEY.folder).exists()
    assert len(list(engines.iterdir())) == 1, 'the half-written folder has a hidden name'
    folder = EngineCache(root, lock_timeout_s=5).obtain(KEY, build)
    assert (folder / 'plan').read_bytes() == PAYLOAD
    assert list(engines.iterdir()) == [folder], 'the half-written folder is swept away'


def test_lock_held_too_long_says_who_and_what_to_do(tmp_path: Path) -> None:
    root, log = tmp_path / 'cache', tmp_path / 'log'
    builder = start(root, log, 'hang')
    try:
        wait_for(log.with_suffix('.ready'))
        with pytest.raises(EngineError, match=r'another process.*toy-12x20.*fuser -v .*\.lock'):
            EngineCache(root, lock_timeout_s=0.2).obtain(KEY, build)
    finally:
        builder.kill()
        builder.communicate(timeout=WAIT_S)


def test_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'own'))
    assert cache_root() == tmp_path / 'own'
    monkeypatch.delenv('DEPTH_ROS_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache_root() == tmp_path / 'xdg' / 'depth_ros'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert cache_root() == tmp_path / '.cache' / 'depth_ros'
