"""A robot that asks a matcher node, and images with known matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import Image

from depth_ros.ros.matcher.client import (
    MatchClient,
    MatchOptions,
    MatchReply,
    SideToMatch,
    reply_of,
)
from depth_ros.ros.matcher.messages import MatchStatus
from depth_ros_interfaces.msg import Matches
from tests.kit.live_node import NodeProcess, Robot, camera_info, image, robot, running, set_stamp

OUTPUTS: dict[str, type] = {'matches': Matches, 'matches/image': Image}
SHIFT = (12, 5)
HEIGHT, WIDTH = 120, 160


@dataclass
class Stage:
    """A matcher node and who asks it."""

    node: NodeProcess
    robot: Robot
    client: MatchClient

    def ask(
        self, first: SideToMatch, second: SideToMatch, options: MatchOptions | None = None
    ) -> MatchReply:
        return self.send(self.client.request(first, second, options))

    def send(self, request: Any, *, client: MatchClient | None = None) -> MatchReply:
        future = (client or self.client).ask_async(request)
        assert self.robot.spin_until(future.done), 'the service does not answer'
        return reply_of(future.result())

    def request(self, **fields: Any) -> Any:
        """Two good images, with fields of the message set otherwise."""
        request = self.client.request(*shifted())
        for name, value in fields.items():
            setattr(request, name, value)
        return request

    def send_frame(self, values: np.ndarray, stamp_ns: int | None = None) -> int:
        stamp = self.robot.next_stamp() if stamp_ns is None else stamp_ns
        message = image(values, 'rgb8', 'eye')
        set_stamp(message, stamp)
        self.robot.send('image_raw', message)
        return stamp


@contextmanager
def staged(
    folder: Path,
    *arguments: str,
    module: str = 'matcher_node',
    outputs: Sequence[str] = (),
    ready: str = 'ready for requests',
) -> Iterator[Stage]:
    """Run a node with these parameters, and a robot beside it."""
    options = [part for argument in arguments for part in ('-p', argument)]
    options += ['-p', 'diagnostics_period_s:=0.1', '-p', 'num_threads:=1']
    topics = {name: OUTPUTS[name] for name in outputs}
    with (
        running(folder, *options, module=module, is_subscribing=False) as node,
        robot(node='matcher_node', cameras=('',), outputs=topics) as driver,
    ):
        if ready:
            node.wait_for(ready)
        client = MatchClient(driver.node)
        assert client.wait(20.0), node.log()
        yield Stage(node, driver, client)


def scene(height: int = HEIGHT, width: int = WIDTH, *, seed: int = 5) -> np.ndarray:
    """``(H, W, 3)`` smooth noise, full of corners."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8))


def windows(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Two views of one scene: x, y of the first is x - 12, y - 5 of the second."""
    whole = scene(HEIGHT + SHIFT[1], WIDTH + SHIFT[0], seed=seed)
    first = np.ascontiguousarray(whole[:HEIGHT, :WIDTH])
    return first, np.ascontiguousarray(whole[SHIFT[1] :, SHIFT[0] :])


def shifted(seed: int = 5) -> tuple[SideToMatch, SideToMatch]:
    first, second = windows(seed)
    return SideToMatch(image=first), SideToMatch(image=second)


def assert_shifted(reply: MatchReply, *, at_least: int = 30) -> None:
    """Matches are right to a pixel, nearly all, and flagged so."""
    assert (reply.status, reply.text) == (MatchStatus.OK, '')
    moved = reply.result.points_second - reply.result.points_first
    is_right = np.abs(moved + SHIFT).max(axis=1) < 1.0
    assert is_right.sum() >= at_least
    assert is_right.mean() > 0.8
    assert reply.inliers[is_right].mean() > 0.9
    assert not reply.inliers[~is_right].any() or reply.inliers[~is_right].mean() < 0.2
    assert (np.diff(reply.result.confidence) <= 0).all()
    assert ((reply.result.confidence >= 0) & (reply.result.confidence <= 1)).all()


def eye_info(**changes: Any) -> Any:
    message = camera_info('left', **changes)
    message.header.frame_id = 'eye'
    return message
