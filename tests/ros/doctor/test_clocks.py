"""Simulated and wall time mixed, live: found by name, ended by what is typed, no false alarm."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from tests.kit.doctor_farm import cameras, diagnosis, found, line_of, nodes, process
from tests.kit.live_node import robot

pytestmark = pytest.mark.ros

SIMULATED = ('well', 'walled')
UNUSED = ('clock-unused', '/walled/walled_node')
SETTLE_S = 4.0


@dataclass
class Visits:
    before: dict[str, Any]
    after: dict[str, Any]
    stopped: dict[str, Any]


@pytest.fixture(scope='module')
def visits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visits]:
    folder: Path = tmp_path_factory.mktemp('clocks')
    simulated = [*SIMULATED, '--ros-args', '-r', '__node:=simulator', '-p', 'use_sim_time:=true']
    parameters = {'well': {'use_sim_time': True}, 'mixed': {'use_sim_time': True}}
    kinds = dict.fromkeys((*SIMULATED, 'mixed'), 'stereo')
    with ExitStack() as stack:
        clocks = stack.enter_context(
            process(folder, 'clocks', 'tests.kit.nodes.clocks', 'player', 'simulator_clock')
        )
        stack.enter_context(cameras(folder, 'mixed'))
        stack.enter_context(process(folder, 'sim', 'tests.kit.nodes.sick_cameras', *simulated))
        stack.enter_context(nodes(folder, kinds, parameters))
        time.sleep(SETTLE_S)
        names = [f'/{rig}/{rig}_node' for rig in kinds]
        usual = ('clock-mixed', '/mixed/left/image_raw')
        before = diagnosis(of=names, with_faults=[UNUSED, usual])
        with robot(cameras=(), outputs=()) as driver:
            for fault in (UNUSED, mixed(before)):
                _, _, _, node, name, value = line_of(before, *fault).split()
                assert (name, value) == ('use_sim_time', 'true')
                assert driver.set_parameters(node, use_sim_time=True).successful
        after = diagnosis(of=names)
        clocks.send_signal(signal.SIGUSR1)
        stopped = diagnosis(of=names, seconds=3.0)
        yield Visits(before=before, after=after, stopped=stopped)


def mixed(record: dict[str, Any]) -> tuple[str, str]:
    """Give the finding about an input of the node whose cameras take the wall clock."""
    names = [
        (name, about)
        for name, about in found(record)
        if name == 'clock-mixed' and about.startswith('/mixed/')
    ]
    assert len(names) == 1, record
    return names[0]


def test_clocks_that_do_not_go_together_are_found(visits: Visits) -> None:
    assert {UNUSED, mixed(visits.before), ('two-clocks', '/clock')} <= found(visits.before)
    assert not [about for _, about in found(visits.before) if about.startswith('/well/')]


def test_their_remedies_end_them(visits: Visits) -> None:
    assert UNUSED not in found(visits.after)
    assert not [name for name, _ in found(visits.after) if name in ('stamp-age', 'clock-mixed')]


def test_a_clock_that_stops_is_found(visits: Visits) -> None:
    assert ('clock-stopped', '/clock') in found(visits.stopped)
