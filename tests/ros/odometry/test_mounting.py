"""Mounts that move: poses wait for TF at their stamp, in order, and not for ever."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, inverse, rigid, rotation_from_vector
from depth_ros.ros.odometry import mounting as module
from depth_ros.ros.odometry.mounting import MountingQueue, WaitingPose
from depth_ros.ros.odometry.parameters import OdometryParameters
from depth_ros.tasks.odometry.body import BodyTracker, Mounting
from depth_ros.tasks.odometry.values import Pose

WORDS = "TF has no 'base_link' from 'eye' (Lookup would require extrapolation into the future)"
PARAMETERS = replace(OdometryParameters(), base_frame='base_link', max_mount_wait_s=0.5)
Make = Callable[..., 'Stage']


@dataclass
class Head:
    """Stands for TF of a pan/tilt head: the mount by stamp."""

    known: dict[int, np.ndarray] = field(default_factory=dict)
    has_tf: bool = True
    problem: str = WORDS
    is_set: bool = False

    def at(self, stamp: int, base_frame: str, camera_frame: str) -> np.ndarray | None:
        assert (base_frame, camera_frame) == ('base_link', 'eye')
        return self.known.get(stamp)


@dataclass
class Stage:
    queue: MountingQueue
    head: Head
    published: list[tuple[WaitingPose, Mounting]]
    warned: list[tuple[str, str]]
    now_s: list[float]

    def stamps(self) -> list[int]:
        return [entry.stamp_ns for entry, _ in self.published]

    def bases(self) -> list[np.ndarray]:
        body = BodyTracker(max_gap_s=10.0)
        return [
            body.moved(entry.pose, entry.stamp_ns, mounting).odom_from_base
            for entry, mounting in self.published
        ]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    context = Context()
    rclpy.init(context=context)
    node = Node('mounting', context=context)

    def make(parameters: OdometryParameters = PARAMETERS) -> Stage:
        head, published, warned, now_s = Head(), [], [], [0.0]
        monkeypatch.setattr(module, 'CameraMount', lambda node, text: head)
        queue = MountingQueue(
            node,
            parameters,
            lambda reason, text: warned.append((reason, text)),  # type: ignore[arg-type]
            lambda entry, mounting: published.append((entry, mounting)),
            clock=lambda: now_s[0],
        )
        return Stage(queue, head, published, warned, now_s)

    yield make
    node.destroy_node()
    rclpy.shutdown(context=context)


def mount(pan_rad: float) -> np.ndarray:
    """A camera 0.3 m ahead of the axis of a head, 0.5 m up, that looks where it is panned."""
    turn = rigid(rotation_from_vector(np.array([0.0, 0.0, pan_rad])), np.array([0.1, 0.0, 0.5]))
    return turn @ rigid(BODY_FROM_OPTICAL[:3, :3], np.array([0.3, 0.0, 0.0]))


def pose(world_from_camera: np.ndarray) -> Pose:
    zeros = np.zeros((6, 6))
    return Pose(world_from_camera=world_from_camera, covariance=zeros, local_covariance=zeros)


def put(stage: Stage, stamp: int, world_from_camera: np.ndarray) -> None:
    stage.queue.put(pose(world_from_camera), stamp_ns=stamp, frame_id='eye')


def seen(pan_rad: float, base: Any = None, *, first: float = 0.0) -> np.ndarray:
    """Return world from camera; the world is the camera at pan ``first``, base at the origin."""
    odom_from_base = np.eye(4) if base is None else base
    return inverse(mount(first)) @ odom_from_base @ mount(pan_rad)


def test_a_head_that_pans_does_not_move_the_base(make: Make) -> None:
    """Looked up once, as before, the base would seem to turn by 1 rad."""
    stage = make()
    pans = {10 * k: 0.2 * k for k in range(6)}
    stage.head.known = {stamp: mount(pan) for stamp, pan in pans.items()}
    stage.queue.start_again(0)
    ahead = {stamp: rigid(np.eye(3), np.array([0.01 * stamp, 0.0, 0.0])) for stamp in pans}
    for stamp, pan in pans.items():
        put(stage, stamp, seen(pan, ahead[stamp]))
    for found, expected in zip(stage.bases(), ahead.values(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)
    fixed = mount(0.0) @ seen(1.0) @ inverse(mount(0.0))
    assert np.abs(fixed - np.eye(4)).max() > 0.5, 'which a mount looked up once makes of it'


def test_poses_wait_for_their_mount_and_keep_their_order(make: Make) -> None:
    stage = make()
    stage.head.known = {0: mount(0.0)}
    stage.queue.start_again(0)
    put(stage, 10, seen(0.0))
    put(stage, 20, seen(0.1))
    stage.head.known[20] = mount(0.1)
    stage.queue.poll()
    assert stage.stamps() == [] and stage.queue.num_waiting == 2
    stage.head.known[10] = mount(0.0)
    stage.queue.poll()
    assert stage.stamps() == [10, 20] and stage.warned == []


def test_a_mount_that_does_not_come_drops_the_pose_with_tf2s_words(make: Make) -> None:
    stage = make()
    stage.head.known = {0: mount(0.0), 20: mount(0.0)}
    stage.queue.start_again(0)
    put(stage, 10, seen(0.0))
    stage.now_s[0] = 0.4
    put(stage, 20, seen(0.0))
    assert stage.stamps() == []
    stage.now_s[0] = 0.6
    stage.queue.poll()
    assert stage.stamps() == [20], 'one that is missing holds up the next for the time-out only'
    ((reason, text),) = stage.warned
    assert reason == 'no_extrinsic' and WORDS in text and 'within 0.5 s' in text
    assert 'max_mount_wait_s' in text and stage.queue.num_dropped == 1


def test_without_the_mount_of_the_first_keyframe_the_first_pose_is_the_origin(make: Make) -> None:
    """The node began before TF's memory."""
    stage = make()
    stage.head.known = {10: mount(0.3), 20: mount(0.5)}
    stage.queue.start_again(5)
    put(stage, 10, seen(0.3))
    put(stage, 20, seen(0.5))
    assert stage.stamps() == []
    stage.now_s[0] = 0.6
    stage.queue.poll()
    assert stage.stamps() == [10, 20]
    for found in stage.bases():
        np.testing.assert_allclose(found, np.eye(4), atol=1e-9)


def test_a_new_origin_forgets_what_waits(make: Make) -> None:
    stage = make()
    put(stage, 10, seen(0.0))
    stage.queue.start_again(20)
    stage.head.known = {10: mount(0.0), 20: mount(math.pi / 2), 30: mount(math.pi / 2)}
    put(stage, 30, seen(math.pi / 2, first=math.pi / 2))
    assert stage.stamps() == [30] and stage.queue.num_dropped == 1
    np.testing.assert_allclose(stage.bases()[0], np.eye(4), atol=1e-9)


def test_without_a_base_nothing_waits(make: Make) -> None:
    stage = make(replace(PARAMETERS, base_frame=''))
    put(stage, 10, np.eye(4))
    np.testing.assert_allclose(stage.bases()[0], np.eye(4) @ BODY_FROM_OPTICAL, atol=1e-12)


def test_a_queue_that_grows_is_cut(make: Make) -> None:
    stage = make()
    for stamp in range(1, module.MAX_WAITING + 5):
        put(stage, stamp, np.eye(4))
    assert stage.queue.num_waiting == module.MAX_WAITING and stage.queue.num_dropped == 4
