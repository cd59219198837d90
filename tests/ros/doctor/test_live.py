"""Faults of a robot, made live in other processes, found by name; remedies typed as they stand."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from tests.kit.doctor_farm import (
    cameras,
    diagnosis,
    environment,
    found,
    line_of,
    nodes,
    process,
    run_doctor,
)
from tests.kit.interfaces import require_interfaces
from tests.kit.live_node import Robot, robot

pytestmark = pytest.mark.ros

FAULTS = [
    ('qos-mismatch', '/qos/left/image_raw'),
    ('qos-mismatch', '/qos/depth/image'),
    ('no-publisher', '/typo/right/image_raw'),
    ('no-publisher', '/types/right/image_raw'),
    ('type-mismatch', '/types/left/image_raw'),
    ('two-publishers', '/typo/right/camera_info'),
    ('duplicate-node', '/twin'),
    ('topic-silent', '/slow/right/image_raw'),
    ('rate-low', '/slow/left/image_raw'),
    ('rate-unequal', '/uneven/right/image_raw'),
    ('stamp-skew', '/skew/right/image_raw'),
    ('info-skew', '/skew/left/camera_info'),
    ('stamp-zero', '/stamps/left/image_raw'),
    ('stamp-order', '/stamps/right/image_raw'),
    ('stamp-age', '/late/left/image_raw'),
    ('stamp-age', '/late/right/image_raw'),
    ('clock-missing', '/nowhen/nowhen_node'),
    ('encoding', '/unread/left/image_raw'),
    ('image-broken', '/unread/right/image_raw'),
    ('calibration', '/unread/left/camera_info'),
    ('calibration', '/unread/right/camera_info'),
    ('calibration', '/hostile/right/camera_info'),
    ('size-unequal', '/sizes/right/image_raw'),
    ('size-calibration', '/sizes/left/image_raw'),
    ('encoding-unequal', '/rig/right/image_raw'),
    ('rig', '/rig/right/camera_info'),
    ('frame-empty', '/sizes/right/image_raw'),
    ('frame-unequal', '/sizes/left/image_raw'),
    ('lifecycle', '/asleep/asleep_node'),
    ('node-error', '/slow/slow_node'),
    ('dropped', '/stamps/stamps_node zero_stamp'),
    ('depth-unit', '/units/depth/image'),
    ('node-silent', '/mute/stereo_node'),
    ('node-warning', '/ill/stereo_node'),
    ('node-defect', '/ill/stereo_node'),
    ('lifecycle', '/dormant/sample_camera'),
    ('node-slow', '/ill/stereo_node'),
    ('engine-other', '/ill/stereo_node'),
    ('engine-preparing', '/ill/stereo_node'),
    ('messages-lost', '/ill/stereo_node lost_left'),
    ('dropped', '/ill/stereo_node queue_full'),
    ('costmap-no-clearing', '/local_costmap/local_costmap obstacle_layer'),
]
RIGS = ('qos', 'typo', 'skew', 'stamps', 'late', 'unread', 'sizes', 'rig', 'uneven', 'slow')
OTHERS = ('asleep', 'nowhen', 'types', 'hostile', 'dormant')
PARAMETERS: dict[str, dict[str, Any]] = {
    'qos': {'input_reliability': 'reliable'},
    'asleep': {'autostart': False},
    'nowhen': {'use_sim_time': True},
    'units': {'source': 'rgbd'},
}
SETTLE_S = 4.0


@dataclass
class Visit:
    """What the doctor said before and after its lines were typed."""

    before: dict[str, Any]
    after: dict[str, Any]
    typed: dict[tuple[str, str], str]


@pytest.fixture(scope='module')
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    require_interfaces()
    folder = tmp_path_factory.mktemp('farm')
    kinds = dict.fromkeys((*RIGS, *OTHERS), 'stereo')
    sample = ['depth_ros.ros', 'sample_camera', '--ros-args', '-r', '__ns:=/dormant']
    sample += ['-p', 'source:=scene', '-p', 'size:=120x160', '-p', 'autostart:=false']
    with process(folder, 'sample', *sample), cameras(folder, *kinds, 'units'):
        with (
            nodes(folder, {**kinds, 'units': 'odometry'}, PARAMETERS),
            process(folder, 'stand_ins', 'tests.kit.nodes.stand_in_nodes'),
        ):
            time.sleep(SETTLE_S)
            names = [f'/{rig}/{rig}_node' for rig in (*kinds, 'units')]
            before = diagnosis(of=names, with_faults=FAULTS)
        yield cured(folder, before)


def cured(folder: Path, before: dict[str, Any]) -> Visit:
    """Type what the doctor said; its second opinion is about the nodes that were cured."""
    restarted = [
        ('qos-mismatch', '/qos/left/image_raw'),
        ('qos-mismatch', '/qos/depth/image'),
        ('no-publisher', '/typo/right/image_raw'),
        ('type-mismatch', '/types/left/image_raw'),
    ]
    running = [
        ('stamp-skew', '/skew/right/image_raw'),
        ('clock-missing', '/nowhen/nowhen_node'),
        ('lifecycle', '/asleep/asleep_node'),
        ('lifecycle', '/dormant/sample_camera'),
    ]
    typed = {fault: line_of(before, *fault) for fault in (*restarted, *running)}
    left = dict.fromkeys(('skew', 'nowhen', 'asleep', 'dormant'), 'stereo')
    with ExitStack() as stack:
        stack.enter_context(nodes(folder, left, PARAMETERS))
        for index, line in enumerate(joined([typed[fault] for fault in restarted])):
            words = ['depth_ros.ros', *shlex.split(line)[3:], '-p', 'model:=sgbm']
            stack.enter_context(process(folder, f'cured{index}', *words))
        driver = stack.enter_context(robot(cameras=(), outputs=()))
        for fault in running:
            type_line(driver, typed[fault])
        time.sleep(SETTLE_S)
        cured_nodes = [f'/{rig}/{rig}_node' for rig in (*left, 'qos', 'typo', 'types')]
        after = diagnosis(of=cured_nodes, without=list(typed))
        return Visit(before=before, after=after, typed=typed)


def joined(lines: list[str]) -> list[str]:
    """Join the lines about one node: two findings on it are one start with both parameters."""
    by_node: dict[str, str] = {}
    for line in lines:
        words = shlex.split(line)
        node = next(word for word in words if word.startswith('__node:='))
        extra = ' '.join(words[words.index('--ros-args') + 5 :])
        by_node[node] = f'{by_node[node]} {extra}' if node in by_node else line
    return list(by_node.values())


def type_line(driver: Robot, line: str) -> None:
    """Do what ``ros2 param set`` or ``ros2 lifecycle set`` does."""
    _, verb, _, node, *words = line.split()
    if verb == 'param':
        name, text = words
        value: object = {'true': True, 'false': False}.get(text)
        value = float(text) if value is None else value
        assert driver.set_parameters(node, **{name: value}).successful
        return
    assert (verb, words) == ('lifecycle', ['configure'])
    for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        client = driver.node.create_client(ChangeState, f'{node}/change_state')
        request = ChangeState.Request(transition=Transition(id=number))
        assert driver._call(client, request).success


@pytest.mark.parametrize('fault', FAULTS, ids=lambda fault: f'{fault[0]}{fault[1]}')
def test_fault_is_found_by_its_name(visit: Visit, fault: tuple[str, str]) -> None:
    assert fault in found(visit.before)


def test_every_finding_has_a_line_to_type_and_nothing_is_left_out(visit: Visit) -> None:
    assert all(entry['type'] and entry['text'] for entry in visit.before['findings'])
    assert not visit.before['is_healthy']
    assert len({name for name, _ in FAULTS}) >= 20
    assert not [entry for entry in visit.before['findings'] if entry['id'] == 'check-failed']


def test_nearest_name_and_measured_values_are_told(visit: Visit) -> None:
    assert visit.typed['no-publisher', '/typo/right/image_raw'].endswith(
        '-r /typo/right/image_raw:=/typo/right/image_rwa'
    )
    assert visit.typed['stamp-skew', '/skew/right/image_raw'] == (
        'ros2 param set /skew/skew_node max_stamp_difference_s 0.09'
    )
    assert visit.typed['clock-missing', '/nowhen/nowhen_node'].endswith('use_sim_time false')


def test_what_is_listened_to_is_bounded_and_no_output_of_ours(visit: Visit) -> None:
    counts = visit.before['listened_to']
    assert max(count for topic, count in counts.items() if 'image' in topic) <= 20
    assert not any('/depth/image' in topic for topic in counts if 'units' not in topic)
    assert not any('points' in topic or 'disparity' in topic for topic in counts)


@pytest.mark.parametrize(
    'fault',
    [
        ('qos-mismatch', '/qos/left/image_raw'),
        ('qos-mismatch', '/qos/depth/image'),
        ('no-publisher', '/typo/right/image_raw'),
        ('no-publisher', '/types/right/image_raw'),
        ('type-mismatch', '/types/left/image_raw'),
        ('stamp-skew', '/skew/right/image_raw'),
        ('clock-missing', '/nowhen/nowhen_node'),
        ('lifecycle', '/asleep/asleep_node'),
        ('lifecycle', '/dormant/sample_camera'),
    ],
    ids=lambda fault: f'{fault[0]}{fault[1]}',
)
def test_its_remedy_ends_it(visit: Visit, fault: tuple[str, str]) -> None:
    seen = {node['name'] for node in visit.after['nodes']}
    assert {'/qos/qos_node', '/typo/typo_node', '/types/types_node'} <= seen
    assert fault in found(visit.before)
    assert fault not in found(visit.after)


def test_nobody_there_is_found_and_ends_by_itself() -> None:
    result = run_doctor(seconds=1.0, ROS_DOMAIN_ID='101')
    assert result.returncode == 1, result.stderr
    assert 'ERROR no-node' in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_control_c_ends_it_cleanly() -> None:
    command = [sys.executable, '-m', 'depth_ros.ros', 'doctor', '--seconds', '60']
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    time.sleep(3.0)
    child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=60)
    assert child.returncode == 130
    assert 'interrupted' in error
    assert 'Traceback' not in out + error


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--seconds', 'soon'], 'expected seconds'),
        (['--ignore', 'everything'], 'there is no check'),
    ],
)
def test_wrong_words_are_refused(words: list[str], said: str) -> None:
    result = run_doctor(*words)
    assert result.returncode == 2
    assert said in result.stderr
