"""Recordings as people have them: compressed, split, of older versions, of ROS 1, out of order."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from depth_ros.camera import ideal_camera
from depth_ros.errors import InputError
from depth_ros.files.bag_reader import is_bag
from depth_ros.files.bags import bag_topics, read_bag, read_mono_bag, read_stereo_bag
from depth_ros.scenes.solids import ideal_stereo_camera
from tests.kit import message_doubles
from tests.kit.bag_writer import info, raw, stamp, write_bag

rosbag2 = pytest.importorskip('rosbags.rosbag2', reason='rosbags is not installed')

CAMERA = ideal_camera(fx=20.0, fy=20.0, cx=7.5, cy=5.5, height=12, width=16)
RIG = ideal_stereo_camera(height=12, width=16, frame_id='left_optical')
STORAGES = {
    'mcap': rosbag2.StoragePlugin.MCAP,
    'sqlite3': rosbag2.StoragePlugin.SQLITE3,
}
NUM = 4


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (12, 16, 3), np.uint8)


def recording(stamps: list[int] | None = None) -> list[tuple[str, SimpleNamespace]]:
    stamps = [stamp(index) for index in range(NUM)] if stamps is None else stamps
    recorded = [('/camera_info', info(CAMERA, stamp_ns=stamp(0)))]
    return recorded + [
        ('/image_raw', raw(picture(index), stamp_ns=ns)) for index, ns in enumerate(stamps)
    ]


def rig_recording(stamps: list[int]) -> list[tuple[str, SimpleNamespace]]:
    recorded = []
    for side in ('left', 'right'):
        camera = getattr(RIG, side)
        recorded.append((f'/{side}/camera_info', info(camera, stamp_ns=stamp(0))))
    for index, ns in enumerate(stamps):
        for side in ('left', 'right'):
            recorded.append((f'/{side}/image_rect', raw(picture(index), stamp_ns=ns)))
    return recorded


def compressed_bag(path: Path, storage: str, mode: object) -> Path:
    store = message_doubles.typestore()
    writer = rosbag2.Writer(path, version=9, storage_plugin=STORAGES[storage])
    writer.set_compression(mode, rosbag2.CompressionFormat.ZSTD)
    with writer:
        connections: dict[str, object] = {}
        for index, (topic, message) in enumerate(recording()):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.type, typestore=store)
            data = message_doubles.serialized(message, message.type, store)
            writer.write(connections[topic], stamp(index), data)
    return path


def assert_whole(path: Path) -> None:
    assert is_bag(path)
    frames = list(read_mono_bag(path))
    assert [frame.stamp_ns for frame in frames] == [stamp(index) for index in range(NUM)]
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(index))


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('mode', ['FILE', 'MESSAGE'])
def test_compressed_bags_are_read(storage: str, mode: str, tmp_path: Path) -> None:
    assert_whole(compressed_bag(tmp_path / 'bag', storage, rosbag2.CompressionMode[mode]))


@pytest.mark.parametrize('is_folder', [False, True])
def test_a_compressed_file_alone_names_the_command(is_folder: bool, tmp_path: Path) -> None:
    bag = compressed_bag(tmp_path / 'bag', 'mcap', rosbag2.CompressionMode.FILE)
    (bag / 'metadata.yaml').unlink()
    (file,) = bag.iterdir()
    path = bag if is_folder else shutil.copy(file, tmp_path / 'recording.mcap.zstd')
    assert is_bag(Path(path))
    with pytest.raises(InputError, match=r'decompress it with: zstd -d \S+\.zstd$'):
        read_bag(path)


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('mode', ['FILE', 'MESSAGE'])
def test_bad_zstd_blocks_end_in_a_sentence(storage: str, mode: str, tmp_path: Path) -> None:
    bag = compressed_bag(tmp_path / 'bag', storage, rosbag2.CompressionMode[mode])
    (file,) = (path for path in bag.iterdir() if path.name != 'metadata.yaml')
    data = bytearray(file.read_bytes())
    frames = [found.start() for found in re.finditer(rb'\x28\xb5\x2f\xfd', data)]
    at = frames[len(frames) // 2]
    data[at + 5 : at + 25] = bytes(20)
    file.write_bytes(data)
    with pytest.raises(InputError, match='cut off or damaged') as caught:
        list(read_mono_bag(bag))
    assert '\n' not in str(caught.value)


def mcap_file(path: Path, **options: object) -> Path:
    """Write with another library and other options than rosbags has."""
    writing = pytest.importorskip('mcap.writer', reason='mcap is not installed')
    store = message_doubles.typestore()
    profile = options.pop('profile', 'ros2')
    with path.open('wb') as stream:
        writer = writing.Writer(stream, **options)
        writer.start(profile=profile, library='test')
        channels: dict[str, int] = {}
        for index, (topic, message) in enumerate(recording()):
            if topic not in channels:
                schema = writer.register_schema(message.type, 'ros2msg', b'')
                channels[topic] = writer.register_channel(topic, 'cdr', schema)
            data = message_doubles.serialized(message, message.type, store)
            writer.add_message(channels[topic], stamp(index), bytes(data), stamp(index))
        writer.finish()
    return path


@pytest.mark.parametrize('use_chunking', [True, False])
@pytest.mark.parametrize('has_summary', [True, False])
@pytest.mark.parametrize('compression', ['NONE', 'LZ4', 'ZSTD'])
def test_mcap_without_an_index(
    use_chunking: bool, has_summary: bool, compression: str, tmp_path: Path
) -> None:
    writing = pytest.importorskip('mcap.writer', reason='mcap is not installed')
    options: dict[str, object] = (
        {}
        if has_summary
        else {
            'index_types': writing.IndexType.NONE,
            **dict.fromkeys(
                ('use_statistics', 'use_summary_offsets', 'repeat_channels', 'repeat_schemas'),
                False,
            ),
        }
    )
    path = mcap_file(
        tmp_path / 'a.mcap',
        use_chunking=use_chunking,
        compression=writing.CompressionType[compression],
        **options,
    )
    assert_whole(path)


def test_ros1_messages_in_mcap_name_the_command(tmp_path: Path) -> None:
    path = mcap_file(tmp_path / 'drive.mcap', profile='ros1')
    with pytest.raises(InputError, match=r'rosbags-convert --src drive\.bag --dst drive$'):
        read_bag(path)


def test_the_command_for_a_ros1_bag_makes_it_readable(tmp_path: Path) -> None:
    rosbag1 = pytest.importorskip('rosbags.rosbag1')
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    text = store.types['std_msgs/msg/String']
    path = tmp_path / 'drive.bag'
    with rosbag1.Writer(path) as writer:
        connection = writer.add_connection('/words', 'std_msgs/msg/String', typestore=store)
        data = store.serialize_ros1(text(data='hello'), 'std_msgs/msg/String')
        writer.write(connection, stamp(0), data)
    with pytest.raises(InputError, match='is a ROS 1 bag') as caught:
        read_bag(path)
    command = shlex.split(str(caught.value).partition('convert it with: ')[2])
    tool = Path(sys.executable).with_name(command[0])
    subprocess.run([tool, *command[1:]], cwd=tmp_path, check=True, capture_output=True)
    (topic,) = bag_topics(tmp_path / 'drive')
    assert (topic.name, topic.count) == ('/words', 1)


def change_metadata(bag: Path, **changes: object) -> None:
    file = bag / 'metadata.yaml'
    content = yaml.safe_load(file.read_text())
    content['rosbag2_bagfile_information'].update(changes)
    file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('version', [*range(1, 10), 12])
def test_metadata_of_every_version(version: int, storage: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', recording(), storage=storage)
    change_metadata(bag, version=version)
    assert_whole(bag)


def test_fields_that_older_versions_lack_are_not_missed(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', recording())
    file = bag / 'metadata.yaml'
    content = yaml.safe_load(file.read_text())
    information = content['rosbag2_bagfile_information']
    for name in ('files', 'custom_data', 'ros_distro', 'compression_format', 'compression_mode'):
        information.pop(name, None)
    for topic in information['topics_with_message_count']:
        topic['topic_metadata'].pop('type_description_hash', None)
    information['version'] = 2
    file.write_text(yaml.safe_dump(content))
    assert_whole(bag)


@pytest.mark.parametrize('storage', STORAGES)
def test_missing_metadata_is_not_needed(storage: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', recording(), storage=storage)
    (bag / 'metadata.yaml').unlink()
    assert_whole(bag)


@pytest.mark.parametrize('has_metadata', [True, False])
@pytest.mark.parametrize('storage', STORAGES)
def test_split_files_are_read_in_order(storage: str, has_metadata: bool, tmp_path: Path) -> None:
    suffix = {'mcap': '.mcap', 'sqlite3': '.db3'}[storage]
    bag = tmp_path / 'bag'
    bag.mkdir()
    head = recording()[:1]
    names = []
    for index in range(11):
        part = tmp_path / f'part{index}'
        written = write_bag(
            part, [*(head if not index else []), recording()[1 + index % NUM]], storage=storage
        )
        names.append(f'bag_{index}{suffix}')
        shutil.move(written / f'part{index}{suffix}', bag / names[-1])
    whole = write_bag(tmp_path / 'whole', recording(), storage=storage)
    if has_metadata:
        shutil.move(whole / 'metadata.yaml', bag / 'metadata.yaml')
        change_metadata(bag, relative_file_paths=names)
    images = read_mono_bag(bag)
    # the parts hold images 0 1 2 3 0 1 2 3 0 1 2, so later ones repeat stamps
    assert [frame.stamp_ns for frame in images] == [stamp(index) for index in range(NUM)]
    assert sum(images.refused.values()) == 7


def test_hostile_metadata_ends_in_a_sentence(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', recording())
    lines = ['a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]' for n in range(1, 10)]
    (bag / 'metadata.yaml').write_text('\n'.join(lines))
    with pytest.raises(InputError, match=r'metadata\.yaml cannot be read.*values'):
        read_bag(bag)


ORDERS = {
    'zero': ([0] * 5, [], {'zero_stamp': 5}),
    'some zero': ([0, 1, 0, 2, 3], [1, 2, 3], {'zero_stamp': 2}),
    'repeated': ([1, 1, 2, 2, 3], [1, 2, 3], {'repeated_stamp': 2}),
    'back once': ([1, 2, 1, 3, 4], [1, 2, 3, 4], {'stamp_back': 1}),
    'back for good': ([4, 5, 1, 2, 3], [4, 5, 2, 3], {'stamp_back': 1}),
    'loop': ([1, 2, 3, 1, 2, 3], [1, 2, 3], {'stamp_back': 1, 'repeated_stamp': 2}),
}


def given(number: int) -> int:
    return stamp(number) if number else 0


@pytest.mark.parametrize('name', ORDERS)
def test_stamps_of_one_camera_are_used_once_or_named(name: str, tmp_path: Path) -> None:
    numbers, kept, refused = ORDERS[name]
    bag = write_bag(tmp_path / 'bag', recording([given(number) for number in numbers]))
    told: list[str] = []
    frames = read_mono_bag(bag, report=lambda reason, text: told.append(text))
    assert [frame.stamp_ns for frame in frames] == [given(number) for number in kept]
    assert frames.refused == refused
    assert len(told) == sum(refused.values()) and len(kept) + len(told) == len(numbers)


@pytest.mark.parametrize('name', ORDERS)
def test_stamps_of_a_rig_are_used_once_or_named(name: str, tmp_path: Path) -> None:
    numbers, kept, refused = ORDERS[name]
    bag = write_bag(tmp_path / 'bag', rig_recording([given(number) for number in numbers]))
    frames = read_stereo_bag(bag)
    stamps = [frame.stamp_ns for frame in frames]
    assert len(set(stamps)) == len(stamps) and set(stamps) <= {given(number) for number in kept}
    assert all(frames.refused[reason] for reason in refused)
    assert name in ('loop', 'back for good') or stamps == [given(number) for number in kept]


def test_a_first_camera_info_of_zeros_is_passed_over(tmp_path: Path) -> None:
    empty = info(CAMERA, stamp_ns=stamp(0))
    empty.k, empty.r, empty.p = np.zeros(9), np.zeros(9), np.zeros(12)
    recorded = recording()
    bag = write_bag(tmp_path / 'bag', [('/camera_info', empty), *recorded])
    assert len(list(read_mono_bag(bag))) == NUM


def test_only_zeros_as_camera_info_are_refused(tmp_path: Path) -> None:
    empty = info(CAMERA, stamp_ns=stamp(0))
    empty.k, empty.r, empty.p = np.zeros(9), np.zeros(9), np.zeros(12)
    bag = write_bag(tmp_path / 'bag', [('/camera_info', empty), *recording()[1:]])
    with pytest.raises(InputError, match='calibrate'):
        list(read_mono_bag(bag))


@pytest.mark.parametrize('storage', STORAGES)
def test_compressed_messages_without_metadata_need_their_folder(
    storage: str, tmp_path: Path
) -> None:
    bag = compressed_bag(tmp_path / 'bag', storage, rosbag2.CompressionMode.MESSAGE)
    (file,) = (path for path in bag.iterdir() if path.name != 'metadata.yaml')
    with pytest.raises(InputError, match=r'compressed messages.*with its metadata\.yaml$'):
        list(read_mono_bag(shutil.copy(file, tmp_path / f'alone{file.suffix}')))


@pytest.mark.parametrize('content', ['', 'not a recording\n'])
def test_what_is_no_mcap_is_said_to_be_none(content: str, tmp_path: Path) -> None:
    file = tmp_path / 'bag.mcap'
    file.write_text(content)
    with pytest.raises(InputError, match='is no MCAP file') as caught:
        bag_topics(file)
    assert 'recover' not in str(caught.value)
