"""The matching service under load: fair turns, busy answers, callers that vanish, and its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.child_environment import child_environment

pytest.importorskip('tests.kit.built_interfaces')

from depth_ros.ros.matcher.client import MatchClient, MatchReply, reply_of
from depth_ros.ros.matcher.messages import MatchStatus
from tests.kit.live_node import Robot
from tests.kit.matcher_kit import Stage, assert_shifted, shifted, staged, windows
from tests.kit.nodes.slow_matcher_node import GATE

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.slow_matcher_node'
NUM_CLIENTS = 20
QUEUE_SIZE = 4


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A node that opens when told to and takes 0.2 s a pair."""
    folder = tmp_path_factory.mktemp('load')
    os.environ[GATE] = str(folder / 'open')
    arguments = (f'queue_size:={QUEUE_SIZE}', 'max_wait_s:=60.0', 'input_depth:=10')
    outputs = ('matches',)
    with staged(folder, *arguments, module=SCRIPT, outputs=outputs, ready='') as made:
        yield made
    del os.environ[GATE]


def send_all(robot: Robot, clients: list[MatchClient], **fields: float) -> list[MatchReply]:
    """Ask with every client at once, and wait for all answers."""
    futures = []
    for client in clients:
        request = client.request(*shifted())
        for name, value in fields.items():
            setattr(request, name, value)
        futures.append(client.ask_async(request))
    assert robot.spin_until(lambda: all(future.done() for future in futures))
    return [reply_of(future.result()) for future in futures]


def resident_megabytes(stage: Stage) -> float:
    text = Path(f'/proc/{stage.node.process.pid}/status').read_text(encoding='ascii')
    line = next(line for line in text.splitlines() if line.startswith('VmRSS'))
    return int(line.split()[1]) / 1024


def test_who_asks_too_early_is_told_so(stage: Stage) -> None:
    assert stage.send(stage.request()).status is MatchStatus.NOT_READY
    Path(os.environ[GATE]).touch()
    stage.node.wait_for('ready for requests')
    stage.robot.connect(num_images=1)
    assert stage.robot.spin_until(lambda: stage.send(stage.request()).status is MatchStatus.OK)


@pytest.fixture(scope='module')
def open_stage(stage: Stage) -> Stage:
    Path(os.environ[GATE]).touch()
    stage.node.wait_for('ready for requests')
    stage.robot.connect(num_images=1)
    return stage


def test_flood_of_twenty_clients(open_stage: Stage) -> None:
    """Answers are right or busy, all come, and memory does not grow with requests."""
    stage = open_stage
    clients = [MatchClient(stage.robot.node) for _ in range(NUM_CLIENTS)]
    assert all(client.wait(20.0) for client in clients)
    send_all(stage.robot, clients)
    before = resident_megabytes(stage)
    for _ in range(2):
        replies = send_all(stage.robot, clients)
        statuses = [reply.status for reply in replies]
        assert set(statuses) == {MatchStatus.OK, MatchStatus.BUSY}
        # A busy machine delivers the requests slowly, so that some more find room.
        assert QUEUE_SIZE <= statuses.count(MatchStatus.OK) < NUM_CLIENTS
        for reply in replies:
            if reply.status is MatchStatus.OK:
                assert_shifted(reply)
            else:
                assert 'as many requests wait' in reply.text
    assert resident_megabytes(stage) - before < 40
    for client in clients:
        client.close()


def test_named_caller_is_not_kept_out_by_nameless_ones(open_stage: Stage) -> None:
    stage = open_stage
    flood = MatchClient(stage.robot.node)
    futures = [flood.ask_async(nameless(flood)) for _ in range(12)]
    assert stage.robot.spin_until(lambda: stage.robot.count('in_flight') >= QUEUE_SIZE)
    future = stage.client.ask_async(stage.request())
    assert stage.robot.spin_until(future.done)
    done_before = sum(item.done() and reply_of(item.result()).text == '' for item in futures)
    assert_shifted(reply_of(future.result()))
    assert done_before <= 3, 'it had its turn after the one in work and one of the others'
    assert stage.robot.spin_until(lambda: all(item.done() for item in futures))


def nameless(client: MatchClient) -> object:
    request = client.request(*shifted())
    request.caller = ''
    return request


