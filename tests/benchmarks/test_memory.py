"""The benchmark of memory reads what Linux tells, and measures nodes that there are."""

from __future__ import annotations

import mmap
import os
import sys

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from tests.kit.shared_data import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'benchmarks'))

import memory

from depth_ros.ros.entry import NODES


def test_kinds_of_resident_memory_add_up() -> None:
    found = memory.memory_of(os.getpid())
    kinds = found['own'] + found['files'] + found['shared memory']
    assert kinds == pytest.approx(found['steady'], abs=2.0)
    assert found['peak'] >= found['steady'] - 2.0 > 10.0
    assert found['USS'] <= found['PSS'] + 2.0


def test_allocated_memory_is_found_as_anonymous() -> None:
    before_mb = memory.memory_of(os.getpid())['own']
    with mmap.mmap(-1, 40 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
        for start in range(0, len(block), mmap.PAGESIZE):
            block[start] = 1
        assert memory.memory_of(os.getpid())['own'] - before_mb == pytest.approx(40.0, abs=4.0)
        assert memory.largest_of(os.getpid())['anonymous'] > 39.0


def test_cases_are_nodes_that_there_are() -> None:
    names = [case.words[0] for case in memory.CASES.values()]
    assert set(names) <= set(NODES)
    assert {name for name in NODES if name.endswith('_node')} - {'viewer_node'} <= set(names)


def test_words_of_perception_stand_before_those_of_ros() -> None:
    words = memory.node_command(memory.CASES['perception, stereo and odometry'])
    assert words.index('--nodes') < words.index('--ros-args')
