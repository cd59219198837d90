"""Bags written by rosbags' writer, both storages: what comes out is what was recorded."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import CalibrationError, DepthRosError, InputError
from depth_ros.files.bag_reader import is_bag
from depth_ros.files.bags import bag_topics, read_mono_bag, read_stereo_bag
from depth_ros.scenes.solids import ideal_stereo_camera
from tests.kit.bag_writer import compressed, info, raw, stamp, write_bag

STORAGES = ('sqlite3', 'mcap')
SUFFIX = {'sqlite3': '.db3', 'mcap': '.mcap'}
RIG = ideal_stereo_camera(height=6, width=8, frame_id='left_optical')
CAMERA, IMAGE, INFO = RIG.left, '/cam/image_raw', '/cam/camera_info'

pytest.importorskip('rosbags', reason='rosbags is not installed')


def picture(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (6, 8, 3), np.uint8)


def mono_recording(count: int = 4):
    recorded = [(INFO, info(CAMERA, stamp_ns=stamp(0)))]
    recorded += [(IMAGE, raw(picture(index), stamp_ns=stamp(index))) for index in range(count)]
    return recorded


def stereo_recording(left_stamps: list[int], right_stamps: list[int]):
    recorded = [
        ('/left/camera_info', info(RIG.left, stamp_ns=stamp(0))),
        ('/right/camera_info', info(RIG.right, stamp_ns=stamp(0))),
    ]
    images = [(ns, '/left/image_rect') for ns in left_stamps]
    images += [(ns, '/right/image_rect') for ns in right_stamps]
    for ns, topic in sorted(images):
        recorded.append((topic, raw(picture(ns % 10_007), stamp_ns=ns)))
    return recorded


def storage_file(bag: Path) -> Path:
    (found,) = [path for path in bag.iterdir() if path.suffix in SUFFIX.values()]
    return found


@pytest.mark.parametrize('storage', STORAGES)
def test_frames_come_out_as_recorded_in_order(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', mono_recording(), storage=storage)
    frames = read_mono_bag(bag)
    assert frames.count == 4
    read = list(frames)
    assert [frame.stamp_ns for frame in read] == [stamp(index) for index in range(4)]
    for index, frame in enumerate(read):
        np.testing.assert_array_equal(frame.image, picture(index))
        assert frame.camera.fingerprint() == CAMERA.fingerprint()
        assert frame.camera.frame_id == 'left_optical'
        assert not frame.is_rectified
    assert len(list(frames)) == 4, 'a second iteration starts from the beginning'
    assert not frames.refused


@pytest.mark.parametrize('storage', STORAGES)
def test_compressed_images_are_decoded(tmp_path: Path, storage: str) -> None:
    topic = '/cam/image_rect/compressed'
    recorded = [(INFO, info(CAMERA, stamp_ns=stamp(0)))]
    recorded.append((topic, compressed(picture(3), stamp_ns=stamp(3))))
    (frame,) = read_mono_bag(write_bag(tmp_path / 'bag', recorded, storage=storage))
    np.testing.assert_array_equal(frame.image, picture(3))
    assert frame.stamp_ns == stamp(3)
    assert frame.is_rectified


def test_each_image_gets_the_calibration_that_was_latest(tmp_path: Path) -> None:
    """The first image comes before any calibration and gets the first one."""
    other = replace(CAMERA, frame_id='moved')
    recorded = [
        (IMAGE, raw(picture(0), stamp_ns=stamp(0))),
        (INFO, info(CAMERA, stamp_ns=stamp(0))),
        (IMAGE, raw(picture(1), stamp_ns=stamp(1))),
        (INFO, info(other, stamp_ns=stamp(2))),
        (IMAGE, raw(picture(2), stamp_ns=stamp(2))),
    ]
    frames = read_mono_bag(write_bag(tmp_path / 'bag', recorded))
    names = [frame.camera.frame_id for frame in frames]
    assert names == ['left_optical', 'left_optical', 'moved']


def test_bad_images_and_calibrations_are_counted_and_told(tmp_path: Path) -> None:
    broken = raw(picture(1), stamp_ns=stamp(1))
    broken.encoding = 'no_such'
    zeros = info(CAMERA, stamp_ns=stamp(2))
    zeros.k = zeros.k * 0.0
    zeros.p = zeros.p * np.nan
    recorded = [*mono_recording(1), (IMAGE, broken), (INFO, zeros)]
    recorded.append((IMAGE, raw(np.zeros((5, 8, 3), np.uint8), stamp_ns=stamp(2))))
    recorded.append((IMAGE, raw(picture(3), stamp_ns=stamp(3))))
    told: list[str] = []
    frames = read_mono_bag(
        write_bag(tmp_path / 'bag', recorded), report=lambda reason, text: told.append(text)
    )
    assert [frame.stamp_ns for frame in frames] == [stamp(0), stamp(3)]
    assert frames.refused == {'encoding': 1, 'calibration_values': 1, 'calibration_size': 1}
    assert len(told) == 3
    assert told[0].startswith(IMAGE)
    assert told[1].startswith(INFO)


def test_a_bag_whose_first_calibration_is_unfit_is_refused(tmp_path: Path) -> None:
    zeros = info(CAMERA, stamp_ns=stamp(0))
    zeros.k, zeros.p = zeros.k * 0.0, zeros.p * 0.0
    frames = read_mono_bag(write_bag(tmp_path / 'bag', [(INFO, zeros), *mono_recording()[1:]]))
    with pytest.raises(CalibrationError, match='all zero'):
        list(frames)


def test_the_first_usable_calibration_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A driver that still loads its file publishes zeros first; nothing is refused for that."""
    zeros = info(CAMERA, stamp_ns=stamp(0))
    zeros.k, zeros.p = zeros.k * 0.0, zeros.p * 0.0
    frames = read_mono_bag(write_bag(tmp_path / 'bag', [(INFO, zeros), *mono_recording()]))
    found = list(frames)
    assert found and not frames.refused
    np.testing.assert_array_equal(found[0].camera.p, CAMERA.p)
    assert 'skipped a camera_info' in caplog.text and 'all zero' in caplog.text