def test_one_caller_has_one_request_at_a_time(open_stage: Stage) -> None:
    stage = open_stage
    other = MatchClient(stage.robot.node)
    first = other.ask_async(other.request(*shifted()))
    assert stage.robot.spin_until(lambda: stage.robot.count('in_flight') >= 1)
    waiting = [stage.client.ask_async(stage.request()) for _ in range(3)]
    futures = [first, *waiting]
    assert stage.robot.spin_until(lambda: all(future.done() for future in futures))
    replies = [reply_of(future.result()) for future in waiting]
    statuses = [reply.status for reply in replies]
    assert statuses.count(MatchStatus.OK) == 1
    texts = ' '.join(reply.text for reply in replies)
    assert 'a newer request of this caller' in texts or 'being worked on' in texts


def test_request_that_waited_too_long_is_not_begun(open_stage: Stage) -> None:
    stage = open_stage
    clients = [MatchClient(stage.robot.node) for _ in range(4)]
    replies = send_all(stage.robot, clients, max_wait_s=0.3)
    expired = [reply for reply in replies if reply.status is MatchStatus.BUSY]
    assert 1 <= len(expired) <= 3
    assert all('waited' in reply.text for reply in expired)


def test_right_answers_beside_a_camera_stream(open_stage: Stage) -> None:
    """Callers and the topic take turns; frames that nobody had time for are counted."""
    stage = open_stage
    clients = [MatchClient(stage.robot.node) for _ in range(3)]
    frames = windows()
    outputs = stage.robot.count('outputs')
    num_matches = len(stage.robot.received['matches'])
    for index in range(3):
        for _ in range(4):
            stage.send_frame(frames[index % 2])
        for reply in send_all(stage.robot, clients):
            assert_shifted(reply)
    assert stage.robot.spin_until(
        lambda: stage.robot.count('outputs') >= outputs + 9 and stage.robot.count('in_flight') == 0
    )
    assert len(stage.robot.received['matches']) > num_matches
    assert stage.robot.wait_count('dropped_superseded', 1)


def test_callers_that_vanish_cost_one_inference_each_at_most(open_stage: Stage) -> None:
    stage = open_stage
    outputs, requests = stage.robot.count('outputs'), stage.robot.count('requests')
    environment = child_environment()
    command = [sys.executable, '-m', 'tests.kit.nodes.vanishing_callers', '3']
    result = subprocess.run(command, env=environment, check=False, timeout=60)
    assert result.returncode == 0
    assert stage.robot.wait_count('requests', requests + 3)
    assert stage.robot.spin_until(lambda: stage.robot.count('in_flight') == 0)
    assert_shifted(stage.send(stage.request()))
    assert stage.robot.wait_count('outputs', outputs + 1)
    stage.robot.spin(0.3)
    assert stage.robot.count('outputs') <= outputs + 3 + 1
    assert stage.robot.count('requests') == stage.robot.count('answers')


def test_defect_of_the_matcher_is_an_answer(open_stage: Stage) -> None:
    stage = open_stage
    assert stage.robot.set_parameters(model='orb').successful
    assert stage.robot.spin_until(lambda: stage.robot.diagnostics['model'] == 'orb')
    reply = stage.send(stage.request())
    assert reply.status is MatchStatus.FAILED
    assert 'no such luck' in reply.text
    assert stage.robot.set_parameters(model='sift').successful
    assert stage.robot.spin_until(lambda: stage.robot.diagnostics['model'] == 'sift')
    assert_shifted(stage.send(stage.request()))


def test_who_waits_at_the_end_is_told_so(open_stage: Stage) -> None:
    stage = open_stage
    clients = [MatchClient(stage.robot.node) for _ in range(QUEUE_SIZE)]
    futures = [client.ask_async(client.request(*shifted())) for client in clients]
    assert stage.robot.spin_until(lambda: stage.robot.count('in_flight') >= 3)
    stage.node.process.terminate()
    assert stage.robot.spin_until(lambda: all(future.done() for future in futures))
    assert stage.node.process.wait(20) == 0
    statuses = [reply_of(future.result()).status for future in futures]
    assert set(statuses) <= {MatchStatus.OK, MatchStatus.SHUTTING_DOWN}
    assert MatchStatus.SHUTTING_DOWN in statuses
    report = stage.node.report()
    assert report['requests'] == report['answers']
