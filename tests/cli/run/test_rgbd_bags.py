"""RGB-D bags: every transport, unit and resolution of depth gives the same path and metres."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from depth_ros.camera import scaled_camera
from depth_ros.cli.main import main
from depth_ros.errors import InputError
from depth_ros.files.rgbd_bags import read_rgbd_bag
from depth_ros.files.trajectories import read_trajectory
from depth_ros.geometry.rigid import inverse
from tests.kit.bag_writer import info, raw, stamp, write_bag
from tests.kit.depth_messages import DEPTH_KINDS, raw_steps
from tests.kit.odometry_sequences import shots

pytest.importorskip('rosbags', reason='rosbags is not installed')

NUM_FRAMES = 4
LATE_NS = 4_000_000


def at(message: SimpleNamespace, stamp_ns: int) -> SimpleNamespace:
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    return message


def recording(make: object, topic: str = '/cam/depth/image_rect') -> list:
    recorded = []
    for index in range(NUM_FRAMES):
        view = shots('room', 60)[index].view
        depth = make(view.depth)  # type: ignore[operator]
        name = f'{topic}/compressedDepth' if hasattr(depth, 'format') else topic
        recorded += [
            ('/cam/rgb/camera_info', info(view.camera, stamp_ns=stamp(index))),
            ('/cam/rgb/image_rect_color', raw(view.image, stamp_ns=stamp(index))),
            (name, at(depth, stamp(index, late_ns=LATE_NS))),
        ]
    return recorded


@pytest.mark.parametrize('name', DEPTH_KINDS)
def test_odometry_follows_the_same_path(name: str, tmp_path: Path) -> None:
    unit_m, make = DEPTH_KINDS[name]
    bag = write_bag(tmp_path / 'bag', recording(make), storage='mcap')
    words = ['--model', 'orb', '--depth-unit-m', str(unit_m)]
    assert main(['run', 'odometry', str(bag), '-o', str(tmp_path / 'out'), *words]) == 0
    path = read_trajectory(tmp_path / 'out' / 'trajectory.txt')
    assert path.stamps_ns.tolist() == [stamp(index) for index in range(NUM_FRAMES)]
    room = shots('room', 60)
    truth = inverse(room[0].pose) @ room[NUM_FRAMES - 1].pose
    assert np.linalg.norm(path.poses[-1, :3, 3] - truth[:3, 3]) < 0.02


@pytest.mark.parametrize('name', DEPTH_KINDS)
def test_depth_comes_out_in_metres(name: str, tmp_path: Path) -> None:
    unit_m, make = DEPTH_KINDS[name]
    bag = write_bag(tmp_path / 'bag', recording(make))
    frames = list(read_rgbd_bag(bag, depth_unit_m=unit_m))
    assert len(frames) == NUM_FRAMES
    step = 2 if name == 'half size' else 1
    truth = shots('room', 60)[2].view.depth[::step, ::step]
    np.testing.assert_allclose(frames[2].depth.depth, truth, rtol=0.002, atol=0.001)
    assert frames[2].depth.stamp_ns == stamp(2, late_ns=LATE_NS)


def test_a_camera_info_beside_the_depth_says_what_it_shows(tmp_path: Path) -> None:
    _, make = DEPTH_KINDS['half size']
    own = scaled_camera(shots('room', 60)[0].view.camera, height=120, width=160)
    bag = write_bag(
        tmp_path / 'bag',
        [('/cam/depth/camera_info', info(own, stamp_ns=stamp(0))), *recording(make)],
    )
    for frame in read_rgbd_bag(bag):
        np.testing.assert_allclose(frame.depth.camera.p, own.p)


def test_of_several_depths_the_registered_one_is_taken(tmp_path: Path) -> None:
    aligned = recording(DEPTH_KINDS['16UC1'][1], '/cam/aligned_depth_to_color/image_raw')
    other = recording(lambda depth: raw_steps(depth * 2, 0.001, '16UC1'))
    bag = write_bag(tmp_path / 'bag', [*aligned, *(o for o in other if 'depth' in o[0])])
    truth = shots('room', 60)[0].view.depth
    np.testing.assert_allclose(next(iter(read_rgbd_bag(bag))).depth.depth, truth, atol=0.001)
    frame = next(iter(read_rgbd_bag(bag, depth_topic='/cam/depth/image_rect')))
    np.testing.assert_allclose(frame.depth.depth, 2 * truth, atol=0.001)


def test_images_without_depth_are_named(tmp_path: Path) -> None:
    recorded = [
        item
        for item in recording(DEPTH_KINDS['16UC1'][1])
        if 'depth' not in item[0] or item[1].header.stamp.nanosec % 3 == 0
    ]
    bag = write_bag(tmp_path / 'bag', recorded)
    told: list[str] = []
    frames = read_rgbd_bag(bag, report=lambda reason, text: told.append(text))
    assert len(list(frames)) + sum(frames.refused.values()) >= NUM_FRAMES
    assert len(told) == sum(frames.refused.values())


def test_a_bag_without_depth_is_refused_with_its_topics(tmp_path: Path) -> None:
    recorded = [item for item in recording(DEPTH_KINDS['16UC1'][1]) if 'depth' not in item[0]]
    bag = write_bag(tmp_path / 'bag', recorded)
    with pytest.raises(InputError, match=r'depth topic.*name it with depth_topic.*image_rect'):
        read_rgbd_bag(bag)


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['--source', 'stereo', '--depth-topic', '/a'], '--depth-topic belongs to another'),
        (['--depth-topic', '/nowhere'], "must have a topic '/nowhere'"),
        (['--depth-unit-m', '0'], '--depth-unit-m must be above 0'),
    ],
)
def test_wrong_options_are_one_sentence(
    words: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(tmp_path / 'bag', recording(DEPTH_KINDS['16UC1'][1]))
    assert main(['run', 'odometry', str(bag), '-o', str(tmp_path / 'out'), *words]) != 0
    assert text in capsys.readouterr().err
