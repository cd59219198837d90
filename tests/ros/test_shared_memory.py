"""The segment of shared memory: sized by the images, reported, and told where it cannot be."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from depth_ros.ros import fastdds
from depth_ros.ros.fastdds import (
    MIB,
    choose_profile,
    profile_segment_bytes,
    segment_bytes,
    sized_profile,
)
from tests.kit.shared_data import REPOSITORY

SHIPPED = REPOSITORY / 'config' / 'fastdds.xml'


def numbers(path: Path) -> dict[str, int]:
    root = ElementTree.parse(path).getroot()
    found = {element.tag.rpartition('}')[2]: element.text or '' for element in root.iter()}
    return {name: int(found[name]) for name in ('segment_size', 'maxMessageSize')}


def test_a_segment_holds_five_clouds_of_every_pixel() -> None:
    assert segment_bytes(1080, 1920) == 190 * MIB, 'the shipped profile has 192'
    assert segment_bytes(480, 640) == 29 * MIB
    assert segment_bytes(12, 16) == 8 * MIB
    for height, width in ((480, 640), (720, 1280), (2048, 2448)):
        assert segment_bytes(height, width) >= 5 * 16 * height * width


def test_a_profile_for_other_images_differs_in_sizes_alone(tmp_path: Path) -> None:
    path = sized_profile(SHIPPED, 480, 640, tmp_path / 'new')
    assert sized_profile(SHIPPED, 480, 640, tmp_path / 'new') == path
    assert [entry.name for entry in path.parent.iterdir()] == ['fastdds_640x480.xml']
    assert numbers(path)['segment_size'] == segment_bytes(480, 640)
    assert numbers(path)['maxMessageSize'] > 16 * 480 * 640
    without = re.compile(r'>\d+</(segment_size|maxMessageSize)')
    assert without.sub('', path.read_text()) == without.sub('', SHIPPED.read_text())
    assert profile_segment_bytes({fastdds.OLD_VARIABLE: str(path)}) == segment_bytes(480, 640)
    assert profile_segment_bytes({}) is None
    assert profile_segment_bytes({fastdds.VARIABLE: '/nowhere.xml'}) is None


def test_small_images_fit_where_the_shipped_profile_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Docker gives 64 MB."""
    monkeypatch.setattr(fastdds.shutil, 'disk_usage', lambda path: SimpleNamespace(free=64 * MIB))
    assert choose_profile(SHIPPED, {}).environment == {}
    chosen = choose_profile(SHIPPED, {}, segment=segment_bytes(240, 320))
    assert chosen.environment and '8 MiB' in chosen.reason


@pytest.mark.parametrize(
    ('size', 'free', 'words'),
    [
        (
            (480, 640),
            500,
            'shared memory: this process has a segment of 192 MiB, images of 640x480',
        ),
        ((2048, 2448), 5000, 'launch with image_size:=2448x2048'),
        ((720, 1280), 50, '/dev/shm has 50 MiB free'),
    ],
)
def test_a_node_tells_once_a_size(
    size: tuple[int, int], free: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_ros.ros.node.shared_memory import SharedMemoryTeller

    usage = SimpleNamespace(free=free * MIB)
    monkeypatch.setattr(fastdds.shutil, 'disk_usage', lambda path: usage)
    said: list[str] = []
    warned: list[tuple[str, str]] = []
    teller = SharedMemoryTeller(
        said.append,
        lambda reason, text: warned.append((reason, text)),
        environment={fastdds.VARIABLE: str(SHIPPED)},
    )
    for _ in range(3):
        teller.look(*size)
    texts = said + [text for _, text in warned]
    assert len(texts) == 1 and words in texts[0]
    assert bool(said) == words.startswith('shared memory')
    silent = SharedMemoryTeller(said.append, warned.append, environment={})  # type: ignore[arg-type]
    silent.look(4000, 4000)
    assert len(said) + len(warned) == 1, 'without a profile there is no segment to judge'


@pytest.mark.ros
def test_a_live_node_has_the_segment_of_its_profile_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from tests.kit.live_node import robot, running

    profile = sized_profile(SHIPPED, 120, 160, tmp_path / 'profile')
    monkeypatch.setenv(fastdds.VARIABLE, str(profile))
    options = ('-p', 'sgbm.num_disparities:=32', '-r', '__ns:=/shm')
    with running(tmp_path, *options) as node, robot(namespace='shm') as driver:
        driver.connect()
        driver.send_infos()
        driver.good_pair()
        sizes = segments(node.process.pid)
        assert any(8 * MIB <= size < 12 * MIB for size in sizes), sizes
        assert max(sizes) < 100 * MIB
        assert 'shared memory: this process has a segment of 8 MiB' in node.log()


def segments(pid: int) -> list[int]:
    """Return the sizes of what a process has mapped of Fast DDS, bytes."""
    lines = Path(f'/proc/{pid}/maps').read_text().splitlines()
    found: list[Any] = [line.split()[0].split('-') for line in lines if '/dev/shm/fast' in line]
    return [int(end, 16) - int(start, 16) for start, end in found]
