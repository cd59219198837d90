"""No false alarm: the sample rig, compressed images, one camera, wall time and simulated time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from tests.kit.doctor_farm import cameras, diagnosis, nodes, process
from tests.kit.live_node import wait_until

pytestmark = pytest.mark.ros

OF_THE_MACHINE = {'cpu-load', 'shared-memory', 'messages-lost', 'dropped'}
"""What a test machine that is short of time may say with good reason, and is no fault of the rig:
images that are lost on the way have no partner."""

SETTLE_S = 4.0


@pytest.fixture(scope='module')
def rigs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp('healthy')
    sample = ['depth_ros.ros', 'sample_camera', '--ros-args', '-r', '__ns:=/sample']
    sample += ['-p', 'source:=scene', '-p', 'size:=480x640']
    kinds = {'well': 'stereo', 'squeezed': 'stereo', 'sample': 'stereo', 'one': 'mono'}
    parameters = {'squeezed': {'image_transport': 'compressed'}, 'one': {}}
    with ExitStack() as stack:
        stack.enter_context(cameras(folder, 'well', 'squeezed', 'one'))
        stack.enter_context(process(folder, 'sample', *sample))
        assert wait_until(lambda: 'bgr8: ' in (folder / 'sample.log').read_text(), 60.0)
        stack.enter_context(nodes(folder, kinds, parameters))
        time.sleep(SETTLE_S)
        yield diagnosis(of=[f'/{rig}/{rig}_node' for rig in kinds])


def test_no_false_alarm(rigs: dict[str, Any]) -> None:
    faults = [
        entry
        for entry in rigs['findings']
        if entry['severity'] != 'note' and entry['id'] not in OF_THE_MACHINE
    ]
    assert not faults
    assert len(rigs['nodes']) == 4
    silent = {topic for topic, count in rigs['listened_to'].items() if not count}
    assert silent <= {'/one/odometry'}, 'poses may be absent, every camera was heard'


def test_large_images_without_the_profile_are_a_note(rigs: dict[str, Any]) -> None:
    assert 'dds-profile' in {entry['id'] for entry in rigs['findings']}


def test_a_listener_of_another_node_that_errs_by_a_letter_is_a_note(rigs: dict[str, Any]) -> None:
    notes = {entry['about']: entry['type'] for entry in rigs['findings']}
    assert notes['/squeezed/point'].endswith('-r /squeezed/point:=/squeezed/points')
