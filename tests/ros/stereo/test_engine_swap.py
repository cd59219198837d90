"""Engines that take long to open, fail late, or fail while running: the node lives on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from tests.kit.live_node import NodeProcess, Robot, robot, running

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.slow_stereo_node'


@dataclass
class Stage:
    node: NodeProcess
    robot: Robot


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    options = ('-p', 'sgbm.num_disparities:=32', '-p', 'diagnostics_period_s:=0.1')
    folder = tmp_path_factory.mktemp('swap')
    with running(folder, *options, module=SCRIPT) as node, robot() as driver:
        node.wait_for('subscribed to')
        driver.connect()
        driver.send_infos()
        yield Stage(node, driver)


def test_a_late_failure_is_logged_and_parameters_go_back(stage: Stage) -> None:
    driver = stage.robot
    assert driver.set_parameters(precision='bf16').successful
    result = driver.set_parameters(model='crestereo')
    assert result.successful, 'it takes longer than a refusal may'
    assert driver.spin_until(lambda: 'preparing' in driver.status.message)
    second = driver.set_parameters(engine='onnxruntime')
    assert not second.successful and 'being prepared' in second.reason
    driver.good_pair()
    assert driver.spin_until(lambda: 'this CPU has no bf16' in stage.node.log())
    assert driver.spin_until(lambda: driver.get_parameter('model') == 'sgbm')
    assert driver.set_parameters(precision='f32').successful
    driver.good_pair()
    assert driver.diagnostics['model'] == 'sgbm'


def test_a_slow_engine_is_prepared_beside_the_running_one(stage: Stage) -> None:
    driver = stage.robot
    assert driver.set_parameters(model='crestereo').successful
    outputs = driver.count('outputs')
    driver.good_pair()
    assert driver.diagnostics['model'] == 'sgbm', 'the old one works meanwhile'
    assert driver.set_parameters(max_depth_m=50.0).successful
    assert driver.spin_until(lambda: driver.diagnostics['model'] == 'crestereo')
    driver.good_pair()
    assert driver.wait_count('outputs', outputs + 2)
    assert driver.wait_count('dropped_engine', 2)
    lines = stage.node.lines_about('engine]')
    assert len(lines) == 1 and 'the device was lost; restart' in lines[0]


def test_an_interrupt_while_an_engine_is_built_ends_at_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = tmp_path / 'cache'
    drafts.mkdir()
    monkeypatch.setenv('SLOW_DRAFTS', str(drafts))
    monkeypatch.setenv('SLOW_UNTIL', str(tmp_path / 'never'))
    options = ('-p', 'model:=crestereo')
    with running(tmp_path, *options, module=SCRIPT) as node:
        node.wait_for('building the engine')
        assert len(list(drafts.iterdir())) == 1
        assert node.stop() == 0
        assert list(drafts.iterdir()) == []
        assert node.report()['outputs'] == 0
        assert 'Traceback' not in node.log()
