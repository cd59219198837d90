"""The heartbeat for lifecycle_manager, with a stand-in for bond's messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode

from depth_ros.ros.node import bond
from depth_ros.ros.node.lifecycle import Lifecycle, NothingToManage


@dataclass
class Status:
    """Fields of ``bond/msg/Status``."""

    id: str
    instance_id: str
    active: bool
    heartbeat_timeout: float
    heartbeat_period: float
    header: Any = field(default_factory=lambda: SimpleNamespace(stamp=None))


@pytest.fixture
def node() -> Iterator[LifecycleNode]:
    context = Context()
    rclpy.init(context=context)
    node = LifecycleNode('beating', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_it_beats_while_the_node_is_active(
    node: LifecycleNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType('bond.msg')
    module.Status = Status
    monkeypatch.setitem(sys.modules, 'bond', ModuleType('bond'))
    monkeypatch.setitem(sys.modules, 'bond.msg', module)
    sent: list[Status] = []
    publisher = SimpleNamespace(publish=sent.append)
    topics: list[str] = []

    def open_publisher(node: Any, kind: type, name: str, profile: Any) -> Any:
        topics.append(name)
        return publisher

    monkeypatch.setattr(bond, 'open_publisher', open_publisher)
    monkeypatch.setattr(bond, 'PERIOD_S', 0.01)
    lifecycle = Lifecycle(node, NothingToManage())
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    for _ in range(5):
        executor.spin_once(timeout_sec=0.05)
    assert topics == ['/bond'] and sent == [], 'nobody waits for an unconfigured node'
    assert lifecycle.bring_up()
    for _ in range(200):
        executor.spin_once(timeout_sec=0.05)
        if len(sent) >= 3:
            break
    assert len(sent) >= 3 and all(status.active for status in sent)
    assert {status.id for status in sent} == {'beating'}
    assert len({status.instance_id for status in sent}) == 1
    assert sent[0].heartbeat_timeout == 4.0 and sent[0].header.stamp is not None
    node.trigger_deactivate()
    assert not sent[-1].active, 'gone in good order'
    count = len(sent)
    for _ in range(5):
        executor.spin_once(timeout_sec=0.05)
    assert len(sent) == count
    executor.shutdown()


def test_without_bond_messages_nothing_beats(node: LifecycleNode) -> None:
    timers = len(list(node.timers))
    assert Lifecycle(node, NothingToManage()).bring_up()
    assert len(list(node.timers)) == timers
