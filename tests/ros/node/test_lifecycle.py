"""Managed nodes: up and down by transitions, errors with their reason, and nothing that leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.impl.implementation_singleton import rclpy_implementation

from depth_ros.ros.node.lifecycle import answer_impossible_requests
from tests.kit.live_node import NodeProcess, Robot, robot, running

pytestmark = pytest.mark.ros
CYCLES = 30
UP = ('configure', 'activate')
DOWN = ('deactivate', 'cleanup')
IDS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'cleanup': Transition.TRANSITION_CLEANUP,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
}


@dataclass
class Stage:
    node: NodeProcess
    robot: Robot
    name: str = 'stereo_node'

    def change(self, *names: str) -> list[bool]:
        """Ask for transitions one after the other; return whether each succeeded."""
        client = self.robot.node.create_client(ChangeState, f'/{self.name}/change_state')
        answers = []
        for name in names:
            assert client.wait_for_service(20.0)
            future = client.call_async(ChangeState.Request(transition=Transition(id=IDS[name])))
            assert self.robot.spin_until(future.done), f'{name} is not answered'
            answers.append(bool(future.result().success))
        self.robot.node.destroy_client(client)
        return answers

    def state(self) -> str:
        client = self.robot.node.create_client(GetState, f'/{self.name}/get_state')
        return str(self.robot._call(client, GetState.Request()).current_state.label)

    def num_subscriptions(self) -> int:
        images = [item for name, item in self.robot.publishers.items() if 'image' in name]
        return sum(item.get_subscription_count() for item in images)


def test_impossible_transitions_are_answered_where_rclpy_raises() -> None:
    """As rclpy of Jazzy does: whoever asked waited for ever."""

    def raising(request: object, response: object) -> object:
        raise rclpy_implementation.RCLError('Transition is not registered.')

    services = [
        SimpleNamespace(srv_type=ChangeState, callback=raising),
        SimpleNamespace(srv_type=GetState, callback=raising),
    ]
    answer_impossible_requests(SimpleNamespace(services=services))
    answer = services[0].callback(ChangeState.Request(), ChangeState.Response(success=True))
    assert answer.success is False
    assert services[1].callback is raising, 'nothing else is touched'


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp('lifecycle')
    options = ('-p', 'autostart:=false', '-p', 'sgbm.num_disparities:=32')
    options = (*options, '-p', 'diagnostics_period_s:=0.1')
    with running(folder, *options, is_subscribing=False) as node, robot() as driver:
        assert driver.spin_until(lambda: driver.diagnostics)
        yield Stage(node, driver)


def test_a_node_that_is_not_configured_has_no_engine_and_no_subscription(stage: Stage) -> None:
    assert stage.state() == 'unconfigured'
    assert stage.robot.diagnostics['lifecycle'] == 'unconfigured'
    assert stage.robot.diagnostics['engine'] == ''
    assert stage.change('activate') == [False], 'it is not configured'
    assert stage.change('configure') == [True]
    assert stage.robot.spin_until(lambda: stage.robot.diagnostics['engine'] == 'opencv')
    assert stage.robot.spin_until(lambda: stage.robot.diagnostics['lifecycle'] == 'inactive')
    assert stage.num_subscriptions() == 0


def test_active_nodes_work_and_inactive_ones_do_not(stage: Stage) -> None:
    driver = stage.robot
    assert stage.change('activate') == [True]
    driver.connect()
    driver.send_infos()
    driver.good_pair()
    received = driver.count('received_left')
    assert stage.change('deactivate') == [True]
    assert driver.spin_until(lambda: stage.num_subscriptions() == 0)
    assert driver.spin_until(lambda: driver.diagnostics['lifecycle'] == 'inactive')
    assert driver.status.message.endswith('Hz'), 'a camera that is not asked for is not missed'
    assert stage.change('activate') == [True]
    driver.connect()
    driver.good_pair()
    assert driver.wait_count('received_left', received + 1), 'the counters go on'
    assert stage.change(*DOWN) == [True, True]
    assert driver.spin_until(lambda: driver.diagnostics['engine'] == '')


def test_an_error_is_logged_and_leads_back_to_the_beginning(stage: Stage) -> None:
    assert stage.robot.set_parameters(weights='/nowhere/weights.pth').successful
    assert stage.robot.set_parameters(model='crestereo').successful, 'nothing is open to refuse it'
    assert stage.change('configure') == [False]
    assert stage.state() == 'unconfigured'
    assert 'cannot configure' in stage.node.log() and '/nowhere/weights.pth' in stage.node.log()
    assert stage.node.process.poll() is None, 'whoever manages it may try again'
    assert stage.robot.set_parameters(model='sgbm').successful
    assert stage.robot.set_parameters(weights='').successful
    assert stage.change(*UP) == [True, True]
    stage.robot.connect()
    stage.robot.good_pair()
    assert stage.change(*DOWN) == [True, True]


def resources(pid: int) -> dict[str, int]:
    process = Path('/proc') / str(pid)
    maps = (process / 'maps').read_text(encoding='utf-8').splitlines()
    return {
        'threads': len(list((process / 'task').iterdir())),
        'descriptors': len(list((process / 'fd').iterdir())),
        'shared': sum('/dev/shm/' in line for line in maps),
    }


def test_up_and_down_leaks_neither_threads_nor_descriptors_nor_shared_memory(
    stage: Stage,
) -> None:
    pid = stage.node.process.pid
    assert stage.change(*UP, *DOWN) == [True] * 4, 'what is opened once and for all is open now'
    before = resources(pid)
    for _ in range(CYCLES):
        assert stage.change(*UP, *DOWN) == [True] * 4
    after = resources(pid)
    assert all(after[name] <= count for name, count in before.items()), (before, after)
    assert stage.change(*UP) == [True, True]
    stage.robot.connect()
    stage.robot.send_infos()
    stage.robot.good_pair()
    assert stage.node.stop() == 0
    assert stage.node.report()['lifecycle'] == 'active'
    assert 'defect' not in stage.node.log()


def test_the_sample_camera_sends_while_it_is_active(tmp_path: Path) -> None:
    options = ('-p', 'source:=scene', '-p', 'size:=48x64', '-p', 'autostart:=false')
    with (
        running(tmp_path, *options, module='sample_camera') as node,
        robot(cameras=(), outputs={}) as driver,
    ):
        stage = Stage(node, driver, 'sample_camera')
        assert stage.state() == 'unconfigured'
        assert stage.change(*UP) == [True, True]
        assert stage.state() == 'active'
        assert stage.change('deactivate') == [True]
        assert node.stop() == 0
