"""One contract for every pairing there is: ours, and message_filters where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from sensor_msgs.msg import Image

from depth_ros.messages.headers import stamp_ns
from depth_ros.streams.synchronize import Side, StereoSynchronizer

MS = 1_000_000
pytestmark = pytest.mark.ros
OnPair = Callable[[Image, Image], None]


class OwnFilter:
    """``StereoSynchronizer`` as the nodes use it."""

    def __init__(self, on_pair: OnPair, *, max_difference_s: float, queue_size: int) -> None:
        self._on_pair = on_pair
        self._pairs: Any = StereoSynchronizer(round(max_difference_s * 1e9), queue_size)

    def add(self, side: Side, message: Image) -> None:
        for pair in self._pairs.add(side, stamp_ns(message.header.stamp), message):
            self._on_pair(pair.left, pair.right)


class DistroFilter:
    """``message_filters.ApproximateTimeSynchronizer``."""

    def __init__(self, on_pair: OnPair, *, max_difference_s: float, queue_size: int) -> None:
        message_filters = pytest.importorskip('message_filters')
        self._filters = {side: message_filters.SimpleFilter() for side in Side}
        self._synchronizer = message_filters.ApproximateTimeSynchronizer(
            list(self._filters.values()), queue_size, max_difference_s
        )
        self._synchronizer.registerCallback(on_pair)

    def add(self, side: Side, message: Image) -> None:
        self._filters[side].signalMessage(message)


def image(stamp_ms: int) -> Image:
    message = Image()
    stamp = message.header.stamp
    stamp.sec, stamp.nanosec = divmod(stamp_ms * MS, 1_000_000_000)
    return message


def milliseconds(message: Any) -> int:
    return message.header.stamp.sec * 1000 + message.header.stamp.nanosec // MS


@pytest.fixture(params=[OwnFilter, DistroFilter])
def make(request: pytest.FixtureRequest) -> Any:
    def build(**arguments: Any) -> tuple[Any, list[tuple[int, int]]]:
        pairs: list[tuple[int, int]] = []
        pair_filter = request.param(
            lambda left, right: pairs.append((milliseconds(left), milliseconds(right))),
            **{'max_difference_s': 0.01, 'queue_size': 10, **arguments},
        )
        return pair_filter, pairs

    return build


def test_equal_stamps_pair_in_either_order(make: Any) -> None:
    pair_filter, pairs = make()
    pair_filter.add(Side.LEFT, image(1033))
    pair_filter.add(Side.RIGHT, image(1033))
    pair_filter.add(Side.RIGHT, image(1066))
    pair_filter.add(Side.LEFT, image(1066))
    assert pairs == [(1033, 1033), (1066, 1066)]


def test_left_comes_first_in_the_callback_and_offsets_within_tolerance_pair(make: Any) -> None:
    pair_filter, pairs = make()
    for stamp in range(1000, 1300, 33):
        pair_filter.add(Side.RIGHT, image(stamp + 4))
        pair_filter.add(Side.LEFT, image(stamp))
    assert pairs == [(stamp, stamp + 4) for stamp in range(1000, 1300, 33)]


def test_stamps_too_far_apart_never_pair(make: Any) -> None:
    pair_filter, pairs = make()
    for stamp in range(1000, 1300, 33):
        pair_filter.add(Side.LEFT, image(stamp))
        pair_filter.add(Side.RIGHT, image(stamp + 15))
    assert pairs == []


def test_a_lost_image_does_not_shift_the_pairs(make: Any) -> None:
    pair_filter, pairs = make()
    for index, stamp in enumerate(range(1000, 1300, 33)):
        pair_filter.add(Side.LEFT, image(stamp))
        if index != 3:
            pair_filter.add(Side.RIGHT, image(stamp))
    assert pairs == [(s, s) for i, s in enumerate(range(1000, 1300, 33)) if i != 3]
