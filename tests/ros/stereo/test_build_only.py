"""Engines built by nodes: on request only, in sight, or not at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from tests.kit.live_node import NodeProcess, Robot, robot, running, wait_until
from tests.kit.toy_graph import write_toy_artifact

pytestmark = pytest.mark.ros
SLOW = 'tests.kit.nodes.slow_stereo_node'
TOY = 'tests.kit.nodes.toy_stereo_node'
TOY_OPTIONS = ('-p', 'model:=crestereo', '-p', 'engine:=onnxruntime')


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def ended(node: NodeProcess) -> int:
    assert wait_until(lambda: node.process.poll() is not None, 60.0), node.log()
    return node.process.wait()


def test_a_node_builds_says_so_and_exits_then_another_starts_at_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('onnxruntime', reason='the runtime onnxruntime is absent')
    monkeypatch.setenv('TOY_ONNX', str(write_toy_artifact(tmp_path)))
    never = ('-p', 'build_if_missing:=false')
    refused = NodeProcess(tmp_path, *TOY_OPTIONS, *never, module=TOY)
    assert ended(refused) == 1
    command = 'depth-ros build toy --weights FILE --size 12x20 --engine onnxruntime'
    assert f'type: {command} --precision f32' in refused.log()
    assert not list(cache.glob('engines/*'))

    builder = NodeProcess(tmp_path, *TOY_OPTIONS, *never, '-p', 'build_only:=true', module=TOY)
    assert ended(builder) == 0
    assert 'preparing: compile toy-12x20 in f32 for onnxruntime' in builder.log()
    assert 'build_only: ready is' in builder.log()
    assert 'subscribed to' not in builder.log()
    assert len(list(cache.glob('engines/*-onnxruntime-f32-*'))) == 1

    with running(tmp_path, *TOY_OPTIONS, *never, module=TOY) as node:
        node.wait_for('subscribed to')
        assert 'preparing: compile' not in node.log()


def test_a_model_without_engines_has_nothing_to_build(tmp_path: Path, cache: Path) -> None:
    node = NodeProcess(tmp_path, '-p', 'build_only:=true')
    assert ended(node) == 0
    assert 'build_only: ready is sgbm' in node.log()


def test_a_failed_build_exits_with_1(tmp_path: Path, cache: Path) -> None:
    slow = ('-p', 'model:=crestereo', '-p', 'precision:=bf16', '-p', 'build_only:=true')
    node = NodeProcess(tmp_path, *slow, module=SLOW)
    assert ended(node) == 1
    assert 'this CPU has no bf16' in node.log() and 'ready is' not in node.log()


def test_diagnostics_show_a_build_as_it_goes_on(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tmp_path / 'done'
    monkeypatch.setenv('SLOW_UNTIL', str(done))
    words = ('-p', 'model:=crestereo', '-p', 'diagnostics_period_s:=0.1')
    pattern = re.compile(
        r'preparing: building the engine: (\d+) s \((.*)\), all \d+ s, peak memory (\d+) MB'
    )

    def watch(driver: Robot, *, count: int) -> tuple[set[str], str]:
        seen: set[str] = set()
        expected = ''
        while len(seen) < count:
            assert driver.spin_until(
                lambda: driver.status and pattern.search(driver.status.message)
            )
            found = pattern.search(driver.status.message)
            assert found is not None and int(found[3]) > 10
            seen.add(found[1])
            expected = found[2]
            driver.spin(0.05)
        return seen, expected

    with robot() as driver, running(tmp_path, *words, module=SLOW) as node:
        seen, expected = watch(driver, count=2)
        assert len(seen) == 2 and expected == 'first time here'
        done.touch()
        node.wait_for('subscribed to')
    done.unlink()
    with robot() as driver, running(tmp_path, *words, module=SLOW) as node:
        _, expected = watch(driver, count=1)
        assert re.fullmatch(r'last time \d+ s', expected)
        done.touch()
        node.wait_for('subscribed to')