@pytest.mark.parametrize('storage', STORAGES)
def test_pairs_come_out_synchronized(tmp_path: Path, storage: str) -> None:
    left = [stamp(index) for index in (0, 1, 2, 4)]
    right = [stamp(index) for index in (0, 2, 3, 4)]
    bag = write_bag(tmp_path / 'bag', stereo_recording(left, right), storage=storage)
    frames = read_stereo_bag(bag)
    assert frames.count == 4
    pairs = list(frames)
    assert [pair.stamp_ns for pair in pairs] == [stamp(0), stamp(2), stamp(4)]
    for pair in pairs:
        assert pair.right.stamp_ns == pair.stamp_ns
        assert pair.left.is_rectified
        np.testing.assert_array_equal(pair.left.image, picture(pair.stamp_ns % 10_007))
    assert pairs[0].right.camera.p[0, 3] == pytest.approx(RIG.right.p[0, 3])
    assert frames.refused == {'no_partner_left': 1, 'no_partner_right': 1}


def test_pairs_within_a_tolerance_lose_neither_the_last_nor_the_lonely(tmp_path: Path) -> None:
    left = [stamp(index) for index in range(4)]
    right = [stamp(index, late_ns=60_000_000) for index in range(3)]
    bag = write_bag(tmp_path / 'bag', stereo_recording(left, right))
    frames = read_stereo_bag(bag, max_stamp_difference_s=0.06)
    pairs = [(pair.left.stamp_ns, pair.right.stamp_ns) for pair in frames]
    apart = {abs(second - first) for first, second in pairs}
    assert apart <= {40_000_000, 60_000_000}
    assert len(pairs) == 3
    assert sum(frames.refused.values()) == 1


def test_the_last_pair_of_a_bag_is_not_kept_waiting_for_a_nearer_one(tmp_path: Path) -> None:
    left, right = [stamp(index) for index in range(3)], [stamp(2, late_ns=60_000_000)]
    bag = write_bag(tmp_path / 'bag', stereo_recording(left, right))
    (pair,) = read_stereo_bag(bag, max_stamp_difference_s=0.06)
    assert (pair.left.stamp_ns, pair.right.stamp_ns) == (left[2], right[0])


