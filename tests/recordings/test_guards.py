"""Results never replace inputs or strangers' files, and damage in them is noticed and mended."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from mcap.reader import McapReader, make_reader
from mcap.records import ChunkIndex

from depth_ros.errors import DepthRosError, InputError
from depth_ros.recordings import mcap_file
from depth_ros.recordings.bag_check import is_intact
from depth_ros.recordings.mcap_file import McapFile
from depth_ros.recordings.places import held, identity
from depth_ros.recordings.plan import plan_job, plan_sound
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.result_settings import SinkSettings
from depth_ros.recordings.run_job import run_plans
from tests.kit.bag_writer import write_bag
from tests.kit.job_kit import in_this_process, process
from tests.kit.plane_drive import Drive
from tests.recordings.conftest import stereo_job, without_parts


@pytest.fixture
def own_drive(drive: Path, tmp_path: Path) -> Path:
    """Return a copy that a mistake may destroy."""
    folder = tmp_path / 'in'
    folder.mkdir()
    return Path(shutil.copy(drive, folder))


@pytest.mark.parametrize('kind', ['same', 'link to the folder', 'link to the bag', 'folder'])
def test_a_result_never_replaces_its_input(own_drive: Path, tmp_path: Path, kind: str) -> None:
    bag, out = own_drive, own_drive.parent
    if kind == 'link to the folder':
        out = tmp_path / 'link'
        out.symlink_to(own_drive.parent)
    elif kind == 'link to the bag':
        out = tmp_path / 'out'
        out.mkdir()
        (out / 'drive.mcap').symlink_to(own_drive)
    elif kind == 'folder':
        bag = out = tmp_path / 'drive'
        own_drive.parent.rename(bag)
        own_drive = bag / 'drive.mcap'
    before = own_drive.read_bytes()
    with pytest.raises(InputError, match=r'would replace the input .*name another --out'):
        process(stereo_job(), bag, out)
    assert own_drive.read_bytes() == before
    assert not (out / 'parts').exists()


def test_a_sink_never_deletes_the_folder_of_its_input(own_drive: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'out/drive.files'
    folder.mkdir(parents=True)
    bag = own_drive.rename(folder / 'drive.mcap')
    with pytest.raises(InputError, match='would replace the input'):
        process(stereo_job(), bag, tmp_path / 'out')
    assert bag.exists()


def test_addresses_of_one_object_are_one() -> None:
    pytest.importorskip('fsspec', reason='fsspec is not installed')
    assert identity('memory://fleet/a//b/../drive.mcap') == identity('memory://fleet/a/drive.mcap')
    assert identity('memory://fleet/a') != identity('memory://fleet/b')
    assert identity('file:///etc/../etc/hosts') == identity('/etc/hosts')


def test_an_object_never_replaces_its_input(drive: Path) -> None:
    fsspec = pytest.importorskip('fsspec', reason='fsspec is not installed')
    fsspec.filesystem('memory').pipe('/guards/drive.mcap', drive.read_bytes())
    with pytest.raises(InputError, match='would replace the input'):
        process(stereo_job(), 'memory://guards/drive.mcap', 'memory://guards')


@pytest.mark.parametrize('name', ['drive.mcap', 'drive.json', 'drive.ply', 'drive.files/a.png'])
def test_the_files_of_strangers_stay(drive: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b'{"mine": 1}')
    with pytest.raises(InputError, match=r'no job is known to have written it.*move it away'):
        process(stereo_job(), drive, tmp_path)
    assert path.read_bytes() == b'{"mine": 1}'


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize('damage', [cut, flipped, Path.unlink])
@pytest.mark.parametrize(
    'pattern',
    ['drive.mcap', 'drive.ledger.jsonl', 'drive.figures.jsonl', 'drive.json', 'drive.files'],
)
def test_a_damaged_result_is_made_again(tmp_path: Path, damage, pattern: str) -> None:
    bag = Drive(num_frames=3, without=[('right', 1)]).write(tmp_path / 'drive.mcap')
    job, out = replace(stereo_job(), sinks=SinkSettings(files=True)), tmp_path / 'out'
    process(job, bag, out)
    before = without_parts(out)
    target = out / pattern
    if target.is_dir():
        target = next(path for path in sorted(target.rglob('*')) if path.is_file())
    content = target.read_bytes()
    damage(target)
    result = process(job, bag, out)
    assert result.made_before == result.made == 2
    assert target.read_bytes() == content
    assert without_parts(out) == before


@pytest.mark.parametrize('damage', [cut, flipped])
def test_a_damaged_part_is_made_again(drive: Path, tmp_path: Path, damage) -> None:
    process(stereo_job(), drive, tmp_path)
    before = without_parts(tmp_path)
    part = sorted((tmp_path / 'parts').glob('*.mcap'))[1]
    content = part.read_bytes()
    damage(part)
    result = process(stereo_job(), drive, tmp_path)
    assert 0 < result.made_before < result.made == 8
    assert part.read_bytes() == content
    assert without_parts(tmp_path) == before


def test_every_byte_of_a_part_counts(tmp_path: Path) -> None:
    bag = Drive(num_frames=1).write(tmp_path / 'drive.mcap')
    process(stereo_job(), bag, tmp_path / 'out')
    (part,) = (tmp_path / 'out/parts').glob('*.mcap')
    data = part.read_bytes()
    assert is_intact(str(part))
    for place in range(0, len(data) - 8, max(1, len(data) // 97)):
        part.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert not is_intact(str(part)), place
    for length in (0, 7, 30, len(data) - 1):
        part.write_bytes(data[:length])
        assert not is_intact(str(part)), length


def test_checksums_are_those_of_the_format(drive: Path, tmp_path: Path) -> None:
    """The reader of the package mcap computes them itself."""
    from mcap.reader import NonSeekingReader
    from mcap.stream_reader import CRCValidationError

    process(stereo_job(), drive, tmp_path)
    num_messages = 0
    for path in (tmp_path / 'drive.mcap', *(tmp_path / 'parts').glob('*.mcap')):
        with path.open('rb') as file:
            num_messages += len(list(NonSeekingReader(file, validate_crcs=True).iter_messages()))
    assert num_messages == 2 * 2 * 8
    data = bytearray((tmp_path / 'drive.mcap').read_bytes())
    data[30] ^= 1  # within the head, which no chunk's checksum covers
    (tmp_path / 'drive.mcap').write_bytes(data)
    with (tmp_path / 'drive.mcap').open('rb') as file, pytest.raises(CRCValidationError):
        list(NonSeekingReader(file, validate_crcs=True).iter_messages())


@pytest.mark.parametrize('data', [b'', b'\x89', b'\x89MCAP0\r', b'\x89MCAP0\r\n'])
def test_files_of_few_bytes_are_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / 'short.mcap'
    path.write_bytes(data)
    with pytest.raises(InputError, match='is too short for an MCAP file') as caught:
        McapFile(str(path))
    assert '()' not in str(caught.value)
    assert 'struct' not in str(caught.value)


def test_a_recording_of_topics_alone_holds_no_messages(tmp_path: Path) -> None:
    topics = [('/left/image_rect', 'sensor_msgs/msg/Image')]
    bag = write_bag(tmp_path / 'topics', [], storage='mcap', also=topics)
    with pytest.raises(InputError, match='topics holds no messages'):
        Recording(str(bag))


def without_indexes(index: ChunkIndex) -> None:
    index.message_index_offsets.clear()


def of_unknown_topic(index: ChunkIndex) -> None:
    index.message_index_offsets[999] = index.chunk_start_offset + index.chunk_length


def behind_the_end(index: ChunkIndex) -> None:
    index.chunk_length = 1 << 62


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (without_indexes, 'has no message indexes; type: mcap compress'),
        (of_unknown_topic, 'is no whole MCAP file; type: mcap recover'),
        (behind_the_end, 'is no whole MCAP file .a chunk ends at byte .*; type: mcap recover'),
    ],
)
def test_an_index_that_lies_leaves_out_its_recording_alone(
    drive: Path, tmp_path: Path, monkeypatch, damage: Callable[[ChunkIndex], None], words: str
) -> None:
    bad = tmp_path / 'bad.mcap'
    shutil.copy(drive, bad)

    def altered(stream: BinaryIO) -> McapReader:
        reader = make_reader(stream)
        if stream.name == str(bad):
            summary = reader.get_summary()
            for index in summary.chunk_indexes:
                damage(index)
            monkeypatch.setattr(reader, 'get_summary', lambda: summary)
        return reader

    monkeypatch.setattr(mcap_file, 'make_reader', altered)
    plans, refused = plan_sound(stereo_job(), [str(bad), str(drive)])
    assert [plan.bag for plan in plans] == [str(drive)]
    assert re.search(words, str(refused[str(bad)]))


def test_two_jobs_never_write_into_one_folder(drive: Path, tmp_path: Path) -> None:
    pytest.importorskip('fcntl', reason='locks are those of POSIX')
    with held(str(tmp_path / 'parts')), pytest.raises(DepthRosError, match='another depth-ros'):
        process(stereo_job(), drive, tmp_path)
    assert process(stereo_job(), drive, tmp_path).made == 8


def test_a_task_without_any_output_says_why(tmp_path: Path) -> None:
    bag = Drive(num_frames=3, without=[('right', number) for number in (0, 1)]).write(
        tmp_path / 'some.mcap'
    )
    assert process(stereo_job(), bag, tmp_path / 'some').empty == {}

    def unknown(message) -> None:
        message.encoding = 'rgb7'

    changes = {('left', number): unknown for number in range(3)}
    bag = Drive(num_frames=3, changes=changes).write(tmp_path / 'none.mcap')
    job = stereo_job()
    plans = plan_job(job, [str(bag)])
    out = str(tmp_path / 'none')
    (result,) = run_plans(job, plans, out, lambda items: in_this_process(items, out))
    assert result.made == 0
    assert 'rgb7' in result.empty['stereo']
    assert json.loads((tmp_path / 'none/none.json').read_text())['made'] == 0
