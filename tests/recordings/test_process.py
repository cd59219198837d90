"""A bag in, a bag out: known depth, every frame accounted for, the same bytes every time."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from depth_ros.errors import DepthRosError, InputError
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.headers import stamp_ns
from depth_ros.recordings.depth_encodings import decompressed_depth, metres
from depth_ros.recordings.mcap_file import ChunkPlace, McapFile
from depth_ros.recordings.outputs import PairOutputs
from depth_ros.recordings.plan import plan_job
from depth_ros.recordings.workshop import Workshop
from tests.kit.bag_writer import stamp, write_bag
from tests.kit.job_kit import bag_messages, json_lines, process, raw_messages
from tests.kit.plane_drive import FRAME_ID, Drive, depth_of, disparity_at, write_mcap
from tests.recordings.conftest import SGBM, stereo_job, without_parts

DEPTH = '/stereo/depth/image'


def known_depth(depth: np.ndarray) -> float:
    """Median of the part that both cameras see."""
    return float(np.nanmedian(depth[:, 32:]))


def test_depth_of_planes_has_the_stamps_and_frames_of_the_input(
    drive: Path, tmp_path: Path
) -> None:
    result = process(stereo_job(), drive, tmp_path)
    assert (result.made, result.refused) == (8, {})
    messages = [
        message for topic, _, message in bag_messages(tmp_path / 'drive.mcap') if topic == DEPTH
    ]
    for index, message in enumerate(messages):
        assert (stamp_ns(message.header.stamp), message.header.frame_id) == (
            stamp(index),
            FRAME_ID,
        )
        # SGBM is exact to 1/16 px; half of that at the nearest plane is 1 % of its depth.
        assert known_depth(decode_depth(message)) == pytest.approx(
            depth_of(disparity_at(index)), rel=0.01
        )
    assert len(messages) == 8


def test_times_of_recording_are_those_of_the_left_image(drive: Path, tmp_path: Path) -> None:
    process(stereo_job(), drive, tmp_path)
    source = [time for topic, time, _ in bag_messages(drive) if topic == '/left/image_rect']
    result = [time for topic, time, _ in bag_messages(tmp_path / 'drive.mcap') if topic == DEPTH]
    assert result == source


@pytest.mark.parametrize('frames', [1, 3, 100])
def test_messages_do_not_depend_on_where_the_recording_is_cut(
    drive: Path, tmp_path: Path, frames: int
) -> None:
    outputs = PairOutputs(
        disparity=True, points=True, confidence=True, row_error_every=3, flicker_every=3
    )
    process(stereo_job(outputs=outputs, frames=2), drive, tmp_path / 'two')
    process(stereo_job(outputs=outputs, frames=frames), drive, tmp_path / 'other')
    one, other = (raw_messages(tmp_path / name / 'drive.mcap') for name in ('two', 'other'))
    assert one == other
    figures = [(tmp_path / name / 'drive.figures.jsonl').read_text() for name in ('two', 'other')]
    assert figures[0] == figures[1]


def test_calibration_that_was_recorded_once_holds_in_every_segment(tmp_path: Path) -> None:
    bag = Drive(has_infos=False).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(), bag, tmp_path / 'out')
    assert result.made == 8


def test_every_chunk_is_read_once(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, places = McapFile.raw_chunk, []

    def noted(file: McapFile, place: ChunkPlace) -> bytes:
        places.append(place.offset)
        return read(file, place)

    monkeypatch.setattr(McapFile, 'raw_chunk', noted)
    process(stereo_job(), drive, tmp_path)
    assert len(places) == len(set(places)) > 3


def test_memory_holds_a_few_segments_and_not_the_recording(tmp_path: Path) -> None:
    bag = Drive(num_frames=60).write(tmp_path / 'drive.mcap')
    (plan,) = plan_job(stereo_job(overlap_s=0.05), [str(bag)])
    workshop = Workshop(str(tmp_path / 'out'))
    sizes = []
    for item in plan.items:
        workshop.do(item)
        assert workshop.recording is not None
        sizes.append(workshop.recording.num_cached_bytes)
    assert max(sizes) < plan.num_bytes / 4
    assert max(sizes[len(sizes) // 2 :]) <= 1.5 * max(sizes[2 : len(sizes) // 2])
    workshop.close()


def test_again_is_the_same_bytes_and_makes_nothing(drive: Path, tmp_path: Path) -> None:
    process(stereo_job(), drive, tmp_path)
    before = without_parts(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.mcap')}
    result = process(stereo_job(), drive, tmp_path)
    assert result.made_before == result.made == 8
    assert without_parts(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.mcap')} == times
    process(stereo_job(), drive, tmp_path / 'fresh')
    assert without_parts(tmp_path / 'fresh') == before


def test_a_changed_threshold_is_done_again_and_back_is_found(drive: Path, tmp_path: Path) -> None:
    first = process(stereo_job(), drive, tmp_path)
    bytes_first = (tmp_path / 'drive.mcap').read_bytes()
    nearer = replace(SGBM, max_depth_m=1.5)
    second = process(stereo_job(settings=nearer), drive, tmp_path)
    third = process(stereo_job(), drive, tmp_path)
    assert (first.made_before, second.made_before, third.made_before) == (0, 0, 8)
    assert (tmp_path / 'drive.mcap').read_bytes() == bytes_first


def test_another_image_redoes_its_segment_and_its_neighbours_alone(tmp_path: Path) -> None:
    def darker(message: SimpleNamespace) -> None:
        message.data[0] ^= 1

    plain, changed = Drive(num_frames=24), Drive(num_frames=24, changes={('left', 23): darker})
    bag = plain.write(tmp_path / 'drive.mcap')
    job = stereo_job(overlap_s=0.05)
    process(job, bag, tmp_path / 'out')
    changed.write(bag)
    again = process(job, bag, tmp_path / 'out')
    assert 16 <= again.made_before < 24


def test_images_without_a_partner_are_lines_of_the_ledger(tmp_path: Path) -> None:
    lost = [('left', 1), ('right', 4), ('right', 5)]
    bag = Drive(without=lost).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (5, {'no_partner_left': 2, 'no_partner_right': 1})
    lines = json_lines(tmp_path / 'out/drive.ledger.jsonl')
    assert {(line['topic'], line['stamp_ns']) for line in lines} == {
        ('/right/image_rect', stamp(1)),
        ('/left/image_rect', stamp(4)),
        ('/left/image_rect', stamp(5)),
    }
    num_images = sum('image' in topic for topic, _, _ in bag_messages(bag))
    assert 2 * result.made + len(lines) == num_images


def test_an_unreadable_image_is_one_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    def unknown(message: SimpleNamespace) -> None:
        message.encoding = 'rgb7'

    bag = Drive(changes={('right', 3): unknown}).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (7, {'encoding': 1})
    (line,) = json_lines(tmp_path / 'out/drive.ledger.jsonl')
    assert line['stamp_ns'] == stamp(3)
    assert 'rgb7' in line['text']


def test_images_of_a_damaged_chunk_are_lines_with_the_time_of_its_index(tmp_path: Path) -> None:
    bag = Drive().write(tmp_path / 'drive.mcap')
    sound = process(stereo_job(), bag, tmp_path / 'sound')
    damage_chunk(bag, number=1)
    result = process(stereo_job(), bag, tmp_path / 'out')
    lines = json_lines(tmp_path / 'out/drive.ledger.jsonl')
    damaged = [line for line in lines if line['reason'] == 'chunk_damaged']
    assert damaged
    assert all(line['log_ns'] > 0 and 'mcap doctor' in line['text'] for line in damaged)
    assert {line['stamp_ns'] for line in damaged} == {None}
    lefts = [line for line in lines if line['topic'] == '/left/image_rect']
    assert result.made + len(lefts) == sound.made
    images = 2 * 8
    assert 2 * result.made + len(lines) == images


def damage_chunk(bag: Path, *, number: int) -> None:
    """Flip bytes in the middle of a chunk, behind its head."""
    with McapFile(str(bag)) as file:
        place = file.chunks[number]
    data = bytearray(bag.read_bytes())
    middle = place.offset + place.length // 2
    data[middle : middle + 64] = bytes(byte ^ 0xFF for byte in data[middle : middle + 64])
    bag.write_bytes(data)


def test_a_disk_that_fails_is_an_error_and_never_a_line_of_the_ledger(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, calls = McapFile.raw_chunk, []

    def failing(file: McapFile, place: ChunkPlace) -> bytes:
        calls.append(place)
        if len(calls) == 4:
            monkeypatch.setattr(file, '_file', BrokenFile())
        return read(file, place)

    monkeypatch.setattr(McapFile, 'raw_chunk', failing)
    with pytest.raises(DepthRosError, match='type the same command again') as caught:
        process(stereo_job(), drive, tmp_path / 'out')
    assert not isinstance(caught.value, InputError)
    monkeypatch.undo()
    assert process(stereo_job(), drive, tmp_path / 'out').refused == {}


class BrokenFile:
    def seek(self, offset: int) -> int:
        raise OSError(5, 'Input/output error')

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ('encoding', 'topic'),
    [('16UC1', DEPTH), ('compressedDepth', f'{DEPTH}/compressedDepth')],
)
def test_whole_units_are_depth_to_half_a_unit(
    drive: Path, tmp_path: Path, encoding: str, topic: str
) -> None:
    unit_m = 0.0005
    process(stereo_job(), drive, tmp_path / 'float')
    outputs = PairOutputs(depth_encoding=encoding, depth_unit_m=unit_m, row_error_every=0)
    process(stereo_job(outputs=outputs), drive, tmp_path / 'units')
    exact = {
        time: decode_depth(message)
        for name, time, message in bag_messages(tmp_path / 'float/drive.mcap')
        if name == DEPTH
    }
    found = [entry for entry in bag_messages(tmp_path / 'units/drive.mcap') if entry[0] == topic]
    assert len(found) == 8
    for _, time, message in found:
        if encoding == '16UC1':
            units = np.frombuffer(message.data, np.uint16).reshape(message.height, message.width)
        else:
            assert message.format == '16UC1; compressedDepth png'
            units = decompressed_depth(bytes(message.data))
        np.testing.assert_allclose(
            metres(units, unit_m),
            np.where(np.isfinite(exact[time]), exact[time], np.nan),
            atol=unit_m / 2 + 1e-6,
        )


@pytest.mark.parametrize('copy', ['all', '/imu_info /left/image_rect'])
def test_copied_topics_are_the_bytes_of_the_recording(
    drive: Path, tmp_path: Path, copy: str
) -> None:
    process(stereo_job(copy=copy), drive, tmp_path)
    source, result = raw_messages(drive), raw_messages(tmp_path / 'drive.mcap')
    copied = source if copy == 'all' else {topic: source[topic] for topic in copy.split()}
    assert {topic: result.get(topic) for topic in copied} == copied
    assert result.keys() - copied.keys() == {DEPTH, '/stereo/depth/camera_info'}


def test_a_topic_to_copy_must_be_there(drive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no topic '/gps'.*there are /imu_info"):
        process(stereo_job(copy='/gps'), drive, tmp_path)


def test_lz4_and_split_recordings_give_the_same_messages(drive: Path, tmp_path: Path) -> None:
    messages = Drive().messages()
    split = tmp_path / 'drive'
    split.mkdir()
    half = len(messages) // 2 + 1  # in the middle of a pair
    write_mcap(split / 'drive_0.mcap', messages[:half], compression='LZ4')
    write_mcap(split / 'drive_1.mcap', messages[half:], compression='NONE', first=half)
    process(stereo_job(), drive, tmp_path / 'one')
    process(stereo_job(), split, tmp_path / 'two')
    one, two = (raw_messages(tmp_path / name / 'drive.mcap') for name in ('one', 'two'))
    assert one == two


def test_sqlite3_is_refused_with_a_command_that_works(drive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Anna's bags"
    folder.mkdir()
    bag = write_bag(folder / 'drive', Drive().messages())
    for path in (bag, bag / 'drive.db3'):
        with pytest.raises(InputError, match='no bag in MCAP') as caught:
            process(stereo_job(), path, tmp_path / 'out')
        words = shlex.split(str(caught.value).partition('type: ')[2])
        tool = Path(sys.executable).with_name(words[0])
        target = tmp_path / words[words.index('--dst') + 1]
        subprocess.run([str(tool), *words[1:]], cwd=tmp_path, check=True)
        assert process(stereo_job(), target, tmp_path / f'{path.suffix}out').made == 8
        shutil.rmtree(target)


@pytest.mark.parametrize(
    ('name', 'command'),
    [
        ('images', 'run stereo {} --calibration RIG'),
        ('set', 'run stereo {} --calibration RIG'),
        ('set/left/0.png', 'run mono {} '),
        ('walk', 'run odometry {}$'),
        ('views', 'run multiview {}$'),
        ('room', 'run odometry {}, or: depth-ros run multiview {}$'),
    ],
)
def test_images_are_refused_with_the_command_for_images(
    tmp_path: Path, name: str, command: str
) -> None:
    images = ('images', 'set/left', 'set/right', 'walk/images', 'walk/depth', 'views/images')
    for folder in (*images, 'room/images', 'room/depth'):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / '0.png').write_bytes(b'')
    for folder in ('views', 'room'):
        (tmp_path / folder / 'poses.txt').write_text('')
    path = tmp_path / name
    words = 'for images type: depth-ros ' + command.replace('{}', str(path))
    with pytest.raises(InputError, match=words):
        process(stereo_job(), path, tmp_path / 'out')


@pytest.mark.parametrize('name', ['cut.mcap', 'no.mcap', 'empty.mcap', 'text.mcap', 'bag.db3'])
def test_what_is_no_recording_is_refused_with_a_remedy(
    drive: Path, tmp_path: Path, name: str
) -> None:
    bag = tmp_path / name
    contents = {
        'cut.mcap': drive.read_bytes()[:-100],
        'empty.mcap': b'',
        'text.mcap': b'not a bag' * 100,
        'bag.db3': b'SQLite format 3\x00',
    }
    if name in contents:
        bag.write_bytes(contents[name])
    with pytest.raises(InputError, match=r'type: |check the path'):
        process(stereo_job(), bag, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
