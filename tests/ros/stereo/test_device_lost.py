"""A GPU that is lost while the node runs: a CPU engine goes on if allowed, else the node ends."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
pytest.importorskip('openvino', reason='the runtime openvino is absent')

from diagnostic_msgs.msg import DiagnosticStatus

from tests.kit.live_node import TIMEOUT_S, robot, running

pytestmark = pytest.mark.ros
SCRIPT = 'tests.kit.nodes.lost_device_node'
OPTIONS = (
    *('-p', 'model:=crestereo', '-p', 'engine:=tensorrt', '-p', 'precision:=f16'),
    *('-p', 'sgbm.num_disparities:=32', '-p', 'diagnostics_period_s:=0.1'),
)


def test_cpu_engine_goes_on_where_it_may(tmp_path: Path) -> None:
    with running(tmp_path, *OPTIONS, '-p', 'cpu_fallback:=true', module=SCRIPT) as node:
        with robot() as driver:
            node.wait_for('subscribed to')
            driver.connect()
            driver.send_infos()
            driver.good_pair()
            assert driver.wait_count('outputs', 1)
            driver.send_pair()
            assert driver.wait_count('dropped_device_lost', 1)
            assert driver.spin_until(lambda: driver.get_parameter('engine') == 'openvino')
            assert driver.get_parameter('precision') == 'f32'
            assert driver.spin_until(lambda: 'going on with openvino' in node.log())
            driver.good_pair()
            assert driver.wait_count('outputs', 2)
            assert driver.status.level == DiagnosticStatus.WARN
            assert 'the GPU was lost' in driver.status.message, 'it stays degraded, and says so'
        assert node.stop() == 0


def test_node_ends_for_whoever_started_it(tmp_path: Path) -> None:
    with running(tmp_path, *OPTIONS, module=SCRIPT) as node, robot() as driver:
        node.wait_for('subscribed to')
        driver.connect()
        driver.send_infos()
        driver.good_pair()
        assert driver.wait_count('outputs', 1)
        driver.send_pair()
        assert driver.spin_until(lambda: driver.status.level == DiagnosticStatus.ERROR)
        assert 'the GPU was lost' in driver.status.message
        assert node.process.wait(TIMEOUT_S) == 1
        assert 'cannot go on: the GPU was lost' in node.log()
