"""Files by range and whole: on this machine and, through fsspec, elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from depth_ros.errors import DepthRosError, InputError
from depth_ros.recordings.mcap_file import McapFile
from depth_ros.recordings.places import (
    is_there,
    join,
    named_files,
    open_to_read,
    read_whole,
    remove,
    sweep,
    write_whole,
    written_whole,
)
from depth_ros.recordings.recording import Recording
from tests.kit.job_kit import process
from tests.recordings.conftest import stereo_job, without_parts

fsspec = pytest.importorskip('fsspec', reason='fsspec is not installed')


@pytest.fixture(params=['local', 'memory'])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == 'local':
        yield str(tmp_path)
        return
    files = fsspec.filesystem('memory')
    yield f'memory://{tmp_path.name}'
    files.rm('/', recursive=True)


def test_what_is_written_is_read_and_removed(folder: str) -> None:
    name = join(folder, 'a', 'b.bin')
    write_whole(name, b'0123456789')
    assert is_there(name)
    assert read_whole(name) == b'0123456789'
    with open_to_read(name) as file:
        file.seek(3)
        assert file.read(4) == b'3456'
    assert [Path(found).name for found in named_files(join(folder, 'a', '*.bin'))] == ['b.bin']
    remove(name)
    remove(name)
    assert not is_there(name)


def test_what_fails_half_way_leaves_the_former_file(tmp_path: Path) -> None:
    name = join(str(tmp_path), 'x.bin')
    write_whole(name, b'old')
    with pytest.raises(ZeroDivisionError), written_whole(name) as sink:
        sink.write(b'half')
        raise ZeroDivisionError
    assert read_whole(name) == b'old'


def test_what_is_not_there_is_named(folder: str) -> None:
    with pytest.raises(InputError, match=r'nope.bin cannot be'):
        open_to_read(join(folder, 'nope.bin'))
    with pytest.raises(InputError, match=r'nothing is named like'):
        named_files(join(folder, '*.mcap'))
    with pytest.raises(InputError, match='there is no bag'):
        Recording(join(folder, 'nope.mcap'))


def test_an_unknown_scheme_says_what_to_install() -> None:
    with pytest.raises(DepthRosError, match='pip install'):
        read_whole('nosuchscheme://x')


def test_only_drafts_of_dead_processes_are_swept(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    dead = tmp_path / f'.bag.{child}.part.mcap'
    alive = tmp_path / f'.bag.{os.getpid()}.part.mcap'
    other = tmp_path / 'bag.part.mcap'
    for path in (dead, alive, other):
        path.write_bytes(b'')
    sweep(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, other.name])


def test_a_job_elsewhere_gives_the_bytes_of_a_job_here(drive: Path, tmp_path: Path) -> None:
    process(stereo_job(), drive, tmp_path / 'here')
    files = fsspec.filesystem('memory')
    with files.open('memory://in/drive.mcap', 'wb') as file:
        file.write(drive.read_bytes())
    address = 'memory://in/drive.mcap'
    result = process(stereo_job(), address, 'memory://out')
    assert result.made == 8
    found = {
        name.rpartition('/')[2]: read_whole(f'memory://{name.lstrip("/")}')
        for name in files.ls('/out', detail=False)
        if files.isfile(name)
    }
    expected = without_parts(tmp_path / 'here')
    record = 'drive.json'
    assert found.pop(record).replace(address.encode(), str(drive).encode()) == expected.pop(record)
    assert found == expected
    again = process(stereo_job(), address, 'memory://out')
    assert again.made_before == 8
    files.rm('/', recursive=True)


class CountedFiles(fsspec.AbstractFileSystem):
    """Local files whose requests of ranges are noted."""

    protocol = 'counted'
    ranges: list[int] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix('counted://')

    def info(self, path: str, **_: object) -> dict[str, object]:
        path = self._strip_protocol(path)
        return {'name': path, 'size': os.path.getsize(path), 'type': 'file'}  # noqa: PTH202

    def _open(self, path: str, mode: str = 'rb', **words: object) -> object:
        words.pop('cache_options', None)
        words.pop('autocommit', None)
        return CountedFile(self, path, mode, **words)


class CountedFile(fsspec.spec.AbstractBufferedFile):
    def _fetch_range(self, start: int, end: int) -> bytes:
        CountedFiles.ranges.append(end - start)
        with open(self.path, 'rb') as file:  # noqa: PTH123
            file.seek(start)
            return file.read(end - start)


def test_a_chunk_is_one_request_and_not_the_file(tmp_path: Path) -> None:
    from tests.kit.plane_drive import Drive

    bag = Drive(num_frames=80).write(tmp_path / 'drive.mcap')
    fsspec.register_implementation('counted', CountedFiles, clobber=True)
    size = bag.stat().st_size
    assert size > 2 << 20
    CountedFiles.ranges.clear()
    with McapFile(f'counted://{bag}') as file:
        opening = list(CountedFiles.ranges)
        assert sum(opening) < size / 2
        assert len(opening) < 8
        CountedFiles.ranges.clear()
        file.messages(file.chunks[len(file.chunks) // 2])
    assert len(CountedFiles.ranges) <= 2
    assert sum(CountedFiles.ranges) < size / 4
