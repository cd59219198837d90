"""What nodes of one process share: topics without DDS, an executor that no node holds up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest.mock import Mock

import pytest

rclpy = pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String

from depth_ros.errors import ParameterError
from depth_ros.ros.node.company import Company, CompanyNode
from depth_ros.ros.node.endpoints import close_subscription, open_publisher, open_subscription
from depth_ros.ros.node.guarded_executor import CrewExecutor
from depth_ros.ros.node.local_topics import LocalSubscription
from depth_ros.ros.node.publishers import OutputTopic, TopicPublishers
from depth_ros.ros.perception import parted_by_node, wanted
from depth_ros.ros.stereo.parameters import StereoParameters

pytestmark = pytest.mark.ros
QOS = QoSProfile(depth=2)


@pytest.fixture(scope='module', autouse=True)
def ros() -> Iterator[None]:
    rclpy.init()
    yield
    rclpy.shutdown()


@pytest.fixture
def pair() -> Iterator[tuple[CompanyNode, CompanyNode]]:
    company = Company()
    nodes = CompanyNode('writer', company), CompanyNode('reader', company)
    yield nodes
    for node in nodes:
        node.destroy_node()


def spin(node: Node, done: Callable[[], object], timeout_s: float = 10.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and not done():
        rclpy.spin_once(node, timeout_sec=0.02)
    return bool(done())


def test_messages_are_handed_over_as_they_are(pair: tuple[CompanyNode, CompanyNode]) -> None:
    writer, reader = pair
    publisher = open_publisher(writer, String, 'word', QOS)
    received: list[String] = []
    subscription = open_subscription(reader, String, 'word', received.append, QOS)
    assert isinstance(subscription, LocalSubscription)
    assert publisher.get_subscription_count() == 1
    assert reader.count_subscribers('/word') == 0, 'nothing is subscribed to over DDS'
    message = String(data='a')
    threading.Thread(target=publisher.publish, args=(message,)).start()
    assert spin(reader, lambda: received)
    assert received[0] is message
    close_subscription(reader, subscription)
    assert publisher.get_subscription_count() == 0
    publisher.publish(String(data='b'))
    assert not spin(reader, lambda: len(received) > 1, 0.2)


@dataclass(frozen=True)
class WordWanted:
    """What a word needs: nothing."""


def fill_word(message: Image, output: str, parameters: object) -> bool:
    message.encoding = output
    return bool(output)


WORD: OutputTopic = OutputTopic(
    name='said', message_type=Image, fill=fill_word, needs=WordWanted(), meaning='A word.'
)


def test_what_readers_of_the_process_hold_is_not_filled_again(
    pair: tuple[CompanyNode, CompanyNode],
) -> None:
    writer, reader = pair
    outputs = TopicPublishers(writer, StereoParameters(), Mock(), [WORD])
    received: list[Image] = []
    open_subscription(reader, Image, 'said', received.append, QOS)
    for index, word in enumerate(('a', '', 'b')):
        outputs.publish(word, stamp_ns=index + 1, frame_id='camera')
    assert spin(reader, lambda: len(received) == 2)
    assert [(one.encoding, one.header.stamp.nanosec) for one in received] == [('a', 1), ('b', 3)]


def test_what_went_over_dds_arrives_as_it_was_though_its_message_is_filled_again() -> None:
    writer, reader = rclpy.create_node('alone'), rclpy.create_node('listener')
    outputs = TopicPublishers(writer, StereoParameters(), Mock(), [WORD])
    received: list[Image] = []
    reader.create_subscription(Image, 'said', received.append, QOS)
    assert spin(reader, outputs.wanted)
    for index, word in enumerate(('a', '', 'b')):
        outputs.publish(word, stamp_ns=index + 1, frame_id='camera')
    assert spin(reader, lambda: len(received) == 2)
    assert [(one.encoding, one.header.stamp.nanosec) for one in received] == [('a', 1), ('b', 3)]
    for node in (writer, reader):
        node.destroy_node()


def test_what_is_not_taken_in_time_is_replaced_and_counted(
    pair: tuple[CompanyNode, CompanyNode],
) -> None:
    writer, reader = pair
    publisher = open_publisher(writer, String, 'word', QOS)
    received: list[str] = []
    lost: list[int] = []
    open_subscription(
        reader, String, 'word', lambda m: received.append(m.data), QOS, on_lost=lost.append
    )
    for text in 'abcde':
        publisher.publish(String(data=text))
    assert spin(reader, lambda: len(received) == 2)
    assert received == ['d', 'e'] and sum(lost) == 3


def test_others_read_over_dds_and_topics_of_everybody_stay_there(
    pair: tuple[CompanyNode, CompanyNode],
) -> None:
    writer, reader = pair
    publisher = open_publisher(writer, String, 'word', QOS)
    outside = Node('outside')
    received: list[String] = []
    outside.create_subscription(String, 'word', received.append, QOS)
    assert spin(outside, publisher.get_subscription_count)
    publisher.publish(String(data='a'))
    assert spin(outside, lambda: received)
    outside.destroy_node()
    assert isinstance(open_publisher(writer, DiagnosticArray, '/diagnostics', QOS), Publisher)
    taken = open_subscription(reader, DiagnosticArray, '/diagnostics', print, QOS)
    assert not isinstance(taken, LocalSubscription), 'other processes publish there too'


def test_a_node_that_waits_holds_up_no_other_and_failures_go_to_their_node() -> None:
    """As a transition that waits for an engine does."""
    context = Context()
    rclpy.init(context=context)
    slow, quick = Node('slow', context=context), Node('quick', context=context)
    told: list[tuple[Node | None, str]] = []
    executor = CrewExecutor(
        lambda node, text: told.append((node, text)), num_nodes=2, context=context
    )
    release, ticks = threading.Event(), []
    slow.create_timer(0.01, lambda: release.wait(20.0))

    def tick() -> None:
        ticks.append(1)
        raise ValueError('tick')

    quick.create_timer(0.01, tick)
    for node in (slow, quick):
        executor.add_node(node)
    end = time.monotonic() + 20.0
    while len(ticks) < 5 and time.monotonic() < end:
        executor.spin_once(0.1)
    assert len(ticks) >= 5 and not release.is_set()
    release.set()
    executor.wait_until_idle(slow)
    executor.wait_until_idle(quick)
    assert {node for node, _ in told} == {quick} and 'ValueError: tick' in told[0][1]
    executor.shutdown()
    for node in (slow, quick):
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_words_of_one_node_are_its_own_in_any_namespace() -> None:
    words = ['--ros-args', '-p', 'writer:a:=1', '-r', 'writer:__ns:=/b', '-r', 'x:=writer', '-p']
    common, own = parted_by_node([*words, 'writer:=2'], ['writer'])
    assert common == ['--ros-args', '-r', 'x:=writer', '-p', 'writer:=2']
    assert own == {'writer': ['-p', 'a:=1', '-r', '__ns:=/b']}
    node = CompanyNode('writer', Company(words=own), allow_undeclared_parameters=True)
    node.declare_parameter('a', 0)
    assert node.get_fully_qualified_name() == '/b/writer'
    assert node.get_parameter('a').value == 1
    node.destroy_node()
    with pytest.raises(ParameterError, match='writer: expected arguments that ROS knows'):
        CompanyNode('writer', Company(words={'writer': ['-r', '::=x']}))


def test_the_list_of_nodes() -> None:
    assert wanted(['--ros-args']) == (['stereo', 'odometry'], ['--ros-args'])
    assert wanted(['--nodes', 'mono_node, viewer', '-x']) == (['mono', 'viewer'], ['-x'])
    assert wanted(['--nodes=matcher']) == (['matcher'], [])
    for words in (['--nodes'], ['--nodes', 'stereo,stereo_node'], ['--nodes', 'sterio']):
        with pytest.raises(ParameterError, match='--nodes needs different nodes out of stereo,'):
            wanted(words)