def test_topics_of_a_bag_are_listed(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', mono_recording(3), also=[('/imu', 'sensor_msgs/msg/Imu')])
    counts = {topic.name: topic.count for topic in bag_topics(bag)}
    assert counts == {INFO: 1, IMAGE: 3, '/imu': 0}
    with pytest.raises(InputError, match=r"'/other'.*its topics are: /cam/camera_info"):
        read_mono_bag(bag, image_topic='/other')


@pytest.mark.parametrize('storage', STORAGES)
def test_empty_bags_are_named_so(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', [], storage=storage, also=[(IMAGE, 'sensor_msgs/msg/Image')])
    with pytest.raises(InputError) as caught:
        read_mono_bag(bag)
    assert caught.value.reason == 'bag_empty'


def test_a_bag_without_calibration_is_refused(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', mono_recording()[1:])
    with pytest.raises(CalibrationError, match='no camera_info for /cam/image_raw'):
        read_mono_bag(bag)


@pytest.mark.parametrize('storage', STORAGES)
def test_a_storage_file_or_a_folder_without_metadata_will_do(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', mono_recording(), storage=storage)
    assert is_bag(bag)
    assert len(list(read_mono_bag(storage_file(bag)))) == 4
    (bag / 'metadata.yaml').unlink()
    assert is_bag(bag)
    assert len(list(read_mono_bag(bag))) == 4


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('keep', [0.0, 0.02, 0.3, 0.6, 0.9, 0.999])
def test_cut_bags_give_their_frames_up_to_the_damage(
    tmp_path: Path, storage: str, keep: float
) -> None:
    pytest.importorskip('mcap', reason='mcap is not installed')
    bag = write_bag(tmp_path / 'bag', mono_recording(60), storage=storage)
    file = storage_file(bag)
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    words = 'cut off or damaged' if keep or storage == 'sqlite3' else 'is no MCAP file'
    with pytest.raises(InputError, match=words) as caught:
        list(read_mono_bag(bag))
    assert caught.value.reason == 'bag'
    assert len(str(caught.value).splitlines()) == 1
    assert ('mcap recover' in str(caught.value)) is (storage == 'mcap' and keep > 0)


LARGEST_CHUNK = 20
"""Images of the next test that one chunk of MCAP holds; a chunk that is cut is lost whole."""


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('keep', [0.3, 0.6, 0.9])
def test_cut_bags_lose_no_more_than_what_is_missing(
    tmp_path: Path, storage: str, keep: float
) -> None:
    pytest.importorskip('mcap', reason='mcap is not installed')
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    camera = ideal_camera(fx=100.0, fy=100.0, cx=80.0, cy=60.0, height=120, width=160)
    recorded = [('/cam/camera_info', info(camera, stamp_ns=stamp(0)))]
    recorded += [(IMAGE, raw(noise, stamp_ns=stamp(index))) for index in range(100)]
    bag = write_bag(tmp_path / 'bag', recorded, storage=storage)
    file = storage_file(bag)
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    stamps = []
    with pytest.raises(InputError, match='those were read'):
        for frame in read_mono_bag(bag):
            stamps.append(frame.stamp_ns)
    assert stamps == [stamp(index) for index in range(len(stamps))]
    assert keep * 100 - LARGEST_CHUNK - 1 <= len(stamps) <= keep * 100 + 1


@pytest.mark.parametrize('storage', STORAGES)
def test_altered_bytes_end_in_a_sentence_or_in_frames(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / 'bag', mono_recording(3), storage=storage)
    file = storage_file(bag)
    content = bytearray(file.read_bytes())
    random = np.random.default_rng(7)
    for _ in range(25):
        altered = bytearray(content)
        for position in random.integers(0, len(content), 30):
            altered[position] = int(random.integers(256))
        file.write_bytes(bytes(altered))
        try:
            assert len(list(read_mono_bag(bag))) <= 3
        except DepthRosError as error:
            assert len(str(error).splitlines()) == 1


def test_metadata_that_is_damaged_ends_in_a_sentence(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', mono_recording())
    for text in ('', '[', 'rosbag2_bagfile_information: 3', '\x00'):
        (bag / 'metadata.yaml').write_text(text)
        with pytest.raises(InputError, match=r'metadata\.yaml cannot be read'):
            read_mono_bag(bag)
    (bag / 'metadata.yaml').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(InputError, match=r'metadata\.yaml cannot be read'):
        read_mono_bag(bag)


def test_what_is_no_bag_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='there is no bag'):
        read_mono_bag(tmp_path / 'nowhere')
    with pytest.raises(InputError, match=r'no metadata\.yaml and no files.*ros2 bag reindex'):
        read_mono_bag(tmp_path)
    old = tmp_path / 'old.bag'
    old.write_bytes(b'#ROSBAG V2.0\n')
    with pytest.raises(InputError, match='ROS 1 bag; convert it with: rosbags-convert'):
        read_mono_bag(old)
    assert not is_bag(tmp_path)
    assert not is_bag(tmp_path / 'nowhere.mcap')


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'rosbags.rosbag2', None)
    with pytest.raises(DepthRosError, match='pip install rosbags'):
        read_mono_bag(tmp_path)
