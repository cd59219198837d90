"""Where the camera is on the robot: by hand, by TF at the image's stamp, and how long to wait."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from rclpy.node import Node

from depth_ros.geometry.cloud_settings import NavigationSettings
from depth_ros.ros.node.placing import Placing
from depth_ros.ros.node.rate_limit import RateLimit
from tests.ros.node.test_transforms import BUFFERS, SECOND_NS, WORDS, node

__all__ = ['node']
SETTINGS = NavigationSettings(tf_timeout_s=2.0)
BY_HAND = replace(SETTINGS, base_from_camera='0.1 0 0.4 -0.5 0.5 -0.5 0.5')


def opened(node: Node, settings: NavigationSettings = SETTINGS) -> Placing:
    placing = Placing(node)
    placing.listen(settings)
    return placing


def test_a_place_typed_by_hand_needs_no_tf(node: Node) -> None:
    placing = opened(node, BY_HAND)
    assert BUFFERS == [], 'TF is not listened to'
    mount = placing.camera_at(5 * SECOND_NS, 'eye', BY_HAND)
    assert mount is not None and placing.problem == ''
    np.testing.assert_allclose(mount[:3, 3], [0.1, 0.0, 0.4])
    np.testing.assert_allclose(mount[:3, 2], [1, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(placing.scan_at(5 * SECOND_NS, BY_HAND), np.eye(4))


def test_a_mount_is_looked_up_at_the_stamp(node: Node) -> None:
    placing = opened(node)
    for stamp, x in ((1, 0.1), (2, 0.2)):
        BUFFERS[0].set('base_link', 'eye', stamp * SECOND_NS, x)
    for stamp, x in ((1, 0.1), (2, 0.2)):
        placed = placing.camera_at(stamp * SECOND_NS, 'eye', SETTINGS)
        assert placed is not None and placed[0, 3] == x


def test_the_scans_frame_comes_from_tf_too(node: Node) -> None:
    settings = replace(BY_HAND, scan_frame='mast')
    placing = opened(node, settings)
    BUFFERS[0].set('mast', 'base_link', SECOND_NS, -0.3)
    scan = placing.scan_at(SECOND_NS, settings)
    assert scan is not None and scan[0, 3] == -0.3 and placing.problem == ''


def test_a_scans_frame_that_nobody_tells_takes_nothing_from_the_clouds(node: Node) -> None:
    settings = replace(BY_HAND, scan_frame='mast', tf_timeout_s=0.05)
    placing = opened(node, settings)
    assert placing.camera_at(SECOND_NS, 'eye', settings) is not None
    assert placing.scan_at(SECOND_NS, settings) is None
    for words in ("navigation.scan_frame is 'mast'", "'base_link'", 'scan is left out', WORDS):
        assert words in placing.problem
    assert 'navigation.base_from_camera' not in placing.problem, 'it is set, and is no remedy'
    assert placing.camera_at(SECOND_NS, 'eye', settings) is not None and placing.problem == ''


def test_a_stamp_that_comes_late_is_waited_for(node: Node) -> None:
    placing = opened(node)
    BUFFERS[0].set('base_link', 'eye', SECOND_NS, 0.1)

    def come() -> None:
        time.sleep(0.2)
        BUFFERS[0].set('base_link', 'eye', 2 * SECOND_NS, 0.2)

    thread = threading.Thread(target=come)
    thread.start()
    placed = placing.camera_at(2 * SECOND_NS, 'eye', SETTINGS)
    thread.join()
    assert placed is not None and placed[0, 3] == 0.2


def test_frames_that_nobody_connects_are_not_waited_for(node: Node) -> None:
    placing = opened(node)
    asked = []
    lookup = BUFFERS[0].lookup_transform
    BUFFERS[0].lookup_transform = lambda *words, **rest: (asked.append(1), lookup(*words, **rest))[
        1
    ]
    assert placing.camera_at(SECOND_NS, 'eye', SETTINGS) is None
    assert len(asked) == 2, 'at the stamp, and at any'
    for words in ("'eye'", "'base_link'", '/tf_static', WORDS, 'navigation.base_from_camera'):
        assert words in placing.problem


def test_a_stamp_that_never_comes_ends_the_wait(node: Node) -> None:
    settings = replace(SETTINGS, tf_timeout_s=0.05)
    placing = opened(node, settings)
    BUFFERS[0].set('base_link', 'eye', SECOND_NS, 0.1)
    assert placing.camera_at(9 * SECOND_NS, 'eye', settings) is None
    assert WORDS in placing.problem


@pytest.mark.parametrize(('camera_hz', 'wanted_hz'), [(30, 10), (30, 7), (10, 10), (10, 30)])
def test_rates_are_right_on_average(camera_hz: int, wanted_hz: int) -> None:
    limit, sent = RateLimit(), 0
    for index in range(10 * camera_hz):
        stamp = SECOND_NS + index * SECOND_NS // camera_hz
        if limit.is_due(stamp, wanted_hz):
            limit.take(stamp, wanted_hz)
            sent += 1
    assert sent / 10 == pytest.approx(min(camera_hz, wanted_hz), abs=0.11)


def test_a_clock_that_goes_back_begins_anew_and_a_gap_makes_no_burst() -> None:
    limit = RateLimit()
    for stamp in (100, 101):
        assert limit.is_due(stamp * SECOND_NS, 1.0)
        limit.take(stamp * SECOND_NS, 1.0)
    assert limit.is_due(5 * SECOND_NS, 1.0), 'a bag that starts again'
    limit.take(5 * SECOND_NS, 1.0)
    limit.take(60 * SECOND_NS, 1.0)
    assert not limit.is_due(60 * SECOND_NS + SECOND_NS // 2, 1.0)
    assert limit.is_due(60 * SECOND_NS + 1, 0.0), 'no limit'
