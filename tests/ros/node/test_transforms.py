"""TF with a stand-in for tf2_ros, which wheels do not have: waiting, words, clocks, parents."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

import rclpy
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.node import Node
from rclpy.time import Time

from depth_ros.messages.camera_info import camera_from_info
from depth_ros.messages.poses import motion_of
from depth_ros.ros.demo.rig_mounts import mounts
from depth_ros.ros.mono.parameters import MonoParameters
from depth_ros.ros.multiview.parameters import MultiviewParameters
from depth_ros.ros.node.poses import TopicPoses, open_poses
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.transforms import CameraMount, transform_listener
from tests.kit.live_node import BASELINE_M, camera_info

SECOND_NS = 1_000_000_000
WORDS = 'Lookup would require extrapolation into the future'


class TransformError(Exception):
    """Stands for ``tf2_ros.TransformException``."""


class Buffer:
    """Has transforms by (target, source), each from a stamp on; knows the node's clock."""

    def __init__(self, cache_time: Any = None, node: Any = None) -> None:
        assert node is not None, 'a buffer without a node does not know simulated time'
        self.known: dict[tuple[str, str], dict[int, float]] = {}
        self.num_cleared = 0
        BUFFERS.append(self)

    def set(self, target: str, source: str, stamp_ns: int, x: float) -> None:
        self.known.setdefault((target, source), {})[stamp_ns] = x

    def clear(self) -> None:
        self.num_cleared += 1
        self.known.clear()

    def lookup_transform(self, target: str, source: str, time: Time, timeout: Any) -> Any:
        stamps = self.known.get((target, source), {})
        wanted = time.nanoseconds or max(stamps, default=0)
        if wanted not in stamps:
            raise TransformError(WORDS)
        found = TransformStamped()
        found.transform.translation.x = stamps[wanted]
        return found


BUFFERS: list[Buffer] = []


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    module = ModuleType('tf2_ros')
    module.Buffer, module.TransformException = Buffer, TransformError
    module.TransformListener = lambda buffer, node: SimpleNamespace(buffer=buffer)
    monkeypatch.setitem(sys.modules, 'tf2_ros', module)
    BUFFERS.clear()
    context = Context()
    rclpy.init(context=context)
    node = Node('transforms', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_what_is_missing_is_named_with_tf2s_words(node: Node) -> None:
    listener = transform_listener(node)
    assert listener is not None
    assert listener.at('base_link', 'eye', SECOND_NS) is None
    assert listener.problem == f"TF has no 'base_link' from 'eye' ({WORDS})"
    BUFFERS[0].set('base_link', 'eye', SECOND_NS, 0.5)
    found = listener.at('base_link', 'eye', SECOND_NS)
    assert found is not None and found[0, 3] == 0.5 and listener.problem == ''


def test_a_clock_that_jumps_back_clears_the_buffer(node: Node) -> None:
    assert transform_listener(node) is not None
    clock = node.get_clock()
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(Time(seconds=100, clock_type=clock.clock_type))
    count = BUFFERS[0].num_cleared
    clock.set_ros_time_override(Time(seconds=101, clock_type=clock.clock_type))
    assert BUFFERS[0].num_cleared == count, 'time goes on'
    clock.set_ros_time_override(Time(seconds=5, clock_type=clock.clock_type))
    assert BUFFERS[0].num_cleared == count + 1, 'the bag started again'


def odometry(stamp_ns: int, x: float) -> Odometry:
    message = Odometry(child_frame_id='base_link')
    message.header.frame_id = 'odom'
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, SECOND_NS)
    message.pose.pose.position.x, message.pose.pose.orientation.w = x, 1.0
    return message


def test_extrinsics_are_waited_for_and_may_move(node: Node) -> None:
    """A pan/tilt head: the mount is that of the image's stamp, and may come after the pose."""
    poses = TopicPoses(node, MultiviewParameters(), ThrottledWarnings(print))
    for second in (1, 2):
        poses.on_odometry(odometry(second * SECOND_NS, float(second)))
    assert poses.at(SECOND_NS, 'eye') is None, 'it may still come'
    why = poses.why_not('eye')
    assert why is not None and why.reason == 'no_extrinsic'
    assert all(word in str(why) for word in ('base_link', 'eye', WORDS, 'base_from_camera'))
    BUFFERS[0].set('base_link', 'eye', SECOND_NS, 0.25)
    BUFFERS[0].set('base_link', 'eye', 2 * SECOND_NS, -0.25)
    for second, mount_x in ((1, 0.25), (2, -0.25)):
        pose = poses.at(second * SECOND_NS, 'eye')
        assert pose is not None and pose[0, 3] == pytest.approx(second + mount_x)
    assert poses.why_not('eye') is None


def test_auto_takes_tf_where_no_odometry_comes_and_warns_nobody(node: Node) -> None:
    poses = open_poses(node, MonoParameters(), ThrottledWarnings(print))
    assert not poses.expects('eye') and poses.missing() == [] and poses.num_received == 0
    assert poses.at(SECOND_NS, 'eye') is None
    for buffer in BUFFERS:
        buffer.set('odom', 'eye', SECOND_NS, 0.5)
    assert poses.expects('eye') and poses.world_frame == 'odom'
    found = poses.at(SECOND_NS, 'eye')
    assert found is not None and found[0, 3] == 0.5
    assert poses.at(2 * SECOND_NS, 'eye') is None, 'it may still come'
    (topic,) = poses.topics()
    assert topic.timeout_s == float('inf'), 'odometry need not come'


def test_a_mount_by_parameter_asks_nobody(node: Node) -> None:
    mount = CameraMount(node, '1 0 0 0 0 0 1')
    assert mount.is_set and not mount.has_tf and BUFFERS == []
    found = mount.at(0, 'base_link', 'eye')
    assert found is not None and np.allclose(found[:3, 3], (1.0, 0.0, 0.0))


def test_the_sample_rig_stands_on_its_base_link() -> None:
    right = camera_from_info(camera_info('right'))
    left_mount, right_mount = mounts(right, frames=('l', 'r'))
    assert (left_mount.header.frame_id, left_mount.child_frame_id) == ('base_link', 'l')
    assert (right_mount.header.frame_id, right_mount.child_frame_id) == ('l', 'r')
    assert right_mount.transform.translation.x == pytest.approx(BASELINE_M)
    base_from_left = motion_of(left_mount.transform.translation, left_mount.transform.rotation)
    ahead = base_from_left @ np.array([0.0, 0.0, 2.0, 1.0])
    assert np.allclose(ahead[:3], (2.0, 0.0, 0.0)), 'z of the camera is x of the robot, REP 103'


def test_the_optical_frame_gets_no_second_parent(
    node: Node, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By default odom was made the parent of the camera, which tore base_link off."""
    pytest.importorskip('tests.kit.built_interfaces')
    from depth_ros.ros.odometry import topics
    from depth_ros.ros.odometry.parameters import OdometryParameters

    made: list[Node] = []

    def sender(node: Node) -> Any:
        made.append(node)
        return SimpleNamespace(is_open=True)

    monkeypatch.setattr(topics, 'TransformSender', sender)
    assert topics.transform_sender(node, OdometryParameters()) is None
    assert 'no TF: base_frame is empty' in ''.join(capfd.readouterr())
    given = replace(OdometryParameters(), base_frame='base_link')
    assert topics.transform_sender(node, given) is not None and made == [node]
    assert topics.transform_sender(node, replace(given, publish_tf=False)) is None
